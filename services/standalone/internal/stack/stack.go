// Package stack runs every part of Plimsoll in one process: the embedded engines (but those that the configuration has an address
// for), one worker, the scheduler, the reporter, and the single listener before them. A cluster runs the same services apart; nothing
// here does what they do.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/reporter"
	"github.com/plimsoll/plimsoll/services/scheduler"
	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
	"github.com/plimsoll/plimsoll/services/standalone/internal/front"
	"github.com/plimsoll/plimsoll/services/worker"
)

// Options say what to run.
type Options struct {
	File config.File
	// Transient keeps NATS and Temporal in memory; the bucket is always kept.
	Transient bool
	// FeedFirst has the advisories read before Ready, for those who ask once.
	FeedFirst bool
	Log       *slog.Logger
	// Started is told each part as it becomes ready, for people who wait.
	Started func(part string)
	// Ready is called once, with the address of the listener.
	Ready func(Addresses)
}

// Addresses are the bound listeners, host:port, and the connections to the parts, for tests and for the command line.
type Addresses struct {
	HTTP    string // pages, API, hooks
	File    config.File
	Engines *engine.Engines
}

// stopTimeout bounds the shutdown of the engines once the parts have ended.
const stopTimeout = 30 * time.Second

// Run starts everything and returns when ctx ends or a part fails; what it started is stopped in the reverse order.
func Run(ctx context.Context, o Options) (err error) {
	f := o.File
	if err := access.CheckListen(f.Listen, f.TokensFile); err != nil {
		return err
	}
	listener, err := front.Listen(ctx, "--listen", f.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()

	engines, err := engine.Start(ctx, engine.Options{Data: f.Data, Transient: o.Transient, Without: external(f), Log: o.Log})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, engines.Stop(stop))
	}()
	o.started("engines")
	f = embedded(f, engines)
	if f.TokensFile == "" && !o.Transient {
		if f.TokensFile, err = ownToken(f.Data); err != nil {
			return err
		}
	}

	parts := newGroup(ctx)
	defer func() { err = parts.stop(err) }()

	workerAt := make(chan worker.Addresses, 1)
	parts.start("worker", func(ctx context.Context) error {
		return worker.Run(ctx, worker.Config{Worker: f.Worker, Bucket: f.Bucket, Registries: f.Registries, Log: o.Log,
			Ready: func(a worker.Addresses) { workerAt <- a }})
	})
	w, err := await(parts, workerAt)
	if err != nil {
		return err
	}
	o.started("worker")

	exposed := !access.Loopback(f.Listen)
	f.Scheduler.Workers = []string{w.GRPC}
	schedulerAt := make(chan scheduler.Addresses, 1)
	parts.start("scheduler", func(ctx context.Context) error {
		return scheduler.Run(ctx, scheduler.Config{Scheduler: f.Scheduler, Bucket: f.Bucket, NATS: f.NATS, Temporal: f.Temporal,
			Registries: f.Registries, Exposed: exposed, Log: o.Log, Ready: func(a scheduler.Addresses) { schedulerAt <- a }})
	})
	reporterAt := make(chan reporter.Addresses, 1)
	parts.start("reporter", func(ctx context.Context) error {
		return reporter.Run(ctx, reporter.Config{Reporter: f.Reporter, Bucket: f.Bucket, NATS: f.NATS, Temporal: f.Temporal,
			Registries: f.Registries, TokensFile: f.TokensFile, Exposed: exposed, FeedFirst: o.FeedFirst, Log: o.Log,
			Ready: func(a reporter.Addresses) { reporterAt <- a }})
	})
	s, err := await(parts, schedulerAt)
	if err != nil {
		return err
	}
	o.started("scheduler")
	r, err := await(parts, reporterAt)
	if err != nil {
		return err
	}
	o.started("reporter")

	parts.start("listener", func(ctx context.Context) error {
		return front.Serve(ctx, listener, front.Targets{Scheduler: s.HTTP, Reporter: r.HTTP})
	})
	if o.Ready != nil {
		o.Ready(Addresses{HTTP: listener.Addr().String(), File: f, Engines: engines})
	}
	<-parts.ctx.Done()
	return nil
}

func (o Options) started(part string) {
	if o.Started != nil {
		o.Started(part)
	}
}

// external names the engines that the file has an address for.
func external(f config.File) (names []string) {
	for name, address := range map[string]string{
		engine.EngineNATS: f.NATS.URL, engine.EngineTemporal: f.Temporal.Address, engine.EngineS3: f.Bucket.Endpoint,
	} {
		if address != "" {
			names = append(names, name)
		}
	}
	return names
}

// embedded fills in the addresses and credentials of the engines that run here, and loopback ports for the parts behind the listener.
func embedded(f config.File, e *engine.Engines) config.File {
	if e.S3.Endpoint != "" {
		f.Bucket = blob.Config{Endpoint: e.S3.Endpoint, Bucket: e.S3.Bucket, Region: e.S3.Region, AccessKey: e.S3.AccessKey, SecretKey: e.S3.SecretKey}
	}
	if e.NATS.URL != "" {
		f.NATS = config.NATS{URL: e.NATS.URL, User: e.NATS.User, Password: e.NATS.Password, Memory: e.NATS.Memory}
	}
	if e.Temporal.Address != "" {
		f.Temporal = config.Temporal{Address: e.Temporal.Address, Namespace: e.Temporal.Namespace}
	}
	if f.Reporter.Cache == "" {
		f.Reporter.Cache = filepath.Join(f.Data, "index")
	}
	const any = "127.0.0.1:0"
	f.Worker.Listen, f.Worker.Admin, f.Scheduler.Listen, f.Reporter.Listen = any, any, any, any
	return f
}

// group runs parts; the first that ends, with or without an error, ends all. Parts are stopped last started first.
type group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	parts  []*part
	mu     sync.Mutex
	errs   []error
}

type part struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func newGroup(ctx context.Context) *group {
	ctx, cancel := context.WithCancelCause(ctx)
	return &group{ctx: ctx, cancel: cancel}
}

func (g *group) start(name string, run func(context.Context) error) {
	// The part's own context is not the group's child: stop ends parts one by one, so that each may still use those below it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(g.ctx))
	p := &part{cancel: cancel, done: make(chan struct{})}
	g.parts = append(g.parts, p)
	go func() {
		defer close(p.done)
		err := run(ctx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("ended by itself")
		}
		if err != nil && ctx.Err() == nil {
			g.mu.Lock()
			g.errs = append(g.errs, fmt.Errorf("%s: %w", name, err))
			g.mu.Unlock()
		}
		g.cancel(err)
	}()
}

func (g *group) stop(err error) error {
	if errors.Is(err, errStopped) {
		err = nil
	}
	g.cancel(nil)
	for i := len(g.parts) - 1; i >= 0; i-- {
		g.parts[i].cancel()
		<-g.parts[i].done
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(append(g.errs, err)...)
}

// errStopped says that starting ended early: the parts that failed say why, or somebody asked for the end.
var errStopped = errors.New("stopped while starting")

// await waits until a part is ready or any part has ended.
func await[T any](g *group, ready <-chan T) (at T, err error) {
	select {
	case at = <-ready:
		return at, nil
	case <-g.ctx.Done():
		return at, errStopped
	}
}
