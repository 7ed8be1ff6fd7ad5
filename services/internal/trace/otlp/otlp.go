// Package otlp sends spans to a collector by OTLP over HTTP, where the environment variables of OpenTelemetry ask for it
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

// lastWords bounds how long a part that ends waits for its last spans to be taken.
const lastWords = 3 * time.Second

// Open is the tracer of one part ("plimsoll-worker"), and what sends the rest of its spans when the part ends. Without an
// endpoint in the environment the tracer is the zero one. Settings that cannot be used are a warning: traces are a help, and no
// reason for the product not to run.
func Open(ctx context.Context, part string, log *slog.Logger) (t trace.Tracer, stop func()) {
	off := func() {}
	wanted, err := asked(os.Getenv)
	if err == nil && !wanted {
		return trace.Tracer{}, off
	}
	var spans *sdk.TracerProvider
	if err == nil {
		spans, err = provider(ctx, part, log)
	}
	if err != nil {
		log.Warn("traces are not sent", "error", err)
		return trace.Tracer{}, off
	}
	log.Info("traces are sent", "to", shown(endpoint(os.Getenv)))
	return trace.New(spans), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		_ = spans.Shutdown(ctx) // what it could not send, the exporter has told
	}
}

// asked reads the variables that decide whether spans are sent; how, the exporter reads itself.
func asked(env func(string) string) (bool, error) {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	to := endpoint(env)
	switch exporter := env("OTEL_TRACES_EXPORTER"); exporter {
	case "", "otlp":
		if to == "" {
			return false, nil
		}
	case "none":
		return false, nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER %.40q: %w: only otlp and none are known", exporter, plimsoll.ErrUnsupported)
	}
	if protocol := first(env, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return false, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL %.40q: %w: set http/protobuf, and the collector's port for it (usually 4318)",
			protocol, plimsoll.ErrUnsupported)
	}
	if u, err := url.Parse(to); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return false, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w: write http://host:4318 or https://host:4318", plimsoll.ErrInvalid)
	}
	return true, nil
}

func endpoint(env func(string) string) string {
	return first(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
}

// shown is an address without the password that may stand in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Redacted()
}

func first(env func(string) string, names ...string) string {
	for _, name := range names {
		if v := env(name); v != "" {
			return v
		}
	}
	return ""
}

// version is the program's as the build recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// provider makes spans as the environment's OTEL_TRACES_SAMPLER, OTEL_BSP_… and OTEL_SPAN_… say, and names them after the part
// unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES do.
func provider(ctx context.Context, part string, log *slog.Logger) (*sdk.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare the exporter: %w", err)
	}
	about, err := resource.New(ctx, resource.WithHost(), resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", part), attribute.String("service.version", version())),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithBatcher(&told{SpanExporter: exporter, log: log, now: time.Now})), nil
}
