package posture

import (
	"container/heap"
	"maps"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
)

// sweepPeriod is how often a registry is swept by its default schedule.
const sweepPeriod = 24 * time.Hour

// age finds what time and news about feeds and sweeps have changed, and marks the rows that say so to be formed again. It
// looks at each ecosystem, registry and sweep, and at no row but those whose time has come.
func (e *Engine) age(s *state) {
	now := e.cfg.Now()
	e.do.feeds(s, now)
	e.do.listings(s, now)
	e.do.rows(s, now)
	e.do.ends(s, now)
	s.clock = now
}

// ageFeeds asks what is known of each ecosystem now.
func (e *Engine) ageFeeds(s *state, now time.Time) {
	changed := map[string]bool{}
	for _, f := range s.sets {
		for _, eco := range f.ecosystems {
			if _, asked := changed[eco]; asked || f.members.empty() {
				continue
			}
			is := e.matcher.Known(eco, now, e.cfg.StaleAfter)
			was, ok := s.ecosystems[eco]
			changed[eco] = !ok || was != is
			s.ecosystems[eco] = is
		}
	}
	for key, f := range s.sets {
		switch {
		case f.members.empty():
			delete(s.sets, key)
		case f.known == nil || slices.ContainsFunc(f.ecosystems, func(eco string) bool { return changed[eco] }):
			f.known = make(map[string]plimsoll.Knowledge, len(f.ecosystems))
			for _, eco := range f.ecosystems {
				f.known[eco] = s.ecosystems[eco]
			}
			for im := range f.members.all() {
				s.doubt(im)
			}
		}
	}
}

// doubt drops the opinion of an image: it is formed again, and the rows of those who ask for it.
func (s *state) doubt(im *image) {
	im.opinion = nil
	for _, t := range im.slot.users {
		s.touch(t)
	}
}

// freshness is what makes complete rows of a registry stale.
type freshness struct {
	listing string                   // why nothing of it is fresh
	recipe  plimsoll.Recipe          // of the newest sweep that ended
	ended   int64                    // when that was, as refs tell of observations
	older   map[plimsoll.Recipe]bool // of the sweeps before
}

func (f freshness) same(g freshness) bool {
	return f.listing == g.listing && f.recipe == g.recipe && f.ended == g.ended && maps.Equal(f.older, g.older)
}

// why is why a row of this tag that was complete is stale now; empty when it is not (DESIGN §3). A recipe that no older sweep
// had is newer than the newest sweep: a push after an upgrade. So is any recipe by which the tag was read after that sweep: an
// upgrade was taken back.
func (f freshness) why(r plimsoll.Ref) string {
	switch {
	case f.listing != "":
		return f.listing
	case f.recipe == "" || r.Recipe == "" || r.Recipe == f.recipe || r.Read.State == plimsoll.ReadNotApplicable:
		return ""
	case f.older[r.Recipe] && r.ReadAt <= f.ended:
		return "read by a recipe that has been replaced"
	}
	return ""
}

// ageListings looks at each registry's sweeps.
func (e *Engine) ageListings(s *state, now time.Time) {
	stale := map[string]freshness{} // what was, of registries that changed
	for _, registry := range e.known(s) {
		is := e.freshness(s, registry, now)
		if was := s.fresh[registry]; !is.same(was) {
			stale[registry] = was
			s.fresh[registry] = is
		}
	}
	if len(stale) == 0 {
		return
	}
	for k, t := range s.tags {
		if was, ok := stale[k.registry]; ok && was.why(t.ref) != s.fresh[k.registry].why(t.ref) {
			s.touch(t)
		}
	}
}

// freshness is how a registry's sweeps stand. It was listed once and not within two sweep periods: nothing of it is fresh;
// where sweeps are switched off nobody promised a listing.
func (e *Engine) freshness(s *state, registry string, now time.Time) freshness {
	f := freshness{}
	for _, x := range s.sweeps[registry] {
		switch {
		case x.State == plimsoll.SweepRunning:
		case f.recipe == "":
			f.recipe, f.ended = x.Recipe, x.Ended.UnixNano()
		default:
			if f.older == nil {
				f.older = map[plimsoll.Recipe]bool{}
			}
			f.older[x.Recipe] = true
		}
	}
	if e.unconfigured(registry) {
		f.listing = NotConfigured
		return f
	}
	off := func(r plimsoll.Registry) bool { return r.ID == registry && r.Sweep.Cron == "off" }
	last := s.lastComplete(registry)
	if !last.IsZero() && now.Sub(last) > 2*sweepPeriod && !slices.ContainsFunc(e.cfg.Registries, off) {
		f.listing = "no complete listing since " + last.UTC().Format("2006-01-02 15:04")
	}
	return f
}

// ageRows finds the rows that stop being active. A clock that went back is looked at row by row.
func (e *Engine) ageRows(s *state, now time.Time) {
	if now.Before(s.clock) {
		for _, t := range s.tags {
			if len(t.rows) > 0 && t.rows[0].Active != e.active(e.moved(t), now) {
				s.touch(t)
			}
		}
	}
	for len(s.aging) > 0 && now.After(s.aging[0].at) {
		x := heap.Pop(&s.aging).(expiry)
		if !x.tag.gone && x.tag.expires.Equal(x.at) {
			x.tag.expires = time.Time{}
			s.touch(x.tag)
		}
	}
}

// active reports whether a tag moved lately, or was in use (see [Engine.moved]). One whose move nobody saw counts: it may be in use.
func (e *Engine) active(moved, now time.Time) bool {
	return moved.IsZero() || now.Sub(moved) <= e.activeFor()
}

func (e *Engine) activeFor() time.Duration { return time.Duration(e.cfg.ActiveDays) * 24 * time.Hour }

// expect notes when the rows of a tag stop being active.
func (e *Engine) expect(s *state, t *tag) {
	moved := e.moved(t)
	if moved.IsZero() || !e.active(moved, s.clock) {
		t.expires = time.Time{}
		return
	}
	if at := moved.Add(e.activeFor()); !at.Equal(t.expires) {
		t.expires = at
		heap.Push(&s.aging, expiry{at, t})
	}
}

// expiry is when the rows of a tag stop being active.
type expiry struct {
	at  time.Time
	tag *tag
}

// expiries is a heap, the next one first.
type expiries []expiry

// Len implements heap.Interface.
func (x expiries) Len() int { return len(x) }

// Less implements heap.Interface.
func (x expiries) Less(i, j int) bool { return x[i].at.Before(x[j].at) }

// Swap implements heap.Interface.
func (x expiries) Swap(i, j int) { x[i], x[j] = x[j], x[i] }

// Push implements heap.Interface.
func (x *expiries) Push(v any) { *x = append(*x, v.(expiry)) }

// Pop implements heap.Interface.
func (x *expiries) Pop() any {
	old := *x
	v := old[len(old)-1]
	*x = old[:len(old)-1]
	return v
}
