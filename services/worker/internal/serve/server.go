package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/gate"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/services/worker/internal/assemble"
	"github.com/plimsoll/plimsoll/services/worker/internal/child"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
	"github.com/plimsoll/plimsoll/services/worker/internal/resolve"
	"github.com/plimsoll/plimsoll/services/worker/internal/store"
)

// errPanic is a fault of ours that one input brought out.
var errPanic = errors.New("internal fault (panic)")

// Options are what a server is made of.
type Options struct {
	Version    string
	Slots      int
	Recipe     plimsoll.Recipe
	Analyzers  []plimsoll.Analyzer
	Limits     layer.Limits
	Store      *store.Store
	Children   Children
	Key        []byte                      // of fingerprints of secrets
	Registries map[string]*registry.Client // by id
	Metrics    *Metrics
	Log        *slog.Logger
	Tracer     trace.Tracer  // goes on with the traces of calls
	Progress   time.Duration // between progress messages; 0: ProgressEvery
}

// Children analyse blobs: child.Pool in all but tests. An error is a *child.Fault, the source's own, or the context's cause.
type Children interface {
	Run(ctx context.Context, j child.Job, src io.Reader) ([]child.Facts, error)
}

// assemblies is how many images are put together at once for each slot: some wait for the bucket while others compute, and sweeps ask for
// hundreds at once.
const assemblies = 2

// ProgressEvery is how often a call says that it lives: callers take 15 s of silence for death.
const ProgressEvery = 5 * time.Second

// Server implements workerv1.WorkerServer.
type Server struct {
	workerv1.UnimplementedWorkerServer
	Options
	slots     *gate.Gate // layers that are read at once
	assembly  *gate.Gate // images that are put together at once
	flights   *flights
	assembler *assemble.Assembler
}

// New makes a server whose work ends with ctx; Wait then returns when all of it has.
func New(ctx context.Context, o Options) *Server {
	if o.Progress == 0 {
		o.Progress = ProgressEvery
	}
	s := &Server{
		Options: o, slots: gate.New(o.Slots), assembly: gate.New(assemblies * o.Slots), flights: newFlights(ctx),
		assembler: assemble.New(o.Store, o.Recipe, o.Analyzers, o.Log),
	}
	o.Metrics.watch(s)
	return s
}

// Wait returns when no layer is being read any more.
func (s *Server) Wait() { s.flights.wait() }

// Describe implements workerv1.WorkerServer.
func (s *Server) Describe(context.Context, *workerv1.DescribeRequest) (*workerv1.DescribeResponse, error) {
	out := &workerv1.DescribeResponse{
		Recipe: string(s.Recipe), Assembler: assemble.Version, Slots: int32(s.Slots), Version: s.Version,
	}
	for _, a := range s.Analyzers {
		out.Analyzers = append(out.Analyzers, &workerv1.Analyzer{Name: a.Name, Version: int32(a.Version), Config: a.Config})
	}
	return out, nil
}

// Resolve implements workerv1.WorkerServer.
func (s *Server) Resolve(ctx context.Context, r *workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
	src, err := s.registry(r.GetRegistry())
	if err != nil {
		return nil, toStatus(err)
	}
	if r.GetPush() {
		ctx = gate.WithUrgent(ctx)
	}
	res, err := resolve.Resolve(ctx, src, s.Store, s.configs(), resolve.Request{
		Repository: r.GetRepository(), Tag: r.GetTag(), Digest: plimsoll.Digest(r.GetDigest()),
		Scope: resolve.Scope{Platforms: src.Registry().Platforms, Labels: src.Registry().Labels},
	})
	if err != nil {
		return nil, toStatus(err)
	}
	s.Metrics.asked.Add(float64(res.Asked.Layers))
	s.Metrics.claimed.Add(float64(res.Asked.Bytes))
	out := &workerv1.ResolveResponse{Digest: string(res.Digest), NotApplicable: res.NotApplicable, Recipe: string(s.Recipe)}
	if !res.Observed.IsZero() {
		out.Observed = res.Observed.UnixNano()
	}
	for _, i := range res.Images {
		out.Images = append(out.Images, &workerv1.ResolvedImage{
			Digest: string(i.Digest), Platform: i.Platform.String(), NotApplicable: i.NotApplicable, Failed: i.Failed, Assembled: i.Assembled,
		})
	}
	for _, l := range res.Missing {
		out.Missing = append(out.Missing, &workerv1.Layer{Digest: string(l.Digest), Size: l.Size, MediaType: l.MediaType})
	}
	return out, nil
}

// Assemble implements workerv1.WorkerServer.
func (s *Server) Assemble(ctx context.Context, r *workerv1.AssembleRequest) (*workerv1.AssembleResponse, error) {
	if err := s.sameRecipe(r.GetRecipe()); err != nil {
		return nil, toStatus(err)
	}
	image, err := plimsoll.ParseDigest(r.GetImage())
	if err != nil {
		return nil, toStatus(err)
	}
	if r.GetPush() {
		ctx = gate.WithUrgent(ctx)
	}
	leave, err := s.assembly.Enter(ctx, gate.UrgentIn(ctx))
	if err != nil {
		return nil, toStatus(err)
	}
	defer leave()
	res, err := s.assembler.Assemble(ctx, image)
	if err != nil {
		return nil, toStatus(err)
	}
	out := &workerv1.AssembleResponse{Partial: res.Partial, Key: res.Key, Read: map[string]*workerv1.Coverage{}}
	for name, c := range res.Read {
		out.Read[name] = &workerv1.Coverage{State: string(c.State), Reason: c.Reason}
	}
	return out, nil
}

func (s *Server) registry(id string) (*registry.Client, error) {
	c, ok := s.Registries[id]
	if !ok {
		return nil, fmt.Errorf("registry %.80q: %w: this worker has none of that name in its configuration", id, plimsoll.ErrInvalid)
	}
	return c, nil
}

func (s *Server) sameRecipe(recipe string) error {
	if recipe != string(s.Recipe) {
		return fmt.Errorf("recipe %.40q: %w (%s)", recipe, plimsoll.ErrRecipe, s.Recipe)
	}
	return nil
}

// Unary and Stream are interceptors that turn a panic into an error of the one call, and go on with the trace of its caller.
func (s *Server) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (out any, err error) {
	ctx, span := s.called(ctx, info.FullMethod)
	defer func() { span.End(err) }()
	defer s.rescue(info.FullMethod, &err)
	return next(ctx, req)
}

// Stream is Unary for streams.
func (s *Server) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	ctx, span := s.called(stream.Context(), info.FullMethod)
	defer func() { span.End(err) }()
	defer s.rescue(info.FullMethod, &err)
	return next(srv, traced{stream, ctx})
}

// traced is a stream whose context holds the call's span.
type traced struct {
	grpc.ServerStream
	ctx context.Context // nolint:containedctx // of the stream, which grpc ends
}

// Context implements grpc.ServerStream.
func (t traced) Context() context.Context { return t.ctx }

// called is the worker's side of a call that is traced.
func (s *Server) called(ctx context.Context, method string) (context.Context, trace.Span) {
	parent := ""
	if values := metadata.ValueFromIncomingContext(ctx, trace.Header); len(values) == 1 {
		parent = values[0]
	}
	return s.Tracer.Continue(ctx, parent, strings.TrimPrefix(method, "/"), trace.Server, "rpc.system", "grpc")
}

func (s *Server) rescue(method string, err *error) {
	if p := recover(); p != nil {
		s.Log.Error("call panicked", "method", method, "panic", p, "stack", string(debug.Stack()))
		*err = toStatus(errPanic)
	}
}
