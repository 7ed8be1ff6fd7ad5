package trace

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is the name under which a parent travels, in headers of NATS messages and in gRPC metadata
// (W3C Trace Context, section 3.2).
const Header = "traceparent"

// Parent names the span that ctx holds, for another part to go on with; empty outside of a trace, and where the sampler left
// the trace out.
func Parent(ctx context.Context) string {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ""
	}
	header := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, header)
	return header[Header]
}

// maxParent bounds what is parsed, in bytes: version 00 has 55, and later versions may add to it.
const maxParent = 256

// parse reads a parent that is recorded: of one that is not, its own part tells nothing either.
func parse(parent string) (trace.SpanContext, bool) {
	if len(parent) > maxParent {
		return trace.SpanContext{}, false
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{Header: parent})
	span := trace.SpanContextFromContext(ctx)
	return span, span.IsValid() && span.IsSampled()
}
