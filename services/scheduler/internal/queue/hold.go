package queue

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

// A held message is kept by beats until release is called, which must come before an answer: a beat after it would undo its delay.
type held struct {
	jetstream.Msg
	request    *scanv1.ScanRequest
	deliveries int
	waiting    uint64 // messages behind it that nobody holds
	release    func()
}

// receive begins to hold a message; nil when it is ended at once because nobody can use it.
func (h *holder) receive(ctx context.Context, m jetstream.Msg) *held {
	meta, err := m.Metadata()
	if err != nil {
		h.log.Error("message is not from the stream", "subject", m.Subject(), "error", err)
		return nil
	}
	deliveries := int(meta.NumDelivered)
	r, err := decode(m.Subject(), m.Data())
	if err != nil {
		h.bury(ctx, m, nil, "malformed: "+err.Error(), deliveries)
		return nil
	}
	if deliveries > maxDeliveries {
		h.bury(ctx, m, r, "delivered too often without an answer", deliveries)
		return nil
	}
	one := &held{m, r, deliveries, meta.NumPending, h.beat(ctx, m)}
	if h.lane.Urgent {
		since := meta.Timestamp
		if deliveries > 1 {
			since = time.Now() // it was given back for a while
		}
		quiet := one.release
		one.release = func() { quiet(); h.queue.late.end(one) }
		h.queue.late.begin(one, since)
	}
	return one
}

// perform performs a group's requests as one and settles each message, unless ctx ended first.
func (h *holder) perform(ctx context.Context, g group) {
	defer g.release()
	traced, end := h.traced(ctx, g)
	err := h.flights.do(traced, g.request(), g.asked(), h.persist)
	end(err)
	g.release()
	if ctx.Err() != nil {
		return // delivered again, to whoever is there
	}
	for _, m := range g {
		h.settle(ctx, m.Msg, m.request, err, m.deliveries)
	}
}

// traced goes on with the trace of each request of a group; what is done for all of them stands in the first one's.
func (h *holder) traced(ctx context.Context, g group) (first context.Context, end func(error)) {
	spans := make([]trace.Span, len(g))
	for i, m := range slices.Backward(g) {
		first, spans[i] = h.queue.tracer.Continue(ctx, m.Headers().Get(trace.Header), "scan request", trace.Consumer,
			"plimsoll.registry", m.request.GetRegistry(), "plimsoll.repository", m.request.GetRepository(),
			"plimsoll.delivery", strconv.Itoa(m.deliveries), "plimsoll.gathered", strconv.Itoa(len(g)))
	}
	return first, func(err error) {
		for _, s := range spans {
			s.End(err)
		}
	}
}

// settle acknowledges, gives back with a delay, or buries.
func (h *holder) settle(ctx context.Context, m jetstream.Msg, r *scanv1.ScanRequest, failure error, deliveries int) {
	backoff := h.lane.Timing.Backoff
	switch {
	case failure == nil, deliveries > len(backoff) && errors.Is(failure, ErrUnsettled):
		if failure != nil {
			h.log.Warn("request is not tried again; the next sweep asks for what it lacks", "registry", r.GetRegistry(),
				"repository", r.GetRepository(), "trace", r.GetTrace(), "deliveries", deliveries, "error", failure)
		}
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
		if errors.Is(failure, ErrUnsettled) {
			delay = max(delay, h.lane.Timing.Unsettled)
		}
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
