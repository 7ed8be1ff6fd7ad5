package blob

import "context"

// turn makes the merges of one repository wait for each other within a process, instead of writing in vain.
type turn struct {
	free  chan struct{} // holds one token while nobody merges
	users int           // merging or waiting; guarded by Store.mu
}

// turn waits until no other merge of this repository runs here. The caller calls release when it is done.
func (s *Store) turn(ctx context.Context, repository string) (release func(), err error) {
	s.mu.Lock()
	t := s.turns[repository]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		s.turns[repository] = t
	}
	t.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(s.turns, repository)
		}
	}
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
