package faults

import (
	"fmt"
	"testing"
	"time"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// schedulerFrozen is F23: a second scheduler runs; the one that holds a request is frozen for longer than the queue waits for a
// word of it, the other one takes over, and then both write.
func schedulerFrozen(t *testing.T, s *system) {
	s.settle(t)
	first := s.scheduler()
	second := s.newPart(t, "scheduler", 1+len(s.schedulers))
	s.start(t, second)
	s.schedulers = append(s.schedulers, second)
	defer func() { // the system goes on with one
		s.schedulers = s.schedulers[:1]
		if _, err := second.proc.stop(time.Minute); err != nil {
			t.Errorf("the second scheduler ended with %v", err)
		}
	}()
	m, g, _ := s.heldLayer(t, "frozen/request", fmt.Sprint(s.count()))
	s.mustBeQueued(t, m)
	frozen, other := first, second
	frozen.proc.freeze()
	defer frozen.proc.thaw()
	eventually(t, "the kernel froze the scheduler", func() error {
		if got := frozen.proc.state(); got != "T" {
			return fmt.Errorf("state %q", got)
		}
		return nil
	})
	s.crashed(2)
	for range of(2, 8) {
		s.push(t, corp, "frozen/other", fmt.Sprint(s.count()), s.newImage(t, 4<<10))
	}
	s.startSweep(t, corp)
	eventually(t, "what the frozen scheduler held is delivered to the other", func() error { return s.redelivered(t, scanv1.Consumer(scanv1.LanePush, corp)) })
	g.Open()
	s.settle(t) // without the frozen one
	if !alive(other) || frozen.proc.state() != "T" {
		t.Fatalf("the frozen scheduler is %q: the fault did not last", frozen.proc.state())
	}
	frozen.proc.thaw()
	s.push(t, corp, "frozen/after", fmt.Sprint(s.count()), s.newImage(t, 4<<10))
	s.settle(t)
	t.Logf("the layer of the frozen scheduler's request was asked for %d times", s.readsOf(m.own))
	s.sweep(t, corp)
}
