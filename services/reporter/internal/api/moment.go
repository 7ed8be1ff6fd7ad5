package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// paramAt asks a reading call for its answer as it was knowable at a moment.
const paramAt = "at"

// timeless are the reading calls that know no moment: they tell of what runs now, or of what never changes.
var timeless = []string{
	"GET /api/v1/sweeps", "GET /api/v1/reports", "GET /api/v1/reports/draft", "GET /api/v1/reports/{period}/{file}", "GET /api/v1/openapi.yaml",
}

// replayable reports whether a call takes a moment.
func (r route) replayable() bool {
	return strings.HasPrefix(r.pattern, "GET ") && !slices.Contains(timeless, r.pattern)
}

// inTime answers the i-th call: by the server of the moment that its URL names, else by h.
func (s *Server) inTime(i int, rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		text := q.Get(paramAt)
		if text == "" {
			rt.handler(w, r)
			return
		}
		if s.Replay == nil || !rt.replayable() {
			s.fail(w, r, fmt.Errorf("at: %w: this call is answered as of now alone", plimsoll.ErrInvalid))
			return
		}
		at, err := history.ParseMoment(text)
		var m *posture.Moment
		if err == nil {
			m, err = s.Replay(r.Context(), at)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		q.Del(paramAt)
		there := r.Clone(r.Context())
		there.URL.RawQuery = q.Encode()
		s.at(m).routes()[i].handler(w, there)
	}
}

// at is a server of one moment: its clock stands still.
func (s *Server) at(m *posture.Moment) *Server {
	c := s.Config
	c.View = func() *posture.View { return m.View }
	c.Now = func() time.Time { return m.At }
	c.Registries, c.StaleAfter = m.Registries, m.StaleAfter
	return New(c)
}
