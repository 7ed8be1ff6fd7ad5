package lineage

import (
	"cmp"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Counts are numbers of findings.
type Counts struct {
	Critical int `json:"critical"`
	High     int `json:"high"`
	All      int `json:"all"`
}

// CountsOf counts some findings.
func CountsOf(all []plimsoll.Finding) (c Counts) {
	for i := range all {
		switch all[i].Severity {
		case plimsoll.SeverityCritical:
			c.Critical++
		case plimsoll.SeverityHigh:
			c.High++
		}
	}
	c.All = len(all)
	return c
}

func (c Counts) plus(d Counts) Counts {
	return Counts{c.Critical + d.Critical, c.High + d.High, c.All + d.All}
}

func (c Counts) minus(d Counts) Counts {
	return Counts{c.Critical - d.Critical, c.High - d.High, c.All - d.All}
}

func (c Counts) times(n int) Counts { return Counts{c.Critical * n, c.High * n, c.All * n} }

// compareCounts orders what removes more first: critical ones, then all.
func compareCounts(a, b Counts) int {
	return cmp.Or(cmp.Compare(b.Critical, a.Critical), cmp.Compare(b.All, a.All), cmp.Compare(b.High, a.High))
}

// ActionKind is what to do.
type ActionKind string

// The kinds of action, the cheapest first.
const (
	BuildOnNewer ActionKind = "newer"   // build on what the base's tag holds now
	RebuildBase  ActionKind = "rebuild" // build the base anew with its distribution's packages updated, then what stands on it
	Update       ActionKind = "update"  // update one package
)

// Action is one thing to do and what it removes, by trial.
type Action struct {
	Kind ActionKind
	Base int // of BuildOnNewer and RebuildBase: the index of the ground; -1 of Update

	// Of Update: the package by the name that advisories know it by, the version that all places have ("" where they differ), and
	// the lowest version that removes the most. To holds several where they cannot be compared.
	Package   string
	Ecosystem string
	From, To  string
	Path      string // where it stands, when that is one place

	Packages int    // packages that change in what is tried: those of a base that many images share count once
	Removes  Counts // findings before less findings after, where other versions bring others
	Images   int    // rows to build again: all that stand on the base, or whose findings the update changes
	Of       Counts // findings of these before it
}

// compareActions orders actions by what they remove; of equals the cheapest first, then the one whose effect is widest.
func compareActions(a, b Action) int {
	rank := map[ActionKind]int{BuildOnNewer: 0, RebuildBase: 1, Update: 2}
	return cmp.Or(
		compareCounts(a.Removes, b.Removes),
		rank[a.Kind]-rank[b.Kind],
		b.Images-a.Images,
		a.Base-b.Base,
		strings.Compare(a.Package, b.Package),
		strings.Compare(a.Ecosystem, b.Ecosystem))
}

// distributions are the ecosystems whose packages a distribution updates together: what "build the base anew" updates.
var distributions = map[string]bool{
	"AlmaLinux": true, "Alpaquita": true, "Alpine": true, "Azure Linux": true, "BellSoft Hardened Containers": true, "Chainguard": true,
	"Debian": true, "Echo": true, "Mageia": true, "MinimOS": true, "Photon OS": true, "Red Hat": true, "Rocky Linux": true, "SUSE": true, "Ubuntu": true,
	"Wolfi": true, "openEuler": true, "openSUSE": true,
}

// ofDistribution reports whether a package is its distribution's.
func ofDistribution(ecosystem string) bool {
	family, _, _ := strings.Cut(ecosystem, ":")
	return distributions[family]
}
