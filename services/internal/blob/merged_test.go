package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const day = 24 * time.Hour

// logged appends batches, some a day, and gives the day after the last.
func logged(t *testing.T, s *blob.Store, stream string, perDay ...int) time.Time {
	t.Helper()
	at := noon
	for _, n := range perDay {
		for i := range n {
			if _, err := s.Append(t.Context(), stream, "sweep", at.Add(time.Duration(i)*time.Second), tagMoved(fmt.Sprint(at.Format(time.DateOnly), " ", i))); err != nil {
				t.Fatal(err)
			}
		}
		at = at.Add(day)
	}
	return at
}

// whole is all that a stream says after a sequence.
func whole(t *testing.T, s *blob.Store, stream string, after int64) (all []plimsoll.ChangeBatch) {
	t.Helper()
	for b, err := range s.Changes(t.Context(), stream, after) {
		if err != nil {
			t.Fatalf("after %d: %v", after, err)
		}
		all = append(all, b)
	}
	return all
}

// objects are the keys of a stream without what is before them.
func objects(t *testing.T, s *blob.Store, stream string) (all []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), blob.PrefixChanges+stream+"/", "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.TrimPrefix(e.Key, blob.PrefixChanges+stream+"/"))
	}
	return all
}

// sameFold fails unless a stream says the same as before, from wherever one reads on.
func sameFold(t *testing.T, s *blob.Store, stream string, want []plimsoll.ChangeBatch) {
	t.Helper()
	for after := range int64(len(want)) + 1 {
		got := whole(t, s, stream, after)
		if diff := cmp.Diff(want[after:], append([]plimsoll.ChangeBatch{}, got...)); diff != "" {
			t.Fatalf("after %d (-before +merged):\n%s", after, diff)
		}
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	at := logged(t, s, stream, 3, 20, 1, 0, 5, 12)
	want := whole(t, s, stream, 0)
	if n, err := s.CompactStream(t.Context(), stream, at); n != 0 || err != nil {
		t.Errorf("nothing is old: %d, %v", n, err)
	}
	// The last day has 12 batches, of which 8 stay whatever comes: and the four before them, for its end is not known.
	n, err := s.CompactStream(t.Context(), stream, at.Add(30*day))
	if n != 29 || err != nil {
		t.Errorf("merged %d, %v, want 29", n, err)
	}
	all := objects(t, s, stream)
	merged := all[len(all)-4:]
	wanted := []string{
		"merged/00000000000000000003-00000000000000000001", "merged/00000000000000000023-00000000000000000004",
		"merged/00000000000000000024-00000000000000000024", "merged/00000000000000000029-00000000000000000025",
	}
	if diff := cmp.Diff(wanted, merged); diff != "" || len(all) != 12+4 {
		t.Errorf("%d objects, merged (-want +got):\n%s", len(all), diff)
	}
	sameFold(t, s, stream, want)
	if n, err := s.CompactStream(t.Context(), stream, at.Add(30*day)); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	for _, store := range []*blob.Store{s, open(t, bucket)} {
		if n, err := store.Position(t.Context(), stream); n != 41 || err != nil {
			t.Errorf("Position = %d, %v, want 41", n, err)
		}
	}
	if seq, err := open(t, bucket).Append(t.Context(), stream, "push", at, tagMoved("x")); seq != 42 || err != nil {
		t.Errorf("Append = %d, %v, want 42", seq, err)
	}
	streams, err := s.Streams(t.Context())
	if err != nil || strings.Contains(strings.Join(streams, " "), "merged") {
		t.Errorf("Streams = %v, %v", streams, err)
	}
}

// TestCompactByAge: days merge as they get old, and what is merged stays as it is.
func TestCompactByAge(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	logged(t, s, stream, 2, 2, 2, 2, 2, 9)
	want := whole(t, s, stream, 0)
	for i, merged := range []int{0, 2, 2, 2, 2, 2, 0, 0} {
		if n, err := s.CompactStream(t.Context(), stream, noon.Add(time.Duration(7+i)*day)); n != merged || err != nil {
			t.Errorf("%d days later: %d, %v, want %d", 7+i, n, err, merged)
		}
		sameFold(t, s, stream, want)
	}
}

// TestCompactCutsLargeDays: what would be too large stands in several objects.
func TestCompactCutsLargeDays(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	text := strings.Repeat("x", blob.MaxMerged/5)
	for i := range 12 {
		if _, err := s.Append(t.Context(), stream, "sweep", noon.Add(time.Duration(i)*time.Second), []plimsoll.Change{{Kind: plimsoll.ChangeCommand, Text: text}}); err != nil {
			t.Fatal(err)
		}
	}
	at := logged(t, s, stream, 0, 0, blob.KeptSingle+1)
	want := whole(t, s, stream, 0)
	if n, err := s.CompactStream(t.Context(), stream, at.Add(30*day)); n != 12 || err != nil {
		t.Errorf("merged %d, %v, want 12", n, err)
	}
	if all := objects(t, s, stream); len(all) != 3+blob.KeptSingle+1 {
		t.Errorf("%d objects, want 3 merged ones: %q", len(all), all)
	}
	sameFold(t, s, stream, want)
}

// TestCompactKeepsTheBytes: what another version wrote, with a field that this one does not know, is kept.
func TestCompactKeepsTheBytes(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	odd := fmt.Sprintf(`{"stream":%q,"sequence":1,"time":"2026-11-01T00:00:00.000000001+02:00","actor":"<&\u2028é","changes":[],"later":{"b":1,"a":[1.0]}}`, stream)
	if err := s.Create(t.Context(), blob.ChangeKey(stream, 1), []byte(odd+"\n")); err != nil {
		t.Fatal(err)
	}
	at := logged(t, s, stream, blob.KeptSingle+1)
	want := whole(t, s, stream, 0)
	if n, err := s.CompactStream(t.Context(), stream, at.Add(30*day)); n != 1 || err != nil {
		t.Errorf("merged %d, %v, want 1", n, err)
	}
	o, err := s.Get(t.Context(), blob.MergedKey(stream, 1, 1))
	if err != nil || !bytes.Contains(o.Bytes, []byte(odd)) {
		t.Errorf("%s, %v: want it to hold %s", o.Bytes, err, odd)
	}
	sameFold(t, s, stream, want)
}

// TestCompactIsCut stops a merge after each of its writes and deletions: whatever was done by then, the stream says the same,
// and the next call ends the work.
func TestCompactIsCut(t *testing.T) {
	t.Parallel()
	direct := open(t, bucket)
	for steps := 0; ; steps++ {
		stream := fmt.Sprint(name(t), "-", steps)
		at := logged(t, direct, stream, 3, 4, 9).Add(30 * day)
		want := whole(t, direct, stream, 0)
		p := startProxy(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		var done atomic.Int64
		died := errors.New("died")
		p.spoil = func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
			if r.Method != http.MethodPut && r.Method != http.MethodDelete {
				return false
			}
			if done.Add(1) > int64(steps) {
				cancel(died)
				panic(http.ErrAbortHandler)
			}
			return false
		}
		_, err := open(t, p.Config).CompactStream(ctx, stream, at)
		cancel(nil)
		sameFold(t, direct, stream, want)
		if n, err := open(t, bucket).Position(t.Context(), stream); n != 16 || err != nil {
			t.Errorf("after %d steps: Position = %d, %v, want 16", steps, n, err)
		}
		if err == nil {
			if steps < 9 {
				t.Errorf("it was whole after %d steps, want two writes and seven deletions", steps)
			}
			return
		}
		if _, err := direct.CompactStream(t.Context(), stream, at); err != nil {
			t.Errorf("after %d steps, again: %v", steps, err)
		}
		if all := objects(t, direct, stream); len(all) != 9+2 {
			t.Errorf("after %d steps, again: %d objects, want 11: %q", steps, len(all), all)
		}
		sameFold(t, direct, stream, want)
	}
}

// TestCompactAtOnce: several merge, while others append and read.
func TestCompactAtOnce(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	at := logged(t, s, stream, 10, 10, 10, 10, 10).Add(30 * day)
	want := whole(t, s, stream, 0)
	var wg sync.WaitGroup
	for writer := range 3 {
		wg.Go(func() {
			if _, err := open(t, bucket).CompactStream(t.Context(), stream, at); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for i := range 5 {
				if _, err := open(t, bucket).Append(t.Context(), stream, "push", at, tagMoved(fmt.Sprint(writer, " ", i))); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 5 {
				n := 0
				for b, err := range open(t, bucket).Changes(t.Context(), stream, 0) {
					if err != nil {
						t.Error(err)
						return
					}
					if n++; b.Sequence != int64(n) {
						t.Errorf("batch %d is number %d", n, b.Sequence)
					}
				}
			}
		})
	}
	wg.Wait()
	got := whole(t, s, stream, 0)
	if len(got) != 50+15 {
		t.Fatalf("%d batches, want 65", len(got))
	}
	if diff := cmp.Diff(want, got[:50]); diff != "" {
		t.Errorf("(-before +merged):\n%s", diff)
	}
	sameFold(t, s, stream, got)
}

// TestWriterThatSlept: a writer whose number was taken and merged while it slept does not take it again, wherever it slept.
func TestWriterThatSlept(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"between appends", "before it writes", "after it wrote"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			s, stream := open(t, bucket), name(t)
			p := startProxy(t)
			sleeper := open(t, p.Config)
			var clock atomic.Int64
			sleeper.SetNow(func() time.Time { return noon.Add(time.Duration(clock.Load())) })
			if _, err := sleeper.Append(t.Context(), stream, "push", noon, tagMoved("first")); err != nil {
				t.Fatal(err)
			}
			sleep := func() {
				at := logged(t, s, stream, 5, 5, 10)
				if _, err := s.CompactStream(t.Context(), stream, at.Add(30*day)); err != nil {
					t.Error(err)
				}
				clock.Store(int64(40 * day))
			}
			var slept atomic.Bool
			p.spoil = func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
				if where == "before it writes" && r.Method == http.MethodPut && slept.CompareAndSwap(false, true) {
					sleep()
				}
				return false
			}
			if where == "between appends" {
				sleep()
			}
			seq, err := sleeper.Append(t.Context(), stream, "push", noon, tagMoved("second"))
			wanted := int64(22)
			if where == "after it wrote" {
				wanted = 2
				sleep()
			}
			if seq != wanted || err != nil {
				t.Errorf("Append = %d, %v, want %d", seq, err, wanted)
			}
			all := whole(t, s, stream, 0)
			if len(all) != 22 || all[seq-1].Changes[0].Tag != "second" {
				t.Errorf("%d batches, number %d is %+v", len(all), seq, all[seq-1])
			}
			sameFold(t, open(t, bucket), stream, all)
		})
	}
}

