package blob

import (
	"context"
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// CheckWhole is an error while a backup is being restored into the bucket, or was by half: what it holds is then a part, and
// nobody may take it for the whole.
func (s *Store) CheckWhole(ctx context.Context) error {
	half, err := s.Head(ctx, RestoringKey)
	if err != nil {
		return err
	}
	if half {
		return fmt.Errorf("bucket %s: %w: a restore into it has not ended; run plimsoll restore again with the same backup", s.where, plimsoll.ErrInvalid)
	}
	return nil
}
