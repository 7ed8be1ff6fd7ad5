package house_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
	"github.com/plimsoll/plimsoll/services/standalone/internal/house"
)

func fsck(t testing.TB, s *blob.Store, repair bool) house.Checked {
	t.Helper()
	c, err := house.Check(t.Context(), s, house.CheckOptions{Repair: repair, Actor: "anna", Now: at})
	must(t, err)
	return c
}

func TestAWholeBucketHasNoFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.Compact(t.Context(), noon.AddDate(0, 1, 0)) // seven batches are too few to be merged
	must(t, err)
	c := fsck(t, w.Store, false)
	if len(c.Faults) > 0 {
		t.Errorf("faults: %+v", c.Faults)
	}
	if c.Objects[blob.PrefixFacts] != 14 || c.Objects[blob.PrefixChanges] != 9 || c.Objects[blob.PrefixRefs] != 2 {
		t.Errorf("counts: %v", c.Objects)
	}
}

// TestEachFaultIsFound breaks one thing at a time in one bucket, and mends what may be.
func TestEachFaultIsFound(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	facts := blob.FactsKey(analyzers[0], digest("base"))
	orders := plimsoll.Digest("")
	refs, err := w.Refs(ctx, "harbor", "shop/orders")
	must(t, err)
	orders = refs[0].Digest
	for name, x := range map[string]struct {
		key      string
		spoil    func(key string)
		derived  bool // --repair mends it
		reported string
	}{
		"facts of another layer": {facts, func(key string) { w.put(key, plimsoll.Facts{Layer: digest("other"), Analyzer: analyzers[0]}) }, true, "it says of itself"},
		"facts without bytes":    {facts, func(key string) { must(t, w.PutSealed(ctx, key, nil, sealed.Sum(nil))) }, true, "no valid JSON"},
		"facts that lost their metadata": {facts, func(key string) {
			b, _, err := sealed.Seal([]byte("{}"))
			must(t, err)
			must(t, w.PutSealed(ctx, key, b, ""))
		}, true, "no sha256"},
		"a window of 2 GiB": {facts, func(key string) {
			must(t, w.PutSealed(ctx, key, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00}, sealed.Sum(nil)))
		}, true, "zstd"},
		"a million levels": {facts, func(key string) {
			must(t, w.Put(ctx, key, bytes.Repeat([]byte(`{"a":`), 20_000)))
		}, true, "no valid JSON"},
		"an image under another digest":       {blob.ImageKey(orders), func(key string) { w.put(key, plimsoll.Image{Digest: digest("x")}) }, true, "it says of itself"},
		"an inventory that is missing":        {blob.InventoryKey(recipe, orders), func(key string) { must(t, w.Delete(ctx, key)) }, true, "counts as read"},
		"a change that is missing":            {blob.ChangeKey("harbor", 3), func(key string) { must(t, w.Delete(ctx, key)) }, false, "number 3 is missing"},
		"a change of another stream":          {blob.ChangeKey("harbor", 4), func(key string) { w.put(key, plimsoll.ChangeBatch{Stream: "other", Sequence: 4}) }, false, "it says of itself"},
		"a pack that is missing":              {blob.PackKey("Debian", sealed.Sum([]byte("pack"))), func(key string) { must(t, w.Delete(ctx, key)) }, false, "pack"},
		"a pack that is another":              {blob.PackKey("Debian", sealed.Sum([]byte("pack"))), func(key string) { w.put(key, "other") }, false, "another pack"},
		"a shard of findings that is missing": {blob.PrefixHistory + "03-0011223344556677", func(key string) { must(t, w.Delete(ctx, key)) }, false, "is missing"},
		"a switch to shards that are missing": {blob.RefKey("harbor", "shop/base", 0, 0), func(key string) {
			w.put(key, plimsoll.RefShard{Registry: "harbor", Repository: "shop/base", Width: 2, Tags: []plimsoll.Ref{}})
		}, false, "shard"},
		"a switch of absurd width": {blob.RefKey("harbor", "shop/base", 0, 0), func(key string) {
			w.put(key, plimsoll.RefShard{Registry: "harbor", Repository: "shop/base", Width: 1 << 40, Tags: []plimsoll.Ref{}})
		}, false, "width"},
		"tags of another repository": {blob.RefKey("harbor", "shop/base", 0, 0), func(key string) {
			w.put(key, plimsoll.RefShard{Registry: "harbor", Repository: "shop/none", Tags: []plimsoll.Ref{}})
		}, false, "it is about"},
		"a report whose bytes changed": {blob.PrefixReports + "2026-W48/report.json", func(key string) {
			must(t, w.PutSealed(ctx, key, []byte("no zstd"), strings.Repeat("0", 64)))
		}, false, "zstd"},
		"a short key of fingerprints": {blob.FingerprintKey, func(key string) { w.put(key, map[string][]byte{"key": []byte("x")}) }, false, "another length"},
		"a key of nobody":             {"elsewhere/object", func(key string) { w.put(key, 1) }, false, "no object"},
	} {
		before, berr := w.GetStored(ctx, x.key)
		x.spoil(x.key)
		c := fsck(t, w.Store, false)
		found := false
		for _, f := range c.Faults {
			found = found || strings.Contains(f.What, x.reported) && f.Costs != "" && f.Do != "" && !f.Repaired
		}
		if !found || c.Left == 0 {
			t.Errorf("%s: found %+v", name, c.Faults)
		}
		c = fsck(t, w.Store, true)
		if mended := c.Left == 0; mended != x.derived {
			t.Errorf("%s: repaired %t, want %t: %+v", name, mended, x.derived, c.Faults)
		}
		if x.derived {
			if c = fsck(t, w.Store, false); len(c.Faults) > 0 {
				t.Errorf("%s: after the repair: %+v", name, c.Faults)
			}
		}
		must(t, w.Delete(ctx, x.key))
		if berr == nil {
			must(t, w.PutSealed(ctx, x.key, before.Bytes, before.Sum))
		}
	}
}

