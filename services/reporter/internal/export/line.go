package export

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Kind says what a line is about.
type Kind string

// The kinds of line. Image, read and known are coverage.
const (
	KindImage   Kind = "image"   // one platform of a tag: its verdict, and how far it was read as a whole
	KindRead    Kind = "read"    // how far one analyser read it
	KindKnown   Kind = "known"   // how much is known about one ecosystem found in it
	KindFinding Kind = "finding" // one finding at one place in it
)

// Line is one row of a day's file. The columns are the fields of its JSON; docs/exports.md says what each means.
type Line struct {
	Day        time.Time       `json:"day" columns:"date"`
	Kind       Kind            `json:"kind"`
	Registry   string          `json:"registry"`
	Repository string          `json:"repository"`
	Tag        string          `json:"tag"`
	Platform   string          `json:"platform"`
	Digest     plimsoll.Digest `json:"digest"` // of the platform's manifest
	Owner      string          `json:"owner,omitempty"`
	Active     bool            `json:"active"`

	Verdict plimsoll.VerdictState `json:"verdict,omitempty"` // of an image; null where it is not applicable

	// Of an image, of one analyser's reading, and of what is known.
	Analyser string `json:"analyser,omitempty"`
	State    string `json:"state,omitempty"`
	Reason   string `json:"reason,omitempty"`

	Ecosystem string `json:"ecosystem,omitempty"` // of what is known, and of a finding

	ID            string            `json:"id,omitempty"`
	Aliases       []string          `json:"aliases"`
	Class         string            `json:"class,omitempty"`
	Severity      plimsoll.Severity `json:"severity,omitempty"`
	Score         float64           `json:"score,omitempty"`
	Package       string            `json:"package,omitempty"`
	Version       string            `json:"version,omitempty"`
	PURL          string            `json:"purl,omitempty"`
	Fixed         string            `json:"fixed,omitempty"`
	Layer         *int              `json:"layer,omitempty"`
	Path          string            `json:"path,omitempty"`
	Base          string            `json:"base,omitempty"` // that brought it
	BaseDigest    plimsoll.Digest   `json:"base_digest,omitempty"`
	FirstDetected time.Time         `json:"first_detected,omitzero"`
	Exploited     *bool             `json:"exploited,omitempty"`
	KEVAdded      time.Time         `json:"kev_added,omitzero" columns:"date"`
	SSVC          string            `json:"ssvc_exploitation,omitempty"`
	EPSS          *float64          `json:"epss,omitempty"`
	Deadline      time.Time         `json:"deadline,omitzero"`
	Overdue       *bool             `json:"overdue,omitempty"`
	DaysOver      *int              `json:"days_over,omitempty"`
}

// classVulnerability is what the empty class is called here: a column is asked for its words.
const classVulnerability = "vulnerability"

// sorted are the columns that lines come sorted by.
var sorted = []string{"registry", "repository", "tag", "platform", "digest"}

// Lines are those of every stored image of a view, as of now: sorted by registry, repository, tag, platform and digest, then
// image, read, known, finding. They are made one by one.
func Lines(v *posture.View, now time.Time) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		all := list.Images(v, list.Filter{}.With("scope", list.ScopeStored).With("sort", "name"))
		for r := range all.All() {
			for line := range linesOf(v, r, now) {
				if !yield(line) {
					return
				}
			}
		}
	}
}

func linesOf(v *posture.View, r *posture.Row, now time.Time) iter.Seq[Line] {
	of := Line{
		Day: now.UTC(), Registry: r.Reference.Registry, Repository: r.Reference.Repository, Tag: r.Reference.Tag, Platform: r.Platform.String(),
		Digest: r.Digest, Owner: r.Owner, Active: r.Active,
	}
	return func(yield func(Line) bool) {
		x := of
		x.Kind, x.Verdict, x.State, x.Reason = KindImage, r.Verdict.State, string(r.Coverage.State), r.Coverage.Reason
		if !yield(x) {
			return
		}
		for _, analyser := range slices.Sorted(maps.Keys(r.Read)) {
			x, c := of, r.Read[analyser]
			x.Kind, x.Analyser, x.State, x.Reason = KindRead, analyser, string(c.State), c.Reason
			if !yield(x) {
				return
			}
		}
		for _, ecosystem := range slices.Sorted(maps.Keys(r.Known)) {
			x, k := of, r.Known[ecosystem]
			x.Kind, x.Ecosystem, x.State, x.Reason = KindKnown, ecosystem, string(k.State), k.Reason
			if !yield(x) {
				return
			}
		}
		chain, _ := v.Chain(r)
		for _, f := range v.Findings(r) {
			if !yield(of.with(v.Place(r, f, now), chain, v.Exploitation())) {
				return
			}
		}
	}
}

// with is the line of one finding of the image that x names. told: that nobody says it is exploited says something.
func (x Line) with(p posture.Place, chain []posture.Link, told bool) Line {
	f := p.Finding
	x.Kind, x.ID, x.Aliases, x.Class, x.Severity, x.Score = KindFinding, f.ID, f.Aliases, string(f.Class), f.Severity, f.Score
	if f.Class == "" {
		x.Class = classVulnerability
	}
	x.Package, x.Version, x.Ecosystem, x.PURL, x.Fixed = f.Package, f.Version, f.Ecosystem, f.PURL, f.Fixed
	x.Layer, x.Path, x.FirstDetected = new(f.Layer), f.Path, p.First
	if f.Exploited() || told {
		x.Exploited = new(f.Exploited())
	}
	if e := f.Enrichment; e != nil {
		x.KEVAdded, x.SSVC = e.KEV.Added, e.SSVC.Exploitation
	}
	if score, ok := f.EPSS(); ok {
		x.EPSS = &score
	}
	if d := p.Due; d != nil {
		x.Deadline, x.Overdue, x.DaysOver = d.At, new(d.Overdue), new(d.Over)
	}
	for _, l := range chain {
		if l.Base != nil && f.Layer >= l.From && f.Layer < l.To {
			n := l.Base.Name()
			x.Base, x.BaseDigest = list.BaseName(n, ""), n.Reference.Digest
		}
	}
	return x
}
