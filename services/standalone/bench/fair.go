package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// fairResult is how long four registries take alone, and beside a fifth that answers one request a second.
type fairResult struct {
	Alone, Beside time.Duration
}

// fair sweeps registries side by side.
func fair(ctx context.Context, o options, manyimages string, n int) (*fairResult, error) {
	each := max(10, n/5)
	out := &fairResult{}
	for _, run := range []struct {
		sizes  []int
		limits map[int]float64
		took   *time.Duration
	}{
		{[]int{each, each, each, each}, nil, &out.Alone},
		{[]int{each, each, each, each, each}, map[int]float64{4: 1}, &out.Beside},
	} {
		err := o.fresh(ctx, manyimages, run.sizes, run.limits, func(s *system) error {
			began := time.Now()
			var all sync.WaitGroup
			var failed error
			var mu sync.Mutex
			for _, r := range s.registries {
				if err := s.startSweep(ctx, r.id); err != nil {
					return err
				}
			}
			for _, r := range s.registries[:4] {
				all.Go(func() {
					if _, err := s.swept(ctx, r.id, began); err != nil {
						mu.Lock()
						failed = err
						mu.Unlock()
					}
				})
			}
			all.Wait()
			*run.took = time.Since(began)
			s.say("four registries of %d images beside %d slow: %v", each, len(run.limits), run.took.Round(time.Millisecond))
			return failed
		})
		if err != nil {
			return nil, fmt.Errorf("registries side by side: %w", err)
		}
	}
	return out, nil
}

// killResult is what the crash of one part in the middle of a first sweep costs.
type killResult struct {
	Part   string
	Steady time.Duration // until images are covered again as fast as before
}

// killsResult is that of all parts, and what the registry was asked for until the sweep had ended.
type killsResult struct {
	Parts []killResult
	Asked map[string]int64
}

// kills kills each part once while a sweep runs, starts it again at once, and lets the sweep go on to its end.
func (s *system) kills(ctx context.Context) (*killsResult, error) {
	r, started := s.registries[0], time.Now()
	if err := s.startSweep(ctx, r.id); err != nil {
		return nil, err
	}
	parts, err := s.killEach(ctx, r)
	if err != nil {
		return nil, err
	}
	if _, err := s.swept(ctx, r.id, started); err != nil {
		return nil, err
	}
	asked, err := r.stats(ctx, false)
	return &killsResult{parts, asked}, err
}

func (s *system) killEach(ctx context.Context, r *fakeRegistry) (all []killResult, err error) {
	for _, one := range []struct {
		name  string
		again func() error
	}{
		{"worker", func() error { return s.restartWorker(ctx) }},
		{"scheduler", func() error { return errorOf(s.scheduler.kill(), func() error { return s.startScheduler(ctx) }) }},
		{"reporter", func() error { return errorOf(s.reporter.kill(), func() error { return s.startReporter(ctx) }) }},
		{"NATS and Temporal", func() error { return s.restartQueue(ctx) }},
		{"S3", func() error { return s.restartBucket(ctx) }},
	} {
		before := 0.0
		// The large layers of the bases come first, and with them no image is covered.
		err := until(ctx, 2*time.Minute, time.Millisecond, func() (_ bool, err error) {
			before, err = s.rate(ctx, r.id, 5*time.Second)
			return before > 0, err
		})
		if err != nil {
			return all, fmt.Errorf("before the kill of the %s: %w", one.name, err)
		}
		began := time.Now()
		if err := one.again(); err != nil {
			return all, fmt.Errorf("kill %s: %w", one.name, err)
		}
		err = until(ctx, 5*time.Minute, time.Millisecond, func() (bool, error) {
			now, err := s.rate(ctx, r.id, 2*time.Second)
			return now >= before/2, err
		})
		if err != nil {
			return all, fmt.Errorf("after the kill of the %s: %w", one.name, err)
		}
		all = append(all, killResult{one.name, time.Since(began)})
		s.say("%s killed: steady after %v", one.name, time.Since(began).Round(time.Millisecond))
	}
	return all, nil
}

func errorOf(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

// restartWorker starts a worker on the address of the one that is killed: the scheduler knows no other.
func (s *system) restartWorker(ctx context.Context) (err error) {
	if err := s.worker.kill(); err != nil {
		return err
	}
	s.env = append(s.env, "PLIMSOLL_WORKER_LISTEN="+s.grpc)
	if s.worker, err = s.part("worker"); err != nil {
		return err
	}
	_, err = s.worker.line(ctx, "worker ready")
	return err
}

// rate is how many images a second become covered, over a while.
func (s *system) rate(ctx context.Context, id string, over time.Duration) (float64, error) {
	first, err := s.covered(ctx, id)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-time.After(over):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	last, err := s.covered(ctx, id)
	return float64(last-first) / time.Since(began).Seconds(), err
}

func (s *system) covered(ctx context.Context, id string) (n int, err error) {
	err = until(ctx, time.Minute, 200*time.Millisecond, func() (bool, error) {
		var all sweeps
		if s.ask(ctx, "/api/v1/sweeps?registry="+id, &all) != nil || len(all.Items) == 0 {
			return false, nil
		}
		n = all.Items[0].Covered
		return true, nil
	})
	return n, err
}

// metric is one of the scheduler's metrics; zero when it is not there.
func (s *system) metric(ctx context.Context, name string) int64 {
	said, err := get(ctx, s.hooks+"/metrics", "")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(said)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, _ := strconv.ParseFloat(strings.TrimSpace(value), 64) //nolint:errcheck // zero is what is not there
			return int64(f)
		}
	}
	return 0
}

// post sends a notification as a registry does.
func post(ctx context.Context, target string, body []byte) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(string(body)))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/vnd.docker.distribution.events.v2+json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) //nolint:errcheck // the status says it
	if resp.StatusCode/100 != 2 {
		return resp.StatusCode, fmt.Errorf("%s: %s", target, resp.Status)
	}
	return resp.StatusCode, nil
}
