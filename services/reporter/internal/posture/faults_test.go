package posture

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

// counting is an engine that counts the inventories it reads.
func (w *world) counting(reads *atomic.Int64) *Engine {
	return New(Config{
		Store: w.store, Registries: []plimsoll.Registry{{ID: "dev"}}, Policy: policy.Baseline(), Now: w.clock.now,
		Inventory: func(ctx context.Context, key string) (plimsoll.Inventory, error) {
			reads.Add(1)
			return blob.ReadJSON[plimsoll.Inventory](ctx, w.store, key)
		},
	})
}

// settled is a world of a few images with a snapshot of them, and the engine that wrote it.
func settledWorld(t *testing.T, x *advisory.Index) (*world, *Engine) {
	t.Helper()
	w := newWorld(t)
	w.put("dev", "web", w.complete("1", "one", recipeOne, w.inventory("one", recipeOne, pkg("lodash", "4.17.15"), pkg("minimist", "1.2.0"))))
	w.put("dev", "web", w.complete("2", "two", recipeOne, w.inventory("two", recipeOne, pkg("lodash", "4.17.21"))))
	amd, arm := w.inventory("amd", recipeOne, pkg("lodash", "4.17.15")), w.inventory("arm", recipeOne, pkg("lodash", "4.17.15"))
	arm.Platform.Architecture = "arm64"
	w.put("dev", "web", w.complete("3", "index", recipeOne, amd, arm))
	w.put("dev", "web", w.waiting("3", "next index", digest("index"))) // its last good images stand in the log alone
	w.put("dev", "web", w.complete("4", "lost", recipeOne, plimsoll.RefPlatform{Digest: digest("lost"), Read: read(plimsoll.Complete())}))
	w.sweep("dev", start, recipeOne, plimsoll.SweepCount{Complete: 3, Waiting: 1})
	e := w.counting(new(atomic.Int64))
	e.SetGeneration(x)
	w.fold(e)
	w.check(e.Save(t.Context()))
	return w, e
}

func someFlaws(id string) *advisory.Index {
	return generation(id, flaw("2021-1", "lodash", "4.17.21", critical), flaw("2021-2", "minimist", "1.2.6", medium))
}

// TestRestart is fault F28: a reporter with nothing of its own makes the state before again, of a snapshot, or of everything
// where the snapshot is of no use.
func TestRestart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(w *world, folder string)
		reads bool // inventories are read again
	}{
		"from the snapshot": {func(*world, string) {}, false},
		"and its tail": {func(w *world, _ string) {
			w.put("dev", "web", w.waiting("5", "five", ""))
			w.gone("dev", "web", "2")
		}, false},
		"a sum differs": {func(w *world, folder string) { w.check(w.store.Put(w.t.Context(), folder+"tags-00000", []byte(`[]`))) }, true},
		"no head":       {func(w *world, folder string) { w.check(w.store.Delete(w.t.Context(), folder+snapshotHead)) }, true},
		"a part is lost": {func(w *world, folder string) {
			w.check(w.store.Delete(w.t.Context(), folder+"images-00000"))
		}, true},
		"another format": {func(w *world, folder string) {
			h, err := blob.ReadJSON[head](w.t.Context(), w.store, folder+snapshotHead)
			w.check(err)
			h.Format++
			w.check(blob.PutJSON(w.t.Context(), w.store, folder+snapshotHead, h))
		}, true},
		"ahead of the log, which was restored": {func(w *world, folder string) {
			h, err := blob.ReadJSON[head](w.t.Context(), w.store, folder+snapshotHead)
			w.check(err)
			h.Positions["dev"] += 7
			w.check(blob.PutJSON(w.t.Context(), w.store, folder+snapshotHead, h))
		}, true},
		"numbers that point nowhere": {func(w *world, folder string) {
			images := []byte(`[{"d":"` + string(digest("one")) + `","r":0,"pl":99,"os":0,"rd":0,"e":0,"s":1,"l":1,"n":1,"g":[[1000,0]]}]`)
			w.check(w.store.Put(w.t.Context(), folder+"images-00000", images))
			h, err := blob.ReadJSON[head](w.t.Context(), w.store, folder+snapshotHead)
			w.check(err)
			h.Parts["images-00000"] = plimsoll.DigestOf(images)
			w.check(blob.PutJSON(w.t.Context(), w.store, folder+snapshotHead, h))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, before := settledWorld(t, someFlaws("g1"))
			folders, err := before.snapshots(t.Context())
			if err != nil || len(folders) != 1 {
				t.Fatalf("snapshots %v, %v; want one", folders, err)
			}
			c.spoil(w, folders[0])
			want := documentOf(w.advance(before)).bytes(t)
			var reads atomic.Int64
			after := w.counting(&reads)
			after.SetGeneration(someFlaws("g1"))
			w.check(after.Start(t.Context()))
			if got := documentOf(after.View()).bytes(t); !bytes.Equal(got, want) {
				t.Errorf("after the restart:\n%s", differences(string(want), string(got)))
			}
			// The one that is lost is tried at each start.
			if n := reads.Load(); n > 1 != c.reads {
				t.Errorf("%d inventories read; want any: %v", n, c.reads)
			}
		})
	}
}

