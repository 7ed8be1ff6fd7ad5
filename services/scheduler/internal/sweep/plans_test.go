package sweep

import (
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

// TestPlansAreCountedAndGo: layers that two scans of one sweep asked for count once, those of others not at all; a plan goes after
// three days unless it holds what is not logged yet.
func TestPlansAreCountedAndGo(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const slot = "20261125T010000Z"
	layer := func(name string, size int64) workflows.PlanLayer {
		return workflows.PlanLayer{Digest: plimsoll.DigestOf([]byte(name)), Size: size}
	}
	plans := map[string]workflows.Plan{
		"one":     {Request: &scanv1.ScanRequest{Epoch: slot}, Layers: []workflows.PlanLayer{layer("base", 1000), layer("a", 1)}},
		"two":     {Request: &scanv1.ScanRequest{Epoch: slot}, Layers: []workflows.PlanLayer{layer("base", 1000), layer("b", 2)}},
		"push":    {Request: &scanv1.ScanRequest{Epoch: "another"}, Layers: []workflows.PlanLayer{layer("c", 4)}},
		"pending": {Request: &scanv1.ScanRequest{Epoch: "another"}, Pending: []plimsoll.Change{{Kind: plimsoll.ChangeTag}}},
	}
	for name, plan := range plans {
		if err := blob.PutJSON(t.Context(), b.store, blob.PlanKey(b.id, name), plan); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		for _, err := range b.store.List(t.Context(), blob.PlanKey(b.id, ""), "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	got, err := b.sweeper.plans(t.Context(), plimsoll.Sweep{Registry: b.id, Slot: slot})
	if err != nil || got != 1003 || left() != 4 {
		t.Errorf("bytes %d (%v), plans left %d; want 1003 and all 4", got, err, left())
	}
	later := time.Now().Add(plansKept + time.Hour).UTC().Format(slotLayout)
	got, err = b.sweeper.plans(t.Context(), plimsoll.Sweep{Registry: b.id, Slot: later})
	if err != nil || got != 0 || left() != 1 {
		t.Errorf("three days later: bytes %d (%v), plans left %d; want the pending one alone", got, err, left())
	}
}
