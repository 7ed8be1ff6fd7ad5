package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

const (
	// dialPatience is how long a start waits for Temporal: parts of a cluster start in any order, and a cold server takes
	// half a minute.
	dialPatience = 90 * time.Second
	dialPause    = 2 * time.Second
	// defaultNamespace is Temporal's own.
	defaultNamespace = "default"
)

// Dial connects to Temporal, and waits for it for a minute and a half. What is traced goes on through workflows and activities.
func Dial(ctx context.Context, c config.Temporal, tracer trace.Tracer, log *slog.Logger) (client.Client, error) {
	o, err := options(c, log)
	if err != nil {
		return nil, err
	}
	if tracer.On() {
		o.Interceptors = []interceptor.ClientInterceptor{interceptor.NewTracingInterceptor(spans{tracer: tracer})}
	}
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	for {
		t, err := client.DialContext(ctx, o)
		if err == nil {
			return t, nil
		}
		if ctx.Err() == nil {
			log.Warn("temporal does not answer yet", "address", c.Address, "error", err)
		}
		select {
		case <-time.After(dialPause):
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to temporal at %s: %w: %w (check temporal.address and that it runs)",
				c.Address, plimsoll.ErrUnavailable, err)
		}
	}
}

// failuresAreValues is the SDK's logger, less loud about failed activities: a workflow retries them, and what stays failed
// stands in coverage and in the sweep, told once.
type failuresAreValues struct{ sdklog.Logger }

func (l failuresAreValues) Error(msg string, keyvals ...any) {
	if msg == "Activity error." {
		l.Logger.Info(msg, keyvals...)
		return
	}
	l.Logger.Error(msg, keyvals...)
}

// With implements the SDK's log.WithLogger.
func (l failuresAreValues) With(keyvals ...any) sdklog.Logger {
	return failuresAreValues{sdklog.With(l.Logger, keyvals...)}
}

func options(c config.Temporal, log *slog.Logger) (client.Options, error) {
	o := client.Options{HostPort: c.Address, Namespace: c.Namespace, Identity: "plimsoll-scheduler",
		Logger: failuresAreValues{sdklog.NewStructuredLogger(log.With("part", "temporal"))}}
	if o.Namespace == "" {
		o.Namespace = defaultNamespace
	}
	if c.APIKeyFile != "" {
		// Read at each call, so that a key can be changed without a restart.
		o.Credentials = client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) { return readKey(c.APIKeyFile) })
	}
	conf, err := tlsConfig(c)
	o.ConnectionOptions.TLS = conf
	return o, err
}

func readKey(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("temporal.api_key_file: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// tlsConfig is nil for plain text, which is what a server without any of the files means.
func tlsConfig(c config.Temporal) (*tls.Config, error) {
	if c.CAFile == "" && c.CertFile == "" && c.APIKeyFile == "" {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("temporal.ca_file %s: %w: no certificate in PEM form", c.CAFile, plimsoll.ErrInvalid)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.cert_file and temporal.key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
