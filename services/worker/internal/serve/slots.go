package serve

import (
	"context"

	"github.com/plimsoll/plimsoll/services/internal/gate"
)

// A slot is one that was taken and may be lent to others while nothing is done in it. One goroutine uses it.
type slot struct {
	slots   *gate.Gate
	urgent  <-chan struct{}
	release func()
	lends   bool
}

// hold waits for one of the slots, as [gate.Gate.Enter] does.
func hold(ctx context.Context, slots *gate.Gate, urgent <-chan struct{}) (*slot, error) {
	release, err := slots.Enter(ctx, urgent)
	return &slot{slots: slots, urgent: urgent, release: release, lends: true}, err
}

// free gives the slot back for good; once it is lent there is nothing to give back.
func (s *slot) free() {
	if s.release != nil {
		s.release()
		s.release = nil
	}
}

// idle lends the slot to others until the returned function takes one again.
func (s *slot) idle() (end func(context.Context) error) {
	if !s.lends || s.release == nil {
		return func(context.Context) error { return nil }
	}
	s.free()
	return func(ctx context.Context) (err error) {
		s.release, err = s.slots.Enter(ctx, s.urgent)
		return err
	}
}
