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