// TestMatcherUpgraded is fault F29: a process that matches otherwise forms every opinion again of what is kept. It reads no
// inventory, and there is nothing else in reach that could read a layer.
func TestMatcherUpgraded(t *testing.T) {
	t.Parallel()
	w, _ := settledWorld(t, someFlaws("g1"))
	var reads atomic.Int64
	e := w.counting(&reads)
	e.SetGeneration(generation("g2", flaw("2021-1", "lodash", "4.17.99", critical))) // says of two what the old one did not
	w.check(e.Start(t.Context()))
	before := reads.Load()
	row := e.View().Rows()[slices.IndexFunc(e.View().Rows(), func(r *Row) bool { return r.Reference.Tag == "2" })]
	if row.Verdict.State != plimsoll.VerdictFail || row.Counts[plimsoll.SeverityCritical] != 1 {
		t.Errorf("%s; want fail by the new opinion", describe(row))
	}
	e.SetGeneration(someFlaws("g3"))
	if n := reads.Load(); before > 1 || n != before {
		t.Errorf("%d inventories read to start and %d to match again; want the lost one at most, and none", before, n-before)
	}
}

// TestFactsBump is fault F30: while images are read again by another recipe, the old verdict stays, marked as stale.
func TestFactsBump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.complete("1", "web", recipeOne, w.inventory("web", recipeOne, pkg("lodash", "4.17.15")))
	w.put("dev", "web", old)
	w.sweep("dev", start, recipeOne, plimsoll.SweepCount{Complete: 1})
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(someFlaws("g1"))
	w.fold(e)
	w.clock.at = start.Add(time.Hour)
	w.sweep("dev", w.clock.at, recipeTwo, plimsoll.SweepCount{Complete: 1})
	row := only(t, w.advance(e))
	if row.Verdict.State != plimsoll.VerdictFail || row.Coverage.State != plimsoll.ReadStale || !strings.Contains(row.Coverage.Reason, "recipe") {
		t.Errorf("after a sweep by another recipe: %s; want the old verdict, stale", describe(row))
	}
	failing := old
	failing.Observed, failing.Read, failing.LastGood = 10, plimsoll.Failed("quarantine: os/dpkg"), old.Digest
	failing.Recipe, failing.Platforms = "", nil
	w.put("dev", "web", failing)
	if row = only(t, w.advance(e)); row.Verdict.State != plimsoll.VerdictFail || row.Coverage.State != plimsoll.ReadFailed {
		t.Errorf("while the new reading fails: %s; want the old verdict, failed", describe(row))
	}
	again := w.complete("1", "web", recipeTwo, w.inventory("web", recipeTwo, pkg("lodash", "4.17.21")))
	again.Observed = 11
	w.put("dev", "web", again)
	if row = only(t, w.advance(e)); row.Verdict.State != plimsoll.VerdictPass || row.Coverage.State != plimsoll.ReadComplete {
		t.Errorf("read by the new recipe: %s; want pass", describe(row))
	}
}

// TestPartialListing is the posture's side of fault F19: a sweep that saw nothing, or not all, takes no image away; what is
// gone says the log.
func TestPartialListing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("dev", "web", w.complete("1", "web", recipeOne, w.inventory("web", recipeOne, pkg("lodash", "4.17.21"))))
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(someFlaws("g1"))
	w.fold(e)
	for i, n := range []plimsoll.SweepCount{{}, {Failed: 1}} {
		w.clock.at = w.clock.at.Add(time.Hour)
		w.sweep("dev", w.clock.at, recipeOne, n)
		if row := only(t, w.advance(e)); row.Verdict.State != plimsoll.VerdictPass {
			t.Errorf("after sweep %d: %s; want pass", i, describe(row))
		}
	}
}

// TestGoneWhileRead is the posture's side of fault F20: an image that went while it was read stays as what it was until the log
// says that the tag is gone.
func TestGoneWhileRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.complete("1", "web", recipeOne, w.inventory("web", recipeOne, pkg("lodash", "4.17.15")))
	w.put("dev", "web", old)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(someFlaws("g1"))
	w.fold(e)
	lost := w.waiting("1", "new", old.Digest)
	lost.Read = plimsoll.Failed("no such tag")
	w.put("dev", "web", lost)
	if row := only(t, w.advance(e)); row.Verdict.State != plimsoll.VerdictFail || row.Digest != old.Digest || row.Coverage.State != plimsoll.ReadFailed {
		t.Errorf("while it does not answer: %s; want the last verdict, failed", describe(row))
	}
	w.gone("dev", "web", "1")
	if v := w.advance(e); len(v.Rows()) != 0 || v.Summary().Stored.Total() != 0 {
		t.Errorf("after it is gone: %v", describeAll(v))
	}
}

// TestHintsOutOfOrder is the posture's side of fault F21: a thousand repeats and an older observation after a newer one change
// nothing.
func TestHintsOutOfOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older := w.complete("1", "old", recipeOne, w.inventory("old", recipeOne, pkg("lodash", "4.17.15")))
	newer := w.complete("1", "new", recipeOne, w.inventory("new", recipeOne, pkg("lodash", "4.17.21")))
	w.put("dev", "web", newer)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(someFlaws("g1"))
	want := describe(only(t, w.fold(e)))
	changes := slices.Repeat([]plimsoll.Change{
		{Kind: plimsoll.ChangeInventory, Repository: "web", Tag: "1", Ref: &newer}, {Kind: plimsoll.ChangeTag, Repository: "web", Tag: "1", Ref: &older},
	}, 500)
	w.log("dev", changes...)
	if got := describe(only(t, w.advance(e))); got != want {
		t.Errorf("after a thousand repeats: %s; want %s", got, want)
	}
}
