package faults

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// workflowsChanged is F11: schedulers are replaced by a build whose workflow code differs while workflows run, and by the one
// before again. (That a change which cannot go on with running workflows is noticed is workflows TestReplayNoticesAChange.)
func workflowsChanged(t *testing.T, s *system) {
	if _, err := otherWorkflows(); err != nil { // built before a layer is held: that takes minutes
		t.Fatal(err)
	}
	s.underLoad(t, func() {
		for _, program := range []func() (string, error){otherWorkflows, nil} {
			m, g, _ := s.held(t, "workflows/app", fmt.Sprint(s.count()), -1)
			s.mustBeQueued(t, m)
			s.crashed(1) // a host that ends gives what it has not done in ten seconds to the next
			s.replace(t, s.schedulers, program)
			s.mustBeQueued(t, m)
			g.Open()
			s.settle(t)
		}
	})
}

// comparerChanged is F29: a reporter with another way to compare versions forms every verdict anew and reads no layer for it.
func comparerChanged(t *testing.T, s *system) {
	s.acquaint(t)
	known, err := s.scanned(t.Context(), s.reporter(), corp)
	if err != nil {
		t.Fatal(err)
	}
	read := s.layerBytes(s.layers)
	s.replace(t, s.reporters, otherComparer)
	eventually(t, "verdicts are those of the other comparer", func() error {
		now, err := s.scanned(t.Context(), s.reporter(), corp)
		// To it every version is the newer one: what has no end is all that is still found.
		if err == nil && (len(now) != len(known) || 2*findings(now) > findings(known) || findings(known) == 0) {
			err = fmt.Errorf("%d images with %d findings, had %d with %d, want the same images with less than half", len(now), findings(now), len(known), findings(known))
		}
		return err
	})
	s.replace(t, s.reporters, nil)
	eventually(t, "verdicts are those that were", func() error {
		now, err := s.scanned(t.Context(), s.reporter(), corp)
		if diff := cmp.Diff(known, now); err == nil && diff != "" {
			err = fmt.Errorf("-before +now:\n%s", head(diff))
		}
		return err
	})
	if again := s.layerBytes(s.layers) - read; again != 0 {
		t.Errorf("%d bytes of layers were read for another comparer, want none", again)
	}
}

func findings(images map[string]scanned) (n int) {
	for _, im := range images {
		n += len(im.Findings)
	}
	return n
}

// analyserRaised is F30: workers with a newer version of one analyser take the place of the old ones. That analyser alone reads
// the layers again, and until it has, what was known is shown. Then the old version is back, whose facts are there.
func analyserRaised(t *testing.T, s *system) {
	s.acquaint(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shown := make(chan error, 1)
	s.mu.Lock()
	wanted := maps.Clone(s.wanted)
	s.mu.Unlock()
	go func() {
		for {
			if err := s.unsettled(ctx, wanted); ctx.Err() != nil || err != nil {
				shown <- err
				return
			}
			select {
			case <-time.After(100 * time.Millisecond): // so often it is looked at, from outside
			case <-ctx.Done():
			}
		}
	}()
	everybody := slices.Concat(s.workers, s.schedulers)
	written := s.factWrites()
	s.mu.Lock()
	for _, size := range s.layers {
		s.slack += size
	}
	s.mu.Unlock()
	s.replace(t, everybody, otherFacts)
	s.sweep(t, corp)
	s.sweep(t, edge)
	s.rest(t)
	after := s.factWrites()
	if after[plimsoll.AnalyzerFiles] == written[plimsoll.AnalyzerFiles] {
		t.Error("the raised analyser wrote no facts: the fault did not strike")
	}
	for _, name := range []string{plimsoll.AnalyzerTree, plimsoll.AnalyzerPackages} {
		if n := after[name] - written[name]; n != 0 {
			t.Errorf("facts of %s were written %d times, want none: another analyser was raised", name, n)
		}
	}
	read := s.layerBytes(s.layers)
	s.replace(t, everybody, nil)
	s.sweep(t, corp)
	s.sweep(t, edge)
	s.rest(t)
	if again := s.layerBytes(s.layers) - read; again != 0 {
		t.Errorf("with the old version back %d bytes of layers were read, want none: its facts are there", again)
	}
	cancel()
	if err := <-shown; err != nil && t.Context().Err() == nil && !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("what was known was not shown all the time: %v", err)
	}
}

// factWrites counts the writes of facts of each analyser since the workers' relays were made.
func (s *system) factWrites() map[string]int {
	n := map[string]int{}
	for _, w := range s.workers {
		tally := w.bucket.Tally()
		for _, name := range []string{plimsoll.AnalyzerTree, plimsoll.AnalyzerPackages, plimsoll.AnalyzerFiles} {
			n[name] += tally.Count(func(key string) bool {
				return strings.HasPrefix(key, http.MethodPut+" ") && strings.Contains(key, "/facts/"+name+"/")
			})
		}
	}
	return n
}
