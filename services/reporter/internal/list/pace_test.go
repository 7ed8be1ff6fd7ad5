package list

import (
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// TestPace: what is left is told by what the last complete listing had, and a first sweep, which has none, promises nothing.
func TestPace(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 25, 1, 0, 0, 0, time.UTC)
	now := start.Add(100 * time.Second)
	running := plimsoll.Sweep{Slot: "now", State: plimsoll.SweepRunning, Started: start, Counts: plimsoll.SweepCount{Listed: 600}}
	before := plimsoll.Sweep{Slot: "before", State: plimsoll.SweepGreen, Listed: start.Add(-24 * time.Hour), Counts: plimsoll.SweepCount{Listed: 1000}}
	reg := posture.Registry{Read: map[plimsoll.ReadState]int{plimsoll.ReadWaiting: 100}, Recent: []plimsoll.Sweep{running, before}}

	p := PaceOf(reg, running, now)
	if p.Expected != 1000 || p.Done != 500 || p.Rate != 5 || p.ETA == nil || !p.ETA.Equal(now.Add(100*time.Second)) {
		t.Errorf("pace %+v, want 500 of 1000 done at 5 a second, and the rest in 100 s", p)
	}
	reg.Recent = reg.Recent[:1]
	if p := PaceOf(reg, running, now); p.Expected != 0 || p.ETA != nil || p.Done != 500 {
		t.Errorf("a first sweep: %+v, want nothing expected", p)
	}
	running.Listed = now // the listing is over: what there is, is known
	if p := PaceOf(reg, running, now); p.Expected != 600 || p.ETA == nil || !p.ETA.Equal(now.Add(20*time.Second)) {
		t.Errorf("once all is listed: %+v, want 600 expected, the rest in 20 s", p)
	}
	if p := PaceOf(reg, running, start.Add(time.Second)); p.Rate != 0 || p.ETA != nil {
		t.Errorf("after a second: %+v, want no speed yet", p)
	}
}
