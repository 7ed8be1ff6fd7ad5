package hooks

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue/queuetest"
)

// endless is a body that never ends, and counts what was taken of it.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.read.Load() > 100<<20 {
		return 0, io.EOF
	}
	e.read.Add(int64(len(p)))
	return len(p), nil
}

// H49: of 100 MB over a real connection little more than the bound is read, for every dialect.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, w *world, s sender) {
		server := httptest.NewServer(w.handler)
		defer server.Close()
		body := new(endless)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/hooks/r", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		s.prove(req, nil, theSecret)
		res, err := server.Client().Do(req)
		if err == nil { // the server may also have closed before all was sent
			res.Body.Close()
			if res.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("status %d, want 413", res.StatusCode)
			}
		}
		if n := body.read.Load(); n > 20<<20 {
			t.Errorf("%d bytes of the body were taken", n)
		}
		if w.counted("r", refused) != 1 {
			t.Errorf("%v refused, want 1", w.counted("r", refused))
		}
	})
}

// The handshake of CloudEvents is answered with the origin that asks, once the secret is shown.
func TestHandshake(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(theSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(false, plimsoll.Registry{ID: "acr", Hook: plimsoll.Hook{Dialect: plimsoll.HookACR, SecretFile: file}},
		plimsoll.Registry{ID: "harbor", Hook: plimsoll.Hook{Dialect: plimsoll.HookHarbor, SecretFile: file}})
	for _, test := range []struct {
		path, origin, allowed string
		status                int
	}{
		{"/hooks/acr/" + theSecret, "eventgrid.azure.net", "eventgrid.azure.net", 200},
		{"/hooks/acr/wrong", "eventgrid.azure.net", "", 401},
		{"/hooks/acr", "eventgrid.azure.net", "", 401},
		{"/hooks/acr/" + theSecret, "", "", 400},
		{"/hooks/harbor", "eventgrid.azure.net", "", 405},
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, test.path, nil)
		req.Header.Set("WebHook-Request-Origin", test.origin)
		req.Header.Set("WebHook-Request-Callback", "http://169.254.169.254/")
		rec := w.serve(req)
		if got := rec.Header().Get("WebHook-Allowed-Origin"); rec.Code != test.status || got != test.allowed {
			t.Errorf("OPTIONS %s: status %d, allowed origin %q, want %d, %q", test.path, rec.Code, got, test.status, test.allowed)
		}
	}
}

// A secret in a path stands in no line of the log, right or wrong, and in no answer.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	eachSecret := func(dialect, body string) {
		w := newWorld(false, plimsoll.Registry{ID: "r", Hook: plimsoll.Hook{Dialect: dialect, SecretFile: writeSecret(t)}})
		w.handler.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		for _, secret := range []string{theSecret, theSecret + "-wrong"} {
			for _, b := range []string{body, `<html>`} {
				rec := w.serve(request(t, "/hooks/r/"+secret, b))
				if strings.Contains(rec.Body.String(), "s3cret") {
					t.Errorf("%s: the answer holds the secret: %s", dialect, rec.Body)
				}
			}
		}
	}
	eachSecret(plimsoll.HookDockerHub, fixture(t, "docker-hub/push"))
	eachSecret(plimsoll.HookQuay, fixture(t, "quay/push"))
	eachSecret(plimsoll.HookACR, fixture(t, "acr/push"))
	if log.Len() == 0 || strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log (%d bytes) holds the secret:\n%s", log.Len(), log.String())
	}
}

