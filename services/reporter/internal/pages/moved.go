package pages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// waterfall is why the posture moved: steps that add up.
type waterfall struct {
	From, To time.Time
	Before   history.Standing
	After    history.Standing
	Steps    []waterStep
	Fail     string // the difference, signed
	Findings string
	URL      string // the list of all changes
	Wait     bool   // it is being found
}

// waterStep is what one cause did. Images links to the changes behind it.
type waterStep struct {
	Cause          string
	Fail, Findings string // signed
	Images         number
	Quiet          bool // it did nothing
}

// signed writes a difference so that nobody takes it for a number: +3, −21, 0.
func signed(n int) string {
	switch {
	case n > 0:
		return "+" + list.Comma(n)
	case n < 0:
		return "−" + list.Comma(-n)
	}
	return "0"
}

func waterfallOf(m *history.Moved) waterfall {
	w := waterfall{From: m.From, To: m.To, Before: m.Before, After: m.After, URL: movedURL(m, "")}
	w.Fail, w.Findings = signed(m.After.Fail-m.Before.Fail), signed(m.After.Findings-m.Before.Findings)
	for _, c := range m.Causes {
		w.Steps = append(w.Steps, waterStep{
			Cause: string(c.Cause), Fail: signed(c.Difference.Fail), Findings: signed(c.Difference.Findings), Quiet: c.Images == 0,
			Images: number{N: c.Images, URL: movedURL(m, string(c.Cause))},
		})
	}
	return w
}

func movedURL(m *history.Moved, cause string) string {
	q := url.Values{"from": {m.From.Format(time.RFC3339)}, "to": {m.To.Format(time.RFC3339)}}
	if m.Registry != "" {
		q.Set("registry", m.Registry)
	}
	if cause != "" {
		q.Set("cause", cause)
	}
	return "/moved?" + q.Encode()
}

// lately is the overview's waterfall. It is found in the background; until it stands for the first time the page says so.
func (s *Server) lately(r *http.Request, registry string) *waterfall {
	var m *history.Moved
	switch {
	case s.Lately != nil:
		m = s.Lately(s.Now(), registry)
	case s.Moved != nil:
		var err error
		if m, err = s.Moved(r.Context(), s.Now().Add(-history.Lately), s.Now(), registry); err != nil {
			s.Log.Warn("it cannot be told why the posture moved", "error", err)
		}
	default:
		return nil
	}
	if m == nil {
		return &waterfall{Wait: true}
	}
	w := waterfallOf(m)
	return &w
}

type movedPage struct {
	listing
	Water waterfall
	Cause string
	Rows  []history.Move
	Cut   int // how many changes are counted and not listed
}

// moved is the list of changes behind each cause.
func (s *Server) moved(w http.ResponseWriter, r *http.Request) {
	p := movedPage{listing: listing{frame: s.frame(r, "overview", "Why it moved"), Path: "/moved"}}
	if s.View() == nil || s.Moved == nil {
		s.show(w, r, http.StatusOK, "moved", p)
		return
	}
	q := r.URL.Query()
	p.Cause = q.Get("cause")
	m, err := s.movedOf(r)
	switch {
	case errors.Is(err, plimsoll.ErrInvalid):
		s.problem(w, r, http.StatusBadRequest, "That cannot be told", err.Error())
		return
	case err != nil:
		p.Fault = err.Error()
	default:
		cause, _ := history.ParseCause(p.Cause) // movedOf has looked at it
		p.Water, p.Cut = waterfallOf(m), m.Total-len(m.Moves)
		q.Del("cursor")
		p.Exports = exportsOf(r, "/moved/changes", q.Encode())
		p.Rows = pageOf(&p.listing, r, list.InOrder(m.Of(cause)), q.Encode())
	}
	s.show(w, r, http.StatusOK, "moved", p)
}

// movedOf reads the moments of the page's URL: without "to" it is about now, without "from" about the week before it.
func (s *Server) movedOf(r *http.Request) (*history.Moved, error) {
	q, to := r.URL.Query(), s.Now()
	var err error
	if text := q.Get("to"); text != "" {
		to, err = history.ParseMoment(text)
	}
	from := to.Add(-history.Lately)
	if text := q.Get("from"); text != "" && err == nil {
		from, err = history.ParseMoment(text)
	}
	if err == nil {
		_, err = history.ParseCause(q.Get("cause"))
	}
	if err != nil {
		return nil, err
	}
	m, err := s.Moved(r.Context(), from, to, s.known(q.Get("registry")))
	if err != nil {
		err = fmt.Errorf("why it moved: %w", err)
	}
	return m, err
}
