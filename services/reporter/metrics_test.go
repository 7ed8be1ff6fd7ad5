package reporter

import (
	"testing"

	"github.com/plimsoll/plimsoll"
)

// TestNotGreen: a cancelled or running sweep says neither that the nights before were good nor that this one is bad.
func TestNotGreen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		states []plimsoll.SweepState
		want   int
	}{
		{nil, 0},
		{[]plimsoll.SweepState{plimsoll.SweepGreen, plimsoll.SweepRed}, 0},
		{[]plimsoll.SweepState{plimsoll.SweepRed, plimsoll.SweepGreen, plimsoll.SweepRed}, 1},
		{[]plimsoll.SweepState{plimsoll.SweepRunning, plimsoll.SweepFailed, plimsoll.SweepCancelled, plimsoll.SweepRed, plimsoll.SweepGreen}, 2},
	} {
		var recent []plimsoll.Sweep
		for _, s := range c.states {
			recent = append(recent, plimsoll.Sweep{State: s})
		}
		if got := notGreen(recent); got != c.want {
			t.Errorf("%v: %d, want %d", c.states, got, c.want)
		}
	}
}
