package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// sweepAnswer is one registry's sweeps.
type sweepAnswer struct {
	registryAnswer
	Running *plimsoll.Sweep `json:"running"` // as the orchestrator sees it now; null when none runs
	Pace    *list.Pace      `json:"pace"`    // of the running sweep; null when none runs
	Next    *time.Time      `json:"next"`    // by its schedule; null when none is scheduled, or that cannot be told
	// Events are the push events of the last 24 hours; null when it has no hook, or they cannot be told.
	Events *plimsoll.PushCount `json:"push_events"`
	Pushes *int                `json:"pushes_overtaking"` // requests of pushes that have not ended; null when that cannot be told
	Bounds *sweepBounds        `json:"bounds"`            // null for a registry that is not configured any more
	Gaps   []list.Gap          `json:"gaps"`              // what is not covered, by cause, most images first
	Fault  string              `json:"fault"`             // why it cannot be told whether one runs; empty when it can
	Recent []plimsoll.Sweep    `json:"recent"`            // newest first
}

func (s *Server) sweeps(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		return
	}
	around := s.Around()
	only := r.URL.Query().Get("registry")
	out := page[sweepAnswer]{Items: []sweepAnswer{}}
	for _, reg := range v.Registries() {
		if only != "" && reg.ID != s.registryID(only) && reg.ID != only {
			continue
		}
		x := sweepAnswer{registryAnswer: s.registry(reg), Recent: some(reg.Recent)}
		switch running, err := s.Sweeps.Progress(r.Context(), reg.ID); {
		case err == nil:
			x.Running = &running
			pace := list.PaceOf(reg, running, s.Now())
			x.Pace = &pace
		case !errors.Is(err, plimsoll.ErrNotFound):
			x.Fault = err.Error()
		}
		about := around.Registries[reg.ID]
		x.Next, x.Events, x.Pushes, x.Bounds = about.Next, about.Events, about.Pushes, s.bounds(reg.ID)
		x.Gaps = some(list.Gaps(v, reg.ID))
		out.Items = append(out.Items, x)
	}
	if only != "" && len(out.Items) == 0 {
		s.fail(w, r, s.unknown(only))
		return
	}
	out.Total = len(out.Items)
	answer(w, http.StatusOK, out)
}

// sweepBounds are what a registry's requests are bound to.
type sweepBounds struct {
	Concurrency int     `json:"concurrency"` // at once
	Rate        float64 `json:"requests_per_second"`
}

func (s *Server) bounds(id string) *sweepBounds {
	for _, r := range s.Registries {
		if r.ID == id {
			return &sweepBounds{r.Concurrency, r.RequestsPerSecond}
		}
	}
	return nil
}

func (s *Server) unknown(registry string) error {
	return fmt.Errorf("registry %.80q: %w: the configuration names no such registry", registry, plimsoll.ErrNotFound)
}

// named is the registry that a changing call is about.
func (s *Server) named(w http.ResponseWriter, r *http.Request) (string, error) {
	var in struct {
		Registry string `json:"registry"`
	}
	if err := body(w, r, &in); err != nil {
		return "", err
	}
	id := s.registryID(in.Registry)
	if id == "" {
		return "", s.unknown(in.Registry)
	}
	return id, nil
}

func (s *Server) startSweep(w http.ResponseWriter, r *http.Request) {
	id, err := s.named(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	joined, err := s.Sweeps.Start(r.Context(), id, access.Actor(r.Context()))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusAccepted, map[string]any{"registry": id, "joined": joined})
}

func (s *Server) cancelSweep(w http.ResponseWriter, r *http.Request) {
	id, err := s.named(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.Sweeps.Cancel(r.Context(), id, access.Actor(r.Context())); err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusAccepted, map[string]any{"registry": id})
}

// maxCause bounds the words by which a cause is asked for: reasons are shorter.
const maxCause = 400

func (s *Server) retrySweep(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Registry string `json:"registry"`
		Cause    string `json:"cause"`
	}
	if err := body(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	id := s.registryID(in.Registry)
	switch {
	case id == "":
		s.fail(w, r, s.unknown(in.Registry))
		return
	case len(in.Cause) > maxCause:
		s.fail(w, r, fmt.Errorf("cause: %w: more than %d bytes", plimsoll.ErrInvalid, maxCause))
		return
	}
	got, done, err := s.Sweeps.Retry(r.Context(), id, in.Cause, access.Actor(r.Context()))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	got.Registry, got.Cause = id, in.Cause
	answer(w, http.StatusAccepted, struct {
		plimsoll.Retry
		Done bool `json:"done"`
	}{got, done})
}

func (s *Server) planSweep(w http.ResponseWriter, r *http.Request) {
	id, err := s.named(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	joined, err := s.Sweeps.Plan(r.Context(), id, access.Actor(r.Context()))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusAccepted, map[string]any{"registry": id, "joined": joined})
}

// plannedSweep gives the last plan of a registry.
func (s *Server) plannedSweep(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("registry")
	id := s.registryID(name)
	if id == "" {
		s.fail(w, r, s.unknown(name))
		return
	}
	plan, running, err := s.Sweeps.Planned(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := struct {
		Registry string              `json:"registry"`
		Running  bool                `json:"running"`
		Plan     *plimsoll.SweepPlan `json:"plan"` // null while it is made
	}{Registry: id, Running: running}
	if !running {
		out.Plan = &plan
	}
	answer(w, http.StatusOK, out)
}

// deadLetters gives the scan requests that failed for good.
func (s *Server) deadLetters(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.Around().Letters)
}
