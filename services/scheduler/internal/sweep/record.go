package sweep

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const (
	// storeAtOnce is how many refs objects are read or written side by side: small requests, whose time is the round trip.
	storeAtOnce = 8
	// changesABatch bounds one object of the change log: about 1 MB uncompressed.
	changesABatch = 2000
)

// record makes the differences lasting: first the change log, then refs/. A crash in between repeats entries, which say
// whole states, and loses none. Repositories without a difference cost nothing.
func (p *pass) record(ctx context.Context, found []difference) error {
	var changes []plimsoll.Change
	for _, d := range found {
		changes = append(changes, d.changes...)
	}
	if err := p.append(ctx, p.in.Registry, actorOf(p.in.Actor), changes); err != nil {
		return err
	}
	return sideBySide(ctx, len(found), storeAtOnce, func(ctx context.Context, i int) error {
		return p.merge(ctx, p.in.Registry, found[i])
	})
}

// append adds changes to the registry's stream and hints at each batch. A lost hint is logged: the log itself stands.
func (s *Sweeper) append(ctx context.Context, id, actor string, changes []plimsoll.Change) error {
	for batch := range slices.Chunk(changes, changesABatch) {
		sequence, err := s.Store.Append(ctx, id, actor, s.Now().UTC(), batch)
		if err != nil {
			return fmt.Errorf("append to the change log of %s: %w", id, err)
		}
		if err := s.Queue.Event(ctx, &scanv1.Event{Stream: id, Sequence: sequence}); err != nil {
			s.Log.Warn("hint at the change log is lost", "registry", id, "sequence", sequence, "error", err)
		}
	}
	return nil
}

// merge writes a repository's difference, tag by tag: the newer observation wins, but for what was read meanwhile.
func (s *Sweeper) merge(ctx context.Context, id string, d difference) error {
	if len(d.write)+len(d.remove) == 0 {
		return nil
	}
	_, err := s.Store.MergeRefs(ctx, id, d.repository, func(tags map[string]plimsoll.Ref) (changed []string) {
		for _, tag := range slices.Sorted(maps.Keys(d.write)) {
			if newer(tags, tag, d.write[tag]) {
				tags[tag] = d.write[tag].After(tags[tag])
				changed = append(changed, tag)
			}
		}
		for _, tag := range slices.Sorted(maps.Keys(d.remove)) {
			if _, there := tags[tag]; there && newer(tags, tag, d.remove[tag]) {
				delete(tags, tag)
				changed = append(changed, tag)
			}
		}
		return changed
	})
	if err != nil {
		return fmt.Errorf("write refs of %s: %w", d.repository, err)
	}
	return nil
}

// newer says that ref was observed after what tags hold.
func newer(tags map[string]plimsoll.Ref, tag string, ref plimsoll.Ref) bool {
	was, ok := tags[tag]
	return !ok || blob.Newer(was, ref)
}
