package store

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

var bucket blob.Config

func TestMain(m *testing.M) { os.Exit(blobtest.Main(m, &bucket)) }

var analyzers = []plimsoll.Analyzer{{Name: plimsoll.AnalyzerTree, Version: 1, Config: "0"}, {Name: plimsoll.AnalyzerPackages, Version: 1, Config: "0"}}

func open(t *testing.T) *Store {
	t.Helper()
	b, err := blob.Open(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	return New(b, "recipe", analyzers, slog.New(slog.DiscardHandler))
}

func factsOf(a plimsoll.Analyzer, layer plimsoll.Digest) plimsoll.Facts {
	return plimsoll.Facts{Layer: layer, Analyzer: a, Read: plimsoll.Complete()}
}

// sealedFacts is what a child sends.
func sealedFacts(t *testing.T, f plimsoll.Facts) Sealed {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	stored, sum, err := sealed.Seal(b)
	if err != nil {
		t.Fatal(err)
	}
	return Sealed{Analyzer: f.Analyzer, Bytes: stored, Sum: sum}
}

// TestFactsUnderAWrongKey: an object that does not match its key is a miss, is dropped and can be made again (HOSTILE H53).
func TestFactsUnderAWrongKey(t *testing.T) {
	ctx := t.Context()
	layer, other := plimsoll.DigestOf([]byte(t.Name())), plimsoll.DigestOf([]byte("other"))
	tests := map[string]func(s *Store, key string) error{
		"another layer's": func(s *Store, key string) error { return blob.PutJSON(ctx, s.blobs, key, factsOf(analyzers[0], other)) },
		"another analyser's": func(s *Store, key string) error {
			return blob.PutJSON(ctx, s.blobs, key, factsOf(analyzers[1], layer))
		},
		"no JSON":     func(s *Store, key string) error { return s.blobs.Put(ctx, key, []byte("x")) },
		"wrong types": func(s *Store, key string) error { return s.blobs.Put(ctx, key, []byte(`{"layer":[]}`)) },
	}
	for name, tamper := range tests {
		s := open(t)
		key := blob.FactsKey(analyzers[0], layer)
		want := factsOf(analyzers[0], layer)
		if err := s.KeepFacts(ctx, want.Layer, sealedFacts(t, want)); err != nil {
			t.Fatal(err)
		}
		if err := tamper(s, key); err != nil {
			t.Fatal(err)
		}
		// What this worker wrote itself it knows without asking, once.
		own, _, err := s.Facts(ctx, analyzers[0], layer)
		if diff := cmp.Diff(want, own); diff != "" || err != nil {
			t.Errorf("%s: what was just written, (-want +got):\n%s%v", name, diff, err)
		}
		if _, _, err := s.Facts(ctx, analyzers[0], layer); !errors.Is(err, plimsoll.ErrNotFound) {
			t.Errorf("%s: error %v, want not found", name, err)
		}
		missing, err := s.Missing(ctx, layer)
		if err != nil || len(missing) != 2 {
			t.Errorf("%s: missing %v, %v; want both", name, missing, err)
		}
		if err := s.KeepFacts(ctx, want.Layer, sealedFacts(t, want)); err != nil {
			t.Fatal(err)
		}
		got, _, err := s.Facts(ctx, analyzers[0], layer)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: made again (-want +got, %v):\n%s", name, err, diff)
		}
		if err := s.blobs.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTamperedFactsAreOverwritten: facts are written over an object at their key that belongs elsewhere.
func TestTamperedFactsAreOverwritten(t *testing.T) {
	s := open(t)
	layer := plimsoll.DigestOf([]byte(t.Name()))
	if err := blob.PutJSON(t.Context(), s.blobs, blob.FactsKey(analyzers[0], layer), factsOf(analyzers[1], layer)); err != nil {
		t.Fatal(err)
	}
	want := factsOf(analyzers[0], layer)
	if err := s.KeepFacts(t.Context(), want.Layer, sealedFacts(t, want)); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Facts(t.Context(), analyzers[0], layer); err != nil || !cmp.Equal(got, want) {
		t.Errorf("Facts = %+v, %v", got, err)
	}
}

func TestFirstFactsStay(t *testing.T) {
	s := open(t)
	layer := plimsoll.DigestOf([]byte(t.Name()))
	first, second := factsOf(analyzers[0], layer), factsOf(analyzers[0], layer)
	second.Size = 1
	for _, f := range []plimsoll.Facts{first, first, second} {
		if err := s.KeepFacts(t.Context(), f.Layer, sealedFacts(t, f)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _, err := s.Facts(t.Context(), analyzers[0], layer); err != nil || !cmp.Equal(got, first) {
		t.Errorf("Facts = %+v, %v; want the first", got, err)
	}
}

func TestAttempts(t *testing.T) {
	s := open(t)
	layer := plimsoll.DigestOf([]byte(t.Name()))
	for want := 1; want <= 3; want++ {
		got, err := s.CountAttempt(t.Context(), layer, "", "damaged")
		if err != nil || got.Count != want {
			t.Fatalf("CountAttempt = %+v, %v; want %d", got, err, want)
		}
	}
	got, err := s.CountAttempt(t.Context(), layer, plimsoll.AnalyzerPackages, "os/dpkg: crashed")
	if err != nil || got.Count != 3 || got.Analyzers[plimsoll.AnalyzerPackages] != (plimsoll.AnalyzerAttempt{Count: 1, Reason: "os/dpkg: crashed"}) {
		t.Fatalf("CountAttempt of an analyser = %+v, %v", got, err)
	}
	if err := s.ClearAttempts(t.Context(), layer); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Attempt(t.Context(), layer); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("Attempt after clearing: %v", err)
	}
}

func TestPresence(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	p := newPresence(func() time.Time { return now })
	p.add(0, "a")
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {presentFor/2 + 1, true}, {presentFor/2 + 1, false}} {
		now = now.Add(step.after)
		if got := p.has(0, "a"); got != step.want {
			t.Errorf("after %s: has = %v, want %v", now.Sub(time.Unix(0, 0)), got, step.want)
		}
	}
	p.add(0, "b")
	p.drop(0, "b")
	if p.has(0, "b") || p.has(1, "a") {
		t.Error("dropped or unknown facts are said to be there")
	}
	for i := range 3 * maxPresent {
		p.add(i, "c")
	}
	if n := len(p.young) + len(p.old); n > 2*maxPresent {
		t.Errorf("%d entries, want at most %d", n, 2*maxPresent)
	}
}

// TestFingerprintKeyIsOne: workers that start at once agree on one key.
func TestFingerprintKeyIsOne(t *testing.T) {
	s := open(t)
	keys := make(chan string, 8)
	for range cap(keys) {
		go func() {
			k, err := FingerprintKey(t.Context(), s.blobs)
			if err != nil {
				t.Error(err)
			}
			keys <- string(k)
		}()
	}
	first := <-keys
	for range cap(keys) - 1 {
		if k := <-keys; k != first || len(k) != keyBytes {
			t.Fatalf("two keys of %d and %d bytes", len(first), len(k))
		}
	}
}
