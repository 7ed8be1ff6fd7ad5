package lineage

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// flaw is in versions of a package from one on and before another; 0 is no fix.
type flaw struct {
	id, ecosystem, name string
	from, fixed         int
	severity            plimsoll.Severity
}

// flaws is an index over versions that are numbers.
type flaws []flaw

func (all flaws) Asked(p plimsoll.Package) (string, string) {
	return cmp.Or(p.Source, p.Name), cmp.Or(p.SourceVersion, p.Version)
}

func (all flaws) Compare(_, a, b string) (int, bool) {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	return cmp.Compare(x, y), errX == nil && errY == nil
}

func (all flaws) Findings(p plimsoll.Package) (out []plimsoll.Finding, decided bool) {
	name, version := all.Asked(p)
	v, err := strconv.Atoi(version)
	if err != nil {
		return nil, false
	}
	for _, f := range all {
		if f.ecosystem != p.Ecosystem || f.name != name || v < f.from || f.fixed != 0 && v >= f.fixed {
			continue
		}
		x := plimsoll.Finding{ID: f.id, Severity: f.severity, Package: p.Name}
		if f.fixed != 0 {
			x.Fixed = strconv.Itoa(f.fixed)
		}
		out = append(out, x)
	}
	return out, true
}

// made is an image for tests: what it is built on, and what it holds by layer.
type made struct {
	ground int
	held   []plimsoll.Package // Layer and Path set
	gone   []Owned
}

// shop is a source over images.
type shop struct {
	index    flaws
	packages []plimsoll.Package
	paths    []string
}

func (s *shop) Package(n int32) (plimsoll.Package, []plimsoll.Finding) {
	found, _ := s.index.Findings(s.packages[n])
	return s.packages[n], found
}

func (s *shop) Path(n int32) string { return s.paths[n] }

func (s *shop) path(p string) int32 {
	if i := slices.Index(s.paths, p); i >= 0 {
		return int32(i)
	}
	s.paths = append(s.paths, p)
	return int32(len(s.paths) - 1)
}

func (s *shop) held(p plimsoll.Package) (Held, bool) {
	at := Held{Path: s.path(p.Path), Layer: int32(p.Layer)}
	found, _ := s.index.Findings(p)
	p.Layer, p.Path = 0, ""
	i := slices.Index(s.packages, p)
	if i < 0 {
		i = len(s.packages)
		s.packages = append(s.packages, p)
	}
	at.Package = int32(i)
	return at, len(found) > 0
}

func (s *shop) list(all []plimsoll.Package) []Held {
	out := []Held{}
	for _, p := range all {
		if h, found := s.held(p); found {
			out = append(out, h)
		}
	}
	return out
}

func (s *shop) stock(m made) Stock {
	return Stock{Ground: m.ground, Held: slices.Values(s.list(m.held)), Own: func(from int) iter.Seq[Owned] {
		return func(yield func(Owned) bool) {
			for _, p := range m.held {
				if p.Layer >= from && !yield(Owned{p.Name, s.path(p.Path), int32(p.Layer)}) {
					return
				}
			}
			for _, o := range m.gone {
				if int(o.Layer) >= from && !yield(o) {
					return
				}
			}
		}
	}}
}

func (s *shop) survey(grounds []Ground, images []made) *Survey {
	return NewSurvey(NewTrier(s.index), s, grounds, func(yield func(Stock) bool) {
		for _, m := range images {
			if !yield(s.stock(m)) {
				return
			}
		}
	})
}

func deb(name, version string, layer int) plimsoll.Package {
	return plimsoll.Package{Name: name, Version: version, Ecosystem: "Debian:12", Layer: layer, Path: "var/lib/dpkg/status"}
}

func npm(name, version string, layer int) plimsoll.Package {
	return plimsoll.Package{Name: name, Version: version, Ecosystem: "npm", Layer: layer, Path: "app/" + name}
}

const (
	critical = plimsoll.SeverityCritical
	high     = plimsoll.SeverityHigh
	low      = plimsoll.SeverityLow
)

