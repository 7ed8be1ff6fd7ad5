package faults

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// TestTwoOfEverything: with two schedulers, four workers and two reporters on one set of back ends the end is the same as with
// one of each: the same verdicts, and the same objects in the bucket. Half-way one of each pair is killed and comes back.
func TestTwoOfEverything(t *testing.T) {
	if !long {
		t.Skip("acceptance: PLIMSOLL_FAULTS=all compares two systems")
	}
	verdicts := map[string]map[string]map[string]scanned{}
	objects := map[string]map[string]bool{}
	for name, sh := range map[string]shape{"one": {workers: 1, schedulers: 1, reporters: 1}, "two": {workers: 4, schedulers: 2, reporters: 2}} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, t, sh)
			defer func() {
				if t.Failed() {
					t.Logf("%s", s.logs(40))
				}
			}()
			s.workTogether(t)
			s.oracle(t)
			verdicts[name] = map[string]map[string]scanned{}
			for id := range s.registries {
				all, err := s.scanned(t.Context(), s.reporter(), id)
				if err != nil {
					t.Fatal(err)
				}
				for at, im := range all {
					im.Reference = im.name() // each system's registries have ports of their own
					all[at] = im
				}
				verdicts[name][id] = all
			}
			objects[name] = s.objects(t)
		})
	}
	if diff := cmp.Diff(verdicts["one"], verdicts["two"]); diff != "" {
		t.Errorf("verdicts differ (-one +two):\n%s", head(diff))
	}
	if diff := cmp.Diff(objects["one"], objects["two"]); diff != "" || len(objects["one"]) == 0 {
		t.Errorf("%d objects, and they differ (-one +two):\n%s", len(objects["one"]), head(diff))
	}
}

// workTogether pushes through all schedulers at once, sweeps, and kills the second of each pair in the middle.
func (s *system) workTogether(t *testing.T) {
	t.Helper()
	const images = 24
	made := make([]made, images)
	for i := range made { // one after the other: the same images in any system
		made[i] = s.newImage(t, 4<<10)
	}
	var pushing sync.WaitGroup
	for k := range 4 {
		pushing.Go(func() {
			for i := k; i < images; i += 4 {
				registry, repository, tag := []string{corp, edge}[i%2], fmt.Sprintf("pair/app%d", i%5), fmt.Sprint(i)
				s.put(t, registry, repository, tag, made[i])
				if i%3 == 0 {
					continue // left to the sweep
				}
				p := s.schedulers[i%len(s.schedulers)]
				body := pushEvent(repository, tag, made[i].digest)
				for range 2 { // each notification reaches two schedulers
					if status, err := s.hook(t.Context(), p, registry, body); err != nil || status/100 != 2 {
						p = s.schedulers[0] // that one is being killed: the registry tries the service again
						s.announceTo(t, p, registry, body)
					}
					p = s.schedulers[(i+1)%len(s.schedulers)]
				}
			}
		})
	}
	for _, id := range []string{corp, edge} {
		s.startSweep(t, id)
	}
	for _, pair := range [][]*part{s.schedulers, s.workers, s.reporters} {
		if len(pair) > 1 {
			last := pair[len(pair)-1]
			n := reading(last)
			s.kill(t, last)
			s.crashed(n + 1)
			s.start(t, last)
		}
	}
	pushing.Wait()
	for _, id := range []string{corp, edge} {
		if sweep := s.sweep(t, id); sweep.State != plimsoll.SweepGreen {
			t.Errorf("sweep of %s is %s: %s", id, sweep.State, sweep.Error)
		}
	}
}

// announceTo has a notification taken by one scheduler.
func (s *system) announceTo(t *testing.T, p *part, registry string, body []byte) {
	t.Helper()
	if err := within(t.Context(), patience, func() error {
		status, err := s.hook(t.Context(), p, registry, body)
		if err == nil && status/100 != 2 {
			err = fmt.Errorf("HTTP %d", status)
		}
		return err
	}); err != nil {
		t.Errorf("a notification is not taken: %v", err)
	}
}

// bucketsOwn is what keys have of the bucket that they stand in: each tells secrets apart by a key of its own, and the recipe knows it.
var bucketsOwn = regexp.MustCompile(`^(facts/secrets|inventories)/[^/]+`)

// objects are the keys of what analysis leaves in the bucket: all of it is named by what it is made of.
func (s *system) objects(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	root := filepath.Join(s.s3.data, "bucket", "plimsoll")
	for _, prefix := range []string{"facts", "images", "inventories"} {
		err := filepath.WalkDir(filepath.Join(root, prefix), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
				rel, _ := filepath.Rel(root, path)
				all[bucketsOwn.ReplaceAllString(rel, "$1/*")] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
