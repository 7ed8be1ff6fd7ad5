package posture

import (
	"context"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// deltas are the handlers of everything that can move the posture, in one table. Each forms again what its news can touch and
// nothing else; that together they leave nothing out is what TestEqualsRecompute holds, and that each of them is needed is
// what TestEachDeltaIsNeeded holds by switching off one after the other.
type deltas struct {
	// The change log.
	tag   func(s *state, k refKey, r plimsoll.Ref) // a tag is new, moved, or was read further
	gone  func(s *state, k refKey)                 // a tag is gone
	sweep func(ctx context.Context, s *state, registry, slot string)
	// What news of one tag means for others.
	reread func(s *state, t *tag)                               // inventories that may stand differently now
	shared func(s *state, x *slot)                              // an inventory was read that other tags show too
	index  func(s *state, d plimsoll.Digest)                    // the images of an index were learned that others have as their last good one
	recall func(ctx context.Context, s *state)                  // last good images that no tag shows are looked for in the log
	former func(s *state, k refKey, all []plimsoll.FormerImage) // what a tag held before: others may stand on it
	order  func(s *state)                                       // other recipes come first for inventories of any recipe
	// What nobody announces.
	compare func(ctx context.Context, s *state, registry, slot string) // a sweep counted other tags
	retry   func(s *state, now time.Time)                              // inventories that could not be read
	// Knowledge and decisions.
	generation func(m *match.Matcher)
	names      func(old, now *advisory.Index) []advisory.Name // packages of which a new generation may say something else
	recheck    func(g plimsoll.Generation)                    // the same records, checked again
	policy     func(p plimsoll.Policy)
	// Time.
	feeds    func(s *state, now time.Time)
	listings func(s *state, now time.Time)
	rows     func(s *state, now time.Time)
	ends     func(s *state, now time.Time) // distributions and run-times whose last day with fixes is over
	// Counts.
	leave func(s *state, r *Row)
	enter func(s *state, r *Row)
}

// allDeltas is the table as it always stands.
func (e *Engine) allDeltas() deltas {
	return deltas{
		tag: (*state).set, gone: (*state).drop, sweep: e.endSweep,
		reread: (*state).reread, shared: (*state).spread, index: (*state).reask, recall: e.seekIndexes, former: (*state).former, order: (*state).orderRecipes,
		compare: e.compareSweep, retry: (*state).retry,
		generation: e.replace, names: advisory.Delta, recheck: e.recheck, policy: e.rejudge,
		feeds: e.ageFeeds, listings: e.ageListings, rows: e.ageRows, ends: e.ageEnds,
		leave: (*state).leave, enter: (*state).enter,
	}
}