// TestStrayIsRemoved: a batch that a writer left at a number that stands merged, and died before it looked, is nobody's.
func TestStrayIsRemoved(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	at := logged(t, s, stream, 5, 5, 10).Add(30 * day)
	want := whole(t, s, stream, 0)
	if _, err := s.CompactStream(t.Context(), stream, at); err != nil {
		t.Fatal(err)
	}
	if err := blob.CreateJSON(t.Context(), s, blob.ChangeKey(stream, 3), plimsoll.ChangeBatch{Stream: stream, Sequence: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CompactStream(t.Context(), stream, at); err != nil {
		t.Error(err)
	}
	sameFold(t, s, stream, want)
}

// TestGapAmongMerged: a merged object that is lost is a gap, and so is a tail that is.
func TestGapAmongMerged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		lost          func(stream string) []string
		missing, next int64
	}{
		{"the first", func(stream string) []string { return []string{blob.MergedKey(stream, 1, 3)} }, 1, 4},
		{"one within", func(stream string) []string { return []string{blob.MergedKey(stream, 4, 7)} }, 4, 8},
		{"the last", func(stream string) []string { return []string{blob.MergedKey(stream, 8, 9)} }, 8, 10},
		{"a single one", func(stream string) []string { return []string{blob.ChangeKey(stream, 12)} }, 12, 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, stream := open(t, bucket), strings.ToLower(name(t))
			at := logged(t, s, stream, 3, 4, 2, 10).Add(30 * day)
			if _, err := s.CompactStream(t.Context(), stream, at); err != nil {
				t.Fatal(err)
			}
			for _, key := range tt.lost(stream) {
				if there, err := s.Head(t.Context(), key); !there || err != nil {
					t.Fatalf("%s: %t, %v", key, there, err)
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			var last int64
			var gap *blob.GapError
			for b, err := range s.Changes(t.Context(), stream, 0) {
				if err != nil {
					if !errors.As(err, &gap) {
						t.Fatalf("Changes ends with %v, want a gap", err)
					}
					break
				}
				last = b.Sequence
			}
			if last != tt.missing-1 || gap == nil || gap.Missing != tt.missing || gap.Next != tt.next {
				t.Errorf("up to %d and %+v, want up to %d, then %d", last, gap, tt.missing-1, tt.next)
			}
		})
	}
}

func TestMergedUnderAnotherKey(t *testing.T) {
	t.Parallel()
	s, stream := open(t, bucket), name(t)
	at := logged(t, s, stream, 3, 10).Add(30 * day)
	if _, err := s.CompactStream(t.Context(), stream, at); err != nil {
		t.Fatal(err)
	}
	o, err := s.Get(t.Context(), blob.MergedKey(stream, 1, 3))
	if err != nil {
		t.Fatal(err)
	}
	for what, bytes := range map[string][]byte{
		"another span":   bytes.Replace(o.Bytes, []byte(`"last":3`), []byte(`"last":4`), 1),
		"another number": bytes.Replace(o.Bytes, []byte(`"sequence":2`), []byte(`"sequence":5`), 1),
		"no batch":       bytes.Replace(o.Bytes, []byte(`"batches":[{`), []byte(`"batches":[7,{`), 1),
	} {
		if err := s.Put(t.Context(), blob.MergedKey(stream, 1, 3), bytes); err != nil {
			t.Fatal(err)
		}
		var got error
		for _, err := range s.Changes(t.Context(), stream, 0) {
			got = err
		}
		if !errors.Is(got, plimsoll.ErrIntegrity) {
			t.Errorf("%s: %v, want ErrIntegrity", what, got)
		}
	}
}
