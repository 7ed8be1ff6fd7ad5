package pages

import (
	"net/http"
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// calendarNights is how far back the calendar of sweeps goes.
const calendarNights = 90

type coveragePage struct {
	frame
	State      string // of gaps shown; empty: all
	Registries []registryLine
	Gaps       []gapLine
	Feeds      []feedLine
	Fresh      int
	Lacking    []lackingLine
	GapExports exports
	FeedExport exports
	Source     string
	Letters    *list.DeadLetters // nil: nothing is known of them at a past moment
	Limits     []limitLine
}

type limitLine struct {
	list.Limit
	Link number
}

type registryLine struct {
	posture.Registry
	Host    string
	Total   number
	Parts   []barPart
	Nights  []night
	Running *plimsoll.Sweep
	Done    string // of a running sweep, percent of what the last one listed
	Pace    list.Pace
	Speed   string // images a second, of a running sweep; empty while it cannot be told
	list.RegistryAround
	Hooked    bool // it has a hook, so that events are expected
	Scheduled bool // something can be said of its schedule
}

// night is one cell of the calendar.
type night struct {
	X     string
	Class string
	Title string
	URL   string // of its sweep; empty where there was none
}

type gapLine struct {
	list.Gap
	Link    number
	Command string
}

type feedLine struct {
	list.Feed
	Link number
}

type lackingLine struct {
	list.Lacking
	Link number
}

func (s *Server) coverage(w http.ResponseWriter, r *http.Request) {
	p := coveragePage{frame: s.frame(r, "coverage", "Coverage"), State: r.URL.Query().Get("coverage")}
	v := s.View()
	if v == nil {
		s.show(w, r, http.StatusOK, "coverage", p)
		return
	}
	p.Source = v.Generation().Source
	if s.Around != nil && s.moment == nil {
		letters := s.Around().Letters
		p.Letters = &letters
	}
	for _, l := range list.Limits(v, p.Registry) {
		p.Limits = append(p.Limits, limitLine{l, number{N: l.Images, URL: link("/images", stored(p.Registry).With("hit", l.Hit).Query())}})
	}
	p.Registries = s.registryLines(v, p.Registry)
	for _, g := range list.Gaps(v, p.Registry) {
		f := list.GapFilter(g)
		p.Gaps = append(p.Gaps, gapLine{Gap: g, Link: number{N: g.Images, URL: link("/images", f.Query())}, Command: retryCommand(g)})
	}
	for _, f := range list.Feeds(v, s.Now(), s.StaleAfter) {
		p.Feeds = append(p.Feeds, feedLine{f, number{N: f.Images, URL: link("/images", stored("").With("family", f.Ecosystem).Query())}})
		if f.State == list.FeedFresh {
			p.Fresh++
		}
	}
	for _, x := range list.Uncovered(v, p.Registry) {
		p.Lacking = append(p.Lacking, lackingLine{x, number{N: x.Images, URL: link("/images", stored(p.Registry).With("holds", x.Ecosystem).Query())}})
	}
	scoped := list.Filter{}.With("registry", p.Registry).Query()
	p.GapExports, p.FeedExport = exportsOf(r, "/coverage/gaps", scoped), exportsOf(r, "/coverage/feeds", "")
	s.show(w, r, http.StatusOK, "coverage", p)
}

func (s *Server) registryLines(v *posture.View, only string) []registryLine {
	var out []registryLine
	for _, reg := range v.Registries() {
		if only != "" && reg.ID != only {
			continue
		}
		f := stored(reg.ID)
		rows := f.Rows(v)
		line := registryLine{Registry: reg, Host: s.host(reg.ID), Total: number{N: len(rows), URL: link("/images", f.Query())}}
		line.Parts = bar(readParts(f, list.Reads(rows)))
		line.Nights = calendar(reg, s.shown())
		if s.Around != nil && s.moment == nil {
			line.RegistryAround, line.Scheduled = s.Around().Registries[reg.ID], true
		}
		line.Hooked = s.hooked(reg.ID)
		if reg.Sweep != nil && reg.Sweep.State == plimsoll.SweepRunning {
			line.Running = reg.Sweep
			line.Done = done(reg)
			line.Pace = list.PaceOf(reg, *reg.Sweep, s.Now())
			if line.Pace.Rate > 0 {
				line.Speed = strconv.FormatFloat(line.Pace.Rate, 'f', 1, 64)
			}
		}
		out = append(out, line)
	}
	return out
}

func (s *Server) host(id string) string {
	for _, r := range s.Registries {
		if r.ID == id {
			return r.Host()
		}
	}
	return ""
}

// readParts are a registry's images by read state, complete first; states without images are left out.
func readParts(f list.Filter, n map[plimsoll.ReadState]int) (out []barPart) {
	for _, state := range []plimsoll.ReadState{
		plimsoll.ReadComplete, plimsoll.ReadNotApplicable, plimsoll.ReadStale, plimsoll.ReadWaiting, plimsoll.ReadPartial, plimsoll.ReadFailed,
	} {
		if n[state] == 0 {
			continue
		}
		out = append(out, barPart{
			number: number{N: n[state], URL: link("/images", f.With("coverage", string(state)).Query()), Word: string(state)},
			Class:  "read-" + class(state),
		})
	}
	return out
}

// done is how far a running sweep is, by what the last ended one listed; empty when there is none to compare with.
func done(r posture.Registry) string {
	for _, s := range r.Recent {
		if s.State != plimsoll.SweepRunning && s.Counts.Listed > 0 {
			return list.Share(int64(min(r.Sweep.Counts.Listed, s.Counts.Listed)), int64(s.Counts.Listed))
		}
	}
	return ""
}

// calendar is a cell a night (of UTC), oldest first: the last sweep that began in it.
func calendar(reg posture.Registry, now time.Time) (out []night) {
	last := map[string]plimsoll.Sweep{}
	for _, s := range reg.Recent { // newest first
		day := s.Started.UTC().Format(time.DateOnly)
		if _, known := last[day]; !known {
			last[day] = s
		}
	}
	if len(last) == 0 {
		return nil
	}
	for i := range calendarNights {
		day := now.UTC().AddDate(0, 0, i-calendarNights+1).Format(time.DateOnly)
		cell := night{X: strconv.Itoa(i * 10), Class: "none", Title: day + ": no sweep"}
		if s, ok := last[day]; ok {
			cell.Class, cell.URL = string(s.State), sweepURL(s)
			cell.Title = utc(s.Started) + ": " + string(s.State) + ", " + list.Comma(s.Counts.Complete+s.Counts.NotApplicable) + " of " + list.Comma(s.Counts.Listed) + " covered"
		}
		out = append(out, cell)
	}
	return out
}

// retryCommand is what retries a gap: by itself with the next sweep, or by its cause. Nothing helps what would end the same.
func retryCommand(g list.Gap) string {
	switch g.Retry {
	case posture.RetryNever:
		return ""
	case posture.RetryAuto:
		if g.State == plimsoll.ReadWaiting || g.State == plimsoll.ReadStale {
			return "plimsoll sweep start " + g.Registry
		}
	}
	return "plimsoll sweep retry " + g.Registry + " --cause " + g.Cause
}

func (s *Server) hooked(id string) bool {
	for _, r := range s.Registries {
		if r.ID == id {
			return r.Hook.Expected()
		}
	}
	return false
}

// shown is the moment that this server's pages show.
func (s *Server) shown() time.Time {
	if s.moment != nil {
		return s.moment.At
	}
	return s.Now()
}
