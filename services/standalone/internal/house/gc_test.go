package house_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/standalone/internal/house"
)

// later is a time so many days from now: objects of a test are as old as the test.
func later(days int) func() time.Time {
	at := time.Now().AddDate(0, 0, days)
	return func() time.Time { return at }
}

func collect(t testing.TB, s *blob.Store, o house.CollectOptions) house.Collected {
	t.Helper()
	o.Actor = "anna"
	c, err := house.Collect(t.Context(), s, o)
	must(t, err)
	return c
}

// orphans gives a world an image that nothing names any more, of a layer of its own on the common base, and what else is of no use.
func (w *world) orphans() plimsoll.Digest {
	long := noon.AddDate(-3, 0, 0) // before any moment that can be shown
	d := w.push("harbor", "shop/old", "v1", long, "base", "orphan")
	w.gone("harbor", "shop/old", "v1", long.Add(time.Hour))
	w.put(blob.AttemptsKey(recipe, digest("nowhere")), plimsoll.Attempt{Layer: digest("nowhere"), Recipe: recipe})
	w.put(blob.PlanKey("harbor", "old"), map[string]any{"recipe": recipe, "images": []plimsoll.Digest{d}})
	w.put(blob.PlanKey("harbor", "untold"), map[string]any{"recipe": recipe, "pending": []plimsoll.Change{{Kind: plimsoll.ChangeTag}}})
	return d
}

func keysOf(all map[string]string) []string { return slices.Sorted(maps.Keys(all)) }

// less are the keys that one bucket has and another lacks.
func less(before, after map[string]string) (out []string) {
	for _, key := range keysOf(before) {
		if _, ok := after[key]; !ok {
			out = append(out, key)
		}
	}
	return out
}

func TestOnlyWhatTwoMarksNameGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.orphans()
	want := []string{
		blob.AttemptsKey(recipe, digest("nowhere")),
		blob.FactsKey(analyzers[0], digest("orphan")), blob.FactsKey(analyzers[1], digest("orphan")),
		blob.ImageKey(d), blob.InventoryKey(recipe, d), blob.PlanKey("harbor", "old"),
	}
	slices.Sort(want)
	before := content(t, w.Store)

	if c := collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(3)}); house.Total(c.Marked).Objects != 0 {
		t.Errorf("what is 3 days old is marked: %+v", c.Marked)
	}
	if c := collect(t, w.Store, house.CollectOptions{DryRun: true, Now: later(11)}); house.Total(c.Marked).Objects != len(want) {
		t.Errorf("a dry run would mark %+v, want %d", c.Marked, len(want))
	}
	if c := collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(11)}); house.Total(c.Marked).Objects != len(want) || house.Total(c.Deleted).Objects != 0 {
		t.Errorf("the first mark: %+v", c)
	}
	if c := collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(17)}); house.Total(c.Deleted).Objects != 0 {
		t.Errorf("6 days later: %+v", c)
	}
	if c := collect(t, w.Store, house.CollectOptions{Now: later(18)}); house.Total(c.Due).Objects != len(want) || house.Total(c.Deleted).Objects != 0 {
		t.Errorf("without Delete: %+v", c)
	}
	if got := less(before, content(t, w.Store)); len(got) > 0 {
		t.Fatalf("it went too early: %q", got)
	}
	c := collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(19)})
	if got := less(before, content(t, w.Store)); !slices.Equal(got, want) {
		t.Errorf("went:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := house.Total(c.Deleted); got.Objects != len(want) || got.Bytes == 0 || c.Spared != 0 || c.Reread != 0 {
		t.Errorf("it says %+v", c)
	}
	if f := fsck(t, w.Store, false); len(f.Faults) > 0 {
		t.Errorf("afterwards: %+v", f.Faults)
	}
}

// TestWhatHistoryNamesStays: an image that a tag held within the time that can be shown is kept with all it stands on.
func TestWhatHistoryNamesStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from := time.Now()
	w.push("harbor", "shop/old", "v1", from.AddDate(-2, 0, 0), "base", "long gone")
	held := w.push("harbor", "shop/old", "v1", from.AddDate(-1, -2, 0), "base", "stood a year ago") // it stood when the time began
	w.push("harbor", "shop/old", "v1", from.AddDate(0, -6, 0), "base", "stands")
	last := w.push("harbor", "shop/old", "v2", from.AddDate(0, -7, 0), "base", "gone this year")
	w.gone("harbor", "shop/old", "v2", from.AddDate(0, -5, 0))
	collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(10)})
	collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(20)})
	after := content(t, w.Store)
	for layer, want := range map[string]bool{"long gone": false, "stood a year ago": true, "stands": true, "gone this year": true, "base": true} {
		if _, ok := after[blob.FactsKey(analyzers[0], digest(layer))]; ok != want {
			t.Errorf("facts of the layer %q stay: %t, want %t", layer, ok, want)
		}
	}
	for _, d := range []plimsoll.Digest{held, last} {
		if _, ok := after[blob.InventoryKey(recipe, d)]; !ok {
			t.Errorf("inventory of %s went", d.Short())
		}
	}
}

