package serve

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/worker/internal/child"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
	"github.com/plimsoll/plimsoll/services/worker/internal/store"
)

var bucket blob.Config

func TestMain(m *testing.M) { os.Exit(blobtest.Main(m, &bucket)) }

// dying are children that die whenever the packages analyser is on.
type dying struct {
	mu   sync.Mutex
	runs [][]string
}

func (d *dying) Run(_ context.Context, j child.Job, src io.Reader) (facts []child.Facts, err error) {
	var names []string
	for _, a := range j.Analyzers {
		names = append(names, a.Name)
	}
	d.mu.Lock()
	d.runs = append(d.runs, names)
	d.mu.Unlock()
	if _, err := io.Copy(io.Discard, src); err != nil {
		return nil, err
	}
	for _, a := range j.Analyzers {
		if a.Name == plimsoll.AnalyzerPackages {
			return nil, &child.Fault{Analyzer: a.Name, Extractor: "os/dpkg", What: "crashed: stack overflow"}
		}
	}
	return made(j, j.Analyzers)
}

// made are empty facts of a layer.
func made(j child.Job, by []plimsoll.Analyzer) (facts []child.Facts, err error) {
	for _, a := range by {
		b, err := json.Marshal(plimsoll.Facts{Layer: j.Digest, Analyzer: a, Read: plimsoll.Complete()})
		if err != nil {
			return nil, err
		}
		stored, sum, err := sealed.Seal(b)
		if err != nil {
			return nil, err
		}
		facts = append(facts, child.Facts{Analyzer: a, Read: plimsoll.Complete(), Sum: sum, Sealed: stored})
	}
	return facts, nil
}

// answers is the caller's end of a stream.
type answers struct {
	grpc.ServerStream
	ctx  context.Context
	last *workerv1.AnalyzeResponse
}

func (a *answers) Context() context.Context { return a.ctx }

func (a *answers) Send(m *workerv1.AnalyzeResponse) error {
	a.last = m
	return nil
}

// bench is a worker over a registry that holds one layer.
type bench struct {
	registry *imagetest.Registry
	layer    imagetest.Blob
	store    *store.Store
	server   *Server
	recipe   string
}

var twoAnalyzers = []plimsoll.Analyzer{{Name: plimsoll.AnalyzerTree, Version: 1, Config: "0"}, {Name: plimsoll.AnalyzerPackages, Version: 1, Config: "0"}}

func newBench(t *testing.T, recipe string, children Children) *bench {
	t.Helper()
	blobs, err := blob.Open(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	reg := imagetest.NewRegistry(imagetest.RegistryOptions{})
	if err := reg.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reg.Close)
	b := imagetest.Gzip(imagetest.Layer(imagetest.Text("poison", t.Name())))
	image := imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{b}}))
	if err := imagetest.Push(t.Context(), reg.Host(), "team/app", "1", image); err != nil {
		t.Fatal(err)
	}
	client, err := registry.New(plimsoll.Registry{ID: "test", URL: reg.URL()}, registry.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	quiet := slog.New(slog.DiscardHandler)
	keep := store.New(blobs, plimsoll.Recipe(recipe), twoAnalyzers, quiet)
	s := New(t.Context(), Options{
		Slots: 1, Recipe: plimsoll.Recipe(recipe), Analyzers: twoAnalyzers, Limits: layer.DefaultLimits(), Store: keep, Children: children,
		Registries: map[string]*registry.Client{"test": client}, Metrics: NewMetrics(prometheus.NewRegistry()), Log: quiet,
	})
	return &bench{reg, b, keep, s, recipe}
}

func (b *bench) digest() plimsoll.Digest { return plimsoll.Digest(b.layer.Digest().String()) }

func (b *bench) analyze(t *testing.T) (*workerv1.AnalyzeResponse, error) {
	t.Helper()
	a := &answers{ctx: t.Context()}
	err := b.server.Analyze(&workerv1.AnalyzeRequest{
		Registry: "test", Repository: "team/app", Recipe: b.recipe,
		Layer: &workerv1.Layer{Digest: string(b.digest()), Size: int64(len(b.layer.Bytes))},
	}, a)
	return a.last, err
}

// TestQuarantine: an analyser that dies three times over a layer is quarantined there, alone: the others' facts are kept, the layer
// is not read again, and what is said names the extractor.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	children := &dying{}
	b := newBench(t, "quarantine", children)
	for range plimsoll.MaxAttempts - 1 {
		if _, err := b.analyze(t); status.Code(err) != codes.Unavailable {
			t.Fatalf("Analyze = %v, want unavailable: it is to be tried again", err)
		}
	}
	const reason = "quarantine: os/dpkg: crashed: stack overflow"
	for range 2 {
		if m, err := b.analyze(t); err != nil || m.GetState() != string(plimsoll.ReadPartial) || m.GetReason() != reason {
			t.Fatalf("Analyze = %v, %v; want partial, %s", m, err, reason)
		}
	}
	both, tree := []string{"tree", "packages"}, []string{"tree"}
	if diff := cmp.Diff([][]string{both, both, both, tree}, children.runs); diff != "" {
		t.Errorf("analysers of the runs (-want +got):\n%s", diff)
	}
	if _, _, err := b.store.Facts(t.Context(), twoAnalyzers[0], b.digest()); err != nil {
		t.Errorf("facts of the analyser that lived: %v", err)
	}
	if _, _, err := b.store.Facts(t.Context(), twoAnalyzers[1], b.digest()); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("facts of the analyser that died: %v, want none", err)
	}
	if tried, err := b.store.Attempt(t.Context(), b.digest()); err != nil || !tried.Quarantined() || tried.Count != 0 {
		t.Errorf("attempts %+v, %v; want the analyser's alone", tried, err)
	}
}

// living are children that make facts of whatever they are given.
type living struct{}

func (living) Run(_ context.Context, j child.Job, src io.Reader) ([]child.Facts, error) {
	if _, err := io.Copy(io.Discard, src); err != nil {
		return nil, err
	}
	return made(j, j.Analyzers)
}

// TestDamagedOnItsWay: a layer that comes damaged is read again at once, and counts as tried when it is damaged then too.
func TestDamagedOnItsWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		flips, count int
		code         codes.Code
	}{"once": {1, 0, codes.OK}, "twice": {2, 1, codes.DataLoss}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "damaged-"+name, living{})
			b.registry.Intercept(imagetest.Flip(tt.flips, 20))
			if _, err := b.analyze(t); status.Code(err) != tt.code {
				t.Errorf("Analyze = %v, want %v", err, tt.code)
			}
			if tried, err := b.store.Attempt(t.Context(), b.digest()); tried.Count != tt.count || err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
				t.Errorf("attempts %+v, %v; want %d", tried, err, tt.count)
			}
			if _, err := b.analyze(t); err != nil {
				t.Errorf("Analyze of a layer that comes whole: %v", err)
			}
			if missing, err := b.store.Missing(t.Context(), b.digest()); len(missing) > 0 || err != nil {
				t.Errorf("without facts of %v, %v", missing, err)
			}
		})
	}
}
