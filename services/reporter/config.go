package reporter

import (
	"log/slog"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
)

// Config is what the reporter needs: it folds the bucket into the posture and shows it.
type Config struct {
	config.Reporter
	Bucket     blob.Config
	NATS       config.NATS     // hints and nothing else
	Temporal   config.Temporal // the weekly report's schedule; sweeps are started and cancelled through it
	Registries []plimsoll.Registry
	TokensFile string
	// Exposed says that the pages are reachable from beyond loopback (through another listener): every call needs a token.
	Exposed bool
	Log     *slog.Logger
	// Ready is called once, when the listener is bound and the first fold is done.
	Ready func(Addresses)
}

// Addresses are the bound listeners, host:port. HTTP serves the pages, /api/v1, /metrics, /healthz and /readyz.
type Addresses struct{ HTTP string }
