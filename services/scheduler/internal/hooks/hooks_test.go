package hooks

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

const contentType = "application/vnd.docker.distribution.events.v2+json"

// world is a handler with a queue and refs in memory.
type world struct {
	mu       sync.Mutex
	requests []*scanv1.ScanRequest
	ids      map[string]bool
	full     bool
	refs     []plimsoll.Ref
	handler  *Handler
}

func newWorld(local bool, registries ...plimsoll.Registry) *world {
	w := &world{ids: map[string]bool{}}
	all := map[string]plimsoll.Registry{}
	for _, r := range registries {
		all[r.ID] = r
	}
	w.handler = New(Config{
		Registries: all, Local: local, Publish: w.publish, Log: slog.New(slog.DiscardHandler),
		Refs: func(context.Context, string, string) ([]plimsoll.Ref, error) { return w.refs, nil },
	})
	return w
}

func (w *world) publish(_ context.Context, r *scanv1.ScanRequest) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full {
		return false, fmt.Errorf("queue is full: %w", plimsoll.ErrLimit)
	}
	if w.ids[r.MessageID()] {
		return true, nil
	}
	w.ids[r.MessageID()] = true
	w.requests = append(w.requests, r)
	return false, nil
}

// asked are the queued references.
func (w *world) asked() (all []string) {
	for _, r := range w.requests {
		for _, t := range r.GetTargets() {
			all = append(all, plimsoll.Reference{Registry: r.GetRegistry(), Repository: r.GetRepository(), Tag: t.GetTag(), Digest: plimsoll.Digest(t.GetDigest())}.String())
		}
	}
	return all
}

