package blob_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

func tagMoved(tag string) []plimsoll.Change {
	return []plimsoll.Change{{Kind: plimsoll.ChangeTag, Repository: "app", Tag: tag}}
}

func read(t *testing.T, s *blob.Store, stream string, after int64) (tags []string) {
	t.Helper()
	for b, err := range s.Changes(t.Context(), stream, after) {
		if err != nil {
			t.Fatal(err)
		}
		if after++; b.Sequence != after || b.Stream != stream {
			t.Fatalf("batch %s %d, want %s %d", b.Stream, b.Sequence, stream, after)
		}
		tags = append(tags, b.Changes[0].Tag)
	}
	return tags
}

func TestChanges(t *testing.T) {
	t.Parallel()
	s, other, stream := open(t, bucket), open(t, bucket), name(t)
	if n, err := s.Position(t.Context(), stream); n != 0 || err != nil {
		t.Errorf("Position of nothing = %d, %v", n, err)
	}
	if got := read(t, s, stream, 0); got != nil {
		t.Errorf("Changes of nothing = %v", got)
	}
	var want []string
	for i := range 40 { // several rounds of reading ahead
		tag := fmt.Sprint(i)
		writer := s
		if i%3 == 0 { // the other one's writes are noticed
			writer = other
		}
		seq, err := writer.Append(t.Context(), stream, "push", noon, tagMoved(tag))
		if err != nil || seq != int64(i+1) {
			t.Fatalf("Append = %d, %v, want %d", seq, err, i+1)
		}
		want = append(want, tag)
	}
	for _, after := range []int64{0, 1, 15, 16, 39, 40} {
		if diff := cmp.Diff(want[after:], read(t, s, stream, after), cmp.Transformer("nil", func(s []string) string { return fmt.Sprint(s) })); diff != "" {
			t.Errorf("Changes after %d (-want +got)\n%s", after, diff)
		}
	}
	for b, err := range s.Changes(t.Context(), stream, 0) {
		if b.Actor != "push" || !b.Time.Equal(noon) || err != nil {
			t.Errorf("batch %+v, %v", b, err)
		}
		break // a reader may stop
	}
	for _, store := range []*blob.Store{s, other, open(t, bucket)} {
		if n, err := store.Position(t.Context(), stream); n != 40 || err != nil {
			t.Errorf("Position = %d, %v, want 40", n, err)
		}
	}
	streams, err := s.Streams(t.Context())
	if err != nil || !slices.Contains(streams, stream) || !slices.IsSorted(streams) {
		t.Errorf("Streams = %v, %v", streams, err)
	}
}

func TestAppendFromManyWriters(t *testing.T) {
	t.Parallel()
	const writers, each = 6, 10
	stream := name(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var want []string
	stores := []*blob.Store{open(t, bucket), open(t, bucket), open(t, bucket)}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				tag := fmt.Sprintf("%d-%d", w, i)
				if _, err := stores[w%3].Append(t.Context(), stream, "sweep", noon, tagMoved(tag)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				want = append(want, tag)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got := read(t, open(t, bucket), stream, 0)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("each batch once (-want +got)\n%s", diff)
	}
}

// A long log costs a few requests, not a listing.
func TestLongLogIsCheap(t *testing.T) {
	t.Parallel()
	const n = 400
	direct, stream := open(t, bucket), name(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				b := plimsoll.ChangeBatch{Stream: stream, Sequence: int64(i + 1), Changes: tagMoved("x")}
				if err := blob.CreateJSON(t.Context(), direct, blob.ChangeKey(stream, b.Sequence), b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	p := startProxy(t)
	s := open(t, p.Config)
	for _, tc := range []struct {
		what string
		max  int64
		do   func() (int64, error)
		want int64
	}{
		{"first Position", 22, func() (int64, error) { return s.Position(t.Context(), stream) }, n},
		{"second Position", 1, func() (int64, error) { return s.Position(t.Context(), stream) }, n},
		{"Append", 1, func() (int64, error) { return s.Append(t.Context(), stream, "a", noon, nil) }, n + 1},
	} {
		before := p.requests.Load()
		got, err := tc.do()
		if cost := p.requests.Load() - before; got != tc.want || err != nil || cost > tc.max {
			t.Errorf("%s = %d, %v with %d requests, want %d with at most %d", tc.what, got, err, cost, tc.want, tc.max)
		}
	}
}

func TestGap(t *testing.T) {
	t.Parallel()
	for _, missing := range []int64{1, 5, 19} {
		t.Run(fmt.Sprint(missing), func(t *testing.T) {
			t.Parallel()
			s, stream := open(t, bucket), name(t)
			for range 20 {
				if _, err := s.Append(t.Context(), stream, "sweep", noon, tagMoved("x")); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Delete(t.Context(), blob.ChangeKey(stream, missing)); err != nil {
				t.Fatal(err)
			}
			var last int64
			var gap *blob.GapError
			for b, err := range s.Changes(t.Context(), stream, 0) {
				if err != nil {
					if !errors.As(err, &gap) || !errors.Is(err, plimsoll.ErrIntegrity) {
						t.Errorf("Changes ends with %v, want a gap", err)
					}
					break
				}
				last = b.Sequence
			}
			if last != missing-1 || gap == nil || gap.Missing != missing || gap.Next != missing+1 || gap.Stream != stream {
				t.Errorf("Changes gave up to %d and %v, want up to %d and the gap", last, gap, missing-1)
			}
		})
	}
}

// A writer that starts over does not take the place of a batch that was lost before the end.
func TestAppendDoesNotFillAGap(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	for range 20 {
		if _, err := s.Append(t.Context(), stream, "sweep", noon, tagMoved("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(t.Context(), blob.ChangeKey(stream, 19)); err != nil {
		t.Fatal(err)
	}
	var gap *blob.GapError
	if _, err := open(t, bucket).Append(t.Context(), stream, "sweep", noon, tagMoved("y")); !errors.As(err, &gap) {
		t.Errorf("Append = %v, want a gap", err)
	}
}

func TestBatchUnderAnotherKey(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	b := plimsoll.ChangeBatch{Stream: stream, Sequence: 2}
	if err := blob.CreateJSON(t.Context(), s, blob.ChangeKey(stream, 1), b); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Changes(t.Context(), stream, 0) {
		if !errors.Is(err, plimsoll.ErrIntegrity) {
			t.Errorf("Changes = %v, want ErrIntegrity", err)
		}
	}
}
