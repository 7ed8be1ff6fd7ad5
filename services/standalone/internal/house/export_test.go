package house

import (
	"context"
	"io"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// ReadArchive checks an archive.
func ReadArchive(r io.Reader) (Head, End, error) { return readArchive(r, nil) }

// CheckObject checks one object, whatever its key.
func CheckObject(ctx context.Context, s *blob.Store, o blob.Stored) error {
	k := kindOf(o.Key)
	if k == nil {
		return nil
	}
	c := &check{store: s, o: CheckOptions{Now: time.Now}, packs: map[string]bool{}}
	return c.object(ctx, k, o)
}

// Live is what a collection knows of versions of analysers.
type Live struct{ live }

// NewLive knows when each version last wrote facts.
func NewLive(newest map[string]time.Time) Live { return Live{live{newest: newest}} }

// Replaced says whether facts of a version go.
func (l Live) Replaced(folder string) bool { return l.replaced(folder) }

// BeforeBatch has something happen between the mark and each batch of deletions.
func BeforeBatch(o CollectOptions, f func()) CollectOptions {
	o.beforeBatch = f
	return o
}
