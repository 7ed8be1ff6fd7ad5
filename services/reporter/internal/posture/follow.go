package posture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// advance follows the log and forms what time changed. A view is made even where nothing in the log is new, when rows got
// older; it costs a sort.
func (e *Engine) advance(ctx context.Context) (bool, error) {
	s := e.state
	moved, err := e.follow(ctx)
	if ctx.Err() != nil {
		return false, context.Cause(ctx) // nothing is shown half loaded
	}
	moved = moved || len(s.dirty) > 0 // left by a call that was cut short
	if retry := s.unread(e.cfg.Now()); len(retry) > 0 {
		if lerr := e.load(ctx, s, retry); lerr != nil {
			return false, lerr
		}
		moved = true
	}
	if !moved && !e.aged(s) {
		return false, err
	}
	e.publish()
	return true, err
}

// aged reports whether time alone changes the view: a row, a feed or a listing got too old, or a fault came or went.
func (e *Engine) aged(s *state) bool {
	v, now := e.view.Load(), e.cfg.Now()
	if !slices.Equal(v.faults, s.allFaults()) {
		return true
	}
	for _, r := range v.rows {
		if e.active(r.Moved) != r.Active {
			return true
		}
	}
	for eco, was := range s.known {
		if e.matcher.Known(eco, now, e.cfg.StaleAfter) != was {
			return true
		}
	}
	for _, registry := range e.known(s) {
		if e.staleListing(s, registry, now) != s.stale[registry] {
			return true
		}
	}
	return false
}

// follow reads the tail of each stream and takes in what it says. A stream with a gap stops where it is; the others go on.
func (e *Engine) follow(ctx context.Context) (moved bool, err error) {
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
		e.compareSweep(ctx, s, registry, slot)
	}
	if lerr := e.loadTouched(ctx, s); lerr != nil {
		return moved, errors.Join(err, lerr)
	}
	if moved {
		s.forgetImages()
	}
	return moved, err
}

// loadTouched loads the inventories of tags that changed; where the context ends meanwhile, the next call goes on.
func (e *Engine) loadTouched(ctx context.Context, s *state) error {
	refs := make([]plimsoll.Ref, 0, len(s.touched))
	for k := range s.touched {
		if r, ok := s.refs[k]; ok {
			s.reread(r)
			refs = append(refs, r)
		}
	}
	if err := e.load(ctx, s, refs); err != nil {
		return err
	}
	clear(s.touched)
	return nil
}

// followStream takes in the batches after the stream's position.
func (e *Engine) followStream(ctx context.Context, s *state, stream string, ended map[string]string) (moved bool, err error) {
	for batch, err := range e.cfg.Store.Changes(ctx, stream, s.positions[stream]) {
		if err != nil {
			return moved, err
		}
		for _, c := range batch.Changes {
			e.apply(ctx, s, stream, c, ended)
		}
		s.remember(eventsOf(batch)...)
		s.positions[stream] = batch.Sequence
		moved = true
	}
	return moved, nil
}

// apply takes in one change. A tag's newer observation wins, as in refs/: what the log says again changes nothing.
func (e *Engine) apply(ctx context.Context, s *state, stream string, c plimsoll.Change, ended map[string]string) {
	k := refKey{stream, c.Repository, c.Tag}
	switch c.Kind {
	case plimsoll.ChangeTag, plimsoll.ChangeInventory, plimsoll.ChangeCoverage:
		if c.Ref == nil {
			return
		}
		if old, ok := s.refs[k]; ok && old.Observed > c.Ref.Observed {
			return
		}
		s.folded[stream] = true
		s.set(k, *c.Ref)
		s.touched[k] = true
	case plimsoll.ChangeGone:
		s.drop(k)
	case plimsoll.ChangeSweep:
		e.readSweep(ctx, s, stream, c.Subject)
		s.allDirty(stream) // a newer recipe or listing may make rows stale, or fresh again
		ended[stream] = c.Subject
	}
}

// compareSweep compares what is folded with what a sweep that ended has counted. Where they differ, the registry's tags are
// taken from refs/ again: an announcement was lost, or came while we read.
func (e *Engine) compareSweep(ctx context.Context, s *state, registry, slot string) {
	newest := s.newest(registry)
	if newest == nil || newest.Slot != slot || newest.Listed.IsZero() || s.compared[registry] == slot {
		return
	}
	s.compared[registry] = slot
	have := s.countTags(registry)
	want := newest.Counts
	if have == (tagCounts{want.Complete, want.NotApplicable, want.Partial, want.Failed, want.Waiting}) {
		return
	}
	e.cfg.Log.InfoContext(ctx, "counts differ from the sweep's; reading the registry's tags again",
		"registry", registry, "sweep", slot, "have", fmt.Sprintf("%+v", have))
	before := maps.Clone(s.refs)
	e.foldRefs(ctx, s, registry)
	for k, r := range s.refs {
		if old, ok := before[k]; k.registry == registry && (!ok || old.Observed != r.Observed || old.Digest != r.Digest || old.Recipe != r.Recipe) {
			s.touched[k] = true
		}
	}
}

// tagCounts are a registry's tags by read state, as a sweep counts them.
type tagCounts struct{ complete, notApplicable, partial, failed, waiting int }

func (s *state) countTags(registry string) (n tagCounts) {
	for k, r := range s.refs {
		if k.registry != registry {
			continue
		}
		switch r.Read.State {
		case plimsoll.ReadComplete:
			n.complete++
		case plimsoll.ReadNotApplicable:
			n.notApplicable++
		case plimsoll.ReadPartial:
			n.partial++
		case plimsoll.ReadWaiting:
			n.waiting++
		default:
			n.failed++
		}
	}
	return n
}
