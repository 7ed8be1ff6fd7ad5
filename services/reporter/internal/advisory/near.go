package advisory

import (
	"context"
	"fmt"
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Near compiles a generation that stands beside another one in time: feeds that are the same in near, or in the cache, are
// not read again. It keeps nothing, so that a look at the past does not take the place of the present in the cache. near may
// be nil.
func Near(ctx context.Context, s *blob.Store, c Cache, id string, near *Index) (*Index, error) {
	g, err := blob.ReadJSON[plimsoll.Generation](ctx, s, blob.GenerationKey(id))
	if err != nil {
		return nil, fmt.Errorf("generation %s: %w", id, err)
	}
	if g.ID != id {
		return nil, fmt.Errorf("generation %s: %w: it calls itself %q", id, plimsoll.ErrIntegrity, g.ID)
	}
	kept := c.newest()
	segments, tables := kept.segments, kept.tables
	if near != nil {
		segments, tables = slices.Concat(near.segments, segments), slices.Concat(near.tables, tables)
	}
	x, err := compile(ctx, s, g, segments, tables)
	if err != nil {
		return nil, fmt.Errorf("generation %s: %w", id, err)
	}
	return x, nil
}
