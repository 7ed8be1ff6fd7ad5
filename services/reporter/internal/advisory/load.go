package advisory

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// maxBack is how many damaged generations are passed over in search of a usable one.
const maxBack = 10

// Latest is the newest generation that the bucket holds, compiled; the empty index when it holds none. A damaged one is
// passed over for the one before, and said in the error beside the index, which is never nil.
func Latest(ctx context.Context, s *blob.Store) (*Index, error) {
	var ids []string
	for e, err := range s.List(ctx, blob.PrefixGenerations, "") {
		if err != nil {
			return Empty(), fmt.Errorf("list generations: %w", err)
		}
		ids = append(ids, strings.TrimPrefix(e.Key, blob.PrefixGenerations))
	}
	slices.Reverse(ids)
	var faults error
	for _, id := range ids[:min(len(ids), maxBack)] {
		x, err := Load(ctx, s, id)
		if err == nil {
			return x, faults
		}
		faults = errors.Join(faults, err)
		if ctx.Err() != nil {
			break
		}
	}
	return Empty(), faults
}

// Load reads one generation and compiles it.
func Load(ctx context.Context, s *blob.Store, id string) (*Index, error) {
	g, err := blob.ReadJSON[plimsoll.Generation](ctx, s, blob.GenerationKey(id))
	if err != nil {
		return nil, fmt.Errorf("generation %s: %w", id, err)
	}
	if g.ID != id {
		return nil, fmt.Errorf("generation %s: %w: it calls itself %q", id, plimsoll.ErrIntegrity, g.ID)
	}
	all := make([][]plimsoll.Advisory, len(g.Feeds))
	if err := openPacks(ctx, s, g.Feeds, all); err != nil {
		return nil, fmt.Errorf("generation %s: %w", id, err)
	}
	return compile(g, all), nil
}

// openPacks reads the packs of feeds whose records are not there yet, as many at once as there are cores.
func openPacks(ctx context.Context, s *blob.Store, feeds []plimsoll.Feed, all [][]plimsoll.Advisory) error {
	errs := make([]error, len(feeds))
	next := make(chan int)
	var pool sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		pool.Go(func() {
			for i := range next {
				all[i], errs[i] = readPack(ctx, s, feeds[i].Ecosystem, feeds[i].Pack)
			}
		})
	}
	for i, f := range feeds {
		if all[i] == nil && f.Pack != "" {
			next <- i
		}
	}
	close(next)
	pool.Wait()
	return errors.Join(errs...)
}
