package queue

import (
	"sync"
	"time"
)

// lateAfter is how long a push may take before sweeps make room: a push of some layers takes a few tenths of a second where
// there is a processor for it.
const lateAfter = time.Second

// lateness knows how old the pushes are that are held here. While they are late the sweep lane begins less than it could: both
// lanes share processors, and a push would get one part in a dozen of them.
type lateness struct {
	now func() time.Time

	mu     sync.Mutex
	since  map[*held]time.Time
	resume []func() // called when a push has ended
}

func newLateness() *lateness { return &lateness{now: time.Now, since: map[*held]time.Time{}} }

// begin notes a push that has waited since a moment.
func (l *lateness) begin(m *held, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since[m] = since
}

// end forgets a push; it may be called again.
func (l *lateness) end(m *held) {
	l.mu.Lock()
	_, held := l.since[m]
	delete(l.since, m)
	resume := l.resume
	l.mu.Unlock()
	if held {
		for _, f := range resume {
			f()
		}
	}
}

// late says that most pushes are late. One alone says nothing of the others: an image may be large, or hang.
func (l *lateness) late() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, limit := 0, l.now().Add(-lateAfter)
	for _, since := range l.since {
		if since.Before(limit) {
			old++
		}
	}
	return old > 1 && 2*old > len(l.since)
}

// onEnd has f called after each push that ends.
func (l *lateness) onEnd(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resume = append(l.resume[:len(l.resume):len(l.resume)], f)
}
