package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// temporalSetBack is F9: Temporal is away while pushes come, is killed in the middle of a workflow, and gets a store that is
// older than what it had done.
func temporalSetBack(t *testing.T, s *system) {
	lasts := time.Duration(of(5, 60)) * time.Second
	s.underLoad(t, func() {
		m, g, _ := s.heldLayer(t, "temporal/middle", fmt.Sprint(s.count()))
		s.mustBeQueued(t, m)
		s.temporal.kill(t)
		away := s.newImage(t, 4<<10)
		s.push(t, corp, "temporal/away", fmt.Sprint(s.count()), away)
		s.mustBeQueued(t, away)
		g.Open()
		outage := time.NewTimer(lasts)
		defer outage.Stop()
		<-outage.C // how long Temporal is away is the fault
		s.temporal.start(t)
		s.settle(t)
	})
	// A copy of its store, then work that the copy does not know of.
	s.temporal.kill(t)
	old := filepath.Join(s.dir, "temporal-old")
	if err := os.CopyFS(old, os.DirFS(s.temporal.data)); err != nil {
		t.Fatal(err)
	}
	s.temporal.start(t)
	s.underLoad(t, func() {
		for range 3 {
			s.push(t, corp, "temporal/after", fmt.Sprint(s.count()), s.newImage(t, 4<<10))
		}
	})
	s.found(t)
	s.rest(t)
	read := s.layerBytes(s.layers)
	s.temporal.kill(t)
	s.temporal.wipe(t)
	if err := os.CopyFS(s.temporal.data, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(old); err != nil {
		t.Fatal(err)
	}
	s.temporal.start(t)
	s.sweep(t, corp)
	if again := s.layerBytes(s.layers) - read; again != 0 {
		t.Errorf("with its store set back %d bytes of layers were read again, want none: their facts are in the bucket", again)
	}
}

// temporalLost is F10: everything that Temporal had is gone, in the middle of a workflow. What is known stays served.
func temporalLost(t *testing.T, s *system) {
	s.underLoad(t, func() {
		s.acquaint(t)
		m, g, _ := s.heldLayer(t, "temporal/lost", fmt.Sprint(s.count()))
		s.mustBeQueued(t, m)
		known, err := s.scanned(t.Context(), s.reporter(), edge)
		if err != nil {
			t.Fatal(err)
		}
		s.temporal.kill(t)
		s.temporal.wipe(t)
		without, err := s.scanned(t.Context(), s.reporter(), edge)
		if err != nil {
			t.Fatalf("without Temporal the reporter says nothing: %v", err)
		}
		for name, im := range known {
			if got, ok := without[name]; !ok || im.complete() && !got.complete() {
				t.Errorf("without Temporal %s is not served any more", name)
			}
		}
		s.temporal.start(t)
		s.crashed(1) // the workflow's activity goes on beside the one of the new workflow
		g.Open()
	})
	s.settle(t)
	s.sweep(t, corp) // that of the load went with the store
}
