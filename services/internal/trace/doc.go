// Package trace follows one push through all parts: spans of OpenTelemetry (https://opentelemetry.io/docs/specs/otel/trace/api/),
// carried from part to part as W3C traceparent.
//
// A trace begins where an event of a registry comes in, and nowhere else: what runs outside of one (sweeps, probes, feeds) is
// not traced, so that 100,000 images make no million spans. Where nothing is traced a span is nothing, and costs a look into
// the context. Spans are sent by [github.com/plimsoll/plimsoll/services/internal/trace/otlp].
package trace
