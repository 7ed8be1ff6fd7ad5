package sweep

import (
	"context"
	"fmt"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// Abandon takes back what a cancelled sweep asked for: requests leave the queue, scans that run are cancelled, down to the layers
// that workers read for them. It looks again until nothing is left, because a request may be on its way from one to the other.
// A push that had joined one of the scans starts its own.
func (s *Sweeper) Abandon(ctx context.Context, id, slot string, beat func(string)) error {
	stop := beating(ctx, beat, still("taking back what is queued"))
	defer stop()
	for quiet := 0; quiet < looksAgain; {
		dropped, err := s.Queue.Drop(ctx, scanv1.SweepSubject(id, slot))
		if err != nil {
			return fmt.Errorf("take the requests of sweep %s of %s out of the queue: %w", slot, id, err)
		}
		running, err := s.CancelScans(ctx, id, slot)
		if err != nil {
			return fmt.Errorf("cancel the scans of sweep %s of %s: %w", slot, id, err)
		}
		if quiet++; dropped+running > 0 {
			quiet = 0
		}
		if err := s.wait(ctx, false); err != nil {
			return err
		}
	}
	s.Log.Info("what the cancelled sweep had queued is taken back", "registry", id, "slot", slot)
	return nil
}

// looksAgain is how many looks in a row must find nothing: Temporal's list of what runs is late by up to a second, five polls.
const looksAgain = 10
