package queue

import (
	"context"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	spantest "go.opentelemetry.io/otel/sdk/trace/tracetest"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue/queuetest"
)

// TestTrace: a request that was queued within a trace is performed within it, below the step that queued it; one that was not
// begins none.
func TestTrace(t *testing.T) {
	t.Parallel()
	ended := spantest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(ended))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	q := newQueue(t, queuetest.Start(t).Connect(), Options{Memory: true, Tracer: trace.New(provider)})
	performed := make(chan string, 2)
	stop := consume(t, q, quickLane(PushLane(prod, 1)), func(ctx context.Context, r *scanv1.ScanRequest) error {
		performed <- r.GetTargets()[0].GetTag() + " " + trace.ID(ctx)
		return nil
	})
	publish(t, q, push("untraced"))
	if got := <-performed; got != "untraced " {
		t.Errorf("performed %q, want no trace", got)
	}
	ctx, event := trace.New(provider).Begin(t.Context(), "event", trace.Server)
	id := trace.ID(ctx)
	if _, err := q.Publish(ctx, push("traced")); err != nil {
		t.Fatal(err)
	}
	event.End(nil)
	if got := <-performed; got != "traced "+id {
		t.Errorf("performed %q, want it in trace %s", got, id)
	}
	eventually(t, "the queue is empty", empty(t, q, scanv1.SubjectsPush))
	stop()
	parents, names := map[string]string{}, map[string]string{}
	for _, s := range ended.Ended() {
		names[s.SpanContext().SpanID().String()] = s.Name()
	}
	for _, s := range ended.Ended() {
		parents[s.Name()] = names[s.Parent().SpanID().String()]
	}
	if len(ended.Ended()) != 3 || parents["scan request"] != "queue request" || parents["queue request"] != "event" {
		t.Errorf("%d spans below %v, want scan request below queue request below event", len(ended.Ended()), parents)
	}
}
