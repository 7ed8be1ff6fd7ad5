package sealed_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

func TestSealIsDeterministic(t *testing.T) {
	t.Parallel()
	var b []byte
	for i := range 20_000 {
		b = fmt.Appendf(b, `{"n":%d,"x":%d},`, i, i*i)
	}
	want, sum, err := sealed.Seal(b)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			got, s, err := sealed.Seal(b)
			if err != nil || s != sum || !bytes.Equal(got, want) {
				t.Errorf("Seal gives other bytes the second time (%v)", err)
			}
		})
	}
	wg.Wait()
}

// A frame that claims a window or content beyond the bounds is refused before memory is spent on it.
func TestOpenBounds(t *testing.T) {
	t.Parallel()
	wide, err := zstd.NewWriter(nil, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	frame := wide.EncodeAll(bytes.Repeat([]byte("x"), 65<<20), nil)
	if _, err := sealed.Open(frame, ""); err == nil {
		t.Error("Open accepts a window of 64 MiB")
	}
	// Magic, descriptor of a single segment with an 8-byte content size, 2^40 bytes (RFC 8878, 3.1.1.1).
	claim := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}
	if _, err := sealed.Open(claim, ""); !errors.Is(err, plimsoll.ErrLimit) && !errors.Is(err, plimsoll.ErrIntegrity) {
		t.Errorf("Open of a claim of 1 TiB = %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	stored, sum, err := sealed.Seal([]byte(`{"registry":"r"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stored, sum)
	f.Add(stored[:8], sum)
	f.Add([]byte{}, "")
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}, sum)
	f.Fuzz(func(t *testing.T, stored []byte, sum string) {
		b, err := sealed.Open(stored, sum)
		if err != nil {
			if !errors.Is(err, plimsoll.ErrIntegrity) && !errors.Is(err, plimsoll.ErrLimit) {
				t.Errorf("Open = %v, want ErrIntegrity or ErrLimit", err)
			}
			return
		}
		if actual := sealed.Sum(b); actual != sum {
			t.Errorf("Open accepts bytes of sha256 %s as %s", actual, sum)
		}
	})
}

// TestWriter: what is sealed in pieces opens as what is sealed at once, and to the same bytes each time, whatever was sealed before.
func TestWriter(t *testing.T) {
	t.Parallel()
	large, small := bytes.Repeat([]byte(`{"n":1,"x":"some text"},`), 100_000), []byte(`{"n":1}`)
	first := map[int][]byte{}
	for _, b := range [][]byte{small, large, nil, small, large, nil} {
		stored, sum := sealedInPieces(t, b)
		got, err := sealed.Open(stored, sum)
		if err != nil || sum != sealed.Sum(b) || !bytes.Equal(got, b) {
			t.Errorf("Open of %d bytes gives %d, sum %s, %v", len(b), len(got), sum, err)
		}
		if before, ok := first[len(b)]; ok && !bytes.Equal(before, stored) {
			t.Errorf("%d bytes gave another object the second time", len(b))
		}
		first[len(b)] = stored
		short, err := sealed.NewWriter(10)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := short.Close(); err == nil {
			t.Error("Close of an object that is too short gives no error")
		}
	}
}

func sealedInPieces(t *testing.T, b []byte) (stored []byte, sum string) {
	t.Helper()
	w, err := sealed.NewWriter(int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		n := min(len(b), 10_007)
		if _, err := w.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if stored, sum, err = w.Close(); err != nil {
		t.Fatal(err)
	}
	return stored, sum
}
