package queue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// Drop takes every request on a subject out of the queue, also those that are held: what their holders say of them later means
// nothing any more. It returns how many there were.
func (q *Queue) Drop(ctx context.Context, subject string) (int, error) {
	n, err := q.Left(ctx, subject)
	if err != nil || n == 0 {
		return 0, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := q.js.Stream(ctx, scanv1.StreamRequests)
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSubject(subject))
	}
	if err != nil {
		return 0, fmt.Errorf("drop requests on %s: %w", subject, classify(err))
	}
	return n, nil
}
