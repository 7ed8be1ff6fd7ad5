package posture

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
)

// built writes an image of layers, lowest first, a letter each; packages stand in the layers that they name.
func (w *world) built(name, layers string, packages ...plimsoll.Package) plimsoll.RefPlatform {
	w.t.Helper()
	inv := plimsoll.Inventory{
		Image: digest(name), Recipe: recipeOne, Platform: plimsoll.Platform{OS: "linux", Architecture: "amd64"},
		Read: read(plimsoll.Complete()), Packages: packages,
	}
	for _, c := range layers {
		inv.Layers = append(inv.Layers, plimsoll.InventoryLayer{
			Digest: digest(name + string(c)), DiffID: plimsoll.DiffID(digest(string(c))), Size: 100, Entries: 3, Read: plimsoll.Complete(),
		})
	}
	w.check(blob.PutJSON(w.t.Context(), w.store, blob.InventoryKey(recipeOne, inv.Image), inv))
	return plimsoll.RefPlatform{Platform: inv.Platform, Digest: inv.Image, Read: inv.Read}
}

// chainText writes a row's chain: "debian:12 0-1, +2-3".
func chainText(v *View, repository string) string {
	var out []string
	for _, r := range v.Rows() {
		if r.Reference.Repository != repository {
			continue
		}
		links, _ := v.Chain(r)
		for _, l := range links {
			name := "+"
			if l.Base != nil {
				n := l.Base.Name()
				name = n.Reference.Repository + ":" + n.Reference.Tag
				if x, ok := l.Base.Newer(); ok {
					name += " (now " + x.Newer.Digest.Short() + ")"
				}
			}
			out = append(out, fmt.Sprintf("%s %d-%d", name, l.From, l.To))
		}
	}
	return strings.Join(out, ", ")
}

// TestChainFollowsTags: names of bases, what a tag held before, and what it holds now, each step the same after a fold.
func TestChainFollowsTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	debian := w.complete("12", "debian", recipeOne, w.built("debian", "a", pkg("ssl", "1.0.0")))
	w.put("dev", "debian", debian)
	w.put("dev", "library/debian", w.complete("bookworm", "twin", recipeOne, w.built("debian twin", "a", pkg("ssl", "1.0.0"))))
	w.put("dev", "runtime/java", w.complete("17", "java", recipeOne, w.built("java", "abc")))
	w.put("dev", "shop/orders", w.complete("2.3", "orders", recipeOne, w.built("orders", "abcd", pkg("ssl", "1.0.0"))))
	w.put("dev", "tools/ci", w.complete("1", "ci", recipeOne, w.built("ci", "ax")))
	w.fold(e)
	both := func(step, repository, want string) {
		t.Helper()
		w.advance(e)
		if got := chainText(e.View(), repository); got != want {
			t.Errorf("%s: chain %q, want %q", step, got, want)
		}
		again := w.engine(plimsoll.Registry{ID: "dev"})
		w.fold(again)
		if got := chainText(again.View(), repository); got != want {
			t.Errorf("%s: chain after a fold %q, want %q", step, got, want)
		}
	}
	both("at first", "shop/orders", "debian:12 0-1, runtime/java:17 1-3, + 3-4")
	b, ok := e.View().Base(digest("debian twin"))
	if !ok || len(b.Names) != 2 || b.Direct != 2 || b.All != 3 {
		t.Errorf("the base that two tags hold: %+v", b)
	}

	for i, n := range b.Names {
		n.From = start.AddDate(0, 0, -i)
		b.Names[i] = n
	}
	if got := b.Seen(); !got.Equal(start.AddDate(0, 0, -1)) {
		t.Errorf("its layers were first seen %s, by either name", got)
	}
	if b.Names[0].From, b.Names[1].From = (time.Time{}), (time.Time{}); !b.Seen().IsZero() {
		t.Errorf("nobody saw a tag come to it, and it was first seen %s", b.Seen())
	}
	for _, r := range e.View().Rows() {
		all, direct := e.View().BasesOf(r), e.View().DirectBase(r)
		if len(all) == 0 && direct != nil || len(all) > 0 && direct != all[len(all)-1] {
			t.Errorf("%s: its direct base is %+v, and its bases %+v", r.Reference, direct, all)
		}
	}

	next := w.complete("12", "debian of today", recipeOne, w.built("debian of today", "A", pkg("ssl", "1.0.0")))
	next.Former = debian.MovedAway(start)
	w.put("dev", "debian", next)
	both("its tag moved on, a twin holds it", "tools/ci", "library/debian:bookworm (now "+digest("debian of today").Short()+") 0-1, + 1-2")

	w.gone("dev", "library/debian", "bookworm")
	both("nobody holds it any more", "tools/ci", "debian:12 (now "+digest("debian of today").Short()+") 0-1, + 1-2")
	both("a link between", "shop/orders", "debian:12 (now "+digest("debian of today").Short()+") 0-1, runtime/java:17 1-3, + 3-4")

	w.gone("dev", "debian", "12")
	both("the tag is gone", "shop/orders", "runtime/java:17 0-3, + 3-4")
}