func TestBestVersion(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		index   flaws
		version string
		want    string // empty: it stays
		left    int
	}{
		"the one fix":            {flaws{{"A", "npm", "p", 0, 3, high}}, "1", "3", 0},
		"the highest of several": {flaws{{"A", "npm", "p", 0, 3, high}, {"B", "npm", "p", 0, 5, low}, {"C", "npm", "p", 0, 0, low}}, "1", "5", 1},
		"none is known":          {flaws{{"A", "npm", "p", 0, 0, high}}, "1", "", 0},
		"the fix brings another flaw, fixed later": {flaws{{"A", "npm", "p", 0, 3, high}, {"B", "npm", "p", 3, 7, high}}, "1", "7", 0},
		"the highest is worse than a lower one":    {flaws{{"A", "npm", "p", 0, 3, high}, {"B", "npm", "p", 0, 5, low}, {"C", "npm", "p", 5, 0, critical}}, "1", "3", 1},
		"the fix brings as much as it removes":     {flaws{{"A", "npm", "p", 0, 3, high}, {"B", "npm", "p", 3, 0, high}}, "1", "", 0},
		"a critical counts more than its number":   {flaws{{"A", "npm", "p", 0, 3, critical}, {"B", "npm", "p", 3, 0, low}, {"C", "npm", "p", 3, 0, low}}, "1", "3", 2},
	} {
		trier := NewTrier(tt.index)
		found, _ := tt.index.Findings(npm("p", tt.version, 0))
		n := trier.add(npm("p", tt.version, 0), found)
		trier.prepare([]number{n})
		got, left := "", 0
		if best := trier.packages[n].best; best != none {
			got, left = trier.packages[best].Version, trier.packages[best].counts.All
		}
		if got != tt.want || got != "" && left != tt.left {
			t.Errorf("%s: version %q with %d left, want %q with %d", name, got, left, tt.want, tt.left)
		}
	}
}

// TestUndecidedIsNoFix: a version that cannot be compared has no findings, and is no way out.
func TestUndecidedIsNoFix(t *testing.T) {
	t.Parallel()
	index := flaws{{"A", "npm", "p", 0, 3, high}}
	trier := NewTrier(index)
	n := trier.add(npm("p", "1", 0), []plimsoll.Finding{{ID: "A", Fixed: "odd"}})
	trier.prepare([]number{n})
	if best := trier.packages[n].best; best != none {
		t.Errorf("it is said to be fixed by %q", trier.packages[best].Version)
	}
}

