package pages

import (
	"net/http"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Sizes of the overview's parts: what fits a screen.
const (
	overviewFixes  = 6 // at most what posture tries on top of each other
	overviewEvents = 8
	overviewNights = 14
)

type overviewPage struct {
	frame
	Active, Stored loadLine
	Fail, Unknown  number
	Tiles          []tile
	Severity       []severityLine
	Actions        []actionLine
	Events         []posture.Event
	Nights         []nights
	Teams          []teamLine
	MoreTeams      int
	Water          *waterfall // why it moved; nil where no history is kept
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
	Spark *spark // nil where no days are known
}

// severityLine is "31 unique · 1,204 places" for one severity.
type severityLine struct {
	Severity       plimsoll.Severity
	Unique, Places number
	Width          string // of its bar, percent of the largest
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
	active := active(p.Registry)
	p.Active = verdictBar(v, "active", active)
	p.Stored = verdictBar(v, "stored", stored(p.Registry).With("applicable", "yes"))
	verdicts := list.Verdicts(active.Rows(v))
	p.Fail = number{N: verdicts.Fail, URL: link("/images", active.With("verdict", "fail").Query())}
	p.Unknown = number{N: verdicts.Unknown, URL: link("/images", active.With("verdict", "unknown").Query())}
	p.Tiles = s.tiles(v, active, p.Registry)
	p.Severity = severityLines(v, active)
	p.Actions = actionLines(v, active, overviewFixes)
	p.Events = scopedEvents(v, p.Registry, overviewEvents)
	p.Nights = sweepNights(v, p.Registry, overviewNights)
	var all int
	p.Teams, all = teams(v, active, s.Now())
	for i := range p.Teams {
		if s.catchingUp() {
			p.Teams[i].Overdue.Unsure = notCaughtUp
		}
	}
	p.MoreTeams = all - len(p.Teams)
	p.Water = s.lately(r, p.Registry)
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
	act, short := actTile(v, active), notCovered(v, shortOf(registry), registry)
	overdue, fresh := s.dueTiles(v, active)
	s.sparks(v, registry, &act, &overdue, &fresh, &short)
	return []tile{
		act,
		{
			Title: "Fixable critical", number: number{N: u.Images, URL: link("/images", urgent.Query())}, Class: tone(u.Images, "fail"),
			Cause: []number{
				{N: u.Unique, Word: "unique", URL: link("/findings", urgent.With("group", "unique").Query())},
				{N: u.Places, Word: plural(u.Places, "place"), URL: link("/findings", urgent.Query())},
			},
		},
		overdue, fresh, secretTile(v, active), short,
	}
}

// actTile counts the active images that call for somebody now: a flaw in them is known to be exploited, or a container can
// read a secret in them.
func actTile(v *posture.View, active list.Filter) tile {
	urgent := urgentOf(active)
	exploited, secret := active.With("exploited", "yes"), active.With("secret", list.SecretVisible)
	n := len(urgent.Rows(v))
	t := tile{Title: "Must act now", number: number{N: n, URL: link("/images", urgent.Query())}, Class: tone(n, "fail")}
	t.Cause = []number{
		{N: len(exploited.Rows(v)), Word: "exploited", URL: link("/images", exploited.Query())},
		{N: len(secret.Rows(v)), Word: "readable secret", URL: link("/images", secret.Query())},
	}
	if !v.Exploitation() {
		t.Note, t.Cause = list.NoExploitation+" · ", t.Cause[1:]
		if n == 0 {
			t.Class = "unknown"
		}
	}
	return t
}

// secretTile counts the active images that hold a secret, and says of how many it cannot be told.
func secretTile(v *posture.View, active list.Filter) tile {
	count := func(word, text string) number {
		f := active.With("secret", word)
		return number{N: len(f.Rows(v)), Word: text, URL: link("/images", f.Query())}
	}
	t := tile{Title: "Hold a secret", number: count(list.SecretAny, "")}
	t.Class = tone(t.N, "fail")
	t.Cause = []number{count(list.SecretVisible, "readable"), count(list.SecretHidden, "hidden"), count(list.SecretUnknown, "not known")}
	return t
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

// actionLines are the first actions over the images of a filter, each on top of those before it.
func actionLines(v *posture.View, f list.Filter, n int) []actionLine {
	var out []actionLine
	_, first := list.RebuildFirst(v, f)
	for _, a := range first[:min(n, len(first))] {
		x := actionLine{Action: a, ImagesLink: number{N: a.Images}, OfLink: number{N: a.Of.All}}
		if a.Digest != "" {
			on := f.With("base", string(a.Digest))
			x.ImagesLink.URL = link("/images", on.Query())
		}
		out = append(out, x)
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
