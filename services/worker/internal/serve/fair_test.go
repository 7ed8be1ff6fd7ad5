package serve

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
	"github.com/plimsoll/plimsoll/services/worker/internal/store"
)

// TestAWaitForARegistryLendsItsSlot: with one slot, a layer of a registry that says "later" keeps no layer of another registry
// waiting, and is read in its turn.
func TestAWaitForARegistryLendsItsSlot(t *testing.T) {
	t.Parallel()
	blobs, err := blob.Open(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(blobs.Close)
	analyzers, quiet := []plimsoll.Analyzer{{Name: plimsoll.AnalyzerTree, Version: 1, Config: "0"}}, slog.New(slog.DiscardHandler)
	clients, layers := map[string]*registry.Client{}, map[string]imagetest.Blob{}
	var asked, other atomic.Bool // the slow registry was asked; the other one's layer has been read
	told := make(chan struct{})
	for _, id := range []string{"slow", "other"} {
		reg := imagetest.NewRegistry(imagetest.RegistryOptions{})
		if err := reg.Start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(reg.Close)
		layers[id] = imagetest.Gzip(imagetest.Layer(imagetest.Text(id, t.Name())))
		image := imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{layers[id]}}))
		if err := imagetest.Push(t.Context(), reg.Host(), "team/app", "1", image); err != nil {
			t.Fatal(err)
		}
		if id == "slow" {
			// It says "later" until the other one's layer has been read: without a loan of the slot that would never be.
			reg.Intercept(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.URL.Path, "/blobs/") && !other.Load() {
						if asked.CompareAndSwap(false, true) {
							close(told)
						}
						w.Header().Set("Retry-After", "1")
						w.WriteHeader(http.StatusTooManyRequests)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
		}
		client, err := registry.New(plimsoll.Registry{ID: id, URL: reg.URL()}, registry.Options{Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		clients[id] = client
	}
	s := New(t.Context(), Options{
		Slots: 1, Recipe: "fair", Analyzers: analyzers, Limits: layer.DefaultLimits(), Store: store.New(blobs, "fair", analyzers, quiet), Children: &dying{},
		Registries: clients, Metrics: NewMetrics(prometheus.NewRegistry()), Log: quiet,
	})
	analyze := func(id string) error {
		return s.Analyze(&workerv1.AnalyzeRequest{
			Registry: id, Repository: "team/app", Recipe: "fair",
			Layer: &workerv1.Layer{Digest: layers[id].Digest().String(), Size: int64(len(layers[id].Bytes))},
		}, &answers{ctx: t.Context()})
	}
	slow := make(chan error, 1)
	go func() { slow <- analyze("slow") }()
	<-told
	if err := analyze("other"); err != nil {
		t.Fatalf("the other registry's layer: %v", err)
	}
	other.Store(true)
	if err := <-slow; err != nil {
		t.Errorf("the slow registry's layer: %v", err)
	}
	if n := s.slots.Held(); n != 0 {
		t.Errorf("%d slots are still taken", n)
	}
}
