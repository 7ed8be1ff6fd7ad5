package posture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Cause is why the posture moved. Each change of it has exactly one.
type Cause string

// The causes. There is no other one.
const (
	CausePushed   Cause = "pushed"        // a tag is new or moved, or what it moved to was read
	CauseRemoved  Cause = "removed"       // a tag is gone
	CauseAdvisory Cause = "advisory"      // advisories came, changed or were withdrawn, or the last day with fixes passed
	CauseAnalyser Cause = "analyser"      // the same image was read by another recipe
	CausePolicy   Cause = "policy"        // another policy is in force
	CauseWaiver   Cause = "waiver or VEX" // a decision about findings came or ended
	CauseScope    Cause = "scope"         // the registries or their patterns changed
	CauseCoverage Cause = "coverage"      // an image could not be read, or can be again; feeds and listings got old
)

// Causes are all of them, in the order in which they are shown.
var Causes = []Cause{CauseAdvisory, CausePushed, CauseRemoved, CauseWaiver, CauseScope, CauseCoverage, CausePolicy, CauseAnalyser}

// Step is what one cause did to the posture between two moments that follow each other.
type Step struct {
	Cause  Cause
	Events []Event // what happened, in order; none where time alone did it
	Before *View   // nil before the log began
	After  *View
}

// Steps goes on to a moment and gives what happened on the way, one cause after the other: each step begins where the one
// before ended, so that their differences add up to the whole. Changes of tags that follow each other and have one cause
// are one step; each generation and each policy is a step of its own.
func (w *Walker) Steps(ctx context.Context, to time.Time, each func(Step) error) error {
	s := stepper{w: w, each: each, before: w.e.View()}
	for {
		b, ok, err := w.peek(ctx)
		if err != nil {
			return err
		}
		if !ok || b.Time.After(to) {
			break
		}
		if err := s.ends(ctx, b.Time); err != nil {
			return err
		}
		w.ahead = nil
		for i, c := range b.Changes {
			cause, alone := w.cause(b.Stream, c)
			if cause != "" && (cause != s.cause || alone || s.parts(c, b.Time)) {
				if err := s.flush(ctx, w.now); err != nil {
					return err
				}
			}
			w.change(ctx, b, c)
			if cause != "" {
				s.cause = cause
				s.events = append(s.events, Event{Time: b.Time, Stream: b.Stream, Actor: b.Actor, Change: c, sequence: b.Sequence, index: i})
			}
		}
		w.finish(b)
	}
	if err := s.ends(ctx, to); err != nil {
		return err
	}
	if err := s.flush(ctx, w.now); err != nil {
		return err
	}
	s.cause = CauseCoverage // what time alone does: feeds and listings get old, an inventory can be read again
	if err := s.step(ctx, to); err != nil || s.before != nil || w.began.IsZero() {
		return err
	}
	return fmt.Errorf("%w: no policy was recorded until then, so nothing was judged", plimsoll.ErrNotFound)
}

// Batches goes on to a moment and gives the posture after each batch of changes that says something of it.
func (w *Walker) Batches(ctx context.Context, to time.Time, each func(*View) error) error {
	for {
		b, ok, err := w.peek(ctx)
		if err != nil || !ok || b.Time.After(to) {
			return err
		}
		if at, ok := w.e.state.endsBetween(w.now, b.Time); ok && w.e.View() != nil {
			m, err := w.Form(ctx, at)
			if err == nil {
				err = each(m.View)
			}
			if err != nil {
				return err
			}
		}
		w.ahead = nil
		moves := slices.ContainsFunc(b.Changes, func(c plimsoll.Change) bool {
			cause, _ := w.cause(b.Stream, c)
			return cause != ""
		})
		w.take(ctx, b)
		if !moves {
			continue
		}
		m, err := w.Form(ctx, b.Time)
		if errors.Is(err, plimsoll.ErrNotFound) && w.e.View() == nil {
			continue // nothing could be judged yet
		}
		if err == nil {
			err = each(m.View)
		}
		if err != nil {
			return err
		}
	}
}

