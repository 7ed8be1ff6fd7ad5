package otlp

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// tellEvery is how often a collector that is away is told of: batches come every five seconds.
const tellEvery = 5 * time.Minute

// told is an exporter whose failures stand in our log, now and then, and not on the process's standard error.
type told struct {
	sdk.SpanExporter
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last time.Time
	lost int
}

// ExportSpans sends one batch. A batch that was not taken is lost: nothing waits for a collector.
func (t *told) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := t.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost += len(spans)
	if now := t.now(); now.Sub(t.last) >= tellEvery {
		t.log.Warn("spans are lost: the collector does not take them", "spans", t.lost, "error", err)
		t.last, t.lost = now, 0
	}
	return nil
}