// TestRepairHasImagesReadAgain: an inventory that is gone, or wrong, is asked for by the next sweep.
func TestRepairHasImagesReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refs, err := w.Refs(t.Context(), "harbor", "shop/orders")
	must(t, err)
	w.put(blob.InventoryKey(recipe, refs[2].Digest), plimsoll.Inventory{Image: digest("x"), Recipe: recipe})
	if c := fsck(t, w.Store, true); c.Reread != 1 {
		t.Errorf("%d tags are read again, want 1", c.Reread)
	}
	after, err := w.Refs(t.Context(), "harbor", "shop/orders")
	must(t, err)
	for i, r := range after {
		want := refs[i]
		if i == 2 {
			want.Recipe, want.Platforms, want.Read = "", nil, r.Read
		}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("tag %s (-want +got):\n%s", r.Tag, diff)
		}
	}
}

func FuzzObject(f *testing.F) {
	for _, v := range []any{plimsoll.Facts{Layer: digest("a"), Analyzer: analyzers[0]}, plimsoll.RefShard{Registry: "r", Width: 2}, plimsoll.ChangeBatch{Stream: "s", Sequence: 1}, map[string]any{"stream": "s", "first": 1, "last": 2, "batches": []any{}}} {
		b, err := json.Marshal(v)
		must(f, err)
		for _, key := range []string{blob.FactsKey(analyzers[0], digest("a")), blob.RefKey("r", "x", 0, 0), blob.ChangeKey("s", 1), blob.MergedKey("s", 1, 2), blob.GenerationKey("g"), blob.HistoryHeadKey} {
			f.Add(key, b)
		}
	}
	s := bucket(f)
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		stored, sum, err := sealed.Seal(b)
		must(t, err)
		_ = house.CheckObject(t.Context(), s, blob.Stored{Key: key, Bytes: stored, Sum: sum})
	})
}