// TestActionsOfRows: what stands in which link, what a newer base removes, and the same over all rows.
func TestActionsOfRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1", flaw("1", "ssl", "2.0.0", critical), flaw("2", "log", "3.0.0", critical), flaw("3", "tar", "9.0.0", critical)))
	at := func(name, version string, layer int) plimsoll.Package {
		p := pkg(name, version)
		p.Layer, p.Path = layer, "app/"+name
		return p
	}
	old := w.complete("12", "debian", recipeOne, w.built("debian", "a", at("ssl", "1.0.0", 0), at("tar", "1.0.0", 0)))
	next := w.complete("12", "debian of today", recipeOne, w.built("debian of today", "A", at("ssl", "2.0.0", 0), at("tar", "1.0.0", 0)))
	next.Former = old.MovedAway(start)
	w.put("dev", "debian", next)
	for i := range 3 {
		name := fmt.Sprint("app", i)
		w.put("dev", name, w.complete("1", name, recipeOne, w.built(name, "a"+string(rune('k'+i)), at("ssl", "1.0.0", 0), at("tar", "1.0.0", 0), at("log", "1.0.0", 1))))
	}
	w.fold(e)
	v := e.View()
	row := v.Rows()[slices.IndexFunc(v.Rows(), func(r *Row) bool { return r.Reference.Repository == "app1" })]
	if from := v.OwnFrom(row); from != 1 {
		t.Errorf("own layers from %d, want 1", from)
	}
	if from, to, ok := v.On(digest("debian"))(row); from != 0 || to != 1 || !ok {
		t.Errorf("on debian: %d to %d, %v", from, to, ok)
	}
	text := func(all []Action) (out []string) {
		for _, a := range all {
			what := a.Package + " " + a.From + ">" + a.To
			if a.Base != nil {
				what = a.Base.Name().Reference.Repository
			}
			out = append(out, fmt.Sprintf("%s %s -%d of %d in %d", a.Kind, what, a.Removes.All, a.Of.All, a.Images))
		}
		return out
	}
	want := []string{"newer debian -1 of 3 in 1", "update log 1.0.0>3.0.0 -1 of 2 in 1", "update tar 1.0.0>9.0.0 -1 of 1 in 1"}
	if d := cmp.Diff(want, text(v.FixFirst(row, 5))); d != "" {
		t.Errorf("fix first (-want +got):\n%s", d)
	}
	all, first := v.Rebuild("all", slices.Values(v.Rows()))
	want = []string{"update tar 1.0.0>9.0.0 -4 of 10 in 4", "newer debian -3 of 6 in 3", "update log 1.0.0>3.0.0 -3 of 3 in 3"}
	if d := cmp.Diff(want, text(first)); d != "" {
		t.Errorf("over all rows, first (-want +got):\n%s", d)
	}
	if len(all) != 4 || all[0].Kind != lineage.Update {
		t.Errorf("over all rows: %v", text(all))
	}
	var later time.Time
	if n, ok := all[slices.IndexFunc(all, func(a Action) bool { return a.Kind == lineage.BuildOnNewer })].Base.Newer(); !ok || n.Until == later || n.Newer.Digest != digest("debian of today") {
		t.Errorf("newer: %+v, %v", n, ok)
	}
}
