// Package worker reads registries and hostile bytes, and keeps what it finds in the bucket: it resolves manifests, makes facts
// of layers, and assembles inventories, on the calls of proto/worker/v1. It keeps no state.
package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/admin"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/internal/trace/otlp"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
	"github.com/plimsoll/plimsoll/services/worker/internal/assemble"
	"github.com/plimsoll/plimsoll/services/worker/internal/child"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
	"github.com/plimsoll/plimsoll/services/worker/internal/serve"
	"github.com/plimsoll/plimsoll/services/worker/internal/store"
)

const (
	// drainTime is how long calls may go on after the worker was told to stop; a layer that takes longer is read elsewhere.
	drainTime = 20 * time.Second
	// maxMessage is gRPC's own default, said here because answers are made to fit it.
	maxMessage = 4 << 20
	// maxStreams bounds the calls of one connection; a scheduler has at most 4 calls a slot.
	maxStreams = 1024
	// connectionAge makes clients look their workers up again, so that a new pod gets its share (a headless service's names are
	// resolved when a connection ends).
	connectionAge = 10 * time.Minute
	// pingEvery finds callers that are gone; callers may ping as often as minPing.
	pingEvery = 20 * time.Second
	minPing   = 5 * time.Second
)

// Run serves until ctx ends, then lets calls finish for a while. The error is of the start, or of a listener.
func Run(ctx context.Context, c Config) error {
	c = c.withDefaults()
	tracer, sendSpans := otlp.Open(ctx, "plimsoll-worker", c.Log)
	defer sendSpans()
	blobs, err := blob.Open(ctx, c.Bucket)
	if err != nil {
		return fmt.Errorf("worker: open bucket: %w", err)
	}
	defer blobs.Close()
	answers := registry.NewMetrics()
	registries, err := clients(c, answers)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	defer closeAll(registries)

	lim := layer.DefaultLimits()
	blobs.TellClock(c.Log)
	if err := blobs.CheckWhole(ctx); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	key, err := store.FingerprintKey(ctx, blobs)
	if err != nil {
		return fmt.Errorf("worker: key of fingerprints: %w", err)
	}
	analyzers, err := analyzersOf(c, lim, key)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	children, err := child.NewPool(ctx, child.Options{Path: c.Analyse, Log: c.Log})
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	defer children.Close()
	recipe := plimsoll.NewRecipe(assemble.Version, analyzers)
	metrics := admin.NewRegistry()
	metrics.MustRegister(append(blobs.Collectors(), answers.Collectors()...)...)
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	srv := serve.New(work, serve.Options{
		Version: c.Version, Slots: c.Slots, Recipe: recipe, Analyzers: analyzers, Limits: lim,
		Store: store.New(blobs, recipe, analyzers, c.Log), Registries: registries, Children: children, Key: key,
		Metrics: serve.NewMetrics(metrics), Tracer: tracer, Log: c.Log,
	})
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("worker: listen on %s: %w; choose another worker.listen", c.Listen, err)
	}
	rpc, states := newRPC(srv)
	served := make(chan error, 1)
	go func() { served <- rpc.Serve(listener) }()
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAdmin()
	bound, wait, err := admin.Serve(adminCtx, c.Admin, admin.Handler(metrics, func() error { return context.Cause(ctx) }), c.Log)
	if err != nil {
		rpc.Stop()
		return errors.Join(fmt.Errorf("worker: %w", err), <-served)
	}
	states.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	c.Log.Info("worker ready", "grpc", listener.Addr().String(), "admin", bound, "recipe", recipe, "slots", c.Slots)
	if c.Ready != nil {
		c.Ready(Addresses{GRPC: listener.Addr().String(), Admin: bound})
	}

	select {
	case <-ctx.Done():
	case err = <-served:
		served <- err
	}
	states.Shutdown()
	drain(rpc, cancel)
	srv.Wait()
	stopAdmin()
	return errors.Join(<-served, wait())
}

// analyzersOf are the analysers that are on.
func analyzersOf(c Config, lim layer.Limits, key []byte) ([]plimsoll.Analyzer, error) {
	secrets, err := analyze.Secrets(lim, key)
	if err != nil {
		return nil, err
	}
	all := append(analyze.Analyzers(lim, nil), secrets)
	for i := range all {
		if v, ok := c.AnalyzerVersions[all[i].Name]; ok {
			all[i].Version = v
		}
	}
	return slices.DeleteFunc(all, func(a plimsoll.Analyzer) bool { return slices.Contains(c.Off, a.Name) }), nil
}

// IsChild reports whether this process was started to be a worker's analysis child; its main then does nothing but to return
// what Child returns.
func IsChild() bool { return child.Requested() }

// Child is the analysis child's whole program; it gives the exit status.
func Child() int { return child.Main() }

// drain lets calls end, and after drainTime cancels the work they wait for: they then answer "unavailable".
func drain(rpc *grpc.Server, cancel context.CancelCauseFunc) {
	timer := time.AfterFunc(drainTime, func() { cancel(serve.ErrShutdown) })
	defer timer.Stop()
	rpc.GracefulStop()
	cancel(serve.ErrShutdown)
}

func newRPC(srv *serve.Server) (*grpc.Server, *health.Server) {
	rpc := grpc.NewServer(
		grpc.UnaryInterceptor(srv.Unary), grpc.StreamInterceptor(srv.Stream),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage), grpc.MaxConcurrentStreams(maxStreams),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: time.Hour, Time: pingEvery, Timeout: pingEvery / 2,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
	)
	states := health.NewServer()
	states.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	workerv1.RegisterWorkerServer(rpc, srv)
	grpc_health_v1.RegisterHealthServer(rpc, states)
	return rpc, states
}

func clients(c Config, answers *registry.Metrics) (map[string]*registry.Client, error) {
	all := map[string]*registry.Client{}
	for _, r := range c.Registries {
		client, err := registry.New(r, registry.Options{Log: c.Log, UserAgent: "plimsoll-worker", Metrics: answers})
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all[r.ID] = client
	}
	return all, nil
}

func closeAll(all map[string]*registry.Client) {
	for _, c := range all {
		c.Close()
	}
}