func request(t testing.TB, path, body string, headers ...string) *http.Request {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

func (w *world) post(t testing.TB, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return w.serve(request(t, path, body, append([]string{"Content-Type", contentType}, headers...)...))
}

func (w *world) serve(req *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	return rec
}

func (w *world) counted(registry, outcome string) float64 {
	return testutil.ToFloat64(w.handler.counts.events.WithLabelValues(registry, outcome))
}

var (
	digestA = plimsoll.DigestOf([]byte("a"))
	digestB = plimsoll.DigestOf([]byte("b"))
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

func pushEvent(id, repository, tag string, digest plimsoll.Digest) string {
	return eventOf(id, "push", manifestType, repository, tag, string(digest))
}

func eventOf(id, action, mediaType, repository, tag, digest string) string {
	b, err := json.Marshal(map[string]any{
		"id": id, "timestamp": "2026-11-25T01:00:00Z", "action": action,
		"target": map[string]any{"mediaType": mediaType, "digest": digest, "repository": repository, "tag": tag,
			"size": 708, "url": "http://169.254.169.254/latest/meta-data"},
		"request": map[string]any{"host": "evil.example", "method": "PUT"},
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return string(b)
}

func events(all ...string) string { return `{"events":[` + strings.Join(all, ",") + `]}` }

func TestNotifications(t *testing.T) {
	t.Parallel()
	prod := plimsoll.Registry{ID: "prod", URL: "https://registry.example"}
	ref := func(tag string, d plimsoll.Digest) plimsoll.Ref { return plimsoll.Ref{Tag: tag, Digest: d} }
	tests := []struct {
		name   string
		body   string
		refs   []plimsoll.Ref
		status int
		asks   []string
		counts map[string]float64
	}{
		{
			name: "push of a tag", body: events(pushEvent("1", "team/app", "v1", digestA)), status: 202,
			asks: []string{"prod/team/app:v1@" + string(digestA)}, counts: map[string]float64{received: 1, queued: 1},
		},
		{
			name: "layers, pulls and pushes by digest are ignored",
			body: events(
				eventOf("1", "push", "application/octet-stream", "team/app", "", string(digestA)),
				eventOf("2", "pull", manifestType, "team/app", "v1", string(digestA)),
				eventOf("3", "push", manifestType, "team/app", "", string(digestA)),
				eventOf("4", "mount", manifestType, "team/app", "v1", string(digestA)),
				`{}`,
			),
			status: 202, counts: map[string]float64{received: 5, ignored: 5},
		},
		{
			name: "the last push of a tag counts",
			body: events(pushEvent("1", "team/app", "v1", digestA), pushEvent("2", "team/app", "v2", digestA), pushEvent("3", "team/app", "v1", digestB)), status: 202,
			asks:   []string{"prod/team/app:v2@" + string(digestA), "prod/team/app:v1@" + string(digestB)},
			counts: map[string]float64{received: 3, ignored: 1, queued: 2},
		},
		{
			name: "a bad event does not spoil a good one",
			body: events(
				pushEvent("1", "../etc", "v1", digestA), pushEvent("2", "Team/App", "v1", digestA), pushEvent("3", "team/app", "a/b", digestA),
				eventOf("4", "push", manifestType, "team/app", "v1", "sha512:abc"), `7`, pushEvent("5", "team/app", "v1", digestA),
			),
			status: 202, asks: []string{"prod/team/app:v1@" + string(digestA)}, counts: map[string]float64{received: 6, refused: 5, queued: 1},
		},
		{
			name: "deletion of a manifest", body: events(eventOf("1", "delete", "", "team/app", "", string(digestA))),
			refs: []plimsoll.Ref{ref("v1", digestA), ref("v2", digestB), ref("v3", digestA)}, status: 202,
			asks: []string{"prod/team/app:v1", "prod/team/app:v3"}, counts: map[string]float64{received: 1, queued: 1},
		},
		{
			name: "deletion of a tag", body: events(eventOf("1", "delete", "", "team/app", "v2", "")),
			refs: []plimsoll.Ref{ref("v1", digestA), ref("v2", digestB)}, status: 202,
			asks: []string{"prod/team/app:v2"}, counts: map[string]float64{received: 1, queued: 1},
		},
		{
			name: "deletion of what nobody knows", body: events(eventOf("1", "delete", "", "team/app", "", string(digestB))),
			refs: []plimsoll.Ref{ref("v1", digestA)}, status: 202, counts: map[string]float64{received: 1, ignored: 1},
		},
		{name: "no events", body: `{"events":[]}`, status: 202, counts: map[string]float64{}},
		{name: "not a notification", body: `{"hello":"world"}`, status: 400, counts: map[string]float64{refused: 1}},
		{name: "not JSON", body: `<html>`, status: 400, counts: map[string]float64{refused: 1}},
		{name: "empty", body: ``, status: 400, counts: map[string]float64{refused: 1}},
		{name: "too many events", body: events(strings.Split(strings.Repeat("{} ", maxEvents)+"{}", " ")...), status: 413, counts: map[string]float64{refused: 1}},
		{name: "too large", body: `{"events":[` + strings.Repeat(" ", maxBody) + `]}`, status: 413, counts: map[string]float64{refused: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(true, prod)
			w.refs = test.refs
			rec := w.post(t, "/hooks/prod", test.body)
			if rec.Code != test.status {
				t.Errorf("status %d, want %d", rec.Code, test.status)
			}
			if diff := cmp.Diff(test.asks, w.asked()); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			for _, outcome := range []string{received, queued, duplicate, refused, ignored} {
				if got := w.counted("prod", outcome); got != test.counts[outcome] {
					t.Errorf("%s = %v, want %v", outcome, got, test.counts[outcome])
				}
			}
		})
	}
}

func TestRepeatedEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(true, plimsoll.Registry{ID: "prod"})
	for range 100 {
		if rec := w.post(t, "/hooks/prod", events(pushEvent("1", "team/app", "v1", digestA))); rec.Code != 202 {
			t.Fatalf("status %d, want 202", rec.Code)
		}
	}
	if len(w.requests) != 1 || w.counted("prod", duplicate) != 99 {
		t.Errorf("%d requests, %v duplicates, want 1 and 99", len(w.requests), w.counted("prod", duplicate))
	}
	// The same push as a new event is no replay: somebody pushed again.
	w.post(t, "/hooks/prod", events(pushEvent("2", "team/app", "v1", digestA)))
	if len(w.requests) != 2 {
		t.Errorf("%d requests, want 2", len(w.requests))
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("s3cret\n")
	closed := plimsoll.Registry{ID: "closed", Hook: plimsoll.Hook{SecretFile: file}}
	open := plimsoll.Registry{ID: "open"}
	lost := plimsoll.Registry{ID: "lost", Hook: plimsoll.Hook{SecretFile: file + "-missing"}}
	body := events(pushEvent("1", "team/app", "v1", digestA))
	tests := []struct {
		name   string
		local  bool
		path   string
		header []string
		status int
	}{
		{name: "bearer", path: "/hooks/closed", header: []string{"Authorization", "Bearer s3cret"}, status: 202},
		{name: "raw", path: "/hooks/closed", header: []string{"Authorization", "s3cret"}, status: 202},
		{name: "wrong", path: "/hooks/closed", header: []string{"Authorization", "Bearer s3cre"}, status: 401},
		{name: "longer", path: "/hooks/closed", header: []string{"Authorization", "Bearer s3crett"}, status: 401},
		{name: "missing", path: "/hooks/closed", status: 401},
		{name: "missing, on loopback too", local: true, path: "/hooks/closed", status: 401},
		{name: "no secret, on loopback", local: true, path: "/hooks/open", status: 202},
		{name: "no secret, beyond", path: "/hooks/open", status: 401},
		{name: "no secret, beyond, with any", path: "/hooks/open", header: []string{"Authorization", "Bearer "}, status: 401},
		{name: "secret cannot be read", local: true, path: "/hooks/lost", header: []string{"Authorization", "Bearer "}, status: 503},
		{name: "unknown registry", local: true, path: "/hooks/other", status: 404},
		{name: "a path below", local: true, path: "/hooks/open/x", status: 404},
		{name: "a form of a browser", local: true, path: "/hooks/open", header: []string{"Content-Type", "text/plain"}, status: 415},
	}
	for _, test := range tests {
		w := newWorld(test.local, closed, open, lost)
		rec := w.post(t, test.path, body, test.header...)
		if rec.Code != test.status || (len(w.requests) > 0) != (test.status == 202) {
			t.Errorf("%s: status %d with %d requests, want %d", test.name, rec.Code, len(w.requests), test.status)
		}
	}
	write("other")
	w := newWorld(false, closed)
	if rec := w.post(t, "/hooks/closed", body, "Authorization", "Bearer other"); rec.Code != 202 {
		t.Errorf("after the secret changed: status %d, want 202 without a restart", rec.Code)
	}
}

func TestFullQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(true, plimsoll.Registry{ID: "prod"})
	w.full = true
	body := events(pushEvent("1", "team/app", "v1", digestA))
	rec := w.post(t, "/hooks/prod", body)
	if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q, want 503 and a time", rec.Code, rec.Header().Get("Retry-After"))
	}
	w.full = false
	if rec := w.post(t, "/hooks/prod", body); rec.Code != 202 || len(w.requests) != 1 {
		t.Errorf("status %d with %d requests, want it taken the second time", rec.Code, len(w.requests))
	}
}

func TestMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(true, plimsoll.Registry{ID: "prod"})
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/hooks/prod", nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d, want 405", rec.Code)
	}
}
