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

// Lane is one of the two queues, read by one durable consumer that all schedulers share.
type Lane struct {
	Name    string // scanv1.ConsumerPush or ConsumerSweep
	Subject string // filter
	Window  int    // requests held at once, over all schedulers
	Timing  Timing
}

// PushLane holds up to window pushes at once.
func PushLane(window int) Lane {
	return Lane{scanv1.ConsumerPush, scanv1.SubjectsPush, window, DefaultTiming()}
}

// SweepLane holds up to window requests of sweeps at once.
func SweepLane(window int) Lane {
	return Lane{scanv1.ConsumerSweep, scanv1.SubjectsSweep, window, DefaultTiming()}
}

// Timing is how long things take; tests shorten it.
type Timing struct {
	AckWait time.Duration   // silence after which a request is given to another scheduler
	Beat    time.Duration   // between in-progress acknowledgements
	Backoff []time.Duration // before the second try, the third …; one more failure is the last
	Lost    time.Duration   // between tries to reach the orchestrator
	Retry   time.Duration   // between tries to open the consumer
}

// DefaultTiming is DESIGN's: three beats fit into the wait, and five delays from 5 s to 30 min, so that the sixth failure
// comes after about three quarters of an hour.
func DefaultTiming() Timing {
	return Timing{
		AckWait: 30 * time.Second,
		Beat:    10 * time.Second,
		Backoff: []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute},
		Lost:    5 * time.Second,
		Retry:   2 * time.Second,
	}
}

// maxDeliveries ends a request that was delivered again and again without any answer: one that kills its scheduler.
const maxDeliveries = 24

// Consume hands the lane's requests to run, at most Window at once, until ctx is done; it then takes no more, cancels
// what runs, waits for it and leaves it unacknowledged, so that it is delivered again. Nothing but ctx ends it: when the
// server or its streams vanish it makes them again.
func (q *Queue) Consume(ctx context.Context, l Lane, run Run) {
	h := &holder{queue: q, lane: l, run: run, flights: newFlights(q.stats.coalesced.WithLabelValues(l.Name).Inc), log: q.log.With("lane", l.Name)}
	for ctx.Err() == nil {
		err := h.consume(ctx)
		if ctx.Err() != nil {
			return
		}
		h.log.Warn("lane is interrupted, opening it again", "error", err)
		pause(ctx, l.Timing.Retry)
	}
}

func (h *holder) consume(ctx context.Context) error {
	if err := h.queue.Ensure(ctx); err != nil {
		return err
	}
	c, err := h.queue.js.CreateOrUpdateConsumer(ctx, scanv1.StreamRequests, jetstream.ConsumerConfig{
		Durable:       h.lane.Name,
		FilterSubject: h.lane.Subject,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       h.lane.Timing.AckWait,
		MaxDeliver:    -1, // the holder counts, because the last failure needs a dead letter
		MaxAckPending: h.lane.Window,
	})
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", h.lane.Name, err)
	}
	return h.read(ctx, c)
}

// pullExpiry is how long one pull request waits at the server. With heartbeats at half of it, a consumer that vanished is
// noticed within it.
const pullExpiry = 10 * time.Second

// read takes messages until the consumer breaks or ctx is done, and returns when all of them are let go.
func (h *holder) read(ctx context.Context, c jetstream.Consumer) error {
	messages, err := c.Messages(jetstream.PullMaxMessages(h.lane.Window), jetstream.PullExpiry(pullExpiry))
	if err != nil {
		return fmt.Errorf("read consumer %s: %w", h.lane.Name, err)
	}
	defer messages.Stop()
	var held sync.WaitGroup
	defer held.Wait()
	// The server keeps to the window too; this holds when it delivers again what is still held here.
	slots := make(chan struct{}, h.lane.Window)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read consumer %s: %w", h.lane.Name, err)
		}
		held.Go(func() {
			defer func() { <-slots }()
			h.hold(ctx, m)
		})
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
	flights *flights
	log     *slog.Logger
}
