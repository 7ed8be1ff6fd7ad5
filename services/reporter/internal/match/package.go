package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// Matcher matches packages with one generation of advisories. It is safe for concurrent use; what it says never changes, what
// it has compiled grows with the names it was asked about.
type Matcher struct {
	index    *advisory.Index
	compiled *sync.Map // subject → *about
	covered  *sync.Map // ecosystem with release → coverage
	findings *sync.Map // said → *plimsoll.Finding
	enriched *sync.Map // flaw → *plimsoll.Enrichment
}

// New is a matcher of what an index holds.
func New(x *advisory.Index) *Matcher {
	return &Matcher{index: x, compiled: &sync.Map{}, covered: &sync.Map{}, findings: &sync.Map{}, enriched: &sync.Map{}}
}

// Index is what the matcher was made from.
func (m *Matcher) Index() *advisory.Index { return m.index }

// With is the same matcher under a manifest that says something else about the feeds.
func (m *Matcher) With(g plimsoll.Generation) *Matcher {
	return &Matcher{index: m.index.With(g), compiled: m.compiled, covered: m.covered, findings: m.findings, enriched: m.enriched}
}

// Flaw is the name under which an id or alias is known: the CVE where there is exactly one.
func (m *Matcher) Flaw(id string) string { return m.index.Flaw(id) }

// Aliases are the other names of a flaw, sorted.
func (m *Matcher) Aliases(flaw string) []string { return m.index.Aliases(flaw) }

// Flaws are the flaws that a record is about.
func (m *Matcher) Flaws(r plimsoll.Advisory) []string { return m.index.Flaws(&r) }

// Records are the records about a flaw, by id.
func (m *Matcher) Records(flaw string) []plimsoll.Advisory {
	var out []plimsoll.Advisory
	for _, r := range m.index.About(flaw) {
		out = append(out, *r)
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

// hit is one entry that matched.
type hit struct {
	*entry
	fixed string
}

// Package matches one package. One that another package answers for (NotMatched) has no findings of its own.
func (m *Matcher) Package(p plimsoll.Package) Result {
	var out Result
	if p.NotMatched != "" {
		return out
	}
	var order Order
	var all []flawed
	m.judge(p, false, func(j judged) {
		order = j.order
		if j.err != nil && out.Undecided == "" {
			out.Undecided = fmt.Sprintf("%s %s could not be compared with %s: %v", p.Name, shorten(j.version), j.entry.record.ID, j.err)
		}
		if !j.affected {
			return
		}
		for _, flaw := range j.entry.flaws {
			all = append(all, flawed{flaw, hit{j.entry, j.fixed}})
		}
	})
	slices.SortFunc(all, compareFlawed)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].flaw == all[0].flaw {
			n++
		}
		out.Findings = append(out.Findings, m.finding(p, order, all[:n]))
		all = all[n:]
	}
	return out
}

// flawed is a hit for one of the flaws that its record is about.
type flawed struct {
	flaw string
	hit
}

func compareFlawed(a, b flawed) int {
	return cmp.Or(strings.Compare(a.flaw, b.flaw), strings.Compare(a.record.ID, b.record.ID), strings.Compare(a.affected.Package, b.affected.Package))
}

// judged is what one entry of one record says of a package.
type judged struct {
	question
	order Order
	entry *entry
	answer
}

// judge asks the records about a package, and tells what each of them says; those that cannot hold are left out unless all are
// wanted. [Matcher.Package] and [Matcher.Explain] both tell what it tells. Nothing but the records of the package's own names
// counts, so that a change of others cannot change what is said of it.
func (m *Matcher) judge(p plimsoll.Package, all bool, tell func(judged)) {
	var before map[string]bool // records that answered earlier questions
	asking := questions(p)
	for _, q := range asking {
		e, ok := of(q.ecosystem)
		if !ok {
			continue // Known says so
		}
		about := m.about(q, e)
		if len(about.entries) == 0 {
			continue
		}
		v := ask(Order{e.order}, q.version)
		entries := about.entries
		if !all {
			entries = about.within(v)
		}
		for _, x := range entries {
			if q.otherwise && before[x.record.ID] {
				continue
			}
			a := x.evaluate(v)
			if a.affected && !x.module.fits(p) {
				a = answer{ground: otherModule}
			}
			tell(judged{q, Order{e.order}, x, a})
		}
		if len(asking) > 1 {
			before = recordsOf(about.entries)
		}
	}
}

func recordsOf(entries []*entry) map[string]bool {
	out := make(map[string]bool, len(entries))
	for _, e := range entries {
		out[e.record.ID] = true
	}
	return out
}

// coverage is what the index has for an ecosystem and release.
type coverage struct {
	known    bool     // there are records of its family
	released bool     // some of them are of a release that fits
	releases []string // the ecosystems to ask, with release
}

