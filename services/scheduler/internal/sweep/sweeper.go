package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/discover"
	"github.com/plimsoll/plimsoll/workflows"
)

// Lister is what a sweep needs of a registry; [discover.Source] describes the methods.
type Lister interface {
	Repositories(ctx context.Context, cursor string, n int) (discover.Page, error)
	Tags(ctx context.Context, repository, cursor string) (tags []discover.Tag, next string, err error)
	Head(ctx context.Context, repository, tag string) (registry.Descriptor, error)
	Manifest(ctx context.Context, repository, reference string) (registry.Descriptor, []byte, error)
	Throttled() int64
	Waited() time.Duration
	Credentials(ctx context.Context, now time.Time) []plimsoll.Credential
}

// Queue takes scan requests.
type Queue interface {
	// Publish returns when the queue holds r; ErrLimit when it is full, ErrUnavailable when it is away.
	Publish(ctx context.Context, r *scanv1.ScanRequest) (duplicate bool, err error)
	// Left counts requests on a subject that have not ended.
	Left(ctx context.Context, subject string) (int, error)
	// Created is when the queue's store was made: later than the start of a sweep, when it was wiped meanwhile.
	Created(ctx context.Context) (time.Time, error)
	// Drop takes the requests on a subject out of the queue, also those that are held, and returns how many.
	Drop(ctx context.Context, subject string) (int, error)
	// Event publishes a hint.
	Event(ctx context.Context, e *scanv1.Event) error
}

// Registry is one configured registry with its client, or why there is none.
type Registry struct {
	Conf   plimsoll.Registry
	Client Lister
	Err    error // the configuration's fault; Client is then nil
}

// Config is what sweeps need. Every field but Pushed, Missed, Now, Poll and Log is required.
type Config struct {
	Registries map[string]Registry // by id
	Store      *blob.Store
	Queue      Queue
	// Recipe asks a worker for its recipe.
	Recipe func(ctx context.Context) (plimsoll.Recipe, error)
	// Analyzers asks a worker for its analysers: a layer is known when it has facts by all of them.
	Analyzers func(ctx context.Context) ([]plimsoll.Analyzer, error)
	// CancelScans cancels the scans of one sweep that run and returns how many there are.
	CancelScans func(ctx context.Context, registry, slot string) (running int, err error)
	// Window is how many unfinished requests of one sweep may stand in the queue: the sweep then holds.
	Window int
	// Stopping is closed when the host stops: what waits for the queue is then given to another host.
	Stopping <-chan struct{}
	// Pushed are the tags, as repository:tag, of push requests that have not ended, if all can be told. Missed is told how many tags
	// were found new or moved that no push event had announced. Both or none.
	Pushed func(ctx context.Context, registry string) (tags map[string]bool, all bool, err error)
	Missed func(registry string, n int)
	Now    func() time.Time // default time.Now
	Poll   time.Duration    // between looks at the queue; default 200 ms
	Log    *slog.Logger
}

// Sweeper implements workflows.Sweeper.
type Sweeper struct {
	Config
	ended *prometheus.CounterVec
}

var _ workflows.Sweeper = (*Sweeper)(nil)

// defaultPoll is how often the queue is looked at while a sweep holds: short beside a scan, long beside a look (1 ms).
const defaultPoll = 200 * time.Millisecond

// New is a sweeper over c.
func New(c Config) *Sweeper {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Poll <= 0 {
		c.Poll = defaultPoll
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Sweeper{Config: c, ended: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plimsoll_sweeps_total", Help: "Sweeps that ended here since the start, by state.",
	}, []string{"registry", "state"})}
}

// Collectors are the sweeps' metrics, to be registered by the caller.
func (s *Sweeper) Collectors() []prometheus.Collector { return []prometheus.Collector{s.ended} }

// errStopping ends what waits when the host stops. It may be retried, elsewhere.
var errStopping = fmt.Errorf("%w: this scheduler is stopping", plimsoll.ErrUnavailable)

// orStopping is err, unless the host's stop is what caused it.
func orStopping(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errStopping) {
		return cause
	}
	return err
}

// untilStopping is ctx, but also done when the host stops.
func (s *Sweeper) untilStopping(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-s.Stopping:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

// Begin asks a worker for its recipe. ErrNotFound is returned for a registry that is not configured.
func (s *Sweeper) Begin(ctx context.Context, id string) (plimsoll.Recipe, error) {
	if _, err := s.registry(id); err != nil {
		return "", err
	}
	recipe, err := s.Recipe(ctx)
	if err != nil {
		return "", fmt.Errorf("ask a worker for its recipe: %w", err)
	}
	return recipe, nil
}

func (s *Sweeper) registry(id string) (Registry, error) {
	r, ok := s.Registries[id]
	switch {
	case !ok:
		return r, fmt.Errorf("registry %q: %w in the configuration (registries[].id)", id, plimsoll.ErrNotFound)
	case r.Err != nil:
		return r, fmt.Errorf("registry %s cannot be used: %w", id, r.Err)
	}
	return r, nil
}

// Record writes the sweep object as it stands. A sweep that was cancelled gets its entry in the change log here, because
// Finish never comes.
func (s *Sweeper) Record(ctx context.Context, sweep plimsoll.Sweep) error {
	if err := blob.PutJSON(ctx, s.Store, blob.SweepKey(sweep.Registry, sweep.Slot), sweep); err != nil {
		return fmt.Errorf("record sweep %s of %s: %w", sweep.Slot, sweep.Registry, err)
	}
	if sweep.State != plimsoll.SweepCancelled {
		return nil
	}
	return s.announce(ctx, sweep)
}

// announce appends the sweep's end to the change log and hints at it.
func (s *Sweeper) announce(ctx context.Context, sweep plimsoll.Sweep) error {
	s.ended.WithLabelValues(sweep.Registry, string(sweep.State)).Inc()
	return s.append(ctx, sweep.Registry, actorOf(sweep.Actor), []plimsoll.Change{{
		Kind: plimsoll.ChangeSweep, Subject: sweep.Slot, Text: string(sweep.State),
	}})
}

// actorOf is the name under which a sweep writes: its own, or that of the person who asked for it.
func actorOf(actor string) string {
	if actor == "" || actor == "schedule" {
		return "sweep"
	}
	return actor
}
