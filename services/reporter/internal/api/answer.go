package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// maxBody bounds the body of a changing call: ours name a registry or a period.
const maxBody = 64 << 10

// statuses maps the errors that callers tell apart; the first that fits.
var statuses = []struct {
	err    error
	status int
}{
	{plimsoll.ErrInvalid, http.StatusBadRequest},
	{plimsoll.ErrNotFound, http.StatusNotFound},
	{plimsoll.ErrDenied, http.StatusForbidden},
	{plimsoll.ErrLimit, http.StatusUnprocessableEntity},
	{plimsoll.ErrUnsupported, http.StatusNotImplemented},
	{plimsoll.ErrUnavailable, http.StatusServiceUnavailable},
}

func statusOf(err error) int {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

// fail answers with {"error": "…"}; what is ours to mend is logged, the rest is the caller's to read.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if status == http.StatusInternalServerError {
		s.Log.Error("call failed", "path", r.URL.Path, "error", err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	answer(w, status, map[string]string{"error": err.Error()})
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error here is the caller's connection
}

// view is the posture, or the answer that there is none yet.
func (s *Server) view(w http.ResponseWriter, r *http.Request) *posture.View {
	v := s.View()
	if v == nil {
		s.fail(w, r, fmt.Errorf("%w: the posture is being folded from the bucket; ask again in a moment", plimsoll.ErrUnavailable))
	}
	return v
}

// body reads a small JSON object strictly.
func body(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("body: %w JSON: %w", plimsoll.ErrInvalid, err)
	}
	return nil
}

func (s *Server) missing(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusNotFound, map[string]string{"error": "there is no " + r.Method + " " + r.URL.Path + "; /api/v1/openapi.yaml lists what there is"})
}

// streamTimeout is how long one write of a long download may take; the server's own limit is for a whole answer.
const streamTimeout = 2 * time.Minute

// stream moves the write deadline on with every write, so that a large answer over a slow line is not cut off.
type stream struct {
	http.ResponseWriter
	control *http.ResponseController
}

func streaming(w http.ResponseWriter) stream { return stream{w, http.NewResponseController(w)} }

// Write implements io.Writer.
func (s stream) Write(b []byte) (int, error) {
	// Not every writer has deadlines (tests): the write itself then tells.
	_ = s.control.SetWriteDeadline(time.Now().Add(streamTimeout))
	return s.ResponseWriter.Write(b)
}
