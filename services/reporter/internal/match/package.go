package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// Matcher matches packages with one generation of advisories. It is immutable and safe for concurrent use.
type Matcher struct {
	index  *advisory.Index
	joined *joined
}

// New compiles what matching needs beyond the index: which records are about one flaw.
func New(x *advisory.Index) *Matcher { return &Matcher{index: x, joined: join(x)} }

// Index is what the matcher was made from.
func (m *Matcher) Index() *advisory.Index { return m.index }

// With is the same matcher under a manifest that says something else about the feeds.
func (m *Matcher) With(g plimsoll.Generation) *Matcher {
	return &Matcher{index: m.index.With(g), joined: m.joined}
}

// Flaw is the name under which an id or alias is known: the CVE where there is exactly one.
func (m *Matcher) Flaw(id string) string { return m.joined.flaw(id) }

// Aliases are the other names of a flaw, sorted.
func (m *Matcher) Aliases(flaw string) []string { return slices.Clone(m.joined.members[flaw]) }

// Flaws are the flaws that a record is about.
func (m *Matcher) Flaws(r plimsoll.Advisory) []string { return m.joined.flaws(&r) }

// Records are the records about a flaw, by id.
func (m *Matcher) Records(flaw string) []plimsoll.Advisory {
	var out []plimsoll.Advisory
	for _, id := range m.joined.records[flaw] {
		if r, ok := m.index.Record(id); ok {
			out = append(out, r)
		}
	}
	return out
}

// Rate is how bad a flaw is by all its records, for one that affects nothing here.
func (m *Matcher) Rate(flaw string) (plimsoll.Severity, float64) {
	r := m.rate(flaw, nil)
	return r.severity, r.score
}

// Result is what is known about one package.
type Result struct {
	// Findings are sorted by id. Layer and Path are the image's and not set.
	Findings []plimsoll.Finding
	// Undecided is why a record could not be decided; empty when all could. It must reach the verdict.
	Undecided string
}

// hit is one record that matched.
type hit struct {
	record   *plimsoll.Advisory
	affected *plimsoll.Affected
	fixed    string
}

// Package matches one package.
func (m *Matcher) Package(p plimsoll.Package) Result {
	o, ok := OrderOf(p.Ecosystem)
	if _, released := m.index.Covers(p.Ecosystem); !ok || !released {
		return Result{} // Known says so
	}
	name, version := Asked(p)
	var out Result
	flaws := map[string][]hit{}
	for _, e := range m.index.Entries(p.Ecosystem, name) {
		record, affected := m.index.Affected(e)
		a, err := evaluate(o, version, affected)
		if err != nil && out.Undecided == "" {
			out.Undecided = fmt.Sprintf("%s %s could not be compared with %s: %v", p.Name, shorten(version), record.ID, err)
		}
		if !a.affected {
			continue
		}
		for _, flaw := range m.joined.flaws(record) {
			flaws[flaw] = append(flaws[flaw], hit{record, affected, a.fixed})
		}
	}
	for flaw, hits := range flaws {
		out.Findings = append(out.Findings, m.finding(p, o, flaw, hits))
	}
	slices.SortFunc(out.Findings, func(a, b plimsoll.Finding) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// sourced are the distributions whose records name source packages and their versions.
var sourced = map[string]bool{
	"Debian": true, "Ubuntu": true, "Alpine": true, "Alpaquita": true, "BellSoft Hardened Containers": true,
	"Wolfi": true, "Chainguard": true, "MinimOS": true,
}

// epochless are the rpm distributions whose records leave the epoch out.
var epochless = map[string]bool{"SUSE": true, "openSUSE": true, "openEuler": true, "Mageia": true}

// Asked is the name and version by which records know a package: its source package where the distribution's records name
// those, its binary package elsewhere.
func Asked(p plimsoll.Package) (name, version string) {
	name, version = p.Name, p.Version
	family, _, _ := strings.Cut(p.Ecosystem, ":")
	if sourced[family] && p.Source != "" {
		name, version = p.Source, cmp.Or(p.SourceVersion, p.Version)
	}
	if epoch, rest, found := strings.Cut(version, ":"); found && epochless[family] && strings.Trim(epoch, "0123456789") == "" {
		version = rest
	}
	return name, version
}

func (m *Matcher) finding(p plimsoll.Package, o Order, flaw string, hits []hit) plimsoll.Finding {
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(strings.Compare(a.record.ID, b.record.ID), strings.Compare(a.affected.Package, b.affected.Package))
	})
	r := m.rate(flaw, hits)
	f := plimsoll.Finding{
		ID: flaw, Aliases: append([]string{}, m.joined.members[flaw]...), PURL: p.PURL,
		Severity: r.severity, Score: r.score, Fixed: fixes(o, hits), Status: "affected",
		Package: p.Name, Version: p.Version, Ecosystem: p.Ecosystem, Source: r.source,
	}
	for _, h := range hits {
		match := plimsoll.Match{ID: h.record.ID, Package: h.affected.Package}
		if !slices.Contains(f.Matched, match) {
			f.Matched = append(f.Matched, match)
		}
	}
	return f
}

// fixes is the lowest version by which none of the records matches any more: each names the lowest that suits it, and the
// highest of those suits all. Records that name none do not count.
func fixes(o Order, hits []hit) (highest string) {
	var at Version
	for _, h := range hits {
		v, err := o.Parse(h.fixed)
		if err != nil {
			continue
		}
		if highest == "" || compareLoosely(v, at) > 0 {
			highest, at = h.fixed, v
		}
	}
	return highest
}

// Known says how much is known about an ecosystem: nothing without data or comparer, stale when its feed was not checked
// for longer than staleAfter.
func (m *Matcher) Known(ecosystem string, now time.Time, staleAfter time.Duration) plimsoll.Knowledge {
	family, release, _ := strings.Cut(ecosystem, ":")
	known, released := m.index.Covers(ecosystem)
	_, comparable := OrderOf(ecosystem)
	switch {
	case !known:
		return plimsoll.Knowledge{State: plimsoll.KnownNone, Reason: "no advisory data for " + family}
	case !released && release == "":
		return plimsoll.Knowledge{State: plimsoll.KnownNone, Reason: "the release of " + family + " is not known"}
	case !released:
		return plimsoll.Knowledge{State: plimsoll.KnownNone, Reason: "no advisory data for " + ecosystem}
	case !comparable:
		return plimsoll.Knowledge{State: plimsoll.KnownNone, Reason: "versions of " + family + " cannot be compared"}
	}
	feed, ok := m.index.Feed(ecosystem)
	if age := now.Sub(feed.Checked); ok && age > staleAfter {
		return plimsoll.Knowledge{State: plimsoll.KnownStale, Reason: staleReason(feed, age)}
	}
	return plimsoll.Knowledge{State: plimsoll.KnownCurrent}
}

func staleReason(f plimsoll.Feed, age time.Duration) string {
	s := fmt.Sprintf("advisories of %s were last checked %d days ago", f.Ecosystem, int(age.Hours()/24))
	if f.Error != "" {
		s += ": " + f.Error
	}
	return s
}

// shorten keeps a version from outside readable in a reason.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
