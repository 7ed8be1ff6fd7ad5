package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

func TestSealIsDeterministic(t *testing.T) {
	t.Parallel()
	var b []byte
	for i := range 20_000 {
		b = fmt.Appendf(b, `{"n":%d,"x":%d},`, i, i*i)
	}
	want, sum, err := blob.Seal(b)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			got, s, err := blob.Seal(b)
			if err != nil || s != sum || !bytes.Equal(got, want) {
				t.Errorf("Seal gives other bytes the second time (%v)", err)
			}
		})
	}
	wg.Wait()
}

// A frame that claims a window or content beyond the bounds is refused before memory is spent on it.
func TestUnsealBounds(t *testing.T) {
	t.Parallel()
	wide, err := zstd.NewWriter(nil, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	frame := wide.EncodeAll(bytes.Repeat([]byte("x"), 65<<20), nil)
	if _, err := blob.Unseal(frame, ""); err == nil {
		t.Error("Unseal accepts a window of 64 MiB")
	}
	// Magic, descriptor of a single segment with an 8-byte content size, 2^40 bytes (RFC 8878, 3.1.1.1).
	claim := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}
	if _, err := blob.Unseal(claim, ""); !errors.Is(err, plimsoll.ErrLimit) && !errors.Is(err, plimsoll.ErrIntegrity) {
		t.Errorf("Unseal of a claim of 1 TiB = %v", err)
	}
}

func FuzzUnseal(f *testing.F) {
	stored, sum, err := blob.Seal([]byte(`{"registry":"r"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stored, sum)
	f.Add(stored[:8], sum)
	f.Add([]byte{}, "")
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}, sum)
	f.Fuzz(func(t *testing.T, stored []byte, sum string) {
		b, err := blob.Unseal(stored, sum)
		if err != nil {
			if !errors.Is(err, plimsoll.ErrIntegrity) && !errors.Is(err, plimsoll.ErrLimit) {
				t.Errorf("Unseal = %v, want ErrIntegrity or ErrLimit", err)
			}
			return
		}
		if _, again, _ := blob.Seal(b); again != sum {
			t.Errorf("Unseal accepts bytes of sha256 %s as %s", again, sum)
		}
	})
}
