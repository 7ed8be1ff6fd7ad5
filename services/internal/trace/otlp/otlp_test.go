package otlp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	spantest "go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/services/internal/trace/tracetest"
)

// TestAsked: only what the standard variables ask for is sent, and what this exporter cannot do says so.
func TestAsked(t *testing.T) {
	t.Parallel()
	const to = "http://collector:4318"
	for _, tc := range []struct {
		env  map[string]string
		want bool
		err  error
	}{
		{map[string]string{}, false, nil},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, false, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to}, true, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": to + "/v1/traces"}, true, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, true, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_SDK_DISABLED": "true"}, false, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_TRACES_EXPORTER": "none"}, false, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_TRACES_EXPORTER": "zipkin"}, false, plimsoll.ErrUnsupported},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, plimsoll.ErrUnsupported},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, true, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, false, plimsoll.ErrInvalid},
	} {
		got, err := asked(func(name string) string { return tc.env[name] })
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%v: %t, %v, want %t, %v", tc.env, got, err, tc.want, tc.err)
		}
	}
}

func record(tracer trace.Tracer) {
	_, span := tracer.Begin(context.Background(), "event", trace.Server, "tag", "1.0")
	span.End(nil)
}

// TestOpen: spans reach the collector named by the environment before the part has ended, under the part's name.
func TestOpen(t *testing.T) {
	c := tracetest.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", strings.Replace(c.URL, "http://", "http://user:hidden@", 1))
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	var log bytes.Buffer
	tracer, stop := Open(t.Context(), "plimsoll-test", slog.New(slog.NewTextHandler(&log, nil)))
	record(tracer)
	stop()
	got := c.Spans()
	if len(got) != 1 || got[0].Service != "plimsoll-test" || got[0].Name != "event" || got[0].About["tag"] != "1.0" {
		t.Errorf("spans %+v\n%s", got, &log)
	}
	if strings.Contains(log.String(), "hidden") {
		t.Errorf("the log has the password:\n%s", &log)
	}
}

// TestOff: without an endpoint, and with one that cannot be used, the product runs on without traces.
func TestOff(t *testing.T) {
	for to, want := range map[string]string{"": "", "collector:4317": "write http://host:4318"} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to)
		var log bytes.Buffer
		tracer, stop := Open(t.Context(), "plimsoll-test", slog.New(slog.NewTextHandler(&log, nil)))
		record(tracer)
		stop()
		if tracer.On() || want == "" && log.Len() > 0 || !strings.Contains(log.String(), want) {
			t.Errorf("endpoint %q: on %t, log %q", to, tracer.On(), &log)
		}
	}
}

// TestAway: a collector that takes nothing costs spans and a line in the log, and a stop does not wait for it.
func TestAway(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusing.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.URL)
	var log bytes.Buffer
	tracer, stop := Open(t.Context(), "plimsoll-test", slog.New(slog.NewTextHandler(&log, nil)))
	record(tracer)
	began := time.Now()
	stop()
	if took := time.Since(began); took > lastWords+10*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if !strings.Contains(log.String(), "spans are lost") || !strings.Contains(log.String(), "404") {
		t.Errorf("log %q, want what is lost and why", &log)
	}
}

type failing struct{ sdk.SpanExporter }

func (failing) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return errors.New("away") }

// TestTold: what is lost is told now and then, and all of it.
func TestTold(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Unix(1e9, 0)
	e := &told{SpanExporter: failing{}, log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	batch := spantest.SpanStubs{{Name: "a"}, {Name: "b"}}.Snapshots()
	for range 3 {
		if err := e.ExportSpans(t.Context(), batch); err != nil {
			t.Errorf("an error reaches the process's standard error: %v", err)
		}
	}
	now = now.Add(tellEvery)
	_ = e.ExportSpans(t.Context(), batch)
	if got := strings.Count(log.String(), "spans are lost"); got != 2 || !strings.Contains(log.String(), "spans=2") || !strings.Contains(log.String(), "spans=6") {
		t.Errorf("log:\n%s", &log)
	}
}