func TestFirst(t *testing.T) {
	t.Parallel()
	s := &shop{index: flaws{
		{"D1", "Debian:12", "ssl", 0, 2, critical}, {"D2", "Debian:12", "zlib", 0, 3, high}, {"D3", "Debian:12", "tar", 0, 0, low},
		{"J1", "Debian:12", "java", 0, 9, high}, {"N1", "npm", "log", 0, 4, critical}, {"N2", "npm", "semver", 0, 7, low},
	}}
	base := []plimsoll.Package{deb("ssl", "1", 0), deb("zlib", "1", 0), deb("tar", "1", 0)}
	runtime := append(slices.Clip(base), deb("java", "1", 1))
	grounds := []Ground{
		{Below: -1, Layers: 1, Newer: s.list([]plimsoll.Package{deb("ssl", "2", 0), deb("zlib", "1", 0), deb("tar", "1", 0)})},
		{Below: 0, Layers: 2},
	}
	image := made{1, append(slices.Clip(runtime), npm("log", "1", 2), npm("semver", "6", 2)), nil}
	got := s.survey(grounds, []made{image}).First(5)
	var lines []string
	for _, a := range got {
		lines = append(lines, fmt.Sprintf("%s %d %s %s>%s %s: %d of %d, %d critical", a.Kind, a.Base, a.Package, a.From, a.To, a.Path, a.Removes.All, a.Of.All, a.Removes.Critical))
	}
	want := []string{
		"rebuild 1  > : 3 of 6, 1 critical",
		"update -1 log 1>4 app/log: 1 of 3, 1 critical",
		"update -1 semver 6>7 app/semver: 1 of 2, 0 critical",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestOverridesStay: what an upper layer upgraded or removed does not come back with a newer base.
func TestOverridesStay(t *testing.T) {
	t.Parallel()
	s := &shop{index: flaws{{"S", "Debian:12", "ssl", 0, 9, high}, {"Z", "Debian:12", "zlib", 0, 9, high}, {"T", "Debian:12", "tar", 0, 0, low}}}
	grounds := []Ground{{Below: -1, Layers: 1, Newer: s.list([]plimsoll.Package{deb("ssl", "2", 0), deb("zlib", "2", 0), deb("tar", "2", 0)})}}
	image := made{0, []plimsoll.Package{deb("ssl", "9", 1), deb("tar", "1", 0), deb("tar2", "1", 0)}, []Owned{{"zlib", s.path("var/lib/dpkg/status"), 1}}}
	v := s.survey(grounds, []made{image})
	before := v.Counts()
	v.Take(Action{Kind: BuildOnNewer, Base: 0})
	if after := v.Counts(); before.All != 1 || after.All != 1 {
		t.Errorf("%d findings before and %d after, want 1 (tar) and 1", before.All, after.All)
	}
}

// TestNumbersAreARematch does the first actions over random images and after each builds every image really anew: its
// findings are as many as the survey says are left.
func TestNumbersAreARematch(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 11))
		w := randomWorld(r)
		survey := w.shop.survey(w.grounds, w.images)
		left := w.rematch()
		if got := survey.Counts(); got != left {
			t.Fatalf("seed %d: %+v before anything, want %+v", seed, got, left)
		}
		for step := range 6 {
			all := survey.Actions()
			if len(all) == 0 {
				break
			}
			a := all[0]
			if step%2 == 1 {
				a = all[r.IntN(len(all))] // any of them says the truth, not only the first
			}
			survey.Take(a)
			before := w.each()
			w.do(a)
			now := w.rematch()
			changed := 0
			for i, c := range w.each() {
				if c != before[i] {
					changed++
				}
			}
			if a.Images < changed || len(w.images) == 1 && a.Of != left {
				t.Fatalf("seed %d step %d %+v: it changes %d images, and they have %+v", seed, step, a, changed, left)
			}
			if got := survey.Counts(); got != now {
				t.Fatalf("seed %d step %d %+v: the survey leaves %+v, a rematch %+v", seed, step, a, got, now)
			}
			if a.Removes != left.minus(now) {
				t.Fatalf("seed %d step %d %+v: a rebuild removes %+v", seed, step, a, left.minus(now))
			}
			left = now
		}
	}
}

// sample is a random world: bases with their newer images, and images on them.
type sample struct {
	shop    *shop
	grounds []Ground
	newer   [][]plimsoll.Package // whole, by ground
	images  []made
	floor   []int // by image
}

