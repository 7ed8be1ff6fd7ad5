package posture

import (
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Clock knows when a finding was first seen in its repository.
type Clock interface {
	// First is when the finding's clock began, as it was known at a moment; false when it was not seen yet.
	First(registry, repository string, f *plimsoll.Finding, at time.Time) (time.Time, bool)
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
}

const day = 24 * time.Hour

// First is when a finding of a row was first seen in its repository. One that nobody has seen before is seen now, which is
// when the view was formed.
func (v *View) First(r *Row, f *plimsoll.Finding) time.Time {
	if v.clock != nil {
		if at, ok := v.clock.First(r.Reference.Registry, r.Reference.Repository, f, v.at); ok {
			return at
		}
	}
	return v.at
}

// Due is the deadline of a finding of a row, seen from now; false where the policy sets none.
func (v *View) Due(r *Row, f *plimsoll.Finding, now time.Time) (Due, bool) {
	if v.policy.Deadline.Of(f.Severity) == 0 {
		return Due{}, false
	}
	return v.DueSince(v.First(r, f), f, now)
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

// book remembers how many findings of each row are overdue: rows stay the same from view to view, so that only those that
// changed, and those whose next deadline has come, are looked at again.
type book struct {
	mu   sync.Mutex
	rows map[*Row]booked
	gen  string // dates come from advisories
}

type booked struct {
	overdue int
	oldest  time.Time // the earliest deadline among them
	from    time.Time // holds from here …
	until   time.Time // … to here: the next deadline; zero for good
}

// Overdue counts the places of overdue findings of a row, seen from now, and gives the earliest of their deadlines.
func (v *View) Overdue(r *Row, now time.Time) (n int, oldest time.Time) {
	if v.policy.Deadline == nil || r.image == nil {
		return 0, time.Time{}
	}
	b := v.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if id := v.Generation().ID; b.rows == nil || b.gen != id {
		b.rows, b.gen = map[*Row]booked{}, id
	}
	x, ok := b.rows[r]
	if !ok || now.Before(x.from) || !x.until.IsZero() && now.After(x.until) {
		x = v.overdue(r, now)
		if len(b.rows) > 2*len(v.rows) { // rows that do not stand any more
			clear(b.rows)
		}
		b.rows[r] = x
	}
	return x.overdue, x.oldest
}

func (v *View) overdue(r *Row, now time.Time) booked {
	x := booked{from: now}
	for f := range v.Each(r) {
		d, ok := v.Due(r, f, now)
		switch {
		case !ok:
		case d.Overdue:
			x.overdue++
			if x.oldest.IsZero() || d.At.Before(x.oldest) {
				x.oldest = d.At
			}
		case x.until.IsZero() || d.At.Before(x.until):
			x.until = d.At
		}
	}
	return x
}

// Reading is the inventory that a row shows; whole is false for one that lacks layers. ok is false when nothing was read.
func (r *Row) Reading() (recipe plimsoll.Recipe, digest plimsoll.Digest, whole, ok bool) {
	if r.image == nil {
		return "", "", false, false
	}
	return r.image.source.recipe, r.image.source.digest, !r.image.source.partial, true
}
