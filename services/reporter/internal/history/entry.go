package history

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// entry is one finding of one repository as the tracker holds it. There are a million of them, so that what few have stands
// apart; names and images are shared between entries and never written to.
type entry struct {
	pkg, id  string
	aliases  []string // sorted
	severity plimsoll.Severity
	stands   []*Stand // images that show it, sorted; none of one that no row shows
	first    time.Time
	more     *more // nil for most
}

// more is what few findings have. It is replaced, not changed.
type more struct {
	before []Span   // earlier spans, oldest first
	closed *Closure // of the last span; nil while it is open
	away   []Away
	lost   []*Stand // images that held it and cannot be looked at: they keep it open
}

func compareEntries(a, b entry) int {
	return cmp.Or(strings.Compare(a.pkg, b.pkg), strings.Compare(a.id, b.id))
}

// rest is what the entry has of more, to be changed and put back by set.
func (e *entry) rest() more {
	if e.more == nil {
		return more{}
	}
	return *e.more
}

func (e *entry) set(m more) {
	e.more = nil
	if m.closed != nil || len(m.before)+len(m.away)+len(m.lost) > 0 {
		e.more = &m
	}
}

// held reports whether a row shows it.
func (e *entry) held() bool { return len(e.stands) > 0 }

// seen reports whether it ever stood; a new entry did not.
func (e *entry) seen() bool { return !e.first.IsZero() }

func (e *entry) open() bool { return e.seen() && (e.more == nil || e.more.closed == nil) }

// finding is the entry as others see it.
func (e *entry) finding(k repoKey) *Finding {
	m := e.rest()
	f := &Finding{
		Registry: k.registry, Repository: k.repository, Package: e.pkg, ID: e.id, Aliases: append([]string(nil), e.aliases...), Severity: e.severity,
		Spans: append(slices.Clone(m.before), Span{First: e.first, Closed: m.closed}), Away: append([]Away(nil), m.away...),
	}
	for _, s := range e.stands {
		f.Stands = append(f.Stands, *s)
	}
	for _, s := range m.lost {
		f.Stands = append(f.Stands, *s)
	}
	slices.SortFunc(f.Stands, compareStands)
	return f
}

// firstAt is when its clock began, as it was known at a moment; false when it was not seen yet.
func (e *entry) firstAt(at time.Time) (time.Time, bool) {
	if !e.first.After(at) {
		return e.first, e.seen()
	}
	if e.more != nil {
		for _, s := range slices.Backward(e.more.before) {
			if !s.First.After(at) {
				return s.First, true
			}
		}
	}
	return time.Time{}, false
}

// reopen notes that the finding stands from a moment on. Its clock goes on where it only was out of sight: where its tag had
// gone. Where it was proved to be gone, another span begins.
func (e *entry) reopen(at time.Time) {
	if !e.seen() {
		e.first = at
		return
	}
	if e.open() {
		return
	}
	m := e.rest()
	if m.closed.Proof == ProofTagGone {
		m.away = append(slices.Clone(m.away[max(0, len(m.away)-maxAway+1):]), Away{m.closed.Time, at})
	} else {
		m.before = append(slices.Clone(m.before), Span{First: e.first, Closed: m.closed})
		e.first = at
	}
	m.closed = nil
	e.set(m)
}

// close ends the span.
func (e *entry) close(c Closure) {
	m := e.rest()
	m.closed, m.lost = &c, nil
	e.set(m)
}

// lose sets the images that held the finding and cannot be looked at.
func (e *entry) lose(lost []*Stand) {
	m := e.rest()
	if !slices.Equal(m.lost, lost) {
		m.lost = lost
		e.set(m)
	}
}

// named reports whether it is known under one of some names.
func (e *entry) named(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return n == e.id || slices.Contains(e.aliases, n) })
}

// related reports whether a flaw is known here under one of its names.
func (e *entry) related(x *plimsoll.Finding) bool {
	return slices.Contains(e.aliases, x.ID) || e.named(x.Aliases)
}

// maxAliases bounds the names of one finding: a flaw has a handful; a record may claim thousands.
const maxAliases = 100

// rename takes the names that a flaw has now; those it had stay known.
func (e *entry) rename(x *plimsoll.Finding) {
	unknown := func(name string) bool { return !slices.Contains(e.aliases, name) }
	switch {
	case e.id == x.ID && (slices.Equal(e.aliases, x.Aliases) || !slices.ContainsFunc(x.Aliases, unknown)):
		return
	case e.id == "" && slices.IsSorted(x.Aliases) && len(x.Aliases) <= maxAliases && !slices.Contains(x.Aliases, x.ID): // shared with all that have them
		e.id, e.aliases = x.ID, x.Aliases
		return
	}
	names := append(slices.Clone(x.Aliases), e.aliases...)
	if e.id != "" {
		names = append(names, e.id)
	}
	e.id = x.ID
	e.aliases = e.others(names)
}

// others are distinct names beside its own, sorted and bounded.
func (e *entry) others(names []string) []string {
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == e.id })
	return names[:min(len(names), maxAliases)]
}

// absorb takes over the clock of the same flaw under another name, which no row shows any more: it began with the first of
// both. What was proved to be gone under that name stays a span of its own.
func (e *entry) absorb(o *entry) {
	m, x := e.rest(), o.rest()
	m.before = slices.Concat(m.before, x.before)
	if x.closed != nil && x.closed.Proof != ProofTagGone {
		m.before = append(m.before, Span{First: o.first, Closed: x.closed})
	} else if o.first.Before(e.first) {
		e.first = o.first
	}
	slices.SortStableFunc(m.before, func(a, b Span) int { return a.First.Compare(b.First) })
	m.lost = slices.Concat(m.lost, x.lost)
	e.set(m)
	e.aliases = e.others(slices.Concat(e.aliases, o.aliases, []string{o.id}))
}

// same reports whether nothing was changed since a copy was made.
func (e *entry) same(was entry) bool {
	return e.id == was.id && e.severity == was.severity && e.first.Equal(was.first) && e.more == was.more &&
		slices.Equal(e.aliases, was.aliases) && slices.Equal(e.stands, was.stands)
}
