package posture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const (
	// recentBatches is how many of each stream's last batches the list of what happened lately holds.
	recentBatches = 100
	// streamsEvery is how often the bucket is asked for streams that are not known: a registry configured elsewhere.
	streamsEvery = 30 * time.Second
)

// fold builds a new state and replaces the old one with it.
func (e *Engine) fold(ctx context.Context) error {
	s := e.newState()
	e.notePositions(ctx, s)
	for _, registry := range e.registryIDs(ctx, s) {
		e.foldSweeps(ctx, s, registry)
		e.foldRefs(ctx, s, registry)
	}
	e.recall(ctx, s)
	e.beginnings(ctx, s)
	if err := errors.Join(e.listRecipes(ctx, s), context.Cause(ctx)); err != nil {
		return err
	}
	if err := e.load(ctx, s); err != nil {
		return err
	}
	e.state = s
	_, err := e.follow(ctx, false)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.publish()
	return errors.Join(err, faultsError(s))
}

// faultsError is what a fold could not read, as one error.
func faultsError(s *state) error {
	var all []error
	for _, text := range s.allFaults() {
		all = append(all, errors.New(text))
	}
	return errors.Join(all...)
}

// notePositions remembers where each stream stands before anything is read, so that what changes meanwhile is seen again.
func (e *Engine) notePositions(ctx context.Context, s *state) {
	e.listStreams(ctx, s)
	for stream := range s.streams {
		n, err := e.cfg.Store.Position(ctx, stream)
		s.fault("position of "+stream, err)
		if err == nil {
			s.positions[stream] = n
		}
	}
}

// listStreams finds the streams to follow: those of configured registries, our own two, and what else the bucket has.
func (e *Engine) listStreams(ctx context.Context, s *state) {
	s.streams[plimsoll.StreamAdvisories], s.streams[plimsoll.StreamDecisions] = true, true
	for _, r := range e.cfg.Registries {
		s.streams[r.ID] = true
	}
	all, err := e.cfg.Store.Streams(ctx)
	s.fault("streams", err)
	for _, stream := range all {
		s.streams[stream] = true
	}
	s.listed = e.cfg.Now()
}

// registryIDs are the registries whose tags are folded: configured ones, and others that the bucket knows.
func (e *Engine) registryIDs(ctx context.Context, s *state) []string {
	var ids []string
	for _, r := range e.cfg.Registries {
		ids = append(ids, r.ID)
	}
	for _, prefix := range []string{blob.PrefixRefs, blob.PrefixSweeps} {
		for name, err := range e.cfg.Store.Folders(ctx, prefix) {
			s.fault(prefix, err)
			if err != nil {
				break
			}
			ids = append(ids, name)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// foldRefs takes a registry's tags from refs/. Where that cannot be read whole, what is known already stays.
func (e *Engine) foldRefs(ctx context.Context, s *state, registry string) {
	s.folded[registry] = true
	seen := map[refKey]bool{}
	for shard, err := range e.cfg.Store.AllRefs(ctx, registry) {
		s.fault("refs of "+registry, err)
		if err != nil {
			return
		}
		for _, r := range shard.Tags {
			k := refKey{registry, shard.Repository, r.Tag}
			seen[k] = true
			s.renew(k, r)
		}
	}
	for k := range s.tags {
		if k.registry == registry && !seen[k] {
			s.drop(k)
		}
	}
}

// renew takes a tag's state from refs/, where it says something else than what is known.
func (s *state) renew(k refKey, r plimsoll.Ref) {
	if t := s.tags[k]; t != nil && t.ref.Observed == r.Observed && t.ref.Digest == r.Digest && t.ref.Recipe == r.Recipe {
		return
	}
	s.set(k, r)
	s.do.reread(s, s.tags[k])
}

// foldSweeps takes the newest sweeps of a registry.
func (e *Engine) foldSweeps(ctx context.Context, s *state, registry string) {
	prefix := blob.PrefixSweeps + registry + "/"
	var keys []string
	for entry, err := range e.cfg.Store.List(ctx, prefix, "") {
		s.fault(prefix, err)
		if err != nil {
			return
		}
		if keys = append(keys, entry.Key); len(keys) > maxSweeps {
			keys = keys[1:]
		}
	}
	for _, key := range keys {
		e.readSweep(ctx, s, registry, strings.TrimPrefix(key, prefix))
	}
}

func (e *Engine) readSweep(ctx context.Context, s *state, registry, slot string) {
	key := blob.SweepKey(registry, slot)
	x, err := blob.ReadJSON[plimsoll.Sweep](ctx, e.cfg.Store, key)
	if err == nil && (x.Registry != registry || x.Slot != slot) {
		err = fmt.Errorf("%s: %w: it is about sweep %s of %s", key, plimsoll.ErrIntegrity, x.Slot, x.Registry)
	}
	s.fault(key, err)
	if err == nil {
		s.sweep(x)
	}
}

// recall reads the last batches before the noted positions, for what happened lately.
func (e *Engine) recall(ctx context.Context, s *state) {
	for stream, position := range s.positions {
		for batch, err := range e.cfg.Store.Changes(ctx, stream, max(0, position-recentBatches)) {
			if err != nil || batch.Sequence > position {
				break // follow meets the fault again if it is one of now
			}
			s.remember(stream, batch.Sequence, eventsOf(batch)...)
		}
	}
}

// eventsOf are what people want to know of a batch. That feeds were looked at is none of it: it happens every hour.
func eventsOf(b plimsoll.ChangeBatch) []Event {
	out := make([]Event, 0, len(b.Changes))
	for i, c := range b.Changes {
		if c.Kind != plimsoll.ChangeFeeds {
			out = append(out, Event{Time: b.Time, Stream: b.Stream, Actor: b.Actor, Change: c, sequence: b.Sequence, index: i})
		}
	}
	return out
}
