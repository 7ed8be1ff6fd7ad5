package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

// TestHostileFacts is H53: whatever somebody with a key to the bucket has put where facts belong, it is a miss, and honest facts are
// written over it. Objects under a wrong key are in TestFactsUnderAWrongKey.
func TestHostileFacts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	future := analyzers[0]
	future.Version += 7
	layer := plimsoll.DigestOf([]byte(t.Name()))
	honest, sum, err := sealed.Seal(jsonOf(t, factsOf(analyzers[0], layer)))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(honest)
	flipped[len(flipped)/2] ^= 1
	for name, o := range map[string]object{
		"zero bytes":             {nil, sum},
		"zero bytes, their hash": {nil, sealed.Sum(nil)},
		"flipped bit":            {flipped, sum},
		"cut":                    {honest[:len(honest)/2], sum},
		"another hash":           {honest, strings.Repeat("0", 64)},
		"no hash":                {honest, ""},
		"no zstd":                {[]byte("facts"), sealed.Sum([]byte("facts"))},
		"window of 2 GiB":        {[]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00}, sealed.Sum(nil)},
		"of a future version":    stored(t, factsOf(future, layer)),
		"of no schema":           stored(t, map[string]any{"version": 99, "hello": "world"}),
		"an array":               stored(t, []int{1, 2, 3}),
		"null":                   stored(t, nil),
		"a million levels deep":  storedBytes(t, bytes.Repeat([]byte(`{"a":`), 1_000_000)),
		"a text of 64 MiB":       storedBytes(t, append(append([]byte(`{"layer":"`), bytes.Repeat([]byte("x"), 64<<20)...), `"}`...)),
	} {
		s := open(t)
		key, want := blob.FactsKey(analyzers[0], layer), factsOf(analyzers[0], layer)
		if err := s.blobs.PutSealed(ctx, key, o.stored, o.sum); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, _, err := s.Facts(ctx, analyzers[0], layer); !errors.Is(err, plimsoll.ErrNotFound) {
			t.Errorf("%s: read as %+v, %v; want a miss", name, got, err)
		}
		if err := s.KeepFacts(ctx, layer, sealedFacts(t, want)); err != nil {
			t.Errorf("%s: facts could not be made again: %v", name, err)
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

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// object is what stands in the bucket: bytes, and the hash in its metadata.
type object struct {
	stored []byte
	sum    string
}

// stored seals a value as its rightful writer would.
func stored(t *testing.T, v any) object {
	t.Helper()
	return storedBytes(t, jsonOf(t, v))
}

func storedBytes(t *testing.T, b []byte) object {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return object{w.EncodeAll(b, nil), sealed.Sum(b)}
}
