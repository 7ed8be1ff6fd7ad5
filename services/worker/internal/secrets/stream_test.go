package secrets

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written returns what a stream with cores of the given size finds in text, written in parts of the given size.
func written(t testing.TB, f *Finder, text []byte, core, part int) ([]Hit, string) {
	t.Helper()
	s := NewStream(f)
	s.size, s.search.work = core, math.MaxInt/2 // small cores are searched again and again as others' surroundings
	for p := range chunks(text, part) {
		if err := s.Write(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if limit := core + 2*maxReach; cap(s.buf) > limit {
		t.Errorf("the stream holds %d bytes; want at most %d", cap(s.buf), limit)
	}
	hits, reason, err := s.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return hits, reason
}

// TestStream: pieces are seen by nobody. However small they are and however the text is written, the hits are those of the
// whole, each once, at their lines.
func TestStream(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	text := []byte(mixed(t, 11, 100<<10))
	want := find(t, f, string(text))
	if len(want) < 30 {
		t.Fatalf("%d secrets in the text; want some to compare", len(want))
	}
	for _, core := range []int{20 << 10, 50_001, coreLen} {
		for _, part := range []int{997, 64 << 10, len(text)} {
			t.Run(fmt.Sprint(core, part), func(t *testing.T) {
				t.Parallel()
				got, reason := written(t, f, text, core, part)
				if diff := cmp.Diff(want, got); diff != "" || reason != "" {
					t.Errorf("reason %q, hits differ from the whole text's (-whole +pieces):\n%s", reason, diff)
				}
			})
		}
	}
}

// TestBorder puts each sample across the border of two pieces, at several places.
func TestBorder(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	const core = 2 << 10
	for _, s := range samples(t, 12) {
		for _, back := range []int{1, len(s.text) / 2} {
			filler := strings.Repeat("0123456 89abcde\n", (2*core)/16+len(s.text))
			at := 2*core - back
			text := filler[:max(0, at-1)] + "\n" + s.text + filler
			got, _ := written(t, f, []byte(text), core, 999)
			if want := find(t, f, text); !slices.Equal(got, want) || len(want) != 1 {
				t.Errorf("%s, %d bytes before the border: %+v; want one hit, that of the whole text %+v", s.rule, back, got, want)
			}
		}
	}
}

// TestOneLine: a minified file is one line of many pieces; the second text in the same stream starts afresh.
func TestOneLine(t *testing.T) {
	t.Parallel()
	f, secret := newFinder(t), newMaker(13).checked("ghp_", 36)
	s := NewStream(f)
	part := bytes.Repeat([]byte("function(a,b){return a+b};"), 4000)
	for range 50 {
		if err := s.Write(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Write(t.Context(), []byte("x='"+secret+"'")); err != nil {
		t.Fatal(err)
	}
	if limit := coreLen + 2*maxReach; cap(s.buf) > limit {
		t.Errorf("the stream holds %d bytes; want at most %d", cap(s.buf), limit)
	}
	for i, want := range []int{1, 0} {
		hits, reason, err := s.Close(t.Context())
		if len(hits) != want || reason != "" || err != nil {
			t.Errorf("text %d: %d hits, reason %q, error %v; want %d hits", i, len(hits), reason, err, want)
		}
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	s := NewStream(newFinder(t))
	if err := s.Write(t.Context(), []byte(samples(t, 14)[0].text)); err != nil {
		t.Fatal(err)
	}
	s.Reset()
	if hits, _, err := s.Close(t.Context()); len(hits) != 0 || err != nil {
		t.Errorf("%d hits after Reset, error %v; want none", len(hits), err)
	}
}

// FuzzStream: any bytes in any parts give the same hits, in order, at lines that exist.
func FuzzStream(f *testing.F) {
	for _, s := range samples(f, 15) {
		f.Add([]byte("first\n"+s.text), uint16(7))
	}
	f.Add([]byte(mixed(f, 16, 8<<10)), uint16(100))
	finder := newFinder(f)
	f.Fuzz(func(t *testing.T, text []byte, part uint16) {
		want, wantReason := written(t, finder, text, 512, max(1, len(text)))
		got, reason := written(t, finder, text, 512, int(part)+1)
		if diff := cmp.Diff(want, got); diff != "" || reason != wantReason {
			t.Errorf("reasons %q and %q, hits differ (-whole +parts):\n%s", wantReason, reason, diff)
		}
		whole, _ := written(t, finder, text, coreLen, max(1, len(text)))
		for _, hits := range [][]Hit{got, whole} {
			line := 1
			for _, h := range hits {
				if h.Line < line || h.Line > 1+bytes.Count(text, []byte{'\n'}) {
					t.Fatalf("hit at line %d after one at line %d of %d", h.Line, line, 1+bytes.Count(text, []byte{'\n'}))
				}
				line = h.Line
			}
		}
		IsText(text)
	})
}
