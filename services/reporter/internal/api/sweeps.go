package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
)

// sweepAnswer is one registry's sweeps.
type sweepAnswer struct {
	registryAnswer
	Running *plimsoll.Sweep  `json:"running"` // as the orchestrator sees it now; null when none runs
	Fault   string           `json:"fault"`   // why it cannot be told whether one runs; empty when it can
	Recent  []plimsoll.Sweep `json:"recent"`  // newest first
}

func (s *Server) sweeps(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		return
	}
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
		case !errors.Is(err, plimsoll.ErrNotFound):
			x.Fault = err.Error()
		}
		out.Items = append(out.Items, x)
	}
	if only != "" && len(out.Items) == 0 {
		s.fail(w, r, s.unknown(only))
		return
	}
	out.Total = len(out.Items)
	answer(w, http.StatusOK, out)
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
