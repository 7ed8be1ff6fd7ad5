package pages

import (
	"net/http"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Sizes of the overview's parts: what fits a screen.
const (
	overviewFixes  = 6
	overviewEvents = 8
	overviewNights = 14
)

type overviewPage struct {
	frame
	Active, Stored loadLine
	Fail, Unknown  number
	Tiles          []tile
	Severity       []severityLine
	Fixes          []fixLine
	Events         []posture.Event
	Nights         []nights
}

// loadLine is one bar: images by verdict.
type loadLine struct {
	Word  string
	Total number
	Parts []barPart
}

// barPart is one piece of a bar; X and Width are percent.
type barPart struct {
	number
	Class    string
	X, Width string
	Title    string
}

// tile is one large number, one line of cause.
type tile struct {
	Title string
	number
	Cause []number
	Note  string
	Class string
}

// severityLine is "31 unique · 1,204 places" for one severity.
type severityLine struct {
	Severity       plimsoll.Severity
	Unique, Places number
	Width          string // of its bar, percent of the largest
}

type fixLine struct {
	list.Fix
	FindingsLink, ImagesLink, CriticalLink, HighLink number
}

// nights are a registry's last sweeps, oldest first.
type nights struct {
	Registry string
	Marks    []plimsoll.Sweep
	Next     string
}

func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	p := overviewPage{frame: s.frame(r, "overview", "Overview")}
	v := s.View()
	if v == nil {
		s.show(w, r, http.StatusOK, "overview", p)
		return
	}
	active := list.Filter{}.With("registry", p.Registry)
	active = active.With("applicable", "yes") // a chart or a signature has no verdict
	p.Active = verdictBar(v, "active", active)
	p.Stored = verdictBar(v, "stored", stored(p.Registry).With("applicable", "yes"))
	verdicts := list.Verdicts(active.Rows(v))
	p.Fail = number{N: verdicts.Fail, URL: link("/images", active.With("verdict", "fail").Query())}
	p.Unknown = number{N: verdicts.Unknown, URL: link("/images", active.With("verdict", "unknown").Query())}
	p.Tiles = s.tiles(v, active, p.Registry)
	p.Severity = severityLines(v, active)
	p.Fixes = fixLines(v, active, overviewFixes)
	p.Events = scopedEvents(v, p.Registry, overviewEvents)
	p.Nights = sweepNights(v, p.Registry, overviewNights)
	s.show(w, r, http.StatusOK, "overview", p)
}

// verdictBar is the load line of a filter.
func verdictBar(v *posture.View, word string, f list.Filter) loadLine {
	n := list.Verdicts(f.Rows(v))
	line := loadLine{Word: word, Total: number{N: n.Total(), URL: link("/images", f.Query())}}
	line.Parts = bar([]barPart{
		{number: verdictNumber(f, n.Pass, plimsoll.VerdictPass), Class: "pass"},
		{number: verdictNumber(f, n.Warn, plimsoll.VerdictWarn), Class: "warn"},
		{number: verdictNumber(f, n.Fail, plimsoll.VerdictFail), Class: "fail"},
		{number: verdictNumber(f, n.Unknown, plimsoll.VerdictUnknown), Class: "unknown"},
	})
	return line
}

func verdictNumber(f list.Filter, n int, state plimsoll.VerdictState) number {
	return number{N: n, URL: link("/images", f.With("verdict", string(state)).Query()), Word: string(state)}
}

// bar lays parts side by side over 100 %.
func bar(parts []barPart) []barPart {
	var total, at int64
	for _, p := range parts {
		total += int64(p.N)
	}
	for i, p := range parts {
		parts[i].X, parts[i].Width = list.Share(at, total), list.Share(int64(p.N), total)
		at += int64(p.N)
	}
	return parts
}

// tiles are today's questions that can be answered from what is known.
func (s *Server) tiles(v *posture.View, active list.Filter, registry string) []tile {
	urgent := active.With("severity", "critical").With("fixable", "yes")
	u := list.Count(v, urgent)
	unknown := active.With("verdict", "unknown")
	moved := active.With("moved", "7d")
	short := stored(registry).With("coverage", list.Short)
	movedRows := list.Verdicts(withNow(moved, s).Rows(v))
	return []tile{
		{
			Title: "Fixable critical", number: number{N: u.Images, URL: link("/images", urgent.Query())}, Class: tone(u.Images, "fail"),
			Cause: []number{
				{N: u.Unique, Word: "unique", URL: link("/findings", urgent.With("group", "unique").Query())},
				{N: u.Places, Word: plural(u.Places, "place"), URL: link("/findings", urgent.Query())},
			},
		},
		{
			Title: "Not decided", number: number{N: len(unknown.Rows(v)), URL: link("/images", unknown.Query())}, Class: tone(len(unknown.Rows(v)), "unknown"),
			Note: "coverage short, or no advisory data",
		},
		{
			Title: "Moved in 7 days", number: number{N: movedRows.Total(), URL: link("/images", moved.Query())},
			Cause: []number{
				{N: movedRows.Fail, Word: "fail", URL: link("/images", moved.With("verdict", "fail").Query())},
				{N: movedRows.Pass, Word: "pass", URL: link("/images", moved.With("verdict", "pass").Query())},
			},
		},
		notCovered(v, short, registry),
	}
}