func (m *Matcher) coverage(ecosystem string) coverage {
	if c, ok := m.covered.Load(ecosystem); ok {
		return c.(coverage)
	}
	var c coverage
	c.known, c.released = m.index.Covers(ecosystem)
	c.releases = []string{ecosystem}
	family, release, _ := strings.Cut(ecosystem, ":")
	if e, ok := of(ecosystem); ok && e.fits != nil {
		c.releases = nil
		for _, r := range m.index.Releases(ecosystem) {
			if r == "" || e.fits(r, release) {
				c.releases = append(c.releases, strings.TrimSuffix(family+":"+r, ":"))
			}
		}
		c.released = len(c.releases) > 0
	}
	if m.index.Own(ecosystem) && !slices.Contains(c.releases, ecosystem) {
		c.releases = append(c.releases, ecosystem) // ours apply where no feed is
	}
	m.covered.Store(ecosystem, c)
	return c
}

// finding is what the hits of one flaw make of a package.
func (m *Matcher) finding(p plimsoll.Package, o Order, of []flawed) plimsoll.Finding {
	hits := make([]hit, len(of))
	for i := range of {
		hits[i] = of[i].hit
	}
	f := m.published(of[0].flaw, hits)
	f.PURL, f.Fixed = p.PURL, fixes(o, hits)
	f.Package, f.Version, f.Ecosystem = p.Name, p.Version, p.Ecosystem
	return f
}

// said names what the same hits always say: nearly all flaws are matched by one record or by two.
type said struct {
	flaw string
	a, b *entry
}

// published is the part of a finding that does not depend on the package's version. It is formed once and then shared.
func (m *Matcher) published(flaw string, hits []hit) plimsoll.Finding {
	key := said{flaw: flaw, a: hits[0].entry}
	if len(hits) == 2 {
		key.b = hits[1].entry
	}
	if len(hits) <= 2 {
		if f, ok := m.findings.Load(key); ok {
			return *f.(*plimsoll.Finding)
		}
	}
	r := m.rate(flaw, hits)
	f := plimsoll.Finding{
		ID: flaw, Aliases: append([]string{}, m.index.Aliases(flaw)...), Severity: r.severity, Score: r.score, Source: r.source, Status: "affected",
		Enrichment: m.enrichment(flaw),
	}
	if malicious(hits) {
		f.Class = plimsoll.ClassMalicious
	}
	for _, h := range hits {
		match := plimsoll.Match{ID: h.record.ID, Package: h.affected.Package}
		if !slices.Contains(f.Matched, match) {
			f.Matched = append(f.Matched, match)
		}
	}
	f.Aliases, f.Matched = slices.Clip(f.Aliases), slices.Clip(f.Matched)
	if len(hits) <= 2 {
		m.findings.Store(key, &f)
	}
	return f
}

// enrichment is what is said of a flaw's exploitation, the same for all its findings; nil when nothing is. The day of EPSS's
// scores is the feed's and not the flaw's, and stays out of it: nearly all scores are the same on the next day.
func (m *Matcher) enrichment(flaw string) *plimsoll.Enrichment {
	if e, ok := m.enriched.Load(flaw); ok {
		return e.(*plimsoll.Enrichment)
	}
	e, ok := m.index.Enrichment(flaw)
	if !ok {
		return nil
	}
	if e.EPSS.Date = (time.Time{}); e == (plimsoll.Enrichment{}) {
		return nil
	}
	one, _ := m.enriched.LoadOrStore(flaw, &e)
	return one.(*plimsoll.Enrichment)
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
	if why := m.nothingKnown(ecosystem); why != "" {
		return plimsoll.Knowledge{State: plimsoll.KnownNone, Reason: why}
	}
	feed, ok := m.index.Feed(ecosystem)
	if age := now.Sub(feed.Checked); ok && age > staleAfter {
		return plimsoll.Knowledge{State: plimsoll.KnownStale, Reason: staleReason(feed, age)}
	}
	return plimsoll.Knowledge{State: plimsoll.KnownCurrent}
}

// nothingKnown says why nothing can be told of an ecosystem's packages; empty when something can.
func (m *Matcher) nothingKnown(ecosystem string) string {
	family, release, _ := strings.Cut(ecosystem, ":")
	covered := m.coverage(ecosystem)
	_, comparable := OrderOf(ecosystem)
	switch {
	case !covered.known:
		return "no advisory data for " + family
	case !covered.released && release == "":
		return "the release of " + family + " is not known"
	case !covered.released:
		return "no advisory data for " + ecosystem
	case !comparable:
		return "versions of " + family + " cannot be compared"
	}
	return ""
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
