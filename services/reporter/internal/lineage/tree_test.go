package lineage

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

var amd64, arm64 = plimsoll.Platform{OS: "linux", Architecture: "amd64"}, plimsoll.Platform{OS: "linux", Architecture: "arm64"}

// stack is an image with a layer a letter: "-" is an empty layer, "?" one that is not read.
func stack(p plimsoll.Platform, letters string) Image {
	im := Image{Platform: p}
	for _, c := range letters {
		l := Layer{DiffID: plimsoll.DiffID(plimsoll.DigestOf([]byte(string(c)))), Empty: c == '-'}
		if c == '?' {
			l.DiffID = ""
		}
		im.Layers = append(im.Layers, l)
	}
	return im
}

func TestBases(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		known []string
		image string
		want  []int // depths of the bases, the lowest first
	}{
		"none known":                 {nil, "abc", nil},
		"three levels":               {[]string{"a", "abc", "abcd", "abx", "b"}, "abcde", []int{1, 3, 4}},
		"itself is no base":          {[]string{"abc"}, "abc", nil},
		"a twin is no base":          {[]string{"a", "abc", "abc"}, "abc", []int{1}},
		"not a prefix":               {[]string{"b", "ac", "ba"}, "abc", nil},
		"no layer is nobody's base":  {[]string{""}, "abc", nil},
		"no layer has no base":       {[]string{"a"}, "", nil},
		"empty alone is no base":     {[]string{"-", "--"}, "--a", nil},
		"an empty layer on a base":   {[]string{"a"}, "a-", []int{1}},
		"with an empty layer on top": {[]string{"a", "a-"}, "a-b", []int{1, 2}},
		"the top is not read":        {[]string{"a", "ab", "abc"}, "ab?", []int{1, 2}},
		"nothing is read":            {[]string{"a"}, "?a", nil},
		"a base that is not read":    {[]string{"a", "ab?"}, "abc", []int{1}},
	} {
		tree := NewTree()
		for _, k := range tt.known {
			tree.Add(stack(amd64, k))
			tree.Add(stack(arm64, k+"z"))
		}
		p := tree.Add(stack(amd64, tt.image))
		l := tree.Freeze()
		var got []int
		for _, n := range l.Bases(p) {
			got = append(got, l.Depth(n))
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: depths of bases (-want +got):\n%s", name, d)
		}
	}
}

// TestPlatformsAreApart: the same layers on another platform are another image's.
func TestPlatformsAreApart(t *testing.T) {
	t.Parallel()
	tree := NewTree()
	tree.Add(stack(arm64, "a"))
	p := tree.Add(stack(amd64, "ab"))
	if got := tree.Freeze().Bases(p); got != nil {
		t.Errorf("bases %v, want none", got)
	}
}

// TestFrozenStays: what a reader holds does not change.
func TestFrozenStays(t *testing.T) {
	t.Parallel()
	tree := NewTree()
	base := tree.Add(stack(amd64, "a"))
	top := tree.Add(stack(amd64, "ab"))
	before := tree.Freeze()
	if before != tree.Freeze() {
		t.Error("nothing changed, and the state is another")
	}
	tree.Remove(base)
	tree.Add(stack(amd64, "xyz"))
	if got := before.Base(top.Node); got != base.Node {
		t.Errorf("base in the earlier state: %d, want %d", got, base.Node)
	}
	if got := tree.Freeze().Base(top.Node); got != Nowhere {
		t.Errorf("base after it went: %d, want none", got)
	}
}

