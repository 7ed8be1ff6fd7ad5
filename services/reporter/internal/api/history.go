package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// history is how a tag stood over time on one platform: the moments at which its verdict, coverage or counts changed.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		return
	}
	q := r.URL.Query()
	row := list.PickPlatform(list.Named(v, q.Get("image")), q.Get("platform"))
	switch {
	case s.Timeline == nil:
		s.fail(w, r, fmt.Errorf("history: %w: no history is kept here", plimsoll.ErrUnsupported))
		return
	case row == nil:
		s.fail(w, r, fmt.Errorf("image %.300q %.40s: %w: no stored image is called so", q.Get("image"), q.Get("platform"), plimsoll.ErrNotFound))
		return
	}
	t, err := s.Timeline(r.Context(), row, s.Now())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	sendList(s, w, r, "history", list.InOrder(t.Turns), turnColumns, same)
}

var turnColumns = []list.Column[history.Turn]{
	{Name: "time", Cell: func(x history.Turn) string { return x.Time.UTC().Format(time.RFC3339) }},
	{Name: "cause", Cell: func(x history.Turn) string { return string(x.Cause) }},
	{Name: "what", Cell: func(x history.Turn) string { return x.What }},
	{Name: "actor", Cell: func(x history.Turn) string { return x.Actor }},
	{Name: "verdict before", Cell: func(x history.Turn) string { return string(x.Before.Verdict) }},
	{Name: "verdict", Cell: func(x history.Turn) string { return string(x.After.Verdict) }},
	{Name: "coverage before", Cell: func(x history.Turn) string { return string(x.Before.Coverage) }},
	{Name: "coverage", Cell: func(x history.Turn) string { return string(x.After.Coverage) }},
	{Name: "digest", Cell: func(x history.Turn) string { return string(x.After.Digest) }},
	{Name: "critical before", Cell: countCell(true, plimsoll.SeverityCritical)},
	{Name: "critical", Cell: countCell(false, plimsoll.SeverityCritical)},
	{Name: "high before", Cell: countCell(true, plimsoll.SeverityHigh)},
	{Name: "high", Cell: countCell(false, plimsoll.SeverityHigh)},
	{Name: "medium before", Cell: countCell(true, plimsoll.SeverityMedium)},
	{Name: "medium", Cell: countCell(false, plimsoll.SeverityMedium)},
	{Name: "low before", Cell: countCell(true, plimsoll.SeverityLow)},
	{Name: "low", Cell: countCell(false, plimsoll.SeverityLow)},
}

// countCell is a count before or after a turn; empty where the tag was not there, and in words where there is none to believe.
func countCell(before bool, severity plimsoll.Severity) func(history.Turn) string {
	return func(x history.Turn) string {
		s := x.After
		if before {
			s = x.Before
		}
		switch {
		case !s.There():
			return ""
		case s.Counts == nil:
			return "not read"
		case s.Counts[severity] == 0 && s.Unsure != "":
			return "not known"
		}
		return strconv.Itoa(s.Counts[severity])
	}
}
