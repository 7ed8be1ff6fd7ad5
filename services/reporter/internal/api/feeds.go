package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
)

// maxOwnFile bounds a file of our own advisories, in bytes: they are written by hand.
const maxOwnFile = 4 << 20

// update reads the feeds again. The body may be empty, or say that feeds are taken which were stopped.
func (s *Server) update(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Accept bool `json:"accept"`
	}
	if err := body(w, r, &asked); err != nil && !errors.Is(err, io.EOF) {
		s.fail(w, r, err)
		return
	}
	generation, changed, err := s.Feed.Update(r.Context(), access.Actor(r.Context()), asked.Accept)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"generation": generation, "changed": changed})
}

// addOwn takes our own records: one in OSV's schema, or a list of them.
func (s *Server) addOwn(w http.ResponseWriter, r *http.Request) {
	file, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOwnFile))
	if err != nil {
		s.fail(w, r, fmt.Errorf("body: %w: %w", plimsoll.ErrInvalid, err))
		return
	}
	ids, generation, err := s.Feed.Add(r.Context(), access.Actor(r.Context()), file)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"ids": ids, "generation": generation})
}
