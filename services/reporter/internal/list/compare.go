package list

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Change is how something of one image stands in another.
type Change string

// The changes. Findings are added, fixed or unchanged, packages added, removed, changed or unchanged.
const (
	ChangeAdded     Change = "added"
	ChangeFixed     Change = "fixed"   // a finding that the other image has not
	ChangeRemoved   Change = "removed" // a package that the other image has not
	ChangeChanged   Change = "changed" // a package in other versions
	ChangeUnchanged Change = "unchanged"
	// ChangeUntold is of what one image shows and the other does not, which may have it all the same: it was not read whole, or
	// there are no advisories to compare with.
	ChangeUntold Change = "not told"
)

// FindingChanges and PackageChanges are the changes of each, in the order of lists.
var (
	FindingChanges = []Change{ChangeAdded, ChangeFixed, ChangeUntold, ChangeUnchanged}
	PackageChanges = []Change{ChangeAdded, ChangeRemoved, ChangeChanged, ChangeUntold, ChangeUnchanged}
)

// Compared is one side of a comparison.
type Compared struct {
	Reference string                `json:"reference"`
	Digest    plimsoll.Digest       `json:"digest"`
	Platform  string                `json:"platform"`
	Verdict   plimsoll.VerdictState `json:"verdict"`
	Coverage  plimsoll.Coverage     `json:"coverage"`

	Row *posture.Row `json:"-"`
}

// Comparison is what another image has against one: what it adds, what it fixes, and what stays. A finding is one flaw in one
// package, whatever its places. Both are judged by the same advisories.
type Comparison struct {
	Image      Compared `json:"image"`
	With       Compared `json:"with"`
	Generation string   `json:"generation"`
	// Gaps say why not all can be compared, each with the image's name; empty when both were read whole.
	Gaps     []string                             `json:"gaps"`
	Findings map[Change]map[plimsoll.Severity]int `json:"findings"` // all of FindingChanges and severities
	Packages map[Change]int                       `json:"packages"` // all of PackageChanges

	findings []ComparedFinding
	packages []ComparedPackage
}

// ComparedFinding is one flaw in one package, in both images. Versions are those that have it.
type ComparedFinding struct {
	Change       Change            `json:"change"`
	ID           string            `json:"id"`
	Package      string            `json:"package"`
	Severity     plimsoll.Severity `json:"severity"` // the worst of its places
	Score        float64           `json:"score"`
	Exploited    bool              `json:"exploited"`
	Class        plimsoll.Class    `json:"class"`
	Ecosystems   []string          `json:"ecosystems"`
	Fixed        []string          `json:"fixed"` // versions that fix it
	Versions     []string          `json:"versions"`
	WithVersions []string          `json:"with_versions"`
	Places       int               `json:"places"` // in the image
	WithPlaces   int               `json:"with_places"`
}

// ComparedPackage is one package by name and ecosystem without release, in both images.
type ComparedPackage struct {
	Change       Change   `json:"change"`
	Name         string   `json:"name"`
	Ecosystems   []string `json:"ecosystems"`
	Versions     []string `json:"versions"`
	WithVersions []string `json:"with_versions"`
}

// Compare answers a question. An image that is not stored, and one that has no such platform, is an error that wraps
// [plimsoll.ErrNotFound] and says which; a question that names only one image wraps [plimsoll.ErrInvalid].
func Compare(v *posture.View, q Question) (*Comparison, error) {
	if q.Image == "" || q.With == "" {
		return nil, fmt.Errorf("compare: %w: image and with say which two", plimsoll.ErrInvalid)
	}
	this := PickPlatform(Named(v, q.Image), q.Platform)
	if this == nil {
		return nil, fmt.Errorf("image %.300q %s: %w: no stored image is called so", q.Image, q.Platform, plimsoll.ErrNotFound)
	}
	other, err := q.other(v, this)
	if err != nil {
		return nil, err
	}
	c := &Comparison{
		Image: comparedOf(this), With: comparedOf(other), Generation: v.Generation().ID, Gaps: []string{},
		Findings: map[Change]map[plimsoll.Severity]int{}, Packages: map[Change]int{},
	}
	a, b := lookAt(v, this), lookAt(v, other)
	for _, l := range []*looked{a, b} {
		for _, why := range l.gaps {
			c.Gaps = append(c.Gaps, Name(l.row)+": "+why)
		}
	}
	c.compareFindings(a, b)
	c.comparePackages(a, b)
	return c, nil
}

