package reporter

import (
	"io/fs"
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
	// AdvisorySet is used when Advisories is empty: a set in osv.dev's layout that the program itself holds.
	AdvisorySet fs.FS
	// FeedFirst makes Ready wait until the feed was looked at once, so that the first verdicts shown are by its present state.
	FeedFirst bool
	// Exposed says that the pages are reachable from beyond loopback (through another listener): every call needs a token.
	Exposed bool
	Log     *slog.Logger
	// Ready is called once, when the listener is bound and the first fold is done.
	Ready func(Addresses)
}

// Addresses are the bound listeners, host:port. HTTP serves the pages, /api/v1, /metrics, /healthz and /readyz.
type Addresses struct{ HTTP string }
