package scheduler

import (
	"log/slog"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
)

// Config is what the scheduler needs: it discovers, queues and hosts the scan workflows.
type Config struct {
	config.Scheduler
	Bucket     blob.Config
	NATS       config.NATS
	Temporal   config.Temporal
	Registries []plimsoll.Registry
	// Exposed says that hooks are reachable from beyond loopback (through another listener): each registry then needs a
	// hook secret, and hooks of those without one are refused.
	Exposed bool
	Log     *slog.Logger
	// Ready is called once, when the listener is bound and the workflow host polls.
	Ready func(Addresses)
}

// Addresses are the bound listeners, host:port. HTTP serves /hooks/<registry id>, /metrics, /healthz and /readyz.
type Addresses struct{ HTTP string }
