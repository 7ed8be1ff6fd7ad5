package faults

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// clocksDiffer is F24: one worker's clock is ahead, another's and a second scheduler's are behind, as far as S3 takes what they sign,
// and then theirs are set right. A tag that moves meanwhile has the verdict of where it moved last, whoever saw it. Who is an hour off
// does not begin, and says why.
func clocksDiffer(t *testing.T, s *system) {
	second := s.newPart(t, "scheduler", 1+len(s.schedulers))
	s.schedulers = append(s.schedulers, second)
	skews := []string{ahead, "-" + ahead, "0"}
	for i, w := range s.workers {
		w.env = []string{"PLIMSOLL_FAULT_CLOCK=" + skews[i%len(skews)]}
	}
	program, err := otherClock()
	if err != nil {
		t.Fatal(err)
	}
	second.program = program
	second.env = []string{"PLIMSOLL_FAULT_CLOCK=-3600"}
	if err := s.tryStart(second); err == nil || !anHour.MatchString(err.Error()) {
		t.Fatalf("a scheduler whose clock is an hour behind: %v; want its clock named", err)
	}
	second.env = []string{"PLIMSOLL_FAULT_CLOCK=-" + ahead}
	s.start(t, second)
	s.replace(t, s.workers, otherClock)
	s.replace(t, s.schedulers[:1], otherClock)
	for i, want := range []float64{-aheadSeconds, aheadSeconds} {
		got, err := s.metric(t.Context(), s.workers[i], "plimsoll_clock_offset_seconds")
		if err != nil || got < want-3 || got > want+3 {
			t.Fatalf("%s says that the bucket is %vs ahead (%v), want about %vs: the fault did not strike", s.workers[i].name, got, err, want)
		}
	}
	s.underLoad(t, func() {
		for i := range of(4, 20) {
			s.push(t, corp, "clock/app", fmt.Sprint(i%2), s.newImage(t, 4<<10)) // the tag moves from one clock's sight into another's
			s.settle(t)
		}
	})
	s.sweep(t, corp)
	for _, p := range s.parts {
		p.env = nil
	}
	s.replace(t, s.workers, nil)
	if _, err := second.proc.stop(drain); err != nil {
		t.Error(err)
	}
	s.schedulers = s.schedulers[:1]
	s.replace(t, s.schedulers, nil)
	for i := range 2 { // what was seen by a clock that was ahead does not stand before what is seen now
		s.push(t, corp, "clock/app", fmt.Sprint(i), s.newImage(t, 4<<10))
	}
	s.settle(t)
	for _, name := range []string{"worker-0", "worker-1"} {
		if log := s.logOf(name); !strings.Contains(log, "clock and the bucket's differ") {
			t.Errorf("%s says nothing of its clock", name)
		}
	}
}

// anHour is how the clock is named that is an hour off: the bucket tells whole seconds.
var anHour = regexp.MustCompile(`clock is (1h0m|59m5)\d+s off`)

// ahead is a skew in seconds below the quarter of an hour that S3 takes.
const (
	ahead        = "840"
	aheadSeconds = 840
)

func (s *system) logOf(name string) string {
	for _, p := range s.parts {
		if p.name == name {
			return p.log.String()
		}
	}
	return ""
}
