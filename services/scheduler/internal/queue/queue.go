package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

// Queue is the scan requests of all registries, in both lanes.
type Queue struct {
	js          jetstream.JetStream
	log         *slog.Logger
	memory      bool
	maxRequests int64
	stats       *stats
	tracer      trace.Tracer
	late        *lateness // of the pushes held here
}

// Options says how the streams are made. The zero value is what production uses.
type Options struct {
	// Memory keeps the streams in memory: for a server whose data does not outlive the process.
	Memory bool
	// MaxRequests bounds the waiting requests; default 250,000.
	MaxRequests int64
	Log         *slog.Logger
	// Tracer goes on with the traces of requests where they are taken out of the queue.
	Tracer trace.Tracer
}

// apiTimeout bounds one call to the server; it answers in milliseconds or is not there.
const apiTimeout = 5 * time.Second

// bounded gives a call to the server a limit of its own. The client sets one only where the context has none, and those of
// activities have hours: a question that went down with the server would be waited for so long.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, apiTimeout)
}

// New is a queue over an open connection, which stays the caller's.
func New(nc *nats.Conn, o Options) (*Queue, error) {
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(apiTimeout))
	if err != nil {
		return nil, fmt.Errorf("open jetstream: %w", err)
	}
	if o.MaxRequests <= 0 {
		o.MaxRequests = maxRequests
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Queue{js: js, log: o.Log, memory: o.Memory, maxRequests: o.MaxRequests, stats: newStats(), tracer: o.Tracer, late: newLateness()}, nil
}

// Publish returns when the queue holds r. A repeat within ten minutes of the same targets and epoch is dropped, which is
// success (duplicate is true). ErrLimit is returned when the queue is full, ErrUnavailable when it cannot be reached, ErrInvalid
// for a request above its bounds; nothing was queued in each case, or a repeat will be dropped.
func (q *Queue) Publish(ctx context.Context, r *scanv1.ScanRequest) (duplicate bool, err error) {
	b, err := encode(r)
	if err != nil {
		return false, err
	}
	ctx, span := trace.Start(ctx, "queue request", trace.Producer, "messaging.system", "nats", "messaging.destination.name", r.Subject())
	defer func() { span.End(err) }()
	ack, err := q.publish(ctx, r.Subject(), b, r.MessageID())
	if err != nil {
		return false, fmt.Errorf("queue scan of %s/%s: %w", r.GetRegistry(), r.GetRepository(), err)
	}
	return ack.Duplicate, nil
}

// encode refuses what the reading side would refuse.
func encode(r *scanv1.ScanRequest) ([]byte, error) {
	b, err := proto.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode scan request: %w: %w", plimsoll.ErrInvalid, err)
	}
	if err := check(r, len(b)); err != nil {
		return nil, err
	}
	return b, nil
}

// Event publishes the hint that a stream of the change log has reached sequence. It is a hint: a caller may log a failure and go on.
func (q *Queue) Event(ctx context.Context, e *scanv1.Event) error {
	b, err := proto.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	id := fmt.Sprintf("%s/%d", e.GetStream(), e.GetSequence())
	if _, err := q.publish(ctx, scanv1.ChangesSubject(e.GetStream()), b, id); err != nil {
		return fmt.Errorf("publish hint for %s: %w", e.GetStream(), err)
	}
	return nil
}

// publish stores one message, with the trace that it is part of. When the stream is gone (its store was wiped) it is made again,
// once.
func (q *Queue) publish(ctx context.Context, subject string, b []byte, id string) (*jetstream.PubAck, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	m := nats.NewMsg(subject)
	m.Data = b
	if parent := trace.Parent(ctx); parent != "" {
		m.Header.Set(trace.Header, parent)
	}
	ack, err := q.js.PublishMsg(ctx, m, jetstream.WithMsgID(id))
	if gone(err) {
		if err := q.Ensure(ctx); err != nil {
			return nil, classify(err)
		}
		ack, err = q.js.PublishMsg(ctx, m, jetstream.WithMsgID(id))
	}
	return ack, classify(err)
}

// Left counts the requests on a subject that have not ended, waiting or held. After a wipe it is zero: nothing is left.
func (q *Queue) Left(ctx context.Context, subject string) (int, error) {
	n, err := q.left(ctx, subject)
	if gone(err) {
		if err := q.Ensure(ctx); err != nil {
			return 0, classify(err)
		}
		n, err = q.left(ctx, subject)
	}
	if err != nil {
		return 0, fmt.Errorf("count requests on %s: %w", subject, classify(err))
	}
	return n, nil
}

func (q *Queue) left(ctx context.Context, subject string) (int, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := q.js.Stream(ctx, scanv1.StreamRequests)
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, err
	}
	total := uint64(0)
	for _, n := range info.State.Subjects {
		total += n
	}
	return int(total), nil
}

// storeFailed is the server's code for a message that its store did not take: full, in messages or in bytes.
const storeFailed jetstream.ErrorCode = 10077

// gone says that the stream does not exist (any more).
func gone(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrNoResponders)
}

func isNoMessage(err error) bool { return errors.Is(err, jetstream.ErrMsgNotFound) }

// classify says whether the queue is full or away; callers answer differently.
func classify(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api) && api.ErrorCode == storeFailed:
		return fmt.Errorf("queue is full: %w: %w", plimsoll.ErrLimit, err)
	}
	return fmt.Errorf("queue: %w: %w", plimsoll.ErrUnavailable, err)
}

// Created is when the stream of requests was made: a time later than one remembers means that its store was wiped.
func (q *Queue) Created(ctx context.Context) (time.Time, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := q.js.Stream(ctx, scanv1.StreamRequests)
	if gone(err) {
		if err := q.Ensure(ctx); err != nil {
			return time.Time{}, classify(err)
		}
		s, err = q.js.Stream(ctx, scanv1.StreamRequests)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the queue's age: %w", classify(err))
	}
	return s.CachedInfo().Created, nil
}