type stepper struct {
	w      *Walker
	each   func(Step) error
	before *View
	cause  Cause
	events []Event
}

// flush ends a step, if one is under way.
func (s *stepper) flush(ctx context.Context, at time.Time) error {
	if len(s.events) == 0 {
		return nil
	}
	return s.step(ctx, at)
}

// ends makes a step of what came to its end of life until a moment, however long before anything else happened.
func (s *stepper) ends(ctx context.Context, until time.Time) error {
	if s.w.e.cfg.EndOfLife == nil || !dayOf(s.w.now).Before(dayOf(until)) {
		return nil // nothing ends within a day
	}
	if err := s.flush(ctx, s.w.now); err != nil || s.before == nil {
		return err
	}
	at, ok := s.w.e.state.endsBetween(s.w.now, until)
	if !ok {
		return nil
	}
	s.cause = CauseAdvisory
	return s.step(ctx, at)
}

func (s *stepper) step(ctx context.Context, at time.Time) error {
	m, err := s.w.Form(ctx, at)
	if errors.Is(err, plimsoll.ErrNotFound) && s.before == nil {
		return nil // nothing could be judged yet: what happened so far belongs to the first step that can be formed
	}
	if err != nil {
		return err
	}
	err = s.each(Step{s.cause, s.events, s.before, m.View})
	s.before, s.events = m.View, nil
	return err
}

// cause is why the posture moves when a change is taken in; empty for what says nothing of it. alone says that such a change
// is a step of its own.
func (w *Walker) cause(stream string, c plimsoll.Change) (_ Cause, alone bool) {
	switch c.Kind {
	case plimsoll.ChangeTag:
		return CausePushed, false
	case plimsoll.ChangeGone:
		if c.Text == plimsoll.GoneOutOfScope || c.Text == plimsoll.GoneForgotten {
			return CauseScope, false
		}
		return CauseRemoved, false
	case plimsoll.ChangeInventory:
		return w.reading(stream, c), false
	case plimsoll.ChangeCoverage, plimsoll.ChangeSweep:
		return CauseCoverage, false
	case plimsoll.ChangeScope:
		return CauseScope, true
	case plimsoll.ChangeGeneration:
		return CauseAdvisory, true
	case plimsoll.ChangePolicy:
		return CausePolicy, true
	}
	return "", false
}

// reading tells why an image was read: it was pushed, or it is the same one, read by another recipe or further than before.
func (w *Walker) reading(stream string, c plimsoll.Change) Cause {
	t := w.e.state.tags[refKey{stream, c.Repository, c.Tag}]
	switch {
	case t == nil || c.Ref == nil || t.ref.Digest != c.Ref.Digest || t.ref.Read.State == plimsoll.ReadWaiting:
		return CausePushed
	case t.ref.Recipe != "" && c.Ref.Recipe != "" && t.ref.Recipe != c.Ref.Recipe:
		return CauseAnalyser
	}
	return CauseCoverage
}

// Difference is the rows that stand in one view alone, and those that stand in both and say something else: gone as they were,
// came as they are. Both views must come from one engine.
func Difference(before, after *View) (gone, came []*Row) {
	var was []*Row
	if before != nil {
		was = before.rows
	}
	is := after.rows
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(was) > 0 && len(is) > 0 && was[0] == is[0]:
			was, is = was[1:], is[1:]
		case len(is) == 0 || len(was) > 0 && compareRows(was[0], is[0]) < 0:
			gone = append(gone, was[0])
			was = was[1:]
		case len(was) == 0 || compareRows(was[0], is[0]) > 0:
			came = append(came, is[0])
			is = is[1:]
		default: // the same place in the order, and another row
			gone, came = append(gone, was[0]), append(came, is[0])
			was, is = was[1:], is[1:]
		}
	}
	return slices.Clip(gone), slices.Clip(came)
}
