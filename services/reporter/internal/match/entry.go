package match

import (
	"slices"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// entry is one affected package of one record, compiled for asking: versions parsed, events ordered, flaws named.
type entry struct {
	record   *plimsoll.Advisory
	affected *plimsoll.Affected
	flaws    []string
	lines    []line
	listed   map[string]bool // the list of versions without "v"; nil for a short list
	module   module
}

// shortList is up to how many versions a list is searched as it stands.
const shortList = 8

func (m *Matcher) compile(o Order, e ecosystem, at advisory.Entry) *entry {
	record, affected := m.index.Affected(at)
	out := &entry{record: record, affected: affected, flaws: m.index.FlawsOf(at)}
	for _, r := range affected.Ranges {
		if r.Type == rangeSemver || r.Type == rangeEcosystem {
			out.lines = append(out.lines, compile(o, r.Events))
		}
	}
	if len(affected.Versions) > shortList {
		out.listed = make(map[string]bool, len(affected.Versions))
		for _, v := range affected.Versions {
			out.listed[bare(v)] = true
		}
	}
	if e.modules {
		out.module = moduleOf(record, affected)
	}
	return out
}

// lists reports whether the list of versions holds this one, whatever stands before it: tags are written with and without "v".
func (e *entry) lists(version string) bool {
	if e.listed != nil {
		return e.listed[bare(version)]
	}
	return slices.ContainsFunc(e.affected.Versions, func(v string) bool { return bare(v) == bare(version) })
}

// about is what the records of one ecosystem and release say about one name. It is compiled when a package of that name is
// first asked for, and then shared by all: a registry holds thousands of images and few distinct names.
type about struct {
	once    sync.Once
	entries []*entry
	// ceiling is a version from which on no range of the entries holds; its text is empty when there is none. Most packages are
	// newer than every fix, and one comparison says so.
	ceiling Version
	listing []*entry // those that have to be asked all the same: lists of versions, ranges that cannot be ordered
}

// subject names what an [about] is about.
type subject struct{ ecosystem, name string }

// about finds what is published about a name, compiled.
func (m *Matcher) about(q question, e ecosystem) *about {
	key := subject{q.ecosystem, normalised(q.ecosystem, q.name)}
	found, ok := m.compiled.Load(key)
	if !ok {
		found, _ = m.compiled.LoadOrStore(key, &about{})
	}
	a := found.(*about)
	a.once.Do(func() { m.fill(a, q, e) })
	return a
}

func (m *Matcher) fill(a *about, q question, e ecosystem) {
	o, releases := Order{e.order}, m.coverage(q.ecosystem).releases
	unreleased := e.fits == nil && !strings.Contains(q.ecosystem, ":")
	seen := map[advisory.Entry]bool{} // records without a release fit each of several
	for _, release := range releases {
		for _, at := range m.index.Entries(release, q.name) {
			if len(releases) > 1 && seen[at] {
				continue
			}
			if len(releases) > 1 {
				seen[at] = true
			}
			if _, affected := m.index.Affected(at); unreleased && strings.Contains(affected.Ecosystem, ":") {
				continue // the release is not known, and the record is of one
			}
			a.entries = append(a.entries, m.compile(o, e, at))
		}
	}
	a.ceiling, a.listing = ceiling(a.entries)
}

// ceiling is the highest version that ends a range of some entries; none when a range is open. rest are the entries for which
// it says nothing.
func ceiling(entries []*entry) (top Version, rest []*entry) {
	for _, e := range entries {
		ordered := true
		for i := range e.lines {
			l := &e.lines[i]
			switch last := len(l.events) - 1; {
			case l.err != nil:
				ordered = false
			case last < 0:
			case l.events[last].Fixed == "" && l.events[last].LastAffected == "":
				return Version{}, entries
			case top.text == "" || compareLoosely(l.events[last].at, top) > 0:
				top = l.events[last].at
			}
		}
		if !ordered || len(e.affected.Versions) > 0 {
			rest = append(rest, e)
		}
	}
	return top, rest
}

// within are the entries that may hold for a version.
func (a *about) within(v asked) []*entry {
	if a.ceiling.text == "" || v.text == "" || v.err != nil {
		return a.entries
	}
	if order, err := v.version.Compare(a.ceiling); err != nil || order <= 0 {
		return a.entries
	}
	return a.listing
}
