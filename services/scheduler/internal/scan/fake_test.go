package scan

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/workflows"
)

const testRecipe = "0123456789abcdef"

var bucket blob.Config

func TestMain(m *testing.M) { os.Exit(blobtest.Main(m, &bucket)) }

// fake is a worker that does what a test says, behind real gRPC over TCP. What a test leaves out succeeds.
type fake struct {
	workerv1.UnimplementedWorkerServer
	recipe    string
	slots     int32
	analyzers []*workerv1.Analyzer
	resolve   func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error)
	analyze   func(*workerv1.AnalyzeRequest, grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error
	assemble  func(*workerv1.AssembleRequest) (*workerv1.AssembleResponse, error)

	health *health.Server
	kill   func() // ends it as a crash does: connections break

	mu    sync.Mutex
	calls []string
}

// start serves f until the test ends.
func (f *fake) start(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	workerv1.RegisterWorkerServer(server, f)
	f.health = health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, f.health)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	f.kill = sync.OnceFunc(func() {
		f.health.Shutdown()
		server.Stop()
		<-ended
	})
	t.Cleanup(f.kill)
	return listener.Addr().String()
}

func (f *fake) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

// took counts the calls noted with this text; all of them for an empty one.
func (f *fake) took(call string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if call == "" || c == call {
			n++
		}
	}
	return n
}

func (f *fake) Describe(context.Context, *workerv1.DescribeRequest) (*workerv1.DescribeResponse, error) {
	return &workerv1.DescribeResponse{Recipe: f.name(), Slots: max(1, f.slots), Analyzers: f.analyzers}, nil
}

func (f *fake) name() string {
	if f.recipe == "" {
		return testRecipe
	}
	return f.recipe
}

func (f *fake) Resolve(_ context.Context, in *workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
	f.note("resolve " + in.GetTag() + "@" + in.GetDigest())
	if f.resolve == nil {
		return nil, status.Error(codes.NotFound, "tag: not found")
	}
	out, err := f.resolve(in)
	if out != nil && out.Recipe == "" {
		out.Recipe = f.name()
	}
	return out, err
}

func (f *fake) Analyze(in *workerv1.AnalyzeRequest, stream grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	f.note("analyze " + in.GetLayer().GetDigest())
	if got := md.Get(workerv1.HeaderDigest); len(got) != 1 {
		return status.Errorf(codes.InvalidArgument, "header %s: %q", workerv1.HeaderDigest, got)
	}
	if f.analyze != nil {
		return f.analyze(in, stream)
	}
	return stream.Send(&workerv1.AnalyzeResponse{Done: true, State: "complete"})
}

func (f *fake) Assemble(_ context.Context, in *workerv1.AssembleRequest) (*workerv1.AssembleResponse, error) {
	f.note("assemble " + in.GetImage())
	if f.assemble != nil {
		return f.assemble(in)
	}
	return &workerv1.AssembleResponse{Read: map[string]*workerv1.Coverage{"tree": {State: "complete"}, "packages": {State: "complete"}}}, nil
}

// dial connects to workers and waits until one answers.
func dial(t *testing.T, addresses ...string) *Pool {
	t.Helper()
	pool, err := Dial(addresses)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

var store = sync.OnceValues(func() (*blob.Store, error) { return blob.Open(context.Background(), bucket) })

// bench is a Scanner over one fake worker and the real bucket, with a registry of its own.
type bench struct {
	*Scanner
	registry string
	worker   *fake
	clock    time.Time
	hints    []int64
	hintErr  error
}

func newBench(t *testing.T, f *fake) *bench {
	t.Helper()
	s, err := store()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{worker: f, registry: "r" + digest(t, "registry").Short(), clock: time.Unix(0, 5_000).UTC()}
	b.Scanner = New(Options{
		Pool: dial(t, f.start(t)), Store: s, Now: func() time.Time { return b.clock },
		Publish: func(_ context.Context, e *scanv1.Event) error {
			b.hints = append(b.hints, e.GetSequence())
			return b.hintErr
		},
	})
	return b
}

func (b *bench) request(targets ...*scanv1.Target) *scanv1.ScanRequest {
	return &scanv1.ScanRequest{Lane: scanv1.Lane_LANE_SWEEP, Registry: b.registry, Repository: "team/app", Targets: targets, Recipe: testRecipe}
}

// put stores a plan and returns its key.
func (b *bench) put(t *testing.T, plan workflows.Plan) string {
	t.Helper()
	if plan.Request == nil {
		plan.Request = b.request()
	}
	if plan.Recipe == "" {
		plan.Recipe = testRecipe
	}
	key := blob.PlanKey(b.registry, "test")
	if err := blob.PutJSON(t.Context(), b.store, key, plan); err != nil {
		t.Fatal(err)
	}
	return key
}

func (b *bench) plan(t *testing.T, key string) workflows.Plan {
	t.Helper()
	plan, err := b.readPlan(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// nonces tell runs of tests apart, of which the bucket sees several with -count.
var nonces sync.Map

func nonce(t *testing.T) string {
	n, _ := nonces.LoadOrStore(t, rand.Text())
	return n.(string)
}

// digest is one of this run's own: facts and attempts of other tests are not met.
func digest(t *testing.T, name string) plimsoll.Digest {
	return plimsoll.DigestOf([]byte(nonce(t) + name))
}

func layerOf(d plimsoll.Digest, size int64) *workerv1.Layer {
	return &workerv1.Layer{Digest: string(d), Size: size, MediaType: "application/vnd.oci.image.layer.v1.tar+gzip"}
}

func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) || (kind == nil && err != nil) {
		t.Fatalf("error = %v, want kind %v", err, kind)
	}
}

func unavailable(what string) error {
	return status.Error(codes.Unavailable, fmt.Sprintf("%s: unavailable", what))
}
