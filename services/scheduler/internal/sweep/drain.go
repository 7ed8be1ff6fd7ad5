package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/workflows"
)

// slotPrecision is what a slot is cut to: a queue made within that second may be older than the sweep.
const slotPrecision = time.Second

// troubled is how many polls long a wait is while the queue is away: there is no hurry, and each is a line in the log.
const troubled = 25

// wait waits for the next look at the queue.
func (s *Sweeper) wait(ctx context.Context, trouble bool) error {
	d := s.Poll
	if trouble {
		d *= troubled
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Drain returns when no request of the sweep is left in the queue. When the queue's store was wiped since the sweep began,
// what was lost with it is queued again first.
func (s *Sweeper) Drain(ctx context.Context, id, slot string, beat func(string)) error {
	ctx, cancel := s.untilStopping(ctx)
	defer cancel()
	return orStopping(ctx, s.drain(ctx, id, slot, beat))
}

func (s *Sweeper) drain(ctx context.Context, id, slot string, beat func(string)) error {
	subject := scanv1.SweepSubject(id, slot)
	stop := beating(ctx, beat, still("waiting for the queue"))
	defer stop()
	since := slotTime(slot)
	for {
		if err := s.empty(ctx, subject); err != nil {
			return fmt.Errorf("drain sweep %s of %s: %w", slot, id, err)
		}
		created, err := s.Queue.Created(ctx)
		switch {
		case err != nil && waits(err):
			if err := s.wait(ctx, true); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case !created.After(since):
			return nil
		}
		level := slog.LevelWarn
		if created.Before(since.Add(slotPrecision)) { // perhaps made just before the sweep began: no news, but asking again is right
			level = slog.LevelInfo
		}
		since = created
		s.Log.Log(ctx, level, "the queue was wiped during the sweep, what waits is queued again", "registry", id, "slot", slot)
		if err := s.requeue(ctx, id, slot); err != nil {
			return fmt.Errorf("queue again what was lost: %w", err)
		}
	}
}

// empty waits until a subject has no request.
func (s *Sweeper) empty(ctx context.Context, subject string) error {
	for {
		left, err := s.Queue.Left(ctx, subject)
		if err == nil && left == 0 {
			return nil
		}
		if err != nil {
			if !waits(err) {
				return err
			}
			s.Log.Warn("sweep waits for the queue", "subject", subject, "error", err)
		}
		if err := s.wait(ctx, err != nil); err != nil {
			return err
		}
	}
}

// requeue asks again for every tag that is not read by the present recipe.
func (s *Sweeper) requeue(ctx context.Context, id, slot string) error {
	r, err := s.registry(id)
	if err != nil {
		return err
	}
	recipe, err := s.Recipe(ctx)
	if err != nil {
		return err
	}
	p := &pass{Sweeper: s, registry: r, in: workflows.PageInput{Registry: id, Slot: slot, Recipe: recipe}}
	for shard, err := range s.Store.AllRefs(ctx, id) {
		if err != nil {
			return fmt.Errorf("read refs: %w", err)
		}
		if _, err := p.enqueue(ctx, unread(shard, recipe, r.Conf.Scope(), s.Now())); err != nil {
			return err
		}
	}
	return nil
}

func unread(shard plimsoll.RefShard, recipe plimsoll.Recipe, scope string, now time.Time) difference {
	d := difference{repository: shard.Repository, asked: now}
	for _, ref := range shard.Tags {
		if (ref.Recipe != recipe || ref.Scope != scope) && ref.Digest != "" && ref.Missing == 0 {
			d.ask(ref)
		}
	}
	return d
}

// still is a word that does not change.
type still string

func (s still) word() string { return string(s) }
