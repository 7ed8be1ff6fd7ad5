package reporter

import (
	"context"
	"log/slog"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
)

const partPolicy = "policy record"

// recordPolicy keeps the policy in force in the bucket, never overwritten, and says in the change log when another one, or
// other settings, come into force. Verdicts do not wait for it; a record that cannot be made is tried again and shown.
func recordPolicy(ctx context.Context, store *blob.Store, p plimsoll.Policy, settings plimsoll.Settings, state *parts, log *slog.Logger) {
	for {
		err := history.Record(ctx, store, time.Now(), p, settings)
		if ctx.Err() != nil {
			return
		}
		if state.set(partPolicy, err); err == nil {
			return
		}
		log.Error("policy cannot be recorded yet", "error", err)
		if !pause(ctx, foldAgain) {
			return
		}
	}
}
