package reporter

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const partPolicy = "policy record"

// recordPolicy keeps the policy in force in the bucket, never overwritten, and says in the change log when another one
// comes into force. Verdicts do not wait for it; a record that cannot be made is tried again and shown.
func recordPolicy(ctx context.Context, store *blob.Store, p plimsoll.Policy, state *parts, log *slog.Logger) {
	for {
		err := tryRecordPolicy(ctx, store, p)
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

func tryRecordPolicy(ctx context.Context, store *blob.Store, p plimsoll.Policy) error {
	if err := blob.CreateJSON(ctx, store, blob.PrefixPolicy+p.Name+"/"+p.Digest.Hex(), p); err != nil {
		return fmt.Errorf("store policy %s: %w", p.Name, err)
	}
	last := ""
	for batch, err := range store.Changes(ctx, plimsoll.StreamDecisions, 0) {
		if err != nil {
			return fmt.Errorf("look for the last policy: %w", err)
		}
		for _, c := range batch.Changes {
			if c.Kind == plimsoll.ChangePolicy {
				last = c.Subject
			}
		}
	}
	if last == string(p.Digest) {
		return nil
	}
	change := plimsoll.Change{Kind: plimsoll.ChangePolicy, Subject: string(p.Digest), Text: fmt.Sprintf("%s v%d", p.Name, p.Version)}
	if _, err := store.Append(ctx, plimsoll.StreamDecisions, "configuration", time.Now(), []plimsoll.Change{change}); err != nil {
		return fmt.Errorf("announce policy %s: %w", p.Name, err)
	}
	return nil
}
