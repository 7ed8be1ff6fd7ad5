package queue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// hold performs the request of one message and settles the message, unless ctx ended first. release ends the beats, which
// must not follow an answer: they would undo its delay.
func (h *holder) hold(ctx context.Context, m jetstream.Msg, release func()) {
	meta, err := m.Metadata()
	if err != nil {
		h.log.Error("message is not from the stream", "subject", m.Subject(), "error", err)
		return
	}
	deliveries := int(meta.NumDelivered)
	r, err := decode(m.Subject(), m.Data())
	if err != nil {
		release()
		h.bury(ctx, m, nil, "malformed: "+err.Error(), deliveries)
		return
	}
	if deliveries > maxDeliveries {
		release()
		h.bury(ctx, m, r, "delivered too often without an answer", deliveries)
		return
	}
	err = h.flights.do(ctx, r, h.persist)
	release()
	if ctx.Err() != nil {
		return // delivered again, to whoever is there
	}
	h.settle(ctx, m, r, err, deliveries)
}

// settle acknowledges, gives back with a delay, or buries.
func (h *holder) settle(ctx context.Context, m jetstream.Msg, r *scanv1.ScanRequest, failure error, deliveries int) {
	backoff := h.lane.Timing.Backoff
	switch {
	case failure == nil:
		if err := m.Ack(); err != nil {
			h.log.Warn("request has ended but is not acknowledged: it comes again", "trace", r.GetTrace(), "error", err)
		}
	case errors.Is(failure, ErrCancelled):
		if err := m.TermWithReason("cancelled"); err != nil {
			h.log.Warn("cancelled request is not ended: it comes again", "trace", r.GetTrace(), "error", err)
		}
	case deliveries > len(backoff):
		h.bury(ctx, m, r, failure.Error(), deliveries)
	default:
		delay := backoff[max(deliveries, 1)-1]
		h.log.Warn("request failed and is tried again", "registry", r.GetRegistry(), "repository", r.GetRepository(),
			"trace", r.GetTrace(), "deliveries", deliveries, "delay", delay, "error", failure)
		if err := m.NakWithDelay(delay); err != nil {
			h.log.Warn("request is not given back: it comes again by itself", "trace", r.GetTrace(), "error", err)
		}
	}
}

// persist runs r, and again while the orchestrator is lost: the time that it is away is not the request's failure, and
// only the window's requests wait here.
func (h *holder) persist(ctx context.Context, r *scanv1.ScanRequest) error {
	for {
		err := h.run(ctx, r)
		if !errors.Is(err, ErrLost) || ctx.Err() != nil {
			return err
		}
		h.log.Warn("orchestrator is lost, request waits", "trace", r.GetTrace(), "error", err)
		pause(ctx, h.lane.Timing.Lost)
	}
}

// beat tells the server that the message is still held, until the returned function is called, which waits for the beater
// and may be called again.
func (h *holder) beat(ctx context.Context, m jetstream.Msg) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(h.lane.Timing.Beat)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if err := m.InProgress(); err != nil {
					h.log.Debug("in-progress not sent", "error", err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
