package house_test

import (
	"errors"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/standalone/internal/house"
)

func TestForgottenRegistriesLeaveTheirHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.push("other", "shop/orders", "v1", noon, "base")
	w.put(blob.PlanKey("harbor", "plan"), map[string]any{})
	n, err := house.Forget(t.Context(), w.Store, "harbor", "anna", at())
	must(t, err)
	if n != 7 {
		t.Errorf("%d tags went, want 7", n)
	}
	for prefix, want := range map[string]bool{blob.PrefixRefs + "harbor/": false, blob.PrefixPlans + "harbor/": false, blob.PrefixRefs + "other/": true, blob.PrefixSweeps + "harbor/": true, blob.PrefixChanges + "harbor/": true} {
		there := false
		for _, err := range w.List(t.Context(), prefix, "") {
			must(t, err)
			there = true
		}
		if there != want {
			t.Errorf("%s stands: %t, want %t", prefix, there, want)
		}
	}
	last := read[plimsoll.ChangeBatch](t, w.Store, blob.ChangeKey("harbor", 8))
	if len(last.Changes) != 7 || last.Actor != "anna" || last.Changes[0].Kind != plimsoll.ChangeGone || last.Changes[0].Text != plimsoll.GoneForgotten {
		t.Errorf("the log says %+v", last)
	}
	if n, err := house.Forget(t.Context(), w.Store, "harbor", "anna", at()); n != 0 || err != nil {
		t.Errorf("once more: %d, %v", n, err)
	}
	if _, err := house.Forget(t.Context(), w.Store, "nowhere", "anna", at()); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("one that nobody knows: %v", err)
	}
	for _, name := range []string{"", "../other", "har/bor", "HARBOR"} {
		if _, err := house.Forget(t.Context(), w.Store, name, "anna", at()); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
