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
func Latest(ctx context.Context, s *blob.Store, c Cache) (*Index, error) {
	ids, err := generationIDs(ctx, s)
	if err != nil {
		return Empty(), err
	}
	slices.Reverse(ids)
	var faults error
	for _, id := range ids[:min(len(ids), maxBack)] {
		x, err := Load(ctx, s, c, id)
		if x != nil {
			return x, errors.Join(faults, err)
		}
		faults = errors.Join(faults, err)
		if ctx.Err() != nil {
			break
		}
	}
	return Empty(), faults
}

// generationIDs are the generations that the bucket holds, the oldest first.
func generationIDs(ctx context.Context, s *blob.Store) ([]string, error) {
	var ids []string
	for e, err := range s.List(ctx, blob.PrefixGenerations, "") {
		if err != nil {
			return nil, fmt.Errorf("list generations: %w", err)
		}
		ids = append(ids, strings.TrimPrefix(e.Key, blob.PrefixGenerations))
	}
	return ids, nil
}

// Load opens one generation: as the cache holds it, else compiled from its packs, of which only those are read that the
// newest index in the cache does not hold. An error beside an index says why it could not be kept.
func Load(ctx context.Context, s *blob.Store, c Cache, id string) (*Index, error) {
	g, err := blob.ReadJSON[plimsoll.Generation](ctx, s, blob.GenerationKey(id))
	if err != nil {
		return nil, fmt.Errorf("generation %s: %w", id, err)
	}
	if g.ID != id {
		return nil, fmt.Errorf("generation %s: %w: it calls itself %q", id, plimsoll.ErrIntegrity, g.ID)
	}
	if x, err := c.open(g); err == nil {
		return x, nil
	}
	have := c.newest()
	x, err := compile(ctx, s, g, have.segments, have.tables)
	if err != nil {
		return nil, fmt.Errorf("generation %s: %w", id, err)
	}
	return x, c.keep(x)
}

// compile makes the index of a generation. Feeds whose segment or table is at hand are not read again.
func compile(ctx context.Context, s *blob.Store, g plimsoll.Generation, have []*segment, tables []table) (*Index, error) {
	feeds := append(slices.Clone(g.Feeds), g.Own)
	segments := make([]*segment, len(feeds))
	errs := make([]error, len(feeds))
	eachCore(len(feeds), func(i int) {
		if feeds[i].Pack != "" {
			segments[i], errs[i] = segmentOf(ctx, s, feeds[i], have)
		}
	})
	tables, err := compileEnrichment(ctx, s, g, tables)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	x, err := assemble(g, slices.DeleteFunc(segments, func(s *segment) bool { return s == nil }))
	if err != nil {
		return nil, err
	}
	x.tables = tables
	return x, nil
}

// eachCore calls f with every number below n, on as many goroutines as there are cores.
func eachCore(n int, f func(i int)) {
	next := make(chan int)
	var pool sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		pool.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	pool.Wait()
}

// segmentOf is a feed's segment: one of those at hand, or compiled from its pack.
func segmentOf(ctx context.Context, s *blob.Store, f plimsoll.Feed, have []*segment) (*segment, error) {
	if h := segmentAt(have, f); h != nil {
		return h, nil
	}
	records, err := readPack(ctx, s, f.Ecosystem, f.Pack)
	if err != nil {
		return nil, err
	}
	return compileSegment(f.Ecosystem, f.Pack, records, only(f.Ecosystem))
}

// segmentAt is the segment of a feed in the state that it is in; nil when it is not among them.
func segmentAt(have []*segment, f plimsoll.Feed) *segment {
	for _, h := range have {
		if h.feed == f.Ecosystem && h.pack == f.Pack && h.pack != "" {
			return h
		}
	}
	return nil
}
