package posture

import (
	"time"

	"github.com/plimsoll/plimsoll"
)

// InUse is when an image was last seen in use, by source. That nobody told is no InUse at all: it is then not known.
type InUse struct {
	Last    time.Time
	Sources map[string]time.Time
}

// SetInUse takes in when images were last seen in use; the map must not be changed afterwards. It is about now: past moments do
// not know it, since it is not recorded when somebody began to tell.
func (e *Engine) SetInUse(seen map[plimsoll.Digest]map[string]time.Time) {
	all := make(map[plimsoll.Digest]InUse, len(seen))
	for d, sources := range seen {
		u := InUse{Sources: sources}
		for _, at := range sources {
			if at.After(u.Last) {
				u.Last = at
			}
		}
		all[d] = u
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inUse = all
	if e.view.Load() == nil {
		return
	}
	now := e.cfg.Now()
	for _, t := range e.state.tags {
		if len(t.rows) > 0 && t.rows[0].Active != e.active(e.moved(t), now) {
			e.state.touch(t)
		}
	}
	e.publish()
}

// moved is what the activity of a tag counts from: when it moved, or any of its images was last seen in use. Zero, as of a tag
// whose move nobody saw, counts as active.
func (e *Engine) moved(t *tag) time.Time {
	at := t.ref.Moved
	if at.IsZero() || len(e.inUse) == 0 {
		return at
	}
	if u := e.inUse[t.ref.Digest]; u.Last.After(at) {
		at = u.Last
	}
	for _, p := range t.ref.Platforms {
		if u := e.inUse[p.Digest]; u.Last.After(at) {
			at = u.Last
		}
	}
	return at
}

// InUse is when a row's image was last seen in use: by the digest of its manifest, or that of the index through which it was
// pulled. It is false where nobody told: then it is not known.
func (v *View) InUse(r *Row) (InUse, bool) {
	if len(v.inUse) == 0 {
		return InUse{}, false
	}
	own, ok := v.inUse[r.Digest]
	if r.Reference.Digest == "" || r.Reference.Digest == r.Digest || r.Behind != "" {
		return own, ok
	}
	index, also := v.inUse[r.Reference.Digest]
	if !also || ok && own.Last.After(index.Last) {
		return own, ok
	}
	return index, true
}

// InUseNow reports whether a row's image was seen in use within the active days, and whether that is known.
func (v *View) InUseNow(r *Row, now time.Time) (inUse, known bool) {
	u, ok := v.InUse(r)
	return ok && now.Sub(u.Last) <= time.Duration(v.cfg.ActiveDays)*day, ok
}
