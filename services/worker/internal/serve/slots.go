package serve

import "context"

// slots bounds how many layers are read at once. One of them is kept for pushes, so that a sweep over a large registry does not
// keep a fresh push waiting.
type slots struct {
	all   chan struct{} // every reading holds one
	sweep chan struct{} // what is no push holds one of these too; there is one less
}

func newSlots(n int) *slots {
	n = max(n, 1)
	return &slots{all: make(chan struct{}, n), sweep: make(chan struct{}, max(n-1, 1))}
}

// take waits for a slot. urgent is closed when a push waits for the same work: it may then use the slot kept for pushes.
func (s *slots) take(ctx context.Context, urgent <-chan struct{}) (release func(), err error) {
	ordinary := false
	select {
	case <-urgent:
	default:
		select {
		case s.sweep <- struct{}{}:
			ordinary = true
		case <-urgent:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	select {
	case s.all <- struct{}{}:
	case <-ctx.Done():
		if ordinary {
			<-s.sweep
		}
		return nil, context.Cause(ctx)
	}
	return func() {
		<-s.all
		if ordinary {
			<-s.sweep
		}
	}, nil
}

// A slot is one that was taken and may be lent to others while nothing is done in it. One goroutine uses it.
type slot struct {
	slots   *slots
	urgent  <-chan struct{}
	release func()
	lends   bool
}

// hold waits for a slot; see [slots.take].
func (s *slots) hold(ctx context.Context, urgent <-chan struct{}) (*slot, error) {
	release, err := s.take(ctx, urgent)
	return &slot{slots: s, urgent: urgent, release: release, lends: true}, err
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
		s.release, err = s.slots.take(ctx, s.urgent)
		return err
	}
}

// busy is how many slots are taken.
func (s *slots) busy() int { return len(s.all) }
