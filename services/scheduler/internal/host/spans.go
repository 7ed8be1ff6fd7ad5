package host

import (
	"context"

	"go.temporal.io/sdk/interceptor"

	"github.com/plimsoll/plimsoll/services/internal/trace"
)

// spans lets Temporal's own tracing interceptor, which knows what may be done while a history is replayed, make our spans: one
// a workflow and one a try of an activity. The parent travels in Temporal's headers, of which replays take no notice.
type spans struct {
	interceptor.BaseTracer
	tracer trace.Tracer
}

// spanKey is under which a workflow's context holds its span.
type spanKey struct{}

// step is a span as the interceptor holds it: one of ours, or a parent that is handed on.
type step struct {
	trace.Span
	parent string
}

// Finish implements interceptor.TracerSpan.
func (s step) Finish(o *interceptor.TracerFinishSpanOptions) { s.End(o.Error) }

// Options implements interceptor.Tracer. The header's name is that of Temporal's own tracers.
func (s spans) Options() interceptor.TracerOptions {
	return interceptor.TracerOptions{
		SpanContextKey: spanKey{}, HeaderKey: "_tracer-data", AllowInvalidParentSpans: true,
		DisableQueryTracing: true, DisableSignalTracing: true, DisableUpdateTracing: true,
	}
}

// UnmarshalSpan implements interceptor.Tracer.
func (s spans) UnmarshalSpan(header map[string]string) (interceptor.TracerSpanRef, error) {
	return step{parent: header[trace.Header]}, nil
}

// MarshalSpan implements interceptor.Tracer.
func (s spans) MarshalSpan(of interceptor.TracerSpan) (map[string]string, error) {
	if parent := parentOf(of); parent != "" {
		return map[string]string{trace.Header: parent}, nil
	}
	return nil, nil
}

// SpanFromContext implements interceptor.Tracer.
func (s spans) SpanFromContext(ctx context.Context) interceptor.TracerSpan {
	if parent := trace.Parent(ctx); parent != "" {
		return step{parent: parent}
	}
	return nil // not a step: the interceptor then looks into the header
}

// ContextWithSpan implements interceptor.Tracer.
func (s spans) ContextWithSpan(ctx context.Context, of interceptor.TracerSpan) context.Context {
	if own, ok := of.(step); ok {
		return own.In(ctx)
	}
	return ctx
}

// StartSpan implements interceptor.Tracer. What runs gets a span; that it was asked for, which takes a moment, gets none.
func (s spans) StartSpan(o *interceptor.TracerStartSpanOptions) (interceptor.TracerSpan, error) {
	parent := parentOf(o.Parent)
	if o.Operation != "RunWorkflow" && o.Operation != "RunActivity" {
		return step{parent: parent}, nil
	}
	about := make([]string, 0, 2*len(o.Tags))
	for name, value := range o.Tags {
		about = append(about, name, value)
	}
	ctx, span := s.tracer.ContinueAt(context.Background(), o.Time, parent, o.Name, trace.Inside, about...)
	return step{span, trace.Parent(ctx)}, nil
}

func parentOf(of any) string {
	s, _ := of.(step)
	return s.parent
}