// TestIncrementalEqualsRecompute adds and removes images in random order; after each burst the bases of all are those that a
// comparison of every pair finds.
func TestIncrementalEqualsRecompute(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		tree := NewTree()
		type known struct {
			text  string
			arch  plimsoll.Platform
			place Place
		}
		var all []known
		for range 40 {
			for range r.IntN(12) {
				if len(all) > 0 && r.IntN(5) < 2 {
					i := r.IntN(len(all))
					tree.Remove(all[i].place)
					all = slices.Delete(all, i, i+1)
					continue
				}
				text := ""
				for range r.IntN(7) {
					text += string("ab-c?"[r.IntN(2+r.IntN(4))])
				}
				k := known{text: text, arch: []plimsoll.Platform{amd64, arm64}[r.IntN(2)]}
				k.place = tree.Add(stack(k.arch, text))
				all = append(all, k)
			}
			l := tree.Freeze()
			for _, k := range all {
				var got []int
				for _, n := range l.Bases(k.place) {
					got = append(got, l.Depth(n))
				}
				var want []int
				for _, other := range all {
					if other.arch == k.arch && straightBase(other.text, k.text) {
						want = append(want, len(other.text))
					}
				}
				slices.Sort(want)
				if d := cmp.Diff(slices.Compact(want), got); d != "" {
					t.Fatalf("seed %d: bases of %q among %v (-want +got):\n%s", seed, k.text, all, d)
				}
			}
		}
		for _, k := range all {
			tree.Remove(k.place)
		}
		if tree.Len() != 0 {
			t.Fatalf("seed %d: %d positions are left of nothing", seed, tree.Len())
		}
	}
}

// straightBase says by the definition whether a is a base of b.
func straightBase(a, b string) bool {
	read := func(s string) string {
		for i := range s {
			if s[i] == '?' {
				return s[:i]
			}
		}
		return s
	}
	holds := false
	for _, c := range a {
		if c == '?' {
			return false
		}
		holds = holds || c != '-'
	}
	known := read(b)
	proper := len(a) < len(b)
	return holds && proper && len(a) <= len(known) && known[:len(a)] == a
}

// TestTreeIsSmall holds the tree to its target: 100,000 images on 400 bases in 3 levels, in at most 60 bytes a position. How
// quick it is says BenchmarkAdd.
func TestTreeIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("builds 100,000 images")
	}
	const images, perPosition = 100_000, 60
	all := forest(images)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tree := NewTree()
	for _, im := range all {
		tree.Add(im)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	bytes := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(tree.Len())
	t.Logf("%d positions, %d bytes each", tree.Len(), bytes)
	if bytes > perPosition {
		t.Errorf("%d bytes a position, want at most %d", bytes, perPosition)
	}
	runtime.KeepAlive(tree)
	runtime.KeepAlive(all)
}

// forest is n images, each with a layer of its own, on 400 bases in 3 levels.
func forest(n int) []Image {
	var all []Image
	id := func(format string, args ...any) Layer {
		return Layer{DiffID: plimsoll.DiffID(plimsoll.DigestOf(fmt.Appendf(nil, format, args...)))}
	}
	for i := range 400 {
		layers := []Layer{id("os %d", i%20)}
		if i >= 20 {
			layers = append(layers, id("runtime %d", i%100), id("runtime %d more", i%100))
		}
		if i >= 100 {
			layers = append(layers, id("frame %d", i))
		}
		all = append(all, Image{Platform: amd64, Layers: layers})
	}
	for i := len(all); i < n; i++ {
		all = append(all, Image{Platform: amd64, Layers: append(slices.Clip(all[i%400].Layers), id("own %d", i))})
	}
	return all
}

func BenchmarkAdd(b *testing.B) {
	all := forest(100_000)
	for b.Loop() {
		tree := NewTree()
		for _, im := range all {
			tree.Add(im)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/image")
}

// TestLayers: a position tells the layers up to it.
func TestLayers(t *testing.T) {
	t.Parallel()
	tree, im := NewTree(), stack(amd64, "abc")
	p := tree.Add(im)
	var want, got []plimsoll.DiffID
	for _, l := range slices.Backward(im.Layers) {
		want = append(want, l.DiffID)
	}
	for n := p.Node; n != Nowhere; {
		below, layer := tree.Top(n)
		n, got = below, append(got, layer)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("layers (-want +got):\n%s", d)
	}
	if p := tree.Add(Image{Platform: amd64, Layers: []Layer{{DiffID: "sha256:nonsense"}}}); p.Node != Nowhere || p.Whole {
		t.Errorf("an image whose layer has no valid diff ID stands at %v", p)
	}
}
