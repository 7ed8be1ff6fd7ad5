package list

import (
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Pace is how far a running sweep has come and how fast it goes.
type Pace struct {
	Expected int        `json:"expected"` // tags: what the last complete listing had, or more once more are listed; 0: not known
	Done     int        `json:"done"`     // tags listed that wait for nothing
	Waiting  int        `json:"waiting"`  // images of the registry that wait to be read
	Rate     float64    `json:"images_per_second"`
	ETA      *time.Time `json:"eta"` // null while it cannot be told
}

// paceAfter is how long a sweep must have run before its speed says anything.
const paceAfter = 10 * time.Second

// PaceOf is the pace of a registry's running sweep.
func PaceOf(reg posture.Registry, running plimsoll.Sweep, now time.Time) Pace {
	p := Pace{Waiting: reg.Read[plimsoll.ReadWaiting], Expected: running.Counts.Listed}
	if running.Listed.IsZero() { // more is to come; how much, the last sweep that ended says
		for _, s := range reg.Recent {
			if s.State != plimsoll.SweepRunning && s.Slot != running.Slot && !s.Listed.IsZero() {
				p.Expected = max(p.Expected, s.Counts.Listed)
				break
			}
		}
		if p.Expected == running.Counts.Listed {
			p.Expected = 0
		}
	}
	p.Done = max(0, running.Counts.Listed-p.Waiting)
	took := now.Sub(running.Started)
	if took < paceAfter || p.Done == 0 {
		return p
	}
	p.Rate = float64(p.Done) / took.Seconds()
	if p.Expected > 0 {
		eta := now.Add(time.Duration(float64(p.Expected-p.Done) / p.Rate * float64(time.Second))).UTC().Truncate(time.Second)
		p.ETA = &eta
	}
	return p
}