// notCovered is the tile of what is missing: how many, and the largest cause.
func notCovered(v *posture.View, short list.Filter, registry string) tile {
	n := len(short.Rows(v))
	t := tile{Title: "Not covered", number: number{N: n, URL: link("/images", short.Query())}, Class: tone(n, "unknown"), Note: "every stored image was read"}
	if gaps := list.Gaps(v, registry); n > 0 && len(gaps) > 0 {
		g := gaps[0]
		t.Note = ""
		t.Cause = []number{{N: g.Images, Word: string(g.State) + " of one cause", URL: link("/images", list.GapFilter(g).Query())}}
	}
	return t
}

// withNow gives a filter made here the clock that relative conditions need.
func withNow(f list.Filter, s *Server) list.Filter { return f.At(s.Now()) }

func tone(n int, class string) string {
	if n == 0 {
		return ""
	}
	return class
}

func severityLines(v *posture.View, f list.Filter) []severityLine {
	var out []severityLine
	most, counts := 1, list.CountSeverities(v, f)
	for _, sev := range plimsoll.Severities {
		one, n := f.With("severity", string(sev)), counts[sev]
		if sev == plimsoll.SeverityNone && n.Places == 0 {
			continue
		}
		most = max(most, n.Places)
		out = append(out, severityLine{
			Severity: sev,
			Unique:   number{N: n.Unique, URL: link("/findings", one.With("group", "unique").Query())},
			Places:   number{N: n.Places, URL: link("/findings", one.Query())},
		})
	}
	for i := range out {
		out[i].Width = list.Share(int64(out[i].Places.N), int64(most))
	}
	return out
}

func fixLines(v *posture.View, f list.Filter, n int) []fixLine {
	var out []fixLine
	for _, x := range list.Fixes(v, f, n) {
		one := f.With("fixable", "yes").With("package", x.Package).With("ecosystem", x.Ecosystem)
		out = append(out, fixLine{
			Fix:          x,
			FindingsLink: number{N: x.Findings, URL: link("/findings", one.Query())},
			ImagesLink:   number{N: x.Images, URL: link("/images", one.Query())},
			CriticalLink: number{N: x.Critical, URL: link("/findings", one.With("severity", "critical").Query())},
			HighLink:     number{N: x.High, URL: link("/findings", one.With("severity", "high").Query())},
		})
	}
	return out
}

// scopedEvents are the newest events of a registry, and those that concern all.
func scopedEvents(v *posture.View, registry string, n int) []posture.Event {
	var out []posture.Event
	for _, e := range v.Events(n * 8) {
		own := e.Stream == registry || e.Stream == plimsoll.StreamAdvisories || e.Stream == plimsoll.StreamDecisions
		if (registry == "" || own) && len(out) < n {
			out = append(out, e)
		}
	}
	return out
}

func sweepNights(v *posture.View, registry string, n int) []nights {
	var out []nights
	for _, r := range v.Registries() {
		if registry != "" && r.ID != registry {
			continue
		}
		x := nights{Registry: r.ID}
		for i := min(n, len(r.Recent)) - 1; i >= 0; i-- {
			x.Marks = append(x.Marks, r.Recent[i])
		}
		out = append(out, x)
	}
	return out
}

// eventText says in words what happened.
func eventText(e posture.Event) string {
	c := e.Change
	switch c.Kind {
	case plimsoll.ChangeTag:
		if c.Previous == "" {
			return "new tag"
		}
		return "moved to " + c.Digest.Short()
	case plimsoll.ChangeGone:
		return "gone from the registry"
	case plimsoll.ChangeInventory:
		return "read"
	case plimsoll.ChangeCoverage:
		return strings.TrimSpace("coverage changed " + c.Text)
	case plimsoll.ChangeSweep:
		return strings.TrimSpace("sweep of " + e.Stream + " ended " + c.Text)
	case plimsoll.ChangeGeneration:
		return "advisories, generation " + c.Subject
	case plimsoll.ChangePolicy:
		return "policy " + c.Text
	case plimsoll.ChangeCommand:
		return "asked for: " + c.Text + " " + c.Subject
	case plimsoll.ChangeScope:
		return strings.TrimSpace("scope of " + e.Stream + " changed " + c.Text)
	case plimsoll.ChangeReport:
		return "report " + c.Subject
	}
	return strings.TrimSpace(string(c.Kind) + " " + c.Text)
}
