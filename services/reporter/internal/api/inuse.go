package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/inuse"
)

// InUse keeps which images are in use, and gives the digests of a report, each once. An error wraps [plimsoll.ErrInvalid] when the
// report is wrong.
type InUse interface {
	Record(ctx context.Context, r inuse.Report) ([]plimsoll.Digest, error)
}

// inUseAnswer says what became of a report.
type inUseAnswer struct {
	Digests int `json:"digests"` // each counted once
	Known   int `json:"known"`   // of which an image is stored
	Unknown int `json:"unknown"` // kept too: a sweep may find them
}

func (s *Server) inUse(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		return
	}
	var in inuse.Report
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, inuse.MaxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		s.fail(w, r, fmt.Errorf("body: %w JSON: %w", plimsoll.ErrInvalid, err))
		return
	}
	digests, err := s.Uses.Record(r.Context(), in)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	told := make(map[plimsoll.Digest]bool, len(digests))
	for _, d := range digests {
		told[d] = false
	}
	for _, row := range v.Rows() {
		for _, d := range []plimsoll.Digest{row.Digest, row.Reference.Digest} {
			if _, ok := told[d]; ok {
				told[d] = true
			}
		}
	}
	out := inUseAnswer{Digests: len(digests)}
	for _, known := range told {
		if known {
			out.Known++
		}
	}
	out.Unknown = out.Digests - out.Known
	answer(w, http.StatusOK, out)
}
