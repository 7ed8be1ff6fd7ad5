package blob

import (
	"context"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// widen spreads a repository over more shards: write the new, switch, remove the old. Readers see either set whole.
// [ErrExists] and errMoved are returned when somebody else was faster; what was written then does no harm.
func (s *Store) widen(ctx context.Context, set shardSet) error {
	tags := set.all()
	width := widthFor(len(tags), set.width)
	for i := range width {
		if err := s.writeNew(ctx, set, width, i, pick(tags, width, i)); err != nil {
			return fmt.Errorf("write the new: %w", err)
		}
	}
	// From here on a writer that read the old switch fails, as its tag has changed.
	head := plimsoll.RefShard{Registry: set.registry, Repository: set.repository, Width: width, Tags: []plimsoll.Ref{}}
	if err := s.replaceShard(ctx, RefKey(set.registry, set.repository, 0, 0), head, set.etag); err != nil {
		return fmt.Errorf("switch: %w", err)
	}
	for i := range set.width {
		if err := s.retire(ctx, set, i, width); err != nil {
			return fmt.Errorf("remove the old: %w", err)
		}
	}
	return nil
}

// widthFor is the power of two that leaves every shard about half full, and more than the width before.
func widthFor(tags, before int) int {
	width := max(2, before*2)
	for width < maxWidth && tags > width*fullShard {
		width *= 2
	}
	return width
}

// writeNew writes one shard of a set that is not live yet. Something may stand there: from an attempt that died, or of
// another writer who spreads the same repository now and may have seen newer tags. So nothing there is made older.
func (s *Store) writeNew(ctx context.Context, set shardSet, width, index int, tags map[string]plimsoll.Ref) error {
	there, etag, err := s.readShard(ctx, set, width, index)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return err
	}
	mergeNewer(tags, there.Tags)
	return s.writeShard(ctx, set, width, index, shard{etag: etag, tags: tags})
}

func mergeNewer(tags map[string]plimsoll.Ref, refs []plimsoll.Ref) {
	for _, r := range refs {
		if old, ok := tags[r.Tag]; !ok || Newer(old, r) {
			tags[r.Tag] = r
		}
	}
}

// retire takes one shard of the old set out of use. A writer that read the old switch may still have changed it: what
// it wrote is carried over, and the shard is then marked, so that every later write of such a writer fails.
func (s *Store) retire(ctx context.Context, set shardSet, index, width int) error {
	key := RefKey(set.registry, set.repository, set.width, index)
	for try := range maxMerges {
		stored, etag, err := s.readShard(ctx, set, set.width, index)
		if errors.Is(err, plimsoll.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if etag != set.shards[index].etag {
			if err := s.carry(ctx, set, stored.Tags, width); err != nil {
				return err
			}
		}
		mark := plimsoll.RefShard{Registry: set.registry, Repository: set.repository, Width: width, Shard: index, Tags: []plimsoll.Ref{}}
		err = s.replaceShard(ctx, key, mark, etag)
		if err == nil {
			return s.Delete(ctx, key)
		}
		if !errors.Is(err, ErrExists) {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %w: other writers were faster %d times", key, plimsoll.ErrUnavailable, maxMerges)
}

// carry merges refs into the live set of this width.
func (s *Store) carry(ctx context.Context, set shardSet, refs []plimsoll.Ref, width int) error {
	for i := range width {
		tags := pick(byTag(refs), width, i)
		if len(tags) == 0 {
			continue
		}
		if err := s.carryShard(ctx, set, width, i, tags); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) carryShard(ctx context.Context, set shardSet, width, index int, tags map[string]plimsoll.Ref) error {
	for try := range maxMerges {
		there, etag, err := s.readShard(ctx, set, width, index)
		if err != nil {
			return err
		}
		live := byTag(there.Tags)
		mergeNewer(live, sortedRefs(tags))
		err = s.writeShard(ctx, set, width, index, shard{etag: etag, tags: live})
		if !errors.Is(err, ErrExists) {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return fmt.Errorf("shard %d-%d: %w: other writers were faster %d times", width, index, plimsoll.ErrUnavailable, maxMerges)
}
