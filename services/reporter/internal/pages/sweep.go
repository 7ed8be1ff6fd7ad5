package pages

import (
	"fmt"
	"net/http"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// sweepPage is one sweep as it stands, or as it ended.
type sweepPage struct {
	frame
	Sweep         plimsoll.Sweep
	Host          string
	Took          string // empty while it runs
	LeftOut       []leftOut
	Older, Newer  string // the registry's sweeps before and after; empty where none is kept
	Status, Retry string // commands
}

// leftOut is what one setting of a registry's scope leaves out.
type leftOut struct {
	N    int
	What string
}

// sweep shows one of the sweeps that the posture remembers, those of the last 90 nights.
func (s *Server) sweep(w http.ResponseWriter, r *http.Request) {
	id, slot := r.PathValue("registry"), r.PathValue("slot")
	v := s.View()
	if v == nil {
		s.show(w, r, http.StatusOK, "sweep", sweepPage{frame: s.frame(r, "coverage", "Sweep")})
		return
	}
	all, i := sweepOf(v, id, slot)
	if i < 0 {
		s.problem(w, r, http.StatusNotFound, "No such sweep", fmt.Sprintf("Of %.80s no sweep is known that began at %.40s. Coverage shows those of the last %d nights.", id, slot, calendarNights))
		return
	}
	x := all[i]
	p := sweepPage{
		frame: s.frame(r, "coverage", "Sweep of "+id+", "+utc(x.Started)), Sweep: x, Host: s.host(id), LeftOut: leftOuts(x.Counts.LeftOut),
		Status: "plimsoll sweep status " + id, Retry: "plimsoll sweep retry " + id,
	}
	if i+1 < len(all) {
		p.Older = sweepURL(all[i+1])
	}
	if i > 0 {
		p.Newer = sweepURL(all[i-1])
	}
	if !x.Ended.IsZero() {
		p.Took = took(x.Ended.Sub(x.Started))
	}
	s.show(w, r, http.StatusOK, "sweep", p)
}

// sweepOf are a registry's sweeps, newest first, and where the one of a slot stands among them; -1 for nowhere.
func sweepOf(v *posture.View, registry, slot string) ([]plimsoll.Sweep, int) {
	for _, reg := range v.Registries() {
		if reg.ID != registry {
			continue
		}
		for i, x := range reg.Recent {
			if x.Slot == slot {
				return reg.Recent, i
			}
		}
	}
	return nil, -1
}

func sweepURL(x plimsoll.Sweep) string { return "/sweep/" + x.Registry + "/" + x.Slot }

// leftOuts are the settings that leave out anything.
func leftOuts(l plimsoll.LeftOut) (out []leftOut) {
	for _, x := range []leftOut{
		{l.Repositories, "repositories by include and exclude"}, {l.Patterns, "tags by include and exclude"}, {l.Newest, "tags not among the newest_tags"},
		{l.Moved, "tags pushed before moved_within"}, {l.Labels, "images by labels"}, {l.Platforms, "images by platforms"},
	} {
		if x.N > 0 {
			out = append(out, x)
		}
	}
	return out
}
