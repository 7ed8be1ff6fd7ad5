package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

// plansKept is how long the plan of a scan stays: people may want to see what it resolved, and the queue has given up on its
// request long before.
const plansKept = 3 * 24 * time.Hour

// plans looks through the plans of the registry's scans: it adds up the layers that those of this sweep had to read, each once, and
// removes those that nobody needs any more. A plan that holds changes which are not logged yet stays.
func (s *Sweeper) plans(ctx context.Context, sweep plimsoll.Sweep) (bytes int64, err error) {
	began, read := slotTime(sweep.Slot), map[plimsoll.Digest]int64{}
	for entry, err := range s.Store.List(ctx, blob.PlanKey(sweep.Registry, ""), "") {
		if err != nil {
			return 0, fmt.Errorf("list plans: %w", err)
		}
		old := entry.Modified.Before(began.Add(-plansKept))
		if !old && entry.Modified.Before(began) {
			continue // another sweep's, or a push's
		}
		plan, err := blob.ReadJSON[workflows.Plan](ctx, s.Store, entry.Key)
		switch {
		case errors.Is(err, plimsoll.ErrNotFound), !old && errors.Is(err, plimsoll.ErrIntegrity):
			continue
		case err != nil && !errors.Is(err, plimsoll.ErrIntegrity):
			return 0, fmt.Errorf("read a plan: %w", err)
		case old && len(plan.Pending) == 0:
			if err := s.Store.Delete(ctx, entry.Key); err != nil {
				return 0, fmt.Errorf("remove an old plan: %w", err)
			}
		case plan.Request.GetEpoch() == sweep.Slot:
			for _, l := range plan.Layers {
				read[l.Digest] = l.Size
			}
		}
	}
	for _, size := range read {
		bytes += size
	}
	return bytes, nil
}
