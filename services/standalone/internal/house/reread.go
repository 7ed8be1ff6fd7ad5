package house

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const (
	// changesABatch bounds one object of the change log: about 1 MB uncompressed.
	changesABatch = 2000
	// rereadReason is the coverage of a tag whose inventory is gone from the bucket.
	rereadReason = "its inventory is not in the bucket any more; the next sweep reads it again"
)

// reread has tags read again whose inventories the bucket lacks: a sweep leaves alone what refs/ call read. wanted says of which
// tags that is so. It gives how many they are. As everywhere, the log is told first.
func reread(ctx context.Context, s *blob.Store, actor string, now time.Time, wanted func(context.Context, plimsoll.Ref) (bool, error)) (tags int, err error) {
	for registry, err := range s.Folders(ctx, blob.PrefixRefs) {
		if err != nil {
			return tags, err
		}
		r := rereader{store: s, registry: registry, actor: actor, now: now}
		for shard, err := range s.AllRefs(ctx, registry) {
			if errors.Is(err, plimsoll.ErrIntegrity) {
				break // fsck tells of it; the others go on
			}
			if err != nil {
				return tags, err
			}
			if err := r.shard(ctx, shard, wanted); err != nil {
				return tags, err
			}
		}
		if err := r.flush(ctx); err != nil {
			return tags, err
		}
		tags += r.tags
	}
	return tags, nil
}

// rereader gathers the tags of one registry.
type rereader struct {
	store           *blob.Store
	registry, actor string
	now             time.Time
	changes         []plimsoll.Change
	tags            int
}

func (r *rereader) shard(ctx context.Context, shard plimsoll.RefShard, wanted func(context.Context, plimsoll.Ref) (bool, error)) error {
	for _, ref := range shard.Tags {
		lacks, err := wanted(ctx, ref)
		if err != nil {
			return err
		}
		if !lacks {
			continue
		}
		next := unread(ref)
		r.changes = append(r.changes, plimsoll.Change{
			Kind: plimsoll.ChangeCoverage, Repository: shard.Repository, Tag: ref.Tag, Digest: ref.Digest, Ref: &next, Text: rereadReason,
		})
	}
	if len(r.changes) >= changesABatch {
		return r.flush(ctx)
	}
	return nil
}

// unread is a tag as it stands before it is read: what it held before, and since when, stays.
func unread(ref plimsoll.Ref) plimsoll.Ref {
	ref.Recipe, ref.Platforms, ref.LastGood = "", nil, ""
	ref.Read = plimsoll.Coverage{State: plimsoll.ReadWaiting, Reason: rereadReason}
	return ref
}

func (r *rereader) flush(ctx context.Context) error {
	for batch := range slices.Chunk(r.changes, changesABatch) {
		if _, err := r.store.Append(ctx, r.registry, r.actor, r.now, batch); err != nil {
			return err
		}
		if err := r.merge(ctx, batch); err != nil {
			return fmt.Errorf("ask for images again: %w", err)
		}
		r.tags += len(batch)
	}
	r.changes = nil
	return nil
}

// merge brings what the log was told into refs/. A tag that somebody has looked at since is left as it is.
func (r *rereader) merge(ctx context.Context, batch []plimsoll.Change) error {
	by := map[string][]plimsoll.Ref{}
	for _, c := range batch {
		by[c.Repository] = append(by[c.Repository], *c.Ref)
	}
	for repository, refs := range by {
		_, err := r.store.MergeRefs(ctx, r.registry, repository, func(tags map[string]plimsoll.Ref) (changed []string) {
			for _, ref := range refs {
				if old, ok := tags[ref.Tag]; ok && old.Observed <= ref.Observed && old.Digest == ref.Digest {
					tags[ref.Tag] = ref
					changed = append(changed, ref.Tag)
				}
			}
			return changed
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inventoryKeys are the inventories that a tag's verdict stands on.
func inventoryKeys(ref plimsoll.Ref) (keys []string) {
	for _, p := range ref.Platforms {
		switch {
		case p.Kind != "" || !sound(p.Digest):
		case p.Partial && ref.Recipe != "":
			keys = append(keys, blob.PartialKey(ref.Recipe, p.Digest))
		case ref.Recipe != "" && p.Read[""].State != plimsoll.ReadFailed:
			keys = append(keys, blob.InventoryKey(ref.Recipe, p.Digest))
		}
	}
	return keys
}

// sound reports whether a digest from an object may become a key.
func sound(d plimsoll.Digest) bool {
	_, err := plimsoll.ParseDigest(string(d))
	return err == nil
}
