package posture

import (
	"time"

	"github.com/plimsoll/plimsoll"
)

// Clock knows when a finding was first seen in its repository.
type Clock interface {
	// First is when the finding's clock began, as it was known at a moment; false when it was not seen yet.
	First(registry, repository string, f *plimsoll.Finding, at time.Time) (time.Time, bool)
	// Epoch is a greater number whenever a clock that was known in a repository began at another time than was told before, and
	// Latest the greatest of all repositories.
	Epoch(registry, repository string) uint64
	Latest() uint64
	// Began is the moment of the first posture that was looked at: what stood in it may be older. Zero where that is not known.
	Began() time.Time
}

// Due is when a finding has to be gone.
type Due struct {
	First   time.Time              // first seen in this repository
	From    plimsoll.DeadlineStart // the date that counted
	Wanted  plimsoll.DeadlineStart // the one that the policy asks for: another one where its date is not known
	Start   time.Time              // that date
	Days    plimsoll.Days          // after it
	At      time.Time              // the deadline
	Overdue bool
	Over    int // whole days over, 0 while it is not overdue or is so for less than one
	// Lost is when history begins, where the deadline counts from then because what was known before was lost: it may have begun
	// earlier. Zero otherwise.
	Lost time.Time
}

const day = 24 * time.Hour

// First is when a finding of a row was first seen in its repository. One that nobody has seen before is seen now, which is
// when the view was formed.
func (v *View) First(r *Row, f *plimsoll.Finding) time.Time {
	at, _ := v.first(r, f)
	return at
}

// first is the same; known is false of one that nobody has seen before.
func (v *View) first(r *Row, f *plimsoll.Finding) (at time.Time, known bool) {
	if v.clock != nil {
		if at, ok := v.clock.First(r.Reference.Registry, r.Reference.Repository, f, v.at); ok {
			return at, true
		}
	}
	return v.at, false
}

// Due is the deadline of a finding of a row, seen from now; false where the policy sets none.
func (v *View) Due(r *Row, f *plimsoll.Finding, now time.Time) (Due, bool) {
	if v.policy.Deadline.Of(f.Severity) == 0 {
		return Due{}, false
	}
	d, ok := v.DueSince(v.First(r, f), f, now)
	if ok && d.From == plimsoll.FromFirstDetected {
		d.Lost = v.restarted(r.Reference.Registry, d.First)
	}
	return d, ok
}

// DueSince is the deadline of a finding that was first seen at a moment: of one that no row shows any more too.
func (v *View) DueSince(first time.Time, f *plimsoll.Finding, now time.Time) (Due, bool) {
	days := v.policy.Deadline.Of(f.Severity)
	if days == 0 {
		return Due{}, false
	}
	d := Due{First: first, Wanted: v.policy.Deadline.Start(), Days: days}
	known := map[plimsoll.DeadlineStart]time.Time{plimsoll.FromFirstDetected: d.First}
	if d.Wanted != plimsoll.FromFirstDetected {
		v.dates(f, known)
	}
	d.From = d.Wanted
	if _, ok := known[d.From]; !ok {
		for _, from := range plimsoll.DeadlineStarts { // the earliest known one
			if at, ok := known[from]; ok && (d.Start.IsZero() || at.Before(d.Start)) {
				d.From, d.Start = from, at
			}
		}
	}
	d.Start = known[d.From]
	d.At = d.Start.Add(time.Duration(days) * day)
	if d.Overdue = now.After(d.At); d.Overdue {
		d.Over = int(now.Sub(d.At) / day)
	}
	return d, true
}

// Place is a finding of a row with its dates, seen from now.
func (v *View) Place(r *Row, f plimsoll.Finding, now time.Time) Place {
	p := Place{Row: r, Finding: f}
	if d, ok := v.Due(r, &f, now); ok {
		p.First, p.Due = d.First, &d
	} else {
		p.First = v.First(r, &f)
	}
	return p
}

// dates adds what the records of a flaw tell of dates.
func (v *View) dates(f *plimsoll.Finding, known map[plimsoll.DeadlineStart]time.Time) {
	earliest := func(from plimsoll.DeadlineStart, at time.Time) {
		if was, ok := known[from]; !at.IsZero() && (!ok || at.Before(was)) {
			known[from] = at
		}
	}
	if e, ok := v.matcher.Index().Enrichment(f.ID); ok {
		earliest(plimsoll.FromKEVAdded, e.KEV.Added)
	}
	for _, r := range v.matcher.Records(f.ID) {
		earliest(plimsoll.FromAdvisoryPublished, r.Published)
	}
	if f.Fixed == "" {
		return
	}
	for _, m := range f.Matched {
		if r, ok := v.matcher.Index().Record(m.ID); ok && fixes(r, m.Package, f.Fixed) {
			earliest(plimsoll.FromFixPublished, r.Published)
		}
	}
}

