package pages

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// timelinePart is the part of the image page that tells how the tag stood over time.
type timelinePart struct {
	*history.Timeline // nil while it is being found
	Fault             string
	Levels            []plimsoll.Severity
	Rows              []turnLine
	Strip             []stripBlock // verdicts over time, the oldest first
	Cut               int          // older turns that are counted and not listed
	Earlier           string       // this page at the moment where the timeline begins
	Exports           exports
}

// turnLine is one turn with its counts by the part's levels.
type turnLine struct {
	history.Turn
	Counts []turnCount
	Digest plimsoll.Digest // of the image, where it is another one
}

// turnCount is a count before and after a turn. Was and Is are empty where nothing was read, or none found is not none.
type turnCount struct {
	Was, Is string
	Worse   bool
	Changed bool
}

// stripBlock is a time in which one verdict held.
type stripBlock struct {
	X, Width string
	Class    string
	Text     string
}

// timeline fills in how the tag of a row stood over time. Nil where no history is kept.
func (s *Server) timeline(r *http.Request, p *imagePage) *timelinePart {
	if s.Timeline == nil {
		return nil
	}
	out := &timelinePart{}
	find := s.RecentTimeline
	if find == nil {
		find = s.Timeline
	}
	t, err := find(r.Context(), p.Row, s.Now())
	if err != nil {
		out.Fault = err.Error()
	}
	if out.Timeline = t; t == nil {
		return out
	}
	q := url.Values{"image": {list.Name(p.Row)}}
	if platform := p.Row.Platform.String(); platform != "" {
		q.Set("platform", platform)
	}
	out.Exports = exports{Self: imagePath(p.Row) + "#history", API: link("/api/v1/history", q.Encode()), Origin: p.Origin, At: p.AsOf.Moment}
	out.Cut = t.Total - len(t.Turns)
	out.levels()
	for _, turn := range t.Turns {
		out.Rows = append(out.Rows, turnOf(turn, out.Levels))
	}
	out.strip()
	if t.First.Counts != nil { // it was read then, so that there is such a page
		out.Earlier = earlier(p.Row, t.From)
	}
	return out
}

// earlier is the page of a row at a moment.
func earlier(r *posture.Row, at time.Time) string {
	path, query, _ := strings.Cut(imagePath(r), "?")
	q, _ := url.ParseQuery(query) // imagePath made it
	q.Set(paramAt, at.UTC().Format(time.RFC3339))
	return link(path, q.Encode()) + "#history"
}

// levels are the severities that some turn counts: the four that rules are about, and others where there are findings.
func (t *timelinePart) levels() {
	for _, s := range plimsoll.Severities {
		counted := slices.ContainsFunc(t.Turns, func(x history.Turn) bool { return x.Before.Counts[s]+x.After.Counts[s] > 0 })
		if counted || s != plimsoll.SeverityNone && s != plimsoll.SeverityNotRated {
			t.Levels = append(t.Levels, s)
		}
	}
}

func turnOf(x history.Turn, levels []plimsoll.Severity) turnLine {
	line := turnLine{Turn: x}
	if x.After.There() && x.After.Digest != x.Before.Digest {
		line.Digest = x.After.Digest
	}
	for _, s := range levels {
		c := turnCount{Was: countIn(x.Before, s), Is: countIn(x.After, s)}
		c.Changed, c.Worse = c.Was != c.Is, x.After.Counts[s] > x.Before.Counts[s]
		line.Counts = append(line.Counts, c)
	}
	return line
}

// countIn is a state's count; empty where there is none to be believed.
func countIn(s history.TagState, severity plimsoll.Severity) string {
	if s.Counts == nil || s.Counts[severity] == 0 && s.Unsure != "" {
		return ""
	}
	return list.Comma(s.Counts[severity])
}

// strip lays the verdicts out over the time that the listed turns tell of.
func (t *timelinePart) strip() {
	from, state, turns := t.From, t.First, t.Turns
	if t.Cut > 0 {
		oldest := turns[len(turns)-1]
		from, state, turns = oldest.Time, oldest.After, turns[:len(turns)-1]
	}
	begin, whole := from, int64(t.To.Sub(from))
	until := func(end time.Time) {
		if state.There() && begin.Before(end) {
			t.Strip = append(t.Strip, stripBlock{
				X: list.Share(int64(begin.Sub(from)), whole), Width: list.Share(int64(end.Sub(begin)), whole), Class: class(state.Verdict),
				Text: cmp.Or(string(state.Verdict), "no verdict") + ", " + utc(begin) + " to " + utc(end),
			})
		}
		begin = end
	}
	for _, x := range slices.Backward(turns) {
		until(x.Time)
		state = x.After
	}
	until(t.To)
}
