package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// Bounds of the streams. What does not fit is refused (discard new), so that a flood of pushes costs latency and never
// the disk; the sender of a hook tries again and a sweep finds what was lost.
const (
	maxRequests = 250_000   // 2½ times the worst burst expected: 100,000 images pushed in a minute
	maxBytes    = 512 << 20 // those at 2 KiB each; a push is about 300 bytes
	memoryBytes = 64 << 20  // the same bound where streams live in memory: one process that scans once and holds a window of requests
	maxMessage  = 64 << 10  // a request is at most scanv1.MaxRequestBytes; anything larger is not ours

	// duplicateWindow is how long a message id is remembered: hooks and publishers repeat within seconds, a sweep's page
	// that is tried again within minutes.
	duplicateWindow = 10 * time.Minute

	// requestDays end requests of a registry that no scheduler is configured with any more. All others end within hours,
	// and sweeps find again what did not.
	requestDays = 7

	maxDeadLetters = 10_000              // enough for a person; the oldest go first
	deadLetterAge  = 30 * 24 * time.Hour // by then many sweeps have seen the image again
	maxEvents      = 10_000              // hints; a reporter that misses them reads the change log
	eventAge       = 5 * time.Minute     // the reporter reads the tail every 30 s anyway
)

// streams are what the queue needs, as configured when nothing exists yet.
func (q *Queue) streams() []jetstream.StreamConfig {
	storage, bytes := jetstream.FileStorage, int64(maxBytes)
	if q.memory {
		storage, bytes = jetstream.MemoryStorage, memoryBytes
	}
	return []jetstream.StreamConfig{{
		Name:        scanv1.StreamRequests,
		Description: "scan requests until their workflow has ended",
		Subjects:    []string{scanv1.SubjectsRequests},
		Retention:   jetstream.WorkQueuePolicy,
		Discard:     jetstream.DiscardNew,
		MaxMsgs:     q.maxRequests,
		MaxBytes:    bytes,
		MaxAge:      requestDays * 24 * time.Hour,
		MaxMsgSize:  maxMessage,
		Duplicates:  duplicateWindow,
		Storage:     storage,
	}, {
		Name:        scanv1.StreamDeadLetters,
		Description: "scan requests that failed for good, kept for people",
		Subjects:    []string{scanv1.SubjectsDead},
		MaxMsgs:     maxDeadLetters,
		MaxAge:      deadLetterAge,
		MaxMsgSize:  maxMessage,
		Duplicates:  duplicateWindow,
		Storage:     storage,
	}, {
		Name:        scanv1.StreamEvents,
		Description: "hints that a change log has grown",
		Subjects:    []string{scanv1.SubjectsChanges},
		MaxMsgs:     maxEvents,
		MaxAge:      eventAge,
		MaxMsgSize:  maxMessage,
		Duplicates:  eventAge,
		Storage:     storage,
	}}
}

// Ensure makes the streams that are missing and updates the others. It may be repeated at any time; an operator's choice
// of replicas, placement and storage is kept.
func (q *Queue) Ensure(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for _, c := range q.streams() {
		if err := q.ensure(ctx, c); err != nil {
			return fmt.Errorf("prepare stream %s: %w", c.Name, err)
		}
	}
	return nil
}

const (
	// patience is how long a start waits for the server: parts of a cluster start in any order.
	patience   = time.Minute
	awaitPause = time.Second
)

// Await is Ensure for a start: it waits a minute for a server that is not there yet.
func (q *Queue) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := q.Ensure(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			q.log.Warn("queue is not ready yet", "error", err)
		}
		pause(ctx, awaitPause)
		if ctx.Err() != nil {
			return classify(err)
		}
	}
}

func (q *Queue) ensure(ctx context.Context, c jetstream.StreamConfig) error {
	s, err := q.js.Stream(ctx, c.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		_, err = q.js.CreateStream(ctx, c)
		return err
	case err != nil:
		return err
	}
	old := s.CachedInfo().Config
	c.Replicas, c.Placement, c.Storage = old.Replicas, old.Placement, old.Storage
	_, err = q.js.UpdateStream(ctx, c)
	return err
}
