package posture

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
)

// NewTagWalker is a walker that knows one tag alone, whose reference names registry, repository and tag: it takes in no change
// of any other, so that its views have the tag's rows and cost what its own images do. It is for the steps of one tag.
//
// The change log of the tag's registry is read to until before it returns, in time that grows with the log; what concerns the
// tag is held, the rest is not. Of the generations of advisories the last of each day counts, by UTC: those are the ones that
// are kept, so that the answer stays the same, and one a day bounds what is compiled.
func NewTagWalker(ctx context.Context, cfg Config, ref plimsoll.Reference, until time.Time) (*Walker, error) {
	w, err := newWalker(ctx, cfg, until, func(stream string) bool {
		return stream == ref.Registry || stream == plimsoll.StreamAdvisories || stream == plimsoll.StreamDecisions
	})
	if err != nil {
		return nil, err
	}
	defer w.stop()
	k := refKey{ref.Registry, ref.Repository, ref.Tag}
	var batches []plimsoll.ChangeBatch
	for {
		b, err, ok := w.next()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("change log: %w", err)
		}
		if !ok {
			break
		}
		if b.Changes = k.changes(b); len(b.Changes) > 0 {
			batches = append(batches, b)
		}
	}
	w.of, w.own = &k, lastOfDay(batches)
	w.next, w.stop = iter.Pull2(func(yield func(plimsoll.ChangeBatch, error) bool) {
		for _, b := range w.own {
			if !yield(b, nil) {
				return
			}
		}
	})
	return w, nil
}

// changes are those of a batch that may move the tag's rows.
func (k refKey) changes(b plimsoll.ChangeBatch) (out []plimsoll.Change) {
	for _, c := range b.Changes {
		if c.Repository == "" || k == (refKey{b.Stream, c.Repository, c.Tag}) {
			out = append(out, c)
		}
	}
	return out
}

// lastOfDay are the batches without the generations that another one of the same day came after.
func lastOfDay(batches []plimsoll.ChangeBatch) []plimsoll.ChangeBatch {
	day := func(c plimsoll.Change) string { return c.Subject[:min(len(c.Subject), len(time.DateOnly))] }
	last := map[string]string{}
	for _, b := range batches {
		for _, c := range b.Changes {
			if c.Kind == plimsoll.ChangeGeneration {
				last[day(c)] = c.Subject
			}
		}
	}
	for i := range batches {
		batches[i].Changes = slices.DeleteFunc(batches[i].Changes, func(c plimsoll.Change) bool {
			return c.Kind == plimsoll.ChangeGeneration && last[day(c)] != c.Subject
		})
	}
	return batches
}

// Since is when the n-th newest change of the tag itself came; the zero time where it has no more than that. It is told before
// the walker goes.
func (w *Walker) Since(n int) time.Time {
	for _, b := range slices.Backward(w.own) {
		for _, c := range b.Changes {
			if c.Repository == "" {
				continue
			}
			if n--; n == 0 {
				return b.Time
			}
		}
	}
	return time.Time{}
}

// parts reports whether a change begins another step of one tag although its cause is that of the step under way: each moment is
// a step, but that a tag moved and that it was read are one.
func (s *stepper) parts(c plimsoll.Change, at time.Time) bool {
	if s.w.of == nil || len(s.events) == 0 {
		return false
	}
	last := s.events[len(s.events)-1]
	return !last.Time.Equal(at) && (last.Change.Kind != plimsoll.ChangeTag || c.Kind != plimsoll.ChangeInventory)
}
