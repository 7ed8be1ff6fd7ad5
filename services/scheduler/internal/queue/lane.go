package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// Run performs one request and returns when it has ended, nil for success. An error is counted against the request; an
// error that wraps [ErrLost] is not, because it says nothing about the request. Run may be called again for a request
// that it has performed before.
type Run func(ctx context.Context, r *scanv1.ScanRequest) error

// ErrLost is returned by a [Run] that cannot tell what became of the request: the orchestrator cannot be reached.
var ErrLost = errors.New("orchestrator cannot be reached")

// ErrCancelled is returned by a [Run] whose request somebody cancelled: it is not tried again.
var ErrCancelled = errors.New("scan was cancelled")

// ErrUnsettled is returned by a [Run] that has told what it found and lacks something that trying again may give: a layer whose
// registry was away, or whose workers died. It is tried again later than a failure, and in the end it is no dead letter: what is
// lacking stands in the image's coverage, and the next sweep asks for it.
var ErrUnsettled = errors.New("some of it could not be read now")

// Lane is one of the two queues. Each registry has a durable consumer of its own in it, which all schedulers share, so
// that requests of one that is slow or broken never stand before another's.
type Lane struct {
	Name       string // scanv1.LanePush or LaneSweep
	Registries []string
	Window     int  // requests that one scheduler performs at once, over all registries
	Urgent     bool // requests of the other lane make room for these, and in a flood many of a repository are performed as one
	Timing     Timing
}

// PushLane performs up to window pushes at once.
func PushLane(registries []string, window int) Lane {
	return Lane{scanv1.LanePush, registries, window, true, DefaultTiming()}
}

// SweepLane performs up to window requests of sweeps at once.
func SweepLane(registries []string, window int) Lane {
	return Lane{scanv1.LaneSweep, registries, window, false, DefaultTiming()}
}

// Timing is how long things take; tests shorten it.
type Timing struct {
	AckWait time.Duration   // silence after which a request is given to another scheduler
	Beat    time.Duration   // between in-progress acknowledgements
	Backoff []time.Duration // before the second try, the third …; one more failure is the last
	// Unsettled is the shortest time before a try of what had its tries within a scan already: workers that died then are replaced
	// in it, and a layer's third failure, which quarantines it, does not follow at once on the second.
	Unsettled time.Duration
	Lost      time.Duration // between tries to reach the orchestrator
	Retry     time.Duration // between tries to open the consumer
}

// DefaultTiming is DESIGN's: three beats fit into the wait, and five delays from 5 s to 30 min, so that the sixth failure
// comes after about three quarters of an hour.
func DefaultTiming() Timing {
	return Timing{
		AckWait:   30 * time.Second,
		Beat:      10 * time.Second,
		Backoff:   []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute},
		Unsettled: 2 * time.Minute,
		Lost:      5 * time.Second,
		Retry:     2 * time.Second,
	}
}

// maxDeliveries ends a request that was delivered again and again without any answer: one that kills its scheduler.
const maxDeliveries = 24

// Consume hands the lane's requests to run, at most Window at once, until ctx is done; it then takes no more, cancels
// what runs, waits for it and leaves it unacknowledged, so that it is delivered again. Nothing but ctx ends it: when the
// server or its streams vanish it makes them again. One request a registry may wait here for its turn.
func (q *Queue) Consume(ctx context.Context, l Lane, run Run) {
	h := &holder{
		queue: q, lane: l, run: run, log: q.log.With("lane", l.Name),
		turns:   newTurns(l.Window, len(l.Registries)),
		flights: newFlights(q.stats.coalesced.WithLabelValues(l.Name).Inc),
	}
	if !l.Urgent {
		h.turns.yield = q.late.late
		q.late.onEnd(h.turns.resume)
	}
	var readers sync.WaitGroup
	for _, registry := range l.Registries {
		readers.Go(func() { h.consume(ctx, registry) })
	}
	readers.Wait()
	h.held.Wait()
}

// consume reads one registry's requests and opens the consumer again whenever it breaks. Of one interruption it says so once.
func (h *holder) consume(ctx context.Context, registry string) {
	log, interrupted := h.log.With("registry", registry), false
	for ctx.Err() == nil {
		c, err := h.open(ctx, registry)
		if err == nil {
			if interrupted {
				log.Info("lane is open again")
			}
			interrupted = false
			err = h.read(ctx, c, registry)
		}
		if ctx.Err() != nil {
			return
		}
		if !interrupted {
			log.Warn("lane is interrupted and opened again", "error", err)
		}
		interrupted = true
		pause(ctx, h.lane.Timing.Retry)
	}
}

// forgotten is how long a consumer that nobody reads is kept: a registry that is no longer configured leaves nothing behind.
const forgotten = 24 * time.Hour

func (h *holder) open(ctx context.Context, registry string) (jetstream.Consumer, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := h.queue.Ensure(ctx); err != nil {
		return nil, err
	}
	conf := jetstream.ConsumerConfig{
		Durable:           scanv1.Consumer(h.lane.Name, registry),
		FilterSubject:     scanv1.ConsumerSubject(h.lane.Name, registry),
		AckPolicy:         jetstream.AckExplicitPolicy,
		AckWait:           h.lane.Timing.AckWait,
		MaxDeliver:        -1, // the holder counts, because the last failure needs a dead letter
		MaxAckPending:     h.lane.pending(h.turns.cap),
		InactiveThreshold: forgotten,
	}
	c, err := h.queue.js.CreateOrUpdateConsumer(ctx, scanv1.StreamRequests, conf)
	if overlaps(err) {
		// The consumer of all registries that an older scheduler left; one that still runs makes it again for as long as it does.
		if err := h.queue.js.DeleteConsumer(ctx, scanv1.StreamRequests, h.lane.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil, fmt.Errorf("remove consumer %s: %w", h.lane.Name, err)
		}
		c, err = h.queue.js.CreateOrUpdateConsumer(ctx, scanv1.StreamRequests, conf)
	}
	if err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", scanv1.Consumer(h.lane.Name, registry), err)
	}
	return c, nil
}

// notUnique is the server's code for a consumer that would read what another one reads.
const notUnique jetstream.ErrorCode = 10100

func overlaps(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == notUnique
}

// pullExpiry is how long one pull request waits at the server. With heartbeats at half of it, a consumer that vanished is
// noticed within it.
const pullExpiry = 10 * time.Second

// read takes messages until the consumer breaks or ctx is done. It asks for one at a time, when the one before has its
// turn: what it does not hold another scheduler can take. What is held when it returns goes on.
func (h *holder) read(ctx context.Context, c jetstream.Consumer, registry string) error {
	messages, err := c.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullExpiry))
	if err != nil {
		return fmt.Errorf("read consumer: %w", err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read consumer: %w", err)
		}
		first := h.receive(ctx, m)
		if first == nil {
			continue
		}
		for _, g := range h.gather(ctx, c, first) {
			if err := h.turns.take(ctx, registry); err != nil {
				g.release() // and those of the other groups end with ctx
				return err
			}
			h.held.Go(func() {
				defer h.turns.give(registry)
				h.perform(ctx, g)
			})
		}
	}
}

// pause waits for d or for ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// A holder keeps messages of one lane until their request has ended.
type holder struct {
	queue   *Queue
	lane    Lane
	run     Run
	turns   *turns
	flights *flights
	held    sync.WaitGroup
	log     *slog.Logger
}
