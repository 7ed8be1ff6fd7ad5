package house

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// registryID is the form of a registry's id (services/internal/config).
var registryID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Forget takes a registry out of the posture that is not configured any more: its tags go, and the change log says so, with the
// cause "scope". Its log and its sweeps stay: past moments show what it held. Facts, images and inventories that nothing else
// names are for gc. It gives how many tags went; it may be cut and run again.
func Forget(ctx context.Context, s *blob.Store, registry, actor string, now time.Time) (tags int, err error) {
	if !registryID.MatchString(registry) {
		return 0, fmt.Errorf("registry %.80q: %w: it is no registry's id", registry, plimsoll.ErrInvalid)
	}
	var gone []plimsoll.Change
	for shard, err := range s.AllRefs(ctx, registry) {
		if err != nil {
			return 0, fmt.Errorf("forget %s: %w; look with: plimsoll fsck", registry, err)
		}
		for _, r := range shard.Tags {
			gone = append(gone, plimsoll.Change{Kind: plimsoll.ChangeGone, Repository: shard.Repository, Tag: r.Tag, Previous: r.Digest, Text: plimsoll.GoneForgotten})
		}
	}
	if len(gone) == 0 {
		if there, err := s.Position(ctx, registry); err != nil || there == 0 {
			return 0, errors.Join(err, fmt.Errorf("registry %s: %w: the bucket holds nothing of it", registry, plimsoll.ErrNotFound))
		}
	}
	// The log is told first: who reads it takes the tags away, whether or not this is cut.
	for batch := range slices.Chunk(gone, changesABatch) {
		if _, err := s.Append(ctx, registry, actor, now, batch); err != nil {
			return tags, fmt.Errorf("forget %s: %w; run it again", registry, err)
		}
		tags += len(batch)
	}
	for _, prefix := range []string{blob.PrefixRefs, blob.PrefixPlans} {
		for e, err := range s.List(ctx, prefix+registry+"/", "") {
			if err == nil {
				err = s.Delete(ctx, e.Key)
			}
			if err != nil {
				return tags, fmt.Errorf("forget %s: %w; run it again", registry, err)
			}
		}
	}
	return tags, nil
}
