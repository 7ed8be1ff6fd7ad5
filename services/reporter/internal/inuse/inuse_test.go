package inuse_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/inuse"
)

var shared blob.Config

func TestMain(m *testing.M) { os.Exit(blobtest.Main(m, &shared)) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// teller is a book with the last that it told, in a bucket of its own.
type teller struct {
	*inuse.Book
	mu   sync.Mutex
	last map[plimsoll.Digest]inuse.Seen
	now  time.Time
}

func open(t *testing.T, s *blob.Store) *teller {
	x := &teller{now: noon}
	x.Book = inuse.New(s, func() time.Time { return x.now }, func(all map[plimsoll.Digest]inuse.Seen) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.last = all
	})
	return x
}

func store(t *testing.T) *blob.Store {
	t.Helper()
	c, stop, err := blobtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s, err := blob.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func digest(i int) plimsoll.Digest { return plimsoll.DigestOf([]byte(fmt.Sprint(i))) }

func report(source string, at time.Time, images ...int) inuse.Report {
	r := inuse.Report{Source: source, Time: at}
	for _, i := range images {
		r.Digests = append(r.Digests, string(digest(i)))
	}
	return r
}

func record(t *testing.T, x *teller, r inuse.Report) {
	t.Helper()
	if _, err := x.Record(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// TestReportersShareWhatTheyAreTold: what is told to one is known to another one, and after a start.
func TestReportersShareWhatTheyAreTold(t *testing.T) {
	t.Parallel()
	s := store(t)
	a, b := open(t, s), open(t, s)
	record(t, a, report("east", noon, 1, 2, 2))
	record(t, b, report("west", noon.Add(-time.Hour), 2, 3))
	record(t, b, report("east", noon.Add(-time.Minute), 1)) // older than what is known
	want := map[plimsoll.Digest]inuse.Seen{
		digest(1): {"east": noon}, digest(2): {"east": noon, "west": noon.Add(-time.Hour)}, digest(3): {"west": noon.Add(-time.Hour)},
	}
	for name, x := range map[string]*teller{"a": a, "b": b, "one that starts": open(t, s)} {
		if err := x.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, x.last); diff != "" {
			t.Errorf("%s knows (-want +got):\n%s", name, diff)
		}
	}
}

// TestManyWritersLoseNothing: reporters that are told at once write the same objects.
func TestManyWritersLoseNothing(t *testing.T) {
	t.Parallel()
	s := store(t)
	var all sync.WaitGroup
	for i := range 8 {
		x := open(t, s)
		all.Go(func() { record(t, x, report(fmt.Sprint("cluster-", i), noon, i, 100)) })
	}
	all.Wait()
	x := open(t, s)
	if err := x.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(x.last) != 9 || len(x.last[digest(100)]) != 8 {
		t.Errorf("%d images, one of them by %d sources; want 9 and 8", len(x.last), len(x.last[digest(100)]))
	}
}

// TestAReportThatSaysNothingNewWritesNothing: a cluster may report every minute.
func TestAReportThatSaysNothingNewWritesNothing(t *testing.T) {
	t.Parallel()
	s := store(t)
	x := open(t, s)
	record(t, x, report("east", noon, 1))
	first, err := s.Get(t.Context(), keyOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	x.now = noon.Add(time.Hour)
	record(t, x, report("east", noon.Add(5*time.Minute), 1))
	if again, _ := s.Get(t.Context(), keyOf(t, s)); again.ETag != first.ETag {
		t.Error("five minutes later it is written again")
	}
	record(t, x, report("east", noon.Add(time.Hour), 1))
	if again, _ := s.Get(t.Context(), keyOf(t, s)); again.ETag == first.ETag {
		t.Error("an hour later it is not written")
	}
}

// keyOf is the only object.
func keyOf(t *testing.T, s *blob.Store) string {
	t.Helper()
	for e, err := range s.List(t.Context(), blob.PrefixInUse, "") {
		if err != nil {
			t.Fatal(err)
		}
		return e.Key
	}
	t.Fatal("nothing is written")
	return ""
}

func TestReportsAreChecked(t *testing.T) {
	t.Parallel()
	x := open(t, store(t))
	many := report("east", noon)
	for i := range inuse.MaxDigests + 1 {
		many.Digests = append(many.Digests, string(digest(i)))
	}
	for name, r := range map[string]inuse.Report{
		"no source":        report("", noon, 1),
		"a hostile source": report("<b>east", noon, 1),
		"a long source":    report(strings.Repeat("e", 64), noon, 1),
		"no digest":        report("east", noon),
		"too many":         many,
		"no digest's form": {Source: "east", Digests: []string{"sha256:../../../etc/passwd"}},
		"tomorrow":         report("east", noon.Add(24*time.Hour), 1),
		"long ago":         report("east", noon.AddDate(-2, 0, 0), 1),
	} {
		if _, err := x.Record(t.Context(), r); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if x.last != nil {
		t.Errorf("something is known: %v", x.last)
	}
}

// TestOldAndTooMuchGoes: what was seen long ago goes, and the oldest of too many sources.
func TestOldAndTooMuchGoes(t *testing.T) {
	t.Parallel()
	x := open(t, store(t))
	record(t, x, report("east", noon, 1))
	x.now = noon.AddDate(2, 0, 0)
	for i := range 20 {
		record(t, x, report(fmt.Sprint("c", i), x.now.Add(-time.Duration(20-i)*time.Hour), 1))
	}
	seen := x.last[digest(1)]
	if _, old := seen["east"]; old || len(seen) != 16 || seen["c19"].IsZero() || !seen["c0"].IsZero() {
		t.Errorf("seen by %v; want the 16 newest", seen)
	}
}

// TestDamagedIsBegunAnew: who tells tells again.
func TestDamagedIsBegunAnew(t *testing.T) {
	t.Parallel()
	s := store(t)
	x := open(t, s)
	record(t, x, report("east", noon, 1))
	for _, b := range []string{"no zstd", ""} {
		if err := s.PutSealed(t.Context(), keyOf(t, s), []byte(b), strings.Repeat("0", 64)); err != nil {
			t.Fatal(err)
		}
		if err := x.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		record(t, x, report("east", noon.Add(time.Minute), 1))
		if len(x.last) != 1 {
			t.Errorf("known: %v", x.last)
		}
	}
	if err := s.Put(t.Context(), keyOf(t, s), []byte(`{"images":{"x":7}}`)); err != nil {
		t.Fatal(err)
	}
	record(t, x, report("east", noon.Add(2*time.Minute), 1))
	if len(x.last) != 1 {
		t.Errorf("known: %v", x.last)
	}
}
