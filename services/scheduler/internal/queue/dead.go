package queue

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// maxReason bounds the text of a dead letter, in bytes; causes repeat each other after that.
const maxReason = 2 << 10

// bury moves a message to the dead letters and ends it. When the letter cannot be stored the message is given back
// instead: it must not vanish without a trace.
func (h *holder) bury(ctx context.Context, m jetstream.Msg, r *scanv1.ScanRequest, reason string, deliveries int) {
	registry := registryOf(m.Subject())
	if err := h.letter(ctx, m, registry, r, reason, deliveries); err != nil {
		h.log.Error("dead letter is not stored, request is kept", "registry", registry, "error", err)
		if err := m.NakWithDelay(h.lane.Timing.Backoff[0]); err != nil {
			h.log.Warn("request is not given back: it comes again by itself", "error", err)
		}
		return
	}
	h.queue.stats.dead.WithLabelValues(h.lane.Name).Inc()
	h.log.Error("request failed for good and is a dead letter", "registry", registry,
		"repository", r.GetRepository(), "trace", r.GetTrace(), "deliveries", deliveries, "reason", reason)
	if err := m.TermWithReason("dead letter"); err != nil {
		h.log.Warn("dead request is not ended: it comes again", "error", err)
	}
}

func (h *holder) letter(ctx context.Context, m jetstream.Msg, registry string, r *scanv1.ScanRequest, reason string, deliveries int) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	b, err := proto.Marshal(&scanv1.DeadLetter{
		Request:        r,
		Reason:         cut(reason, maxReason),
		FailedUnixNano: time.Now().UnixNano(),
		Deliveries:     int32(min(deliveries, 1<<30)),
	})
	if err != nil {
		return fmt.Errorf("encode dead letter: %w", err)
	}
	// The stream's sequence with its time names the message, so that a letter is stored once even when Term is lost.
	id := fmt.Sprintf("dead/%d/%d", meta.Sequence.Stream, meta.Timestamp.UnixNano())
	_, err = h.queue.publish(ctx, scanv1.DeadSubject(registry), b, id)
	return err
}

// cut shortens s to n bytes and keeps it valid UTF-8, which protobuf requires.
func cut(s string, n int) string {
	valid := make([]rune, 0, min(len(s), n))
	size := 0
	for _, c := range s {
		if size += utf8.RuneLen(c); size > n {
			break
		}
		valid = append(valid, c)
	}
	return string(valid)
}
