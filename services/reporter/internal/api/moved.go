package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// movedAnswer is why the posture moved, without the changes themselves.
type movedAnswer struct {
	From     time.Time             `json:"from"`
	To       time.Time             `json:"to"`
	Registry string                `json:"registry"`
	Before   history.Standing      `json:"before"`
	After    history.Standing      `json:"after"`
	Causes   []history.CauseEffect `json:"causes"`
	Total    int                   `json:"changes"`
}

func (s *Server) moved(w http.ResponseWriter, r *http.Request) {
	if s.view(w, r) == nil {
		return
	}
	m, _, err := s.why(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, movedAnswer{m.From, m.To, m.Registry, m.Before, m.After, m.Causes, m.Total})
}

func (s *Server) moves(w http.ResponseWriter, r *http.Request) {
	if s.view(w, r) == nil {
		return
	}
	m, cause, err := s.why(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	sendList(s, w, r, "moved", list.InOrder(m.Of(cause)), moveColumns, same)
}

// why reads the moments and the cause that a call asks about. Without "to" it is about now, without "from" about the week
// before it.
func (s *Server) why(r *http.Request) (*history.Moved, posture.Cause, error) {
	q := r.URL.Query()
	if s.Moved == nil {
		return nil, "", fmt.Errorf("moved: %w: no history is kept here", plimsoll.ErrUnsupported)
	}
	to, err := momentOr(q.Get("to"), s.Now())
	if err != nil {
		return nil, "", err
	}
	from, err := momentOr(q.Get("from"), to.Add(-history.Lately))
	if err != nil {
		return nil, "", err
	}
	cause, err := history.ParseCause(q.Get("cause"))
	if err != nil {
		return nil, "", err
	}
	m, err := s.Moved(r.Context(), from, to, q.Get("registry"))
	return m, cause, err
}

func momentOr(text string, other time.Time) (time.Time, error) {
	if text == "" {
		return other, nil
	}
	return history.ParseMoment(text)
}

var moveColumns = []list.Column[history.Move]{
	{Name: "time", Cell: func(m history.Move) string { return m.Time.UTC().Format(time.RFC3339) }},
	{Name: "cause", Cell: func(m history.Move) string { return string(m.Cause) }},
	{Name: "what", Cell: func(m history.Move) string { return m.What }},
	{Name: "actor", Cell: func(m history.Move) string { return m.Actor }},
	{Name: "registry", Cell: func(m history.Move) string { return m.Registry }},
	{Name: "repository", Cell: func(m history.Move) string { return m.Repository }},
	{Name: "tag", Cell: func(m history.Move) string { return m.Tag }},
	{Name: "platform", Cell: func(m history.Move) string { return m.Platform }},
	{Name: "before", Cell: func(m history.Move) string { return string(m.Before) }},
	{Name: "after", Cell: func(m history.Move) string { return string(m.After) }},
	{Name: "appeared", Cell: func(m history.Move) string { return movedText(m.Appeared) }},
	{Name: "disappeared", Cell: func(m history.Move) string { return movedText(m.Disappeared) }},
}

// movedText is "CVE-… in name ×2; …".
func movedText(all []history.MovedFinding) string {
	parts := make([]string, len(all))
	for i, f := range all {
		parts[i] = f.ID + " in " + f.Package
		if f.Places > 1 {
			parts[i] += " ×" + strconv.Itoa(f.Places)
		}
	}
	return strings.Join(parts, "; ")
}