func randomWorld(r *rand.Rand) *sample {
	w := &sample{shop: &shop{}}
	for i := range 30 {
		eco := []string{"Debian:12", "npm"}[r.IntN(2)]
		from := r.IntN(6)
		fixed := 0
		if r.IntN(4) > 0 {
			fixed = from + 1 + r.IntN(6)
		}
		w.shop.index = append(w.shop.index, flaw{fmt.Sprint("F", i), eco, fmt.Sprint("p", r.IntN(6)), from, fixed, plimsoll.Severities[r.IntN(4)]})
	}
	packages := func(from, to int) (out []plimsoll.Package) {
		for layer := from; layer < to; layer++ {
			for range r.IntN(5) {
				name, version := fmt.Sprint("p", r.IntN(6)), fmt.Sprint(r.IntN(8))
				p := deb(name, version, layer)
				if r.IntN(2) == 0 {
					p = npm(name, version, layer)
				}
				if i := slices.IndexFunc(out, func(o plimsoll.Package) bool { return o.Name == p.Name && o.Path == p.Path }); i >= 0 {
					out = slices.Delete(out, i, i+1) // an upper layer's stands in place of a lower one's
				}
				out = append(out, p)
			}
		}
		return out
	}
	for i := range 4 {
		below, layers := -1, 1+r.IntN(2)
		if i > 0 && r.IntN(3) > 0 {
			below = r.IntN(i)
			layers += w.grounds[below].Layers
		}
		g := Ground{Below: below, Layers: layers}
		var whole []plimsoll.Package
		if r.IntN(2) == 0 {
			whole = packages(0, layers)
			g.Newer = w.shop.list(whole)
		}
		w.grounds, w.newer = append(w.grounds, g), append(w.newer, whole)
	}
	for range 1 + r.IntN(12) {
		m := made{ground: r.IntN(len(w.grounds)+1) - 1}
		layers := 1 + r.IntN(2)
		if m.ground >= 0 {
			layers += w.grounds[m.ground].Layers
		}
		m.held = packages(0, layers)
		for range r.IntN(3) {
			m.gone = append(m.gone, Owned{fmt.Sprint("p", r.IntN(6)), w.shop.path("var/lib/dpkg/status"), int32(r.IntN(layers))})
		}
		m.gone = slices.DeleteFunc(m.gone, func(o Owned) bool {
			return slices.ContainsFunc(m.held, func(p plimsoll.Package) bool { return p.Name == o.Name && w.shop.path(p.Path) == o.Path })
		})
		for range 1 + r.IntN(3) {
			w.images, w.floor = append(w.images, m), append(w.floor, -1)
			w.images[len(w.images)-1].held = slices.Clone(m.held)
		}
	}
	return w
}

// rematch counts the findings of all images as they are.
func (w *sample) rematch() (c Counts) {
	for _, one := range w.each() {
		c = c.plus(one)
	}
	return c
}

// each counts the findings of each image.
func (w *sample) each() []Counts {
	out := make([]Counts, len(w.images))
	for i, m := range w.images {
		for _, p := range m.held {
			found, _ := w.shop.index.Findings(p)
			out[i] = out[i].plus(CountsOf(found))
		}
	}
	return out
}

// on reports whether an image stands on a ground that was not replaced as a whole.
func (w *sample) on(i, ground int) bool {
	for g := w.images[i].ground; g >= 0; g = w.grounds[g].Below {
		if g == ground {
			return true
		}
		if g == w.floor[i] {
			return false
		}
	}
	return false
}

// do builds images anew as an action says, package by package.
func (w *sample) do(a Action) {
	update := func(held []plimsoll.Package) {
		for j, p := range held {
			v, _ := strconv.Atoi(p.Version)
			to, _ := strconv.Atoi(a.To)
			if p.Name == a.Package && p.Ecosystem == a.Ecosystem && v < to && w.found(p) {
				held[j].Version = a.To
			}
		}
	}
	for _, newer := range w.newer {
		if a.Kind == Update {
			update(newer)
		}
	}
	for i := range w.images {
		m := &w.images[i]
		switch {
		case a.Kind == Update:
			update(m.held)
		case !w.on(i, a.Base):
		case a.Kind == RebuildBase:
			for j, p := range m.held {
				if p.Layer < w.grounds[a.Base].Layers && p.Ecosystem == "Debian:12" {
					m.held[j].Version = w.best(p)
				}
			}
		default:
			layers := w.grounds[a.Base].Layers
			held := slices.DeleteFunc(slices.Clone(m.held), func(p plimsoll.Package) bool { return p.Layer < layers })
			for _, p := range w.newer[a.Base] {
				path := w.shop.path(p.Path)
				own := slices.ContainsFunc(held, func(o plimsoll.Package) bool { return o.Layer >= layers && o.Name == p.Name && o.Path == p.Path }) ||
					slices.ContainsFunc(m.gone, func(o Owned) bool { return int(o.Layer) >= layers && o.Name == p.Name && o.Path == path })
				if !own {
					p.Layer = layers - 1
					held = append(held, p)
				}
			}
			m.held, w.floor[i] = held, a.Base
		}
	}
}

