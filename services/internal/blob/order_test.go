package blob_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
)

func TestInOrder(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, tc := range []struct {
		name           string
		keysEnd, fails int // keys end with an error after so many; fetch fails at this key; -1: never
		stop           int // the reader stops after so many
		want           int
		err            error
	}{
		{"all", -1, -1, 1000, 50, nil},
		{"keys fail", 20, -1, 1000, 20, boom},
		{"fetch fails", -1, 30, 1000, 30, boom},
		{"reader stops", -1, -1, 5, 5, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				keys := func(yield func(int, error) bool) {
					for i := range 50 {
						if i == tc.keysEnd {
							yield(0, boom)
							return
						}
						if !yield(i, nil) {
							return
						}
					}
				}
				var running, most atomic.Int32
				fetch := func(ctx context.Context, i int) (int, error) {
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					time.Sleep(time.Duration(50-i) * time.Millisecond) // synthetic: later keys are faster
					if i == tc.fails {
						return 0, boom
					}
					return i, nil
				}
				got, end := 0, error(nil)
				for v, err := range blob.InOrder(t.Context(), 4, keys, fetch) {
					if err != nil {
						end = err
						break
					}
					if v != got {
						t.Fatalf("got %d, want %d", v, got)
					}
					if got++; got == tc.stop {
						break
					}
				}
				if got != tc.want || !errors.Is(end, tc.err) {
					t.Errorf("%d values and %v, want %d and %v", got, end, tc.want, tc.err)
				}
				if running.Load() != 0 || most.Load() > 4 {
					t.Errorf("%d calls left, %d at once", running.Load(), most.Load())
				}
			})
		})
	}
}
