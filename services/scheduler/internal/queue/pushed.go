package queue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// maxPushed bounds the requests that are read for one answer: each is a round trip of a millisecond or less.
const maxPushed = 1000

// Pushed are the tags, as repository:tag, that a registry's push requests ask for which have not ended. all is false when there are
// too many to tell; tags then holds none.
func (q *Queue) Pushed(ctx context.Context, registry string) (tags map[string]bool, all bool, err error) {
	subject := (&scanv1.ScanRequest{Lane: scanv1.Lane_LANE_PUSH, Registry: registry}).Subject()
	n, err := q.Left(ctx, subject)
	if err != nil || n > maxPushed {
		return nil, false, err
	}
	tags = map[string]bool{}
	if n == 0 {
		return tags, true, nil
	}
	s, err := q.requests(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("read pushes of %s: %w", registry, classify(err))
	}
	for seq := uint64(1); ; {
		m, err := q.next(ctx, s, seq, subject)
		if isNoMessage(err) {
			return tags, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("read pushes of %s: %w", registry, classify(err))
		}
		if r, err := decode(m.Subject, m.Data); err == nil {
			for _, t := range r.GetTargets() {
				tags[r.GetRepository()+":"+t.GetTag()] = true
			}
		}
		seq = m.Sequence + 1
	}
}

// next is the first message from a sequence on that stands on a subject.
func (q *Queue) next(ctx context.Context, s jetstream.Stream, seq uint64, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
}

func (q *Queue) requests(ctx context.Context) (jetstream.Stream, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return q.js.Stream(ctx, scanv1.StreamRequests)
}
