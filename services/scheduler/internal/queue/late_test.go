package queue

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue/queuetest"
)

func TestLate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	l := newLateness()
	l.now = func() time.Time { return now }
	ended := 0
	l.onEnd(func() { ended++ })
	all := make([]*held, 5)
	for i := range all {
		all[i] = &held{}
	}
	steps := []struct {
		what string
		do   func()
		want bool
	}{
		{"nothing is held", func() {}, false},
		{"one is old: it may hang", func() { l.begin(all[0], now.Add(-time.Minute)) }, false},
		{"two are", func() { l.begin(all[1], now.Add(-2*lateAfter)) }, true},
		{"and two are fresh", func() { l.begin(all[2], now); l.begin(all[3], now) }, false},
		{"one more is old", func() { l.begin(all[4], now.Add(-2*lateAfter)) }, true},
		{"one has ended", func() { l.end(all[4]); l.end(all[4]) }, false},
	}
	for _, s := range steps {
		s.do()
		if got := l.late(); got != s.want {
			t.Errorf("%s: late = %v, want %v", s.what, got, s.want)
		}
	}
	if ended != 1 {
		t.Errorf("told of %d ends, want 1", ended)
	}
}

// While pushes are late a sweep begins less, and goes on as soon as they have ended.
func TestSweepsMakeRoomForLatePushes(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	hang := make(chan struct{})
	consume(t, q, quickLane(PushLane(prod, 4)), func(ctx context.Context, _ *scanv1.ScanRequest) error {
		select {
		case <-hang:
		case <-ctx.Done():
		}
		return nil
	})
	for i := range 3 {
		publish(t, q, push(fmt.Sprint("v", i)))
	}
	eventually(t, "pushes are late", q.late.late)
	var mu sync.Mutex
	running, most := 0, 0
	finish := make(chan struct{})
	consume(t, q, quickLane(SweepLane(prod, 8)), func(ctx context.Context, _ *scanv1.ScanRequest) error {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		select {
		case <-finish:
		case <-ctx.Done():
		}
		return nil
	})
	for i := range 8 {
		publish(t, q, swept(fmt.Sprint("v", i), "20261125T010000Z"))
	}
	is := func(n int) func() bool { return func() bool { mu.Lock(); defer mu.Unlock(); return running == n } }
	eventually(t, "a quarter of the window runs", is(2))
	close(hang)
	eventually(t, "the pushes have ended and all of it runs", is(8))
	close(finish)
	eventually(t, "all have ended", empty(t, q, scanv1.SubjectsRequests))
}