func (w *sample) found(p plimsoll.Package) bool {
	found, _ := w.shop.index.Findings(p)
	return len(found) > 0
}

// best tries every version there is: the lowest above p's of those that leave the fewest, by critical ones first.
func (w *sample) best(p plimsoll.Package) string {
	count := func(v string) Counts {
		p.Version = v
		found, _ := w.shop.index.Findings(p)
		return CountsOf(found)
	}
	was, _ := strconv.Atoi(p.Version)
	version, left := p.Version, count(p.Version)
	start := left
	for v := was + 1; v < 20; v++ {
		n := count(strconv.Itoa(v))
		if compareCounts(start.minus(n), start.minus(left)) < 0 {
			version, left = strconv.Itoa(v), n
		}
	}
	return version
}

// BenchmarkSurvey surveys 100,000 images over 400 bases and takes six actions: ten packages with findings in each base, two of an
// image's own, and a newer image for every fifth base. The target is 2 s.
func BenchmarkSurvey(b *testing.B) {
	w := largeWorld(100_000)
	for b.Loop() {
		NewSurvey(NewTrier(w.shop.index), w.shop, w.grounds, slices.Values(w.stocks)).First(6)
	}
}

type large struct {
	shop    *shop
	grounds []Ground
	stocks  []Stock
}

func largeWorld(images int) *large {
	w := &large{shop: &shop{paths: []string{"status", "lock"}}}
	number := func(p plimsoll.Package) int32 {
		w.shop.packages = append(w.shop.packages, p)
		return int32(len(w.shop.packages) - 1)
	}
	var os, own [][]int32 // numbers of the versions of a package
	for i := range 400 {
		w.shop.index = append(w.shop.index, flaw{fmt.Sprint("D", i), "Debian:12", fmt.Sprint("d", i%200), 0, 50, []plimsoll.Severity{critical, high, low}[i%3]})
		w.shop.index = append(w.shop.index, flaw{fmt.Sprint("N", i), "npm", fmt.Sprint("n", i), 0, 90, high})
		var a, b []int32
		for v := range 8 {
			a = append(a, number(deb(fmt.Sprint("d", i%200), strconv.Itoa(v), 0)))
			b = append(b, number(npm(fmt.Sprint("n", i), strconv.Itoa(v), 0)))
		}
		os, own = append(os, a), append(own, b)
	}
	var held [][]Held
	for i := range 400 {
		g, all := Ground{Below: -1, Layers: 1}, []Held{}
		if i >= 20 {
			g.Below, g.Layers = i%20, 2
			all = append(all, held[i%20]...)
		}
		if i >= 100 {
			g.Below, g.Layers = 20+i%80, 3
			all = append(all[:0], held[20+i%80]...)
		}
		for j := range 10 {
			all = append(all, Held{os[(i*7+j*31)%400][i%8], 0, int32(g.Layers) - 1})
		}
		if i%5 == 0 {
			for _, h := range all[:len(all)/2] {
				g.Newer = append(g.Newer, h)
			}
		}
		w.grounds, held = append(w.grounds, g), append(held, all)
	}
	for i := range images {
		base := i % 400
		layer := int32(w.grounds[base].Layers)
		all := append(slices.Clip(held[base]), Held{own[i%400][i%8], 1, layer}, Held{own[(i*13+i/400)%400][i%7], 1, layer})
		w.stocks = append(w.stocks, Stock{Ground: base, Held: slices.Values(all), Own: func(int) iter.Seq[Owned] {
			return func(yield func(Owned) bool) {
				for j := range 20 {
					if !yield(Owned{"own", int32(j % 2), layer}) {
						return
					}
				}
			}
		}})
	}
	return w
}