func comparedOf(r *posture.Row) Compared {
	return Compared{Reference: Name(r), Digest: r.Digest, Platform: r.Platform.String(), Verdict: r.Verdict.State, Coverage: r.Coverage, Row: r}
}

// looked is what a comparison asks of one image.
type looked struct {
	row      *posture.Row
	whole    bool     // all packages that it holds are known
	gaps     []string // why it may have findings that it does not show; empty when it has not
	findings map[pair]*sighting
	packages map[pkgKey]*sighting
}

// sighting is a finding or a package as one image has it.
type sighting struct {
	versions, ecosystems []string
	places               int
	worst                *plimsoll.Finding // nil of a package
}

func (s *sighting) add(version, ecosystem string) {
	s.places++
	if !slices.Contains(s.versions, version) {
		s.versions = append(s.versions, version)
	}
	if ecosystem != "" && !slices.Contains(s.ecosystems, ecosystem) {
		s.ecosystems = append(s.ecosystems, ecosystem)
	}
}

// pkgKey is a package whatever its version and its distribution's release.
type pkgKey struct{ family, name string }

func lookAt(v *posture.View, r *posture.Row) *looked {
	l := &looked{row: r, findings: map[pair]*sighting{}, packages: map[pkgKey]*sighting{}}
	why := l.unread()
	if l.whole = why == ""; !l.whole {
		l.gaps = append(l.gaps, why)
	}
	l.gaps = append(l.gaps, l.undecided()...)
	for x := range v.Each(r) {
		k := pair{x.ID, x.Package}
		s := l.findings[k]
		if s == nil {
			s = &sighting{worst: x}
			l.findings[k] = s
		}
		s.add(x.Version, x.Ecosystem)
		if x.Severity.Rank() < s.worst.Severity.Rank() {
			s.worst = x
		}
	}
	for p := range v.PackagesOf(r) {
		family, _, _ := strings.Cut(p.Ecosystem, ":")
		k := pkgKey{family, p.Name}
		if l.packages[k] == nil {
			l.packages[k] = &sighting{}
		}
		l.packages[k].add(p.Version, p.Ecosystem)
	}
	for _, s := range l.findings {
		slices.Sort(s.versions)
	}
	for _, s := range l.packages {
		slices.Sort(s.versions)
	}
	return l
}

// unread says why packages may be in the image that it does not show; empty when it was read whole. What is stale was read
// whole once, and its bytes are the same.
func (l *looked) unread() string {
	r := l.row
	_, _, _, held := r.Reading()
	c, ok := r.Analyzed(plimsoll.AnalyzerPackages)
	switch {
	case r.Coverage.State == plimsoll.ReadNotApplicable:
		return "it is no image: " + r.Coverage.Reason
	case !held:
		return strings.TrimSuffix("nothing of it was read: "+cmp.Or(r.Coverage.Reason, string(r.Coverage.State)), ": ")
	case r.Behind != "":
		return "its tag names " + r.Behind.Short() + " now, which is not read; compared is the last good image"
	case !ok:
		return "its packages were not analysed"
	case c.Short() && c.State != plimsoll.ReadStale:
		return "its packages were not read whole: " + cmp.Or(c.Reason, string(c.State))
	}
	return ""
}

// undecided are the reasons why findings may be in the image that nothing shows: it holds what there are no advisories for.
func (l *looked) undecided() (out []string) {
	for _, eco := range slices.Sorted(maps.Keys(l.row.Known)) {
		if k := l.row.Known[eco]; k.State == plimsoll.KnownNone {
			out = append(out, cmp.Or(k.Reason, "no advisory data for "+eco))
		}
	}
	return out
}

