package posture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// advance follows the log and forms what time changed.
func (e *Engine) advance(ctx context.Context) (bool, error) {
	s := e.state
	moved, err := e.follow(ctx, false)
	if ctx.Err() != nil {
		return false, context.Cause(ctx) // nothing is shown half loaded
	}
	e.do.retry(s, e.cfg.Now())
	if lerr := e.load(ctx, s); lerr != nil {
		return false, lerr
	}
	e.age(s)
	if !moved && len(s.dirty) == 0 && slices.Equal(e.view.Load().faults, s.allFaults()) {
		return false, err
	}
	e.publish()
	e.tellPushes()
	return true, err
}

// follow reads the tail of each stream and takes in what it says. A stream with a gap stops where it is; the others go on.
// Where a sweep has ended, its counts are compared with what is folded; whole reads the registry's tags again whatever they
// say: after a long tail, counts may be equal by chance.
func (e *Engine) follow(ctx context.Context, whole bool) (moved bool, err error) {
	s := e.state
	if e.cfg.Now().Sub(s.listed) >= streamsEvery {
		e.listStreams(ctx, s)
	}
	ended := map[string]string{}
	for _, stream := range slices.Sorted(maps.Keys(s.streams)) {
		read, serr := e.followStream(ctx, s, stream, ended)
		moved = moved || read
		if serr != nil {
			s.stuck[stream] = serr
			err = errors.Join(err, fmt.Errorf("change log of %s: %w", stream, serr))
		} else {
			delete(s.stuck, stream)
		}
	}
	for registry, slot := range ended {
		if whole {
			e.foldRefs(ctx, s, registry)
		} else {
			e.do.compare(ctx, s, registry, slot)
		}
	}
	return moved, errors.Join(err, e.load(ctx, s))
}

// followStream takes in the batches after the stream's position.
func (e *Engine) followStream(ctx context.Context, s *state, stream string, ended map[string]string) (moved bool, err error) {
	for batch, err := range e.cfg.Store.Changes(ctx, stream, s.positions[stream]) {
		if err != nil {
			return moved, err
		}
		if batch.Sequence == 1 {
			s.began[stream] = batch.Time
		}
		for _, c := range batch.Changes {
			e.apply(ctx, s, stream, c, ended)
			if c.Kind == plimsoll.ChangeInventory && !c.Asked.IsZero() {
				e.pushed = append(e.pushed, pushOf(stream, c, e.cfg.Now()))
			}
		}
		s.remember(stream, batch.Sequence, eventsOf(batch)...)
		s.positions[stream] = batch.Sequence
		moved = true
	}
	return moved, nil
}

// apply takes in one change. Of two states of a tag the same one wins as in refs/: what the log says again changes nothing.
func (e *Engine) apply(ctx context.Context, s *state, stream string, c plimsoll.Change, ended map[string]string) {
	k := refKey{stream, c.Repository, c.Tag}
	switch c.Kind {
	case plimsoll.ChangeTag, plimsoll.ChangeInventory, plimsoll.ChangeCoverage:
		if c.Ref == nil {
			return
		}
		ref := *c.Ref
		if t := s.tags[k]; t != nil {
			if ref = ref.After(t.ref); c.Ref.Observed < t.ref.Observed && ref.Recipe == t.ref.Recipe {
				return
			}
		}
		s.folded[stream] = true
		e.do.tag(s, k, ref)
		if t := s.tags[k]; t != nil {
			e.do.reread(s, t)
		}
	case plimsoll.ChangeGone:
		e.do.gone(s, k)
	case plimsoll.ChangeSweep:
		e.do.sweep(ctx, s, stream, c.Subject)
		ended[stream] = c.Subject
	}
}

// endSweep takes in a sweep that ended.
func (e *Engine) endSweep(ctx context.Context, s *state, registry, slot string) {
	e.readSweep(ctx, s, registry, slot)
	s.do.order(s)
}

// compareSweep compares what is folded with what a sweep that ended has counted. Where they differ, the registry's tags are
// taken from refs/ again: an announcement was lost, or came while we read.
func (e *Engine) compareSweep(ctx context.Context, s *state, registry, slot string) {
	newest := s.newest(registry)
	if newest == nil || newest.Slot != slot || newest.Listed.IsZero() || s.compared[registry] == slot {
		return
	}
	s.compared[registry] = slot
	var have tagCounts
	if n := s.counted[registry]; n != nil {
		have = *n
	}
	want := newest.Counts
	if have == (tagCounts{want.Complete, want.NotApplicable, want.Partial, want.Failed, want.Waiting}) {
		return
	}
	e.cfg.Log.InfoContext(ctx, "counts differ from the sweep's; reading the registry's tags again",
		"registry", registry, "sweep", slot, "have", fmt.Sprintf("%+v", have))
	e.foldRefs(ctx, s, registry)
}
