// Package scheduler discovers what registries hold, queues scans of what is new, and hosts the workflows that perform them.
//
// It reads no image: workers do. Its state is the bucket's, the queue's and Temporal's; any number of schedulers may run.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/internal/admin"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/internal/trace/otlp"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/discover"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/hooks"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/host"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/scan"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/schedule"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/sweep"
)

const userAgent = "plimsoll-scheduler"

// Run is the scheduler, until ctx is done (nil) or it cannot go on (why). Stopping takes at most half a minute: requests
// in flight are left to be delivered again, and workflows go on wherever the next host is.
func Run(ctx context.Context, c Config) error {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return err
	}
	ctx, broken := context.WithCancelCause(ctx)
	defer broken(nil)
	log := c.Log

	tracer, sendSpans := otlp.Open(ctx, "plimsoll-scheduler", log)
	defer sendSpans()
	store, err := blob.Open(ctx, c.Bucket)
	if err != nil {
		return fmt.Errorf("open the bucket: %w", err)
	}
	defer store.Close()
	if err := store.SelfTest(ctx); err != nil {
		return fmt.Errorf("test the bucket: %w", err)
	}
	store.TellClock(log)
	if err := store.CheckWhole(ctx); err != nil {
		return err
	}
	if !store.Conditional() {
		log.Warn("bucket does not honour conditional writes: run one scheduler only")
	}

	nc, err := queue.Connect(c.NATS, log)
	if err != nil {
		return err
	}
	defer nc.Close()
	requests, err := queue.New(nc, queue.Options{Memory: c.NATS.Memory, Tracer: tracer, Log: log})
	if err != nil {
		return err
	}
	if err := requests.Await(ctx); err != nil {
		return fmt.Errorf("prepare the queue at %s: %w; check that NATS runs, with JetStream, nats.url and its credentials", c.NATS.URL, err)
	}

	pool, err := scan.Dial(c.Workers)
	if err != nil {
		return err
	}
	defer pool.Close()
	if c.SweepSlots <= 0 {
		c.SweepSlots = sweepSlots(ctx, pool, len(c.Workers))
	}
	scanner := scan.New(scan.Options{Pool: pool, Store: store, Publish: requests.Event, Scopes: scopes(c.Registries), ListedOnly: listedOnly(c.Registries), Now: store.Now, Log: log})

	temporal, err := host.Dial(ctx, c.Temporal, tracer, log)
	if err != nil {
		return err
	}
	defer temporal.Close()

	answers := registry.NewMetrics()
	registries, closeRegistries := openRegistries(c.Registries, answers, log)
	defer closeRegistries()
	taker := hooks.New(hooks.Config{
		Registries: byID(c.Registries), Local: !c.Exposed && access.Loopback(c.Listen),
		Publish: requests.Publish, Refs: store.Refs, Keep: store.KeepPushEvents, Tracer: tracer, Log: log,
	})
	sweeper := sweep.New(sweep.Config{
		Registries: registries, Store: store, Queue: requests, Now: store.Now, Log: log,
		Recipe: func(ctx context.Context) (plimsoll.Recipe, error) {
			d, err := pool.Describe(ctx)
			return plimsoll.Recipe(d.GetRecipe()), err
		},
		Analyzers: pool.Analyzers,
		CancelScans: func(ctx context.Context, registry, slot string) (int, error) {
			return host.CancelScans(ctx, temporal, registry, slot)
		},
		// What runs and as much again: a slot that becomes free finds the next request waiting.
		Window:   2 * c.SweepSlots,
		Stopping: ctx.Done(),
		Pushed:   requests.Pushed,
		Missed:   taker.Missed,
	})

	stopHosts, err := host.Start(host.Config{
		Temporal: temporal, Scanner: scanner, Sweeper: sweeper, Log: log, Broken: broken,
		PushSlots: c.PushSlots, SweepSlots: c.SweepSlots, Registries: len(c.Registries),
	})
	if err != nil {
		return err
	}
	defer stopHosts()

	address, served, err := admin.Serve(ctx, c.Listen, routes(taker, newMetrics(store, requests, taker, sweeper, answers), readiness(requests, temporal)), log)
	if err != nil {
		return fmt.Errorf("scheduler.listen: %w", err)
	}

	var parts sync.WaitGroup
	defer parts.Wait() // before the hosts, the queue and the bucket they use are closed
	scans := host.Scans(temporal)
	parts.Go(func() { requests.Consume(ctx, queue.PushLane(ids(c.Registries), c.PushSlots), scans) })
	parts.Go(func() { requests.Consume(ctx, queue.SweepLane(ids(c.Registries), c.SweepSlots), scans) })
	parts.Go(func() { requests.Watch(ctx) })
	parts.Go(func() { taker.Run(ctx) })
	parts.Go(func() { taker.Pull(ctx) })
	parts.Go(func() {
		if err := taker.Listen(ctx, nc); err != nil {
			broken(err)
		}
	})
	parts.Go(func() { keepSchedules(ctx, temporal, c.Registries, log) })
	parts.Go(func() {
		if err := served(); err != nil {
			broken(err)
		}
	})
	log.Info("scheduler is ready", "http", address, "registries", len(c.Registries),
		"push_slots", c.PushSlots, "sweep_slots", c.SweepSlots)
	c.Ready(Addresses{HTTP: address})

	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// sweepSlots asks a worker how many layers it reads at once. While none answers a guess does: the window bounds how much
