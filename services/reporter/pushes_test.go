package reporter

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	spantest "go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// TestPushes: a push whose verdict is shown is measured, stands in the log under the id that it had from its event on, and ends
// its trace; one that was not traced begins none.
func TestPushes(t *testing.T) {
	t.Parallel()
	ended := spantest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(ended))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	ctx, announce := trace.New(provider).Begin(t.Context(), "announce", trace.Inside)
	id := trace.ID(ctx)
	var log bytes.Buffer
	p := newPushes(trace.New(provider), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	read := time.Now().Add(-time.Second)
	push := posture.Push{
		Registry: "corp", Repository: "shop/web", Tag: "1.0", Took: 300 * time.Millisecond, Read: read, Trace: id, Span: trace.Parent(ctx),
		Verdicts: []plimsoll.VerdictState{plimsoll.VerdictFail, plimsoll.VerdictPass},
	}
	p.shown(push)
	push.Trace, push.Span = "event-1", ""
	p.shown(push)
	announce.End(nil)

	spans := ended.Ended()
	if len(spans) != 2 || spans[0].Name() != "verdict" || spans[0].Parent().SpanID() != spans[1].SpanContext().SpanID() || !spans[0].StartTime().Equal(read) {
		t.Errorf("spans %v, want verdict below announce, from when it was read of", spans)
	}
	for _, want := range []string{"trace=" + id, "trace=event-1", `verdict="fail pass"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log has no %s:\n%s", want, &log)
		}
	}
	if n := testutil.CollectAndCount(p.seconds); n != 1 {
		t.Errorf("%d histograms", n)
	}
}
