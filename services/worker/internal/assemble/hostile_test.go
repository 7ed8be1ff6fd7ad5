package assemble

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// factsOf walks a layer as the worker does.
func factsOf(t testing.TB, b []byte) *layerFacts {
	t.Helper()
	return factsFrom(t, b, layer.DefaultLimits(), false)
}

func factsFrom(t testing.TB, b []byte, lim layer.Limits, slow bool) *layerFacts {
	t.Helper()
	s, err := analyze.New(t.Context(), analyze.Analyzers(lim, nil), analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := layer.Blob{Digest: plimsoll.DigestOf(b), Size: int64(len(b))}
	var body interface{ Read([]byte) (int, error) } = bytes.NewReader(b)
	if slow {
		body = iotest.OneByteReader(body)
	}
	res, err := layer.Walk(layer.NewSource(t.Context(), body, want, nil), lim, s)
	if err != nil {
		t.Fatalf("Walk of right bytes: %v", err)
	}
	l := &layerFacts{facts: map[string]*plimsoll.Facts{}}
	for _, f := range s.Facts(want, res) {
		l.facts[f.Analyzer.Name] = &f
	}
	return l
}

// bothAnalyzers are those that are always on, with a configuration that tells nothing.
var bothAnalyzers = configFacts{analyzers: []string{plimsoll.AnalyzerTree, plimsoll.AnalyzerPackages}}

// inventoryOf assembles an image of these layers.
func inventoryOf(t testing.TB, layers ...[]byte) (plimsoll.Inventory, *state) {
	t.Helper()
	s := &state{}
	img := plimsoll.Image{Digest: plimsoll.DigestOf([]byte(t.Name()))}
	for _, b := range layers {
		ref := plimsoll.LayerRef{Digest: plimsoll.DigestOf(b), Size: int64(len(b))}
		img.Layers = append(img.Layers, ref)
		s = s.next(ref.Digest, ref.Size, factsOf(t, b))
	}
	return inventory(img, "recipe", s, s.owned(), bothAnalyzers), s
}

// hostileLimits shrink the bounds to the size of the test's layers.
func hostileLimits() layer.Limits {
	lim := layer.DefaultLimits()
	lim.RatioFrom = 1 << 20
	return lim
}

// TestHostile takes every hostile layer through walk, analysis and assembly. Nothing may panic or hang, the outcome must be the
// catalogue's, and the marker beside the trap must be found wherever reading goes on.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, c := range imagetest.Hostile() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			s := &state{}
			img := plimsoll.Image{}
			for _, b := range [][]byte{c.Below, c.Layer} {
				if b == nil {
					continue
				}
				ref := plimsoll.LayerRef{Digest: plimsoll.DigestOf(b)}
				img.Layers = append(img.Layers, ref)
				s = s.next(ref.Digest, int64(len(b)), factsFrom(t, b, hostileLimits(), false))
			}
			inv := inventory(img, "recipe", s, s.owned(), bothAnalyzers)
			read := inv.Read[plimsoll.AnalyzerTree]
			refused := read.State == plimsoll.ReadFailed || read.Short() && at(s.root, imagetest.Marker) == nil
			ok := map[string]bool{
				imagetest.WantOK:        !read.Short(),
				imagetest.WantPartial:   read.Short(),
				imagetest.WantOKPartial: true,
				imagetest.WantRefused:   refused,
			}[c.Want]
			if !ok {
				t.Errorf("read = %+v, want %s", read, c.Want)
			}
			if read.Short() && read.Reason == "" {
				t.Error("short without a reason")
			}
			if c.Want == imagetest.WantOK && bytes.Contains(c.Layer, []byte(imagetest.MarkerBody)) && at(s.root, imagetest.Marker) == nil {
				t.Error("the marker beside the trap was not found")
			}
		})
	}
}

// TestFactsDoNotDependOnReads: the same bytes in other pieces give the same facts.
func TestFactsDoNotDependOnReads(t *testing.T) {
	t.Parallel()
	for _, c := range imagetest.Hostile() {
		if len(c.Layer) > 1<<20 {
			continue // a byte at a time takes its time
		}
		fast, slow := factsFrom(t, c.Layer, hostileLimits(), false), factsFrom(t, c.Layer, hostileLimits(), true)
		if diff := cmp.Diff(fast, slow, cmp.AllowUnexported(layerFacts{})); diff != "" {
			t.Errorf("%s: facts differ (-at once +byte by byte):\n%s", c.Name, diff)
		}
	}
}

// TestDamagedBytesGiveNoFacts: a flipped bit or a missing byte is an error, whatever was seen before it.
func TestDamagedBytesGiveNoFacts(t *testing.T) {
	t.Parallel()
	b := imagetest.Gzip(imagetest.Layer(imagetest.DebianLike("12", imagetest.Package{Name: "zlib1g", Version: "1"})...)).Bytes
	want := layer.Blob{Digest: plimsoll.DigestOf(b), Size: int64(len(b))}
	for at := 0; at < len(b); at += 5 {
		flipped := bytes.Clone(b)
		flipped[at] ^= 0x10
		for what, bad := range map[string][]byte{"flipped": flipped, "cut": b[:at], "longer": append(bytes.Clone(b), b[:at+1]...)} {
			s, err := analyze.New(t.Context(), analyze.Analyzers(layer.DefaultLimits(), nil), analyze.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = layer.Walk(layer.NewSource(t.Context(), bytes.NewReader(bad), want, nil), layer.DefaultLimits(), s)
			if !errors.Is(err, plimsoll.ErrIntegrity) {
				t.Fatalf("%s at %d: error %v, want integrity", what, at, err)
			}
			if got := errors.Is(err, layer.ErrDigest); got != (what == "flipped") {
				t.Fatalf("%s at %d: said to be damaged: %v", what, at, got)
			}
		}
	}
}

// TestReasonsAreShort: reasons are grouped and shown; they hold no path or name of the image.
func TestReasonsAreShort(t *testing.T) {
	t.Parallel()
	for _, c := range imagetest.Hostile() {
		l := factsFrom(t, c.Layer, hostileLimits(), false)
		for _, f := range l.facts {
			if len(f.Read.Reason) > 200 || strings.ContainsAny(f.Read.Reason, "\n\x00\x1b") {
				t.Errorf("%s: reason %q", c.Name, f.Read.Reason)
			}
		}
	}
}