// fixes reports whether a record names a version of a package as fixed.
func fixes(r plimsoll.Advisory, pkg, version string) bool {
	for _, a := range r.Affected {
		if a.Package != pkg {
			continue
		}
		for _, x := range a.Ranges {
			for _, e := range x.Events {
				if e.Fixed == version {
					return true
				}
			}
		}
	}
	return false
}

// Exploited is since when a flaw has been listed as known to be exploited (CISA KEV); false when it is not.
func (v *View) Exploited(flaw string) (time.Time, bool) {
	e, ok := v.matcher.Index().Enrichment(flaw)
	return e.KEV.Added, ok && !e.KEV.Added.IsZero()
}

// booked remembers with a row how many of its findings are overdue: rows stay the same from view to view, so that only those
// that changed, and those whose next deadline has come, are looked at again.
type booked struct {
	overdue     int
	oldest      int64 // the earliest deadline among them, in Unix nanoseconds as all times here
	from, until int64 // holds from here to here, which is the next deadline; 0 for good
	epoch       uint64
	terms       terms
}

// terms are what deadlines follow from beside the findings and their clocks.
type terms struct {
	deadline   plimsoll.Deadline
	generation string // where dates come from advisories
}

func (v *View) terms() terms {
	t := terms{deadline: *v.policy.Deadline}
	if t.deadline.Start() != plimsoll.FromFirstDetected {
		t.generation = v.Generation().ID
	}
	return t
}

// Overdue counts the places of overdue findings of a row, seen from now, and gives the earliest of their deadlines.
func (v *View) Overdue(r *Row, now time.Time) (n int, oldest time.Time) { return v.Overdues(now)(r) }

// Overdues is [View.Overdue] for many rows.
func (v *View) Overdues(now time.Time) func(*Row) (n int, oldest time.Time) {
	if v.policy.Deadline == nil {
		return func(*Row) (int, time.Time) { return 0, time.Time{} }
	}
	c := remembering{view: v, now: now, at: now.UnixNano(), terms: v.terms()}
	if v.clock != nil {
		c.latest = v.clock.Latest()
	}
	return c.overdue
}

// remembering counts what is overdue at one moment, from what is remembered where that still counts.
type remembering struct {
	view   *View
	now    time.Time
	at     int64
	terms  terms
	latest uint64 // of the clock
}

func (c remembering) overdue(r *Row) (n int, oldest time.Time) {
	if r.image == nil || r.Findings == 0 {
		return 0, time.Time{}
	}
	b := r.due.Load()
	if b == nil || !c.holds(b, r) {
		var known bool
		if b, known = c.count(r); known {
			r.due.Store(b)
		}
	}
	if b.oldest != 0 {
		oldest = time.Unix(0, b.oldest).UTC()
	}
	return b.overdue, oldest
}

func (c remembering) holds(b *booked, r *Row) bool {
	if c.at < b.from || b.until != 0 && c.at > b.until || b.terms != c.terms {
		return false
	}
	if c.latest <= b.epoch {
		return true
	}
	if c.view.clock.Epoch(r.Reference.Registry, r.Reference.Repository) > b.epoch {
		return false
	}
	newer := *b // so that the repository is not asked again
	newer.epoch = c.latest
	r.due.CompareAndSwap(b, &newer)
	return true
}

// count counts; known is false while the clock does not know all findings yet, which it soon will.
func (c remembering) count(r *Row) (b *booked, known bool) {
	v := c.view
	b, known = &booked{from: c.at, terms: c.terms, epoch: c.latest}, true
	earliest := func(to *int64, at time.Time) {
		if n := at.UnixNano(); *to == 0 || n < *to {
			*to = n
		}
	}
	for f := range v.Of(r) {
		if v.policy.Deadline.Of(f.Severity) == 0 {
			continue
		}
		first, seen := v.first(r, f)
		known = known && (seen || v.clock == nil)
		if d, _ := v.DueSince(first, f, c.now); d.Overdue {
			b.overdue++
			earliest(&b.oldest, d.At)
		} else {
			earliest(&b.until, d.At)
		}
	}
	return b, known
}

// Reading is the inventory that a row shows; whole is false for one that lacks layers. ok is false when nothing was read.
func (r *Row) Reading() (recipe plimsoll.Recipe, digest plimsoll.Digest, whole, ok bool) {
	if r.image == nil {
		return "", "", false, false
	}
	return r.image.source.recipe, r.image.source.digest, !r.image.source.partial, true
}
