package posture

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// BenchmarkRebuild asks a posture of 100,000 images for chains and for what to rebuild first: 400 bases in 3 levels, 300
// packages an image of which 20 are its own, a tenth of all with a flaw.
func BenchmarkRebuild(b *testing.B) {
	const images, bases, inBases, own = 100_000, 400, 280, 20
	w := newWorld(b)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	held := map[string]func() plimsoll.Inventory{}
	e.cfg.Inventory = func(_ context.Context, key string) (plimsoll.Inventory, error) { return held[key](), nil }
	layer := func(format string, args ...any) plimsoll.InventoryLayer {
		d := digest(fmt.Sprintf(format, args...))
		return plimsoll.InventoryLayer{Digest: d, DiffID: plimsoll.DiffID(d), Entries: 1, Read: plimsoll.Complete()}
	}
	// stack is what a base holds: a third of its packages came with each of its levels.
	stack := func(base int) (layers []plimsoll.InventoryLayer, packages []plimsoll.Package) {
		for level, kind := range []int{base % 20, base % 100, base} {
			layers = append(layers, layer("level %d %d", level, kind))
			for n := range inBases / 3 {
				p := pkg(fmt.Sprintf("base-%d-%d", level, n), fmt.Sprintf("1.%d.0", (kind+n)%10))
				p.Layer = level
				packages = append(packages, p)
			}
		}
		return layers, packages
	}
	put := func(repository, tag, name string, inventory func() plimsoll.Inventory) {
		held[blob.InventoryKey(recipeOne, digest(name))] = func() plimsoll.Inventory {
			inv := inventory()
			inv.Image, inv.Recipe, inv.Read = digest(name), recipeOne, read(plimsoll.Complete())
			inv.Platform = plimsoll.Platform{OS: "linux", Architecture: "amd64"}
			return inv
		}
		p := plimsoll.RefPlatform{Platform: plimsoll.Platform{OS: "linux", Architecture: "amd64"}, Digest: digest(name), Read: read(plimsoll.Complete())}
		e.state.set(refKey{"dev", repository, tag}, w.complete(tag, name, recipeOne, p))
	}
	for base := range bases {
		depth := min(1+base/20, 3)
		if base >= 20 && base < 100 {
			depth = 2
		}
		put(fmt.Sprint("base/", base), "1", fmt.Sprint("base ", base), func() plimsoll.Inventory {
			layers, packages := stack(base)
			packages = slices.DeleteFunc(packages, func(p plimsoll.Package) bool { return p.Layer >= depth })
			return plimsoll.Inventory{Layers: layers[:depth], Packages: packages}
		})
	}
	for i := range images - bases {
		put(fmt.Sprint("app/", i/100), fmt.Sprint(i%100), fmt.Sprint("image ", i), func() plimsoll.Inventory {
			layers, packages := stack(i % bases)
			for n := range own {
				p := pkg(fmt.Sprintf("own-%d", (i+n*37)%3000), fmt.Sprintf("1.%d.0", (i/7+n)%10))
				p.Layer = len(layers)
				packages = append(packages, p)
			}
			return plimsoll.Inventory{Layers: append(layers, layer("own %d", i)), Packages: packages}
		})
	}
	var flaws []plimsoll.Advisory
	for n := 0; n < inBases/3; n += 10 {
		for level := range 3 {
			flaws = append(flaws, flaw(fmt.Sprintf("2021-%d%03d", level, n), fmt.Sprintf("base-%d-%d", level, n), "1.5.0", critical))
		}
	}
	for n := 0; n < 3000; n += 10 {
		flaws = append(flaws, flaw(fmt.Sprint("2022-", n), fmt.Sprintf("own-%d", n), "1.5.0", critical))
	}
	e.SetGeneration(generation("g1", flaws...))
	w.check(e.load(b.Context(), e.state))
	e.publish()
	var chains, rebuild time.Duration
	var first []Action
	for b.Loop() {
		e.publish() // another view, of which nobody has asked anything yet
		v := e.View()
		began := time.Now()
		v.Bases()
		chains = time.Since(began)
		_, first = v.Rebuild("all", slices.Values(v.Rows()))
		rebuild = time.Since(began) - chains
	}
	b.ReportMetric(float64(len(e.View().Rows())), "rows")
	b.ReportMetric(float64(len(e.View().Bases())), "bases")
	b.ReportMetric(float64(chains.Microseconds())/1000, "chains-ms")
	b.ReportMetric(float64(rebuild.Microseconds())/1000, "rebuild-ms")
	b.ReportMetric(float64(first[0].Images), "first-images")
}
