package trace

import (
	"context"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Kind is a span's part in a conversation (OpenTelemetry, trace API, "SpanKind").
type Kind = trace.SpanKind

// The kinds that are used here.
const (
	Inside   = trace.SpanKindInternal
	Server   = trace.SpanKindServer
	Client   = trace.SpanKindClient
	Producer = trace.SpanKindProducer
	Consumer = trace.SpanKindConsumer
)

// Tracer begins the spans with which a trace enters a part. The zero Tracer begins none.
type Tracer struct{ spans trace.Tracer }

// New is the tracer of one part, whose spans p takes.
func New(p trace.TracerProvider) Tracer {
	return Tracer{p.Tracer("github.com/plimsoll/plimsoll/services/internal/trace")}
}

// On says whether spans are made at all.
func (t Tracer) On() bool { return t.spans != nil }

// Begin starts a trace. What names another one, as an event from outside might, is not asked: strangers do not decide what
// is recorded.
func (t Tracer) Begin(ctx context.Context, name string, kind Kind, about ...string) (context.Context, Span) {
	if t.spans == nil {
		return ctx, Span{}
	}
	return begin(ctx, t.spans, name, kind, about, trace.WithNewRoot())
}

// Continue goes on with the trace that another part began; see [Parent]. One that is empty or malformed leaves the work untraced.
func (t Tracer) Continue(ctx context.Context, parent, name string, kind Kind, about ...string) (context.Context, Span) {
	return t.ContinueAt(ctx, time.Time{}, parent, name, kind, about...)
}

// ContinueAt is [Tracer.Continue] for a step that began at a moment in the past.
func (t Tracer) ContinueAt(ctx context.Context, at time.Time, parent, name string, kind Kind, about ...string) (context.Context, Span) {
	if t.spans == nil || parent == "" {
		return ctx, Span{}
	}
	remote, ok := parse(parent)
	if !ok {
		return ctx, Span{}
	}
	return begin(trace.ContextWithRemoteSpanContext(ctx, remote), t.spans, name, kind, about, trace.WithTimestamp(at))
}

// Start begins a span within the one that ctx holds; outside of a trace it does nothing. about are names and values in turn.
func Start(ctx context.Context, name string, kind Kind, about ...string) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	return begin(ctx, New(parent.TracerProvider()).spans, name, kind, about)
}

func begin(ctx context.Context, spans trace.Tracer, name string, kind Kind, about []string, o ...trace.SpanStartOption) (context.Context, Span) {
	ctx, span := spans.Start(ctx, name, append(o, trace.WithSpanKind(kind), trace.WithAttributes(attributes(about)...))...)
	return ctx, Span{span}
}

func attributes(about []string) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, len(about)/2)
	for i := 0; i+1 < len(about); i += 2 {
		if about[i+1] != "" {
			all = append(all, attribute.String(about[i], about[i+1]))
		}
	}
	return all
}

// ID is the id of the trace that ctx is part of, 32 hexadecimal digits; empty outside of one.
func ID(ctx context.Context) string {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		return span.SpanContext().TraceID().String()
	}
	return ""
}

// Span is one step of a trace. The zero Span is a step that nobody follows.
type Span struct{ span trace.Span }

// Of is the span that ctx holds; false outside of a trace.
func Of(ctx context.Context) (Span, bool) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return Span{}, false
	}
	return Span{span}, true
}

// In gives ctx the span: for work that does not run in the context it began with.
func (s Span) In(ctx context.Context) context.Context {
	if s.span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, s.span)
}

// Set adds names and values in turn. Empty values are left out.
func (s Span) Set(about ...string) {
	if s.span != nil {
		s.span.SetAttributes(attributes(about)...)
	}
}

// maxReason bounds the text of an error in a span, in bytes: errors of several causes repeat each other after that.
const maxReason = 500

// End ends the step; an error marks it as failed.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, cut(err.Error()))
	}
	s.span.End()
}

func cut(text string) string {
	if len(text) <= maxReason {
		return text
	}
	n := maxReason
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