// lacks reports whether the image, which does not show a finding of these ecosystems, has it not: it was read whole, and there
// are advisories for all that it holds, or at least for the finding's own ecosystems in it.
func (l *looked) lacks(ecosystems []string) bool {
	if len(l.gaps) == 0 {
		return true
	}
	return l.whole && len(ecosystems) > 0 && !slices.ContainsFunc(ecosystems, func(eco string) bool {
		k, ok := l.row.Known[eco]
		return !ok || k.State == plimsoll.KnownNone
	})
}

func (c *Comparison) compareFindings(a, b *looked) {
	for _, change := range FindingChanges {
		c.Findings[change] = map[plimsoll.Severity]int{}
		for _, s := range plimsoll.Severities {
			c.Findings[change][s] = 0
		}
	}
	keys := maps.Clone(a.findings)
	maps.Copy(keys, b.findings)
	for k := range keys {
		x := comparedFinding(k, a.findings[k], b.findings[k])
		switch here, there := a.findings[k], b.findings[k]; {
		case here != nil && there != nil:
			x.Change = ChangeUnchanged
		case here != nil && b.lacks(here.ecosystems):
			x.Change = ChangeFixed
		case there != nil && a.lacks(there.ecosystems):
			x.Change = ChangeAdded
		default:
			x.Change = ChangeUntold
		}
		c.Findings[x.Change][x.Severity]++
		c.findings = append(c.findings, x)
	}
}

// comparedFinding puts what two images show of one finding together; either may be nil.
func comparedFinding(k pair, here, there *sighting) ComparedFinding {
	x := ComparedFinding{ID: k.id, Package: k.pkg, Ecosystems: []string{}, Fixed: []string{}, Versions: []string{}, WithVersions: []string{}}
	worst := func(f *plimsoll.Finding) {
		if x.Severity == "" || f.Severity.Rank() < x.Severity.Rank() {
			x.Severity, x.Score, x.Class = f.Severity, f.Score, f.Class
		}
		x.Exploited = x.Exploited || f.Exploited()
		if f.Fixed != "" && !slices.Contains(x.Fixed, f.Fixed) {
			x.Fixed = append(x.Fixed, f.Fixed)
		}
	}
	if here != nil {
		worst(here.worst)
		x.Versions, x.Places = here.versions, here.places
		x.Ecosystems = append(x.Ecosystems, here.ecosystems...)
	}
	if there != nil {
		worst(there.worst)
		x.WithVersions, x.WithPlaces = there.versions, there.places
		x.Ecosystems = append(x.Ecosystems, there.ecosystems...)
	}
	x.Ecosystems, x.Fixed = sortedOnce(x.Ecosystems), sortedOnce(x.Fixed)
	return x
}

func sortedOnce(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *Comparison) comparePackages(a, b *looked) {
	for _, change := range PackageChanges {
		c.Packages[change] = 0
	}
	keys := maps.Clone(a.packages)
	maps.Copy(keys, b.packages)
	for k := range keys {
		x := ComparedPackage{Name: k.name, Ecosystems: []string{}, Versions: []string{}, WithVersions: []string{}}
		if s := a.packages[k]; s != nil {
			x.Versions, x.Ecosystems = s.versions, append(x.Ecosystems, s.ecosystems...)
		}
		if s := b.packages[k]; s != nil {
			x.WithVersions, x.Ecosystems = s.versions, append(x.Ecosystems, s.ecosystems...)
		}
		x.Ecosystems = sortedOnce(x.Ecosystems)
		x.Change = versionsChange(x.Versions, x.WithVersions, a.whole, b.whole)
		c.Packages[x.Change]++
		c.packages = append(c.packages, x)
	}
}

// versionsChange is how a package changed from some versions to others. Only an image that was read whole tells by not showing
// a version that it has it not.
func versionsChange(versions, with []string, whole, withWhole bool) Change {
	gone := withWhole && slices.ContainsFunc(versions, func(v string) bool { return !slices.Contains(with, v) })
	came := whole && slices.ContainsFunc(with, func(v string) bool { return !slices.Contains(versions, v) })
	switch {
	case slices.Equal(versions, with):
		return ChangeUnchanged
	case !gone && !came:
		return ChangeUntold
	case len(versions) == 0:
		return ChangeAdded
	case len(with) == 0:
		return ChangeRemoved
	}
	return ChangeChanged
}
