package queue

import (
	"context"
	"sync"
)

// turns shares a lane's window between registries. A free place goes to the registry that holds the fewest of those that
// wait, so all that have work come to hold the same, however slow one of them is; and while there are several none holds
// more than its cap, so that a request of another finds a place at once.
type turns struct {
	cap   int         // places that one registry holds at most
	yield func() bool // while it says so a quarter of the window is used; nil: never

	window int

	mu      sync.Mutex
	free    int
	held    map[string]int
	waiting []waiter // oldest first
}

type waiter struct {
	registry string
	granted  chan struct{} // closed when the place is the waiter's
}

func newTurns(window, registries int) *turns {
	return &turns{cap: share(window, registries), window: window, free: window, held: map[string]int{}}
}

// share is how much of a window one of several registries may hold: a quarter is always left for the others, and one
// place where the window is too small for quarters.
func share(window, registries int) int {
	if registries < 2 || window < 2 {
		return window
	}
	return window - max(1, window/4)
}

// take returns when the registry has a place, which [turns.give] returns, or with ctx's error.
func (t *turns) take(ctx context.Context, registry string) error {
	w := waiter{registry, make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, w)
	t.grant()
	t.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.waiting {
		if t.waiting[i].granted == w.granted {
			t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	t.release(registry) // granted in the same moment
	return ctx.Err()
}

// give returns a place.
func (t *turns) give(registry string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release(registry)
}

func (t *turns) release(registry string) {
	t.free++
	if t.held[registry]--; t.held[registry] == 0 {
		delete(t.held, registry)
	}
	t.grant()
}

// resume hands out what a yield kept back.
func (t *turns) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.grant()
}

// grant hands out what is free.
func (t *turns) grant() {
	kept := 0
	if t.yield != nil && len(t.waiting) > 0 && t.yield() {
		kept = t.window - max(1, t.window/4)
	}
	for t.free > kept {
		next := -1
		for i, w := range t.waiting {
			if t.held[w.registry] < t.cap && (next < 0 || t.held[w.registry] < t.held[t.waiting[next].registry]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		w := t.waiting[next]
		t.waiting = append(t.waiting[:next], t.waiting[next+1:]...)
		t.free--
		t.held[w.registry]++
		close(w.granted)
	}
}
