package api

import (
	"fmt"
	"net/http"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/explain"
)

// maxID bounds an advisory's id in a path, in bytes: ids have at most 128.
const maxID = 200

func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if id == "" || len(id) > maxID {
		s.fail(w, r, fmt.Errorf("advisory %.80q: %w: want an id of at most %d bytes, such as CVE-2021-44228", id, plimsoll.ErrInvalid, maxID))
		return
	}
	if v, im, ok := s.lookup(w, r); ok {
		answer(w, http.StatusOK, explain.Of(v, im, id))
	}
}
