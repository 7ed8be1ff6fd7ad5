package worker

import (
	"log/slog"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
)

// Config is what one worker needs. Workers keep no state: everything they make goes to the bucket.
type Config struct {
	config.Worker
	Bucket     blob.Config
	Registries []plimsoll.Registry
	Log        *slog.Logger
	// Ready is called once, when both listeners are bound and the service answers.
	Ready func(Addresses)
}

// Addresses are the bound listeners, host:port.
type Addresses struct{ GRPC, Admin string }