// TestReplacedVersionsGo: facts by a version of an analyser that writes no more go, of images in use too; while both write, both stay.
func TestReplacedVersionsGo(t *testing.T) {
	t.Parallel()
	l := house.NewLive(map[string]time.Time{
		"facts/packages/1-0/": noon, "facts/packages/2-0/": noon.AddDate(0, 0, 31), "facts/packages/2-a/": noon.AddDate(0, 0, 5), "facts/tree/1-0/": noon.AddDate(-2, 0, 0),
	})
	for folder, want := range map[string]bool{"facts/packages/1-0/": true, "facts/packages/2-0/": false, "facts/packages/2-a/": false, "facts/tree/1-0/": false} {
		if got := l.Replaced(folder); got != want {
			t.Errorf("%s is replaced: %t, want %t", folder, got, want)
		}
	}
}

// TestAScanThatComesInBetween: after the second mark, and before the deletion, an image is pushed that stands on what is to go. Its
// plan spares it. And a scan that was quicker than the look at the plans loses nothing for good: its tag is read again.
func TestAScanThatComesInBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.orphans()
	collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(10)})

	t.Run("with its plan", func(t *testing.T) {
		c := collect(t, w.Store, house.BeforeBatch(house.CollectOptions{Delete: true, Now: later(20)}, func() {
			w.put(blob.PlanKey("harbor", "new"), map[string]any{"recipe": recipe, "images": []plimsoll.Digest{d}})
		}))
		if c.Spared != 4 || house.Total(c.Deleted).Objects != 2 { // an old plan and an attempt go
			t.Errorf("spared %d, deleted %+v; want 4 and 2", c.Spared, c.Deleted)
		}
		must(t, w.Delete(t.Context(), blob.PlanKey("harbor", "new")))
	})
	t.Run("quicker than the look", func(t *testing.T) {
		c := collect(t, w.Store, house.BeforeBatch(house.CollectOptions{Delete: true, Now: later(30)}, func() {
			w.point("harbor", "shop/back", "v1", d, noon) // it found its inventory and was announced
		}))
		if house.Total(c.Deleted).Objects != 4 || c.Reread != 1 {
			t.Errorf("deleted %+v, read again %d; want 4 and 1", c.Deleted, c.Reread)
		}
		refs, err := w.Refs(t.Context(), "harbor", "shop/back")
		must(t, err)
		if len(refs) != 1 || refs[0].Recipe != "" || refs[0].Read.State != plimsoll.ReadWaiting {
			t.Errorf("the tag stands as %+v: a sweep would leave it alone", refs)
		}
	})
}

// TestWrittenAgainIsNeeded: what somebody wrote anew between two marks is not the object that the first one named.
func TestWrittenAgainIsNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orphans()
	must(t, blob.PutJSON(t.Context(), w.Store, fmt.Sprintf("%s%s/00000", blob.PrefixGC, "20200101T000000Z"), keysOf(content(t, w.Store))))
	must(t, blob.PutJSON(t.Context(), w.Store, fmt.Sprintf("%s%s/head", blob.PrefixGC, "20200101T000000Z"), map[string]any{"time": "2020-01-01T00:00:00Z", "parts": 1}))
	if c := collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(10)}); house.Total(c.Deleted).Objects != 0 {
		t.Errorf("deleted %+v: it is younger than the mark that names it", c.Deleted)
	}
}

// TestNothingGoesWhileSomethingIsNotKnown: tags or a log that cannot be read might name anything.
func TestNothingGoesWhileSomethingIsNotKnown(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world){
		"tags": func(w *world) {
			must(w.t, w.PutSealed(w.t.Context(), blob.RefKey("harbor", "shop/base", 0, 0), []byte("x"), "x"))
		},
		"log": func(w *world) { must(w.t, w.Delete(w.t.Context(), blob.ChangeKey("harbor", 3))) },
	} {
		w := newWorld(t)
		w.orphans()
		collect(t, w.Store, house.CollectOptions{Delete: true, Now: later(10)})
		spoil(w)
		before := content2(t, w.Store)
		if _, err := house.Collect(t.Context(), w.Store, house.CollectOptions{Delete: true, Now: later(20)}); err == nil {
			t.Errorf("%s: collected", name)
		}
		if after := content2(t, w.Store); !slices.Equal(before, after) {
			t.Errorf("%s: it changed something", name)
		}
	}
}

// content2 is the keys alone: some objects are broken.
func content2(t testing.TB, s *blob.Store) (keys []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), "", "") {
		must(t, err)
		keys = append(keys, e.Key)
	}
	return keys
}
