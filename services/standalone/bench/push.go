package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

// pushResult is how long pushes took from the registry's answer to the verdict that the API gives.
type pushResult struct {
	Times  []time.Duration // sorted
	Failed int             // without a verdict after pushWithin
	Took   time.Duration
	CPU    map[string]time.Duration
}

const (
	pushEvery  = 200 * time.Millisecond // 5 a second
	pushWithin = 2 * time.Minute
	slowPush   = time.Second // said as they come
	// askEvery is how often the API is asked whether the verdict stands: what is measured is late by half of it.
	askEvery = 20 * time.Millisecond
)

// pushes pushes new versions of random tags for a while, or until stop is closed.
func (s *system) pushes(ctx context.Context, r *fakeRegistry, last time.Duration, stop <-chan struct{}) (*pushResult, error) {
	n, err := s.images(ctx, r)
	if err != nil {
		return nil, err
	}
	// Each tag once before any again: one that moves while its push is scanned has the later push's verdict alone.
	order := rand.New(rand.NewPCG(6, 28)).Perm(n)
	out, watch, began := &pushResult{}, s.watch(), time.Now()
	var mu sync.Mutex
	var all sync.WaitGroup
	t := time.NewTicker(pushEvery)
	defer t.Stop()
	for end, next := time.After(last), 0; ; {
		select {
		case <-end:
		case <-stop:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-t.C:
			i := order[next%n]
			next++
			all.Go(func() {
				since := time.Since(began)
				took, err := s.pushOne(ctx, r, i)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					out.Failed++
					s.say("push: %v", err)
					return
				}
				out.Times = append(out.Times, took)
				if took > slowPush {
					s.say("a slow push: begun after %v, it took %v", since.Round(time.Millisecond), took.Round(time.Millisecond))
				}
			})
			continue
		}
		break
	}
	all.Wait()
	out.Took = time.Since(began)
	out.CPU, _, _ = watch()
	slices.Sort(out.Times)
	s.say("%d pushes: median %v, p99 %v, failed %d", len(out.Times), out.at(50), out.at(99), out.Failed)
	return out, nil
}

// at is a percentile by nearest rank.
func (p *pushResult) at(percent int) time.Duration {
	if p == nil || len(p.Times) == 0 {
		return 0
	}
	return p.Times[max(0, (len(p.Times)*percent+99)/100-1)].Round(time.Millisecond)
}

// images is how many tags the registry holds.
func (s *system) images(ctx context.Context, r *fakeRegistry) (n int, err error) {
	var repositories []string
	for after := ""; ; {
		said, err := get(ctx, r.url+"/v2/_catalog?n=1000&last="+url.QueryEscape(after), "")
		if err != nil {
			return 0, err
		}
		var page struct{ Repositories []string }
		if err := json.Unmarshal(said, &page); err != nil {
			return 0, err
		}
		repositories = append(repositories, page.Repositories...)
		if len(page.Repositories) < 1000 {
			return len(repositories) * s.o.tags, nil
		}
		after = page.Repositories[len(page.Repositories)-1]
	}
}

func (s *system) pushOne(ctx context.Context, r *fakeRegistry, i int) (time.Duration, error) {
	repository, tag := s.tagOf(i)
	began := time.Now()
	digest, err := r.push(ctx, repository, tag, s.hook(r))
	if err != nil {
		return 0, fmt.Errorf("push %s:%s: %w", repository, tag, err)
	}
	path := "/api/v1/gate?image=" + url.QueryEscape(strings.TrimPrefix(r.url, "http://")+"/"+repository+"@"+digest)
	err = until(ctx, pushWithin, askEvery, func() (bool, error) {
		var gate struct {
			Verdict  string
			Coverage plimsoll.Coverage
		}
		err := s.ask(ctx, path, &gate)
		return err == nil && gate.Coverage.State == plimsoll.ReadComplete, nil
	})
	if err != nil {
		return 0, fmt.Errorf("verdict of %s:%s (%s): %w", repository, tag, digest, err)
	}
	return time.Since(began), nil
}

// onAllBases is how many of the first tags stand on all of the corpus's images at least once: each tag on the next one.
const onAllBases = 32

// busy pushes while the first sweep of the registry keeps both cores busy. The bases have been read before, as those of most pushes have.
func (s *system) busy(ctx context.Context) (*pushResult, error) {
	r := s.registries[0]
	for i := range onAllBases {
		if _, err := s.pushOne(ctx, r, i); err != nil {
			return nil, err
		}
	}
	started, stop := time.Now(), make(chan struct{})
	if err := s.startSweep(ctx, r.id); err != nil {
		return nil, err
	}
	var failed error
	go func() {
		defer close(stop)
		_, failed = s.swept(ctx, r.id, started)
	}()
	out, err := s.pushes(ctx, r, time.Duration(s.o.pushFor)*time.Second, stop)
	if err != nil {
		return nil, err
	}
	select {
	case <-stop:
		return out, failed
	default:
		return out, nil // the sweep went on to the last push
	}
}

// floodResult is what a flood of pushes of one registry does to it and to the pushes of another.
type floodResult struct {
	Events, Accepted, Later int // later: answered 503
	Took                    time.Duration
	Depth                   int64 // the most requests that stood in the queue
	Before, Most            map[string]int64
	Alone, Beside           *pushResult // the other registry's pushes
}

const floodEvents = 100_000

// flood sends a hundred thousand events of one registry at once while another one pushes.
func (s *system) flood(ctx context.Context) (*floodResult, error) {
	flooded, other := s.registries[0], s.registries[1]
	for _, r := range s.registries {
		if _, err := s.sweep(ctx, r); err != nil {
			return nil, err
		}
	}
	out := &floodResult{Events: floodEvents}
	var err error
	const quiet = 30 * time.Second
	if out.Alone, err = s.pushes(ctx, other, quiet, nil); err != nil {
		return nil, err
	}
	n, err := s.images(ctx, flooded)
	if err != nil {
		return nil, err
	}
	watch, began, drained := s.watch(), time.Now(), make(chan struct{})
	go func() {
		defer close(drained)
		s.pour(ctx, flooded, n, out)
		_ = until(ctx, 20*time.Minute, time.Second, func() (bool, error) {
			depth := s.metric(ctx, `plimsoll_queue_requests{lane="push"}`)
			out.Depth = max(out.Depth, depth)
			return depth == 0, nil
		})
	}()
	if out.Beside, err = s.pushes(ctx, other, 20*time.Minute, drained); err != nil {
		return nil, err
	}
	out.Took = time.Since(began)
	_, out.Before, out.Most = watch()
	return out, nil
}

// pour posts the events, a hundred a notification, to the hook; what is refused for now is posted again.
func (s *system) pour(ctx context.Context, r *fakeRegistry, n int, out *floodResult) {
	const at = 100
	for first := 0; first < floodEvents; first += at {
		var body bytes.Buffer
		body.WriteString(`{"events":[`)
		for i := first; i < first+at; i++ {
			if i > first {
				body.WriteByte(',')
			}
			repository, tag := s.tagOf(i % n)
			fmt.Fprintf(&body, `{"id":"flood-%d","action":"push","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%064x","repository":%q,"tag":%q}}`,
				i, i, repository, tag)
		}
		body.WriteString(`]}`)
		_ = until(ctx, 20*time.Minute, 500*time.Millisecond, func() (bool, error) {
			_, err := post(ctx, s.hook(r), body.Bytes())
			if err != nil {
				out.Later++
				return false, nil
			}
			out.Accepted += at
			return true, nil
		})
	}
}
