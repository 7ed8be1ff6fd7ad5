package trace

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// recorded is a tracer and the spans that it has ended.
func recorded(t *testing.T, o ...sdk.TracerProviderOption) (Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	r := tracetest.NewSpanRecorder()
	p := sdk.NewTracerProvider(append(o, sdk.WithSpanProcessor(r))...)
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return New(p), r
}

// TestParts: a trace goes from part to part by the parent's name alone, and each part's steps stand below the one before.
func TestParts(t *testing.T) {
	t.Parallel()
	first, of1 := recorded(t)
	second, of2 := recorded(t)
	ctx, root := first.Begin(t.Context(), "event", Server, "tag", "1.0", "empty", "")
	inner, step := Start(ctx, "publish", Producer)
	parent, id := Parent(inner), ID(inner)
	step.End(nil)
	root.End(nil)

	began := time.Now().Add(-time.Minute)
	there, goesOn := second.ContinueAt(context.Background(), began, parent, "take", Consumer)
	if got := ID(there); got != id || len(got) != 32 {
		t.Errorf("trace %q goes on as %q", id, got)
	}
	_, failing := Start(there, "read", Client)
	failing.End(errors.New("no such thing " + strings.Repeat("ü", maxReason)))
	goesOn.Set("verdict", "pass")
	goesOn.End(nil)

	var got []string
	for _, s := range append(of1.Ended(), of2.Ended()...) {
		got = append(got, s.Name()+" "+s.SpanKind().String())
	}
	if diff := cmp.Diff([]string{"publish producer", "event server", "read client", "take consumer"}, got); diff != "" {
		t.Fatalf("spans (-want +got):\n%s", diff)
	}
	published, event, read, take := of1.Ended()[0], of1.Ended()[1], of2.Ended()[0], of2.Ended()[1]
	if published.Parent().SpanID() != event.SpanContext().SpanID() || take.Parent().SpanID() != published.SpanContext().SpanID() ||
		read.Parent().SpanID() != take.SpanContext().SpanID() {
		t.Error("a span does not stand below the one that it goes on with")
	}
	if len(event.Attributes()) != 1 {
		t.Errorf("attributes %v, want the tag alone: what is empty says nothing", event.Attributes())
	}
	if !take.StartTime().Equal(began) {
		t.Errorf("started at %v, want %v", take.StartTime(), began)
	}
	if text := read.Status().Description; !strings.HasPrefix(text, "no such thing ü") || len(text) > maxReason || !strings.HasSuffix(text, "ü") {
		t.Errorf("reason of %d bytes %q", len(text), text)
	}
}

// TestNothing: outside of a trace, with the zero tracer, and where the sampler leaves a trace out, nothing is made or named.
func TestNothing(t *testing.T) {
	t.Parallel()
	sampledOut, ended := recorded(t, sdk.WithSampler(sdk.NeverSample()))
	ctx, root := sampledOut.Begin(t.Context(), "event", Server)
	for name, ctx := range map[string]context.Context{"plain": t.Context(), "sampled out": ctx} {
		inner, span := Start(ctx, "x", Client, "a", "b")
		span.Set("c", "d")
		span.End(errors.New("e"))
		if _, ok := Of(inner); ok || inner != ctx || Parent(inner) != "" || ID(inner) != "" || span.In(ctx) != ctx {
			t.Errorf("%s: something is traced", name)
		}
	}
	root.End(nil)
	var off Tracer
	if ctx, _ := off.Begin(t.Context(), "event", Server); ctx != t.Context() || off.On() {
		t.Error("the zero tracer begins a trace")
	}
	if ctx, _ := off.Continue(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x", Server); ctx != t.Context() {
		t.Error("the zero tracer goes on with a trace")
	}
	if n := len(ended.Ended()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// TestCostsNothing: a step that nobody follows allocates nothing.
func TestCostsNothing(t *testing.T) {
	ctx, key := context.Background(), "some/key"
	if n := testing.AllocsPerRun(100, func() {
		_, span := Start(ctx, "read", Client, "key", key)
		span.End(nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestStrangers: what names no parent, or one that is not recorded, leaves the work untraced.
func TestStrangers(t *testing.T) {
	t.Parallel()
	tracer, ended := recorded(t)
	for _, parent := range []string{
		"", "x", strings.Repeat("0", 1<<20),
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", // no trace
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", // no span
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", // left out by its sampler
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", // a version that is none
		"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01", // capitals
	} {
		if ctx, _ := tracer.Continue(t.Context(), parent, "x", Server); ctx != t.Context() {
			t.Errorf("%.80q is gone on with", parent)
		}
	}
	if n := len(ended.Ended()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// FuzzParent: whatever stands in a header is refused or goes on as it was named.
func FuzzParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more")
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	f.Add("\x00-\xff--")
	f.Fuzz(func(t *testing.T, parent string) {
		span, ok := parse(parent)
		if !ok {
			return
		}
		if diff := cmp.Diff(parent[3:52], span.TraceID().String()+"-"+span.SpanID().String()); diff != "" {
			t.Errorf("%q is read as another (-want +got):\n%s", parent, diff)
		}
		if again := Parent(trace.ContextWithRemoteSpanContext(context.Background(), span)); again != "" {
			t.Errorf("a span of others is named as ours: %q", again)
		}
	})
}
