package posture

import (
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// TestIndex: each platform is a row; what is no image beside them is not.
func TestIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	amd := w.inventory("amd64", recipeOne, pkg("lodash", "4.17.15"))
	arm := w.inventory("arm64", recipeOne, pkg("lodash", "4.17.21"))
	inv, err := blob.ReadJSON[plimsoll.Inventory](t.Context(), w.store, blob.InventoryKey(recipeOne, arm.Digest))
	w.check(err)
	inv.Platform.Architecture = "arm64"
	w.check(blob.PutJSON(t.Context(), w.store, blob.InventoryKey(recipeOne, arm.Digest), inv))
	arm.Platform = inv.Platform
	attestation := plimsoll.RefPlatform{Digest: digest("att"), Kind: "an attestation"}
	w.put("dev", "web", w.complete("1", "index", recipeOne, amd, arm, attestation))
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1", flaw("2021-1", "lodash", "4.17.21", critical)))
	v := w.fold(e)
	if len(v.Rows()) != 2 || v.Rows()[0].Verdict.State != plimsoll.VerdictFail || v.Rows()[1].Verdict.State != plimsoll.VerdictPass {
		t.Fatalf("rows %v; want amd64 fail, arm64 pass", describeAll(v))
	}
	w.put("dev", "web", w.waiting("1", "index 2", digest("index")))
	v = w.advance(e)
	if len(v.Rows()) != 2 || v.Rows()[0].Behind != digest("index 2") || v.Rows()[1].Platform.Architecture != "arm64" {
		t.Errorf("rows %v; want both platforms' last good verdicts", describeAll(v))
	}
}

// TestInventoryComesBack: an inventory that could not be read is tried again.
func TestInventoryComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.inventory("web", recipeOne, pkg("lodash", "4.17.21"))
	key := blob.InventoryKey(recipeOne, p.Digest)
	o, err := w.store.Get(t.Context(), key)
	w.check(err)
	w.check(w.store.Put(t.Context(), key, []byte(`{"image":1}`)))
	w.put("dev", "web", w.complete("1", "web", recipeOne, p))
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1"))
	if row := only(t, w.fold(e)); row.Coverage.State != plimsoll.ReadFailed {
		t.Fatalf("damaged: %s; want failed", describe(row))
	}
	w.check(w.store.Put(t.Context(), key, o.Bytes))
	w.clock.at = w.clock.at.Add(retryAfter)
	if row := only(t, w.advance(e)); row.Verdict.State != plimsoll.VerdictPass {
		t.Errorf("mended: %s; want pass", describe(row))
	}
}