func writeSecret(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(theSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// realWorld is a handler before a real queue, whose push lane is read by run.
func realWorld(t *testing.T, registries []plimsoll.Registry, run queue.Run) (*Handler, *nats.Conn) {
	t.Helper()
	nc := queuetest.Start(t).Connect()
	q, err := queue.New(nc, queue.Options{Memory: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := map[string]plimsoll.Registry{}
	for _, r := range registries {
		all[r.ID] = r
	}
	h := New(Config{Registries: all, Local: true, Publish: q.Publish, Log: slog.New(slog.DiscardHandler),
		Refs: func(context.Context, string, string) ([]plimsoll.Ref, error) { return nil, nil }})
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	if run != nil {
		parts.Go(func() { q.Consume(ctx, queue.PushLane(slices.Collect(maps.Keys(all)), 64), run) })
	}
	parts.Go(func() {
		if err := h.Listen(ctx, nc); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); parts.Wait() })
	return h, nc
}

// H49, F21: 10,000 replays lead to few scans: where events have ids the queue drops them, where they have none those that wait are
// served together. The last one is served by a scan that begins after it.
func TestTenThousandReplays(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("10,000 requests")
	}
	for _, dialect := range []string{plimsoll.HookHarbor, plimsoll.HookQuay} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			var runs atomic.Int64
			var lastBegan atomic.Int64
			h, _ := realWorld(t, []plimsoll.Registry{{ID: "r", Hook: plimsoll.Hook{Dialect: dialect}}}, func(ctx context.Context, _ *scanv1.ScanRequest) error {
				runs.Add(1)
				lastBegan.Store(time.Now().UnixNano())
				select { // what a scan takes
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
				return ctx.Err()
			})
			body := senders(t)[dialect].known
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 1250 {
						rec := httptest.NewRecorder()
						if h.ServeHTTP(rec, request(t, "/hooks/r", body)); rec.Code != 202 {
							t.Errorf("status %d, want 202", rec.Code)
							return
						}
					}
				})
			}
			began := time.Now()
			all.Wait()
			last := time.Now().UnixNano()
			h.ServeHTTP(httptest.NewRecorder(), request(t, "/hooks/r", body))
			took := time.Since(began)
			if dialect == plimsoll.HookQuay {
				eventually(t, "a scan that begins after the last push", func() bool { return lastBegan.Load() > last })
			}
			// One at a time, each of 50 ms, while they come in and a little after.
			most := int64(took/(50*time.Millisecond)) + 100
			if n := runs.Load(); n < 1 && dialect == plimsoll.HookQuay || n > most || dialect == plimsoll.HookHarbor && n > 1 {
				t.Errorf("10,000 replays in %s: %d scans, want 1 where they have ids, else at most %d", took, n, most)
			}
			t.Logf("10,000 replays in %s: %d scans", took, runs.Load())
		})
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// zot's events come over NATS in both modes of CloudEvents, take the same way, and one of two schedulers gets each.
func TestZotOverNATS(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	r := plimsoll.Registry{ID: "zot", Hook: plimsoll.Hook{Dialect: plimsoll.HookZot, NATSSubject: "zot.events"}}
	h, nc := realWorld(t, []plimsoll.Registry{r, {ID: "other"}}, func(_ context.Context, r *scanv1.ScanRequest) error {
		mu.Lock()
		defer mu.Unlock()
		for _, target := range r.GetTargets() {
			got = append(got, r.GetRegistry()+"/"+r.GetRepository()+":"+target.GetTag()+"@"+target.GetDigest())
		}
		return nil
	})
	counted := func(outcome string) int { return int((&world{handler: h}).counted("zot", outcome)) }
	publish := func(m *nats.Msg) {
		t.Helper()
		m.Subject = "zot.events"
		if err := nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	// The subscription is made beside: the first message tells when it stands.
	eventually(t, "the subscription", func() bool {
		publish(&nats.Msg{Data: []byte(fixture(t, "zot/created"))})
		return counted(ignored) > 0
	})
	publish(&nats.Msg{Data: []byte(fixture(t, "zot/push"))})
	publish(&nats.Msg{Data: []byte(fixture(t, "zot/push"))}) // twice the same
	binary := nats.Header{"ce-type": {"zotregistry.image.updated"}, "ce-id": {"2"}, "ce-specversion": {"1.0"}, "ce-source": {"zotregistry.dev"}, "content-type": {"application/json"}}
	publish(&nats.Msg{Header: binary, Data: []byte(fixture(t, "zot/binary"))})
	publish(&nats.Msg{Data: []byte(`<html>`)})
	eventually(t, "all events", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == 2 && counted(duplicate) == 1 && counted(refused) == 1
	})
	mu.Lock()
	defer mu.Unlock()
	if all := strings.Join(got, " "); !strings.Contains(all, "zot/team/app:v1"+at) || !strings.Contains(all, "zot/team/app:v2"+at) {
		t.Errorf("asked %s, want v1 and v2", all)
	}
}

// While the queue is full an event that came over NATS waits, because nobody sends it again.
func TestZotWaitsForTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, zotWaits)
}

func zotWaits(t *testing.T) {
	w := newWorld(true)
	var tries atomic.Int64
	w.handler.Publish = func(ctx context.Context, r *scanv1.ScanRequest) (bool, error) {
		if tries.Add(1) == 1 {
			return false, fmt.Errorf("queue is full: %w", plimsoll.ErrLimit)
		}
		return w.publish(ctx, r)
	}
	r := plimsoll.Registry{ID: "zot"}
	w.handler.receive(t.Context(), &nats.Msg{Data: []byte(fixture(t, "zot/push"))}, r)
	if len(w.requests) != 1 || tries.Load() != 2 {
		t.Errorf("%d requests after %d tries, want it at the second", len(w.requests), tries.Load())
	}
	w.handler.receive(t.Context(), &nats.Msg{Data: []byte(rand.Text() + strings.Repeat(" ", maxBody))}, r)
	if w.counted("zot", refused) != 1 {
		t.Errorf("%v refused, want the one that is too large", w.counted("zot", refused))
	}
}