// waits at the workers, not how fast they are.
func sweepSlots(ctx context.Context, pool *scan.Pool, workers int) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	slots := fallbackSlots
	if d, err := pool.Describe(ctx); err == nil && d.GetSlots() > 0 {
		slots = int(d.GetSlots())
	}
	return slotsAWorker * slots * max(1, workers)
}

// openRegistries makes a client a registry. One that cannot be made is kept with its fault: its sweeps fail with it, the
// others go on.
func openRegistries(all []plimsoll.Registry, answers *registry.Metrics, log *slog.Logger) (map[string]sweep.Registry, func()) {
	open := map[string]sweep.Registry{}
	var clients []*registry.Client
	for _, r := range all {
		c, err := registry.New(r, registry.Options{Log: log, UserAgent: userAgent, Metrics: answers})
		if err != nil {
			log.Error("registry cannot be used", "registry", r.ID, "error", err)
			open[r.ID] = sweep.Registry{Conf: r, Err: err}
			continue
		}
		clients = append(clients, c)
		source, err := discover.New(c)
		if err != nil {
			log.Error("registry cannot be listed", "registry", r.ID, "error", err)
			open[r.ID] = sweep.Registry{Conf: r, Err: err}
			continue
		}
		open[r.ID] = sweep.Registry{Conf: r, Client: source}
	}
	return open, func() {
		for _, c := range clients {
			c.Close()
		}
	}
}

// scopes are the registries' choices of images, where they make one.
func scopes(all []plimsoll.Registry) map[string]string {
	m := map[string]string{}
	for _, r := range all {
		if s := r.Scope(); s != "" {
			m[r.ID] = s
		}
	}
	return m
}

// listedOnly are the registries with proxy caches, which fetch from upstream what they are asked for by tag.
func listedOnly(all []plimsoll.Registry) map[string]bool {
	m := map[string]bool{}
	for _, r := range all {
		m[r.ID] = r.Kind == plimsoll.KindHarbor
	}
	return m
}

func ids(all []plimsoll.Registry) []string {
	var out []string
	for _, r := range all {
		out = append(out, r.ID)
	}
	return out
}

func byID(all []plimsoll.Registry) map[string]plimsoll.Registry {
	m := map[string]plimsoll.Registry{}
	for _, r := range all {
		m[r.ID] = r
	}
	return m
}

// scheduleRetry is how long a failed match of the schedules waits: a cluster that starts needs about so long.
const scheduleRetry = 30 * time.Second

// keepSchedules makes the schedules match the configuration, which is fixed while this process lives.
func keepSchedules(ctx context.Context, t client.Client, registries []plimsoll.Registry, log *slog.Logger) {
	for ctx.Err() == nil {
		err := schedule.Sync(ctx, t.ScheduleClient(), registries, log)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			log.Error("schedules of sweeps do not match the configuration yet", "error", err)
		}
		select {
		case <-time.After(scheduleRetry):
		case <-ctx.Done():
		}
	}
}
