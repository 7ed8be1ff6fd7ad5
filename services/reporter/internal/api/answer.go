package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
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
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil { // our own types: a test that calls it finds out
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	// A caller may keep an answer and must ask whether it still holds; nothing between us and the caller may keep it.
	h.Set("Cache-Control", "private, no-cache")
	tag := `"` + plimsoll.DigestOf(b.Bytes()).Hex()[:tagDigits] + `"`
	if h.Set("ETag", tag); status == http.StatusOK && matches(w, tag) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error here is the caller's connection
}

// tagDigits is how many hexadecimal digits of its sha256 name an answer: 128 bits.
const tagDigits = 32

// conditional is a writer that knows which answer the caller has (RFC 9110, If-None-Match).
type conditional struct {
	http.ResponseWriter
	has string
}

// Unwrap serves http.ResponseController.
func (c conditional) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// conditionally lets answers be compared with what the caller has.
func conditionally(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if has := r.Header.Get("If-None-Match"); has != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			w = conditional{w, has}
		}
		h(w, r)
	}
}

// matches reports whether the caller has the answer with this tag.
func matches(w http.ResponseWriter, tag string) bool {
	c, ok := w.(conditional)
	if !ok {
		return false
	}
	for one := range strings.SplitSeq(c.has, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
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
