package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/workflows"
)

// result is what one size gave. A scenario that was not asked for is nil.
type result struct {
	Images, Tags int
	First        *sweepResult
	Again        *sweepResult
	Third        *sweepResult // of the same unchanged registry: what grew in it grows every night
	Push, Busy   *pushResult
	Registries   *fairResult
	Kill         *killsResult
	Flood        *floodResult
}

// measure runs the scenarios over a registry of n images, on systems of their own where one would disturb another.
func measure(ctx context.Context, o options, manyimages string, n int) (r result, err error) {
	r = result{Images: n, Tags: o.tags}
	if o.wants("sweeps") || o.wants("push") {
		err = o.fresh(ctx, manyimages, []int{n}, nil, func(s *system) error { return s.sweepsAndPushes(ctx, &r) })
	}
	if err == nil && o.wants("busy") {
		err = o.fresh(ctx, manyimages, []int{n}, nil, func(s *system) (err error) { r.Busy, err = s.busy(ctx); return err })
	}
	if err == nil && o.wants("registries") {
		r.Registries, err = fair(ctx, o, manyimages, n)
	}
	if err == nil && o.wants("kill") {
		o.linked = true
		err = o.fresh(ctx, manyimages, []int{n}, nil, func(s *system) (err error) { r.Kill, err = s.kills(ctx); return err })
		o.linked = false
	}
	if err == nil && o.wants("flood") {
		err = o.fresh(ctx, manyimages, []int{n, max(10, n/10)}, nil, func(s *system) (err error) { r.Flood, err = s.flood(ctx); return err })
	}
	return r, err
}

// fresh runs f over a new system with registries of the given sizes and bounds.
func (o options) fresh(ctx context.Context, manyimages string, sizes []int, limits map[int]float64, f func(*system) error) error {
	dir, err := os.MkdirTemp(o.work, "system-")
	if err != nil {
		return err
	}
	s := &system{o: o, dir: dir}
	defer s.stop()
	for i, n := range sizes {
		r, err := s.registryAt(ctx, manyimages, fmt.Sprintf("r%d", i+1), n)
		if err != nil {
			return err
		}
		r.limit = limits[i]
	}
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("%w (logs in %s)", err, dir)
	}
	if err := f(s); err != nil {
		return fmt.Errorf("%w (logs in %s)", err, dir)
	}
	return nil
}

func (s *system) sweepsAndPushes(ctx context.Context, r *result) (err error) {
	if r.First, err = s.sweep(ctx, s.registries[0]); err != nil {
		return fmt.Errorf("first sweep: %w", err)
	}
	if s.o.wants("sweeps") {
		if r.Again, err = s.sweep(ctx, s.registries[0]); err != nil {
			return fmt.Errorf("second sweep: %w", err)
		}
		if r.Third, err = s.sweep(ctx, s.registries[0]); err != nil {
			return fmt.Errorf("third sweep: %w", err)
		}
	}
	if !s.o.wants("push") {
		return nil
	}
	if r.Push, err = s.pushes(ctx, s.registries[0], time.Duration(s.o.pushFor)*time.Second, nil); err != nil {
		return fmt.Errorf("pushes: %w", err)
	}
	return nil
}

// sweepResult is what one sweep cost.
type sweepResult struct {
	Sweep     plimsoll.Sweep
	Took      time.Duration
	CPU       map[string]time.Duration // by part
	Memory    map[string]int64         // the most that a part held, sampled, bytes
	Before    map[string]int64         // what it held when the sweep began
	Asked     map[string]int64         // the registry's counters
	Workflows int64                    // ScanImages runs that were started
	Kept      kept                     // afterwards
}

// kept is what stays after the queue has drained, and must not grow from one sweep of the same images to the next.
type kept struct {
	Bucket, NATS, Temporal int64 // bytes on disk
	Files                  int   // open, over all parts
}

// sweep sweeps a registry and measures.
func (s *system) sweep(ctx context.Context, r *fakeRegistry) (*sweepResult, error) {
	if _, err := r.stats(ctx, true); err != nil {
		return nil, err
	}
	runs, err := s.workflows(ctx)
	if err != nil {
		return nil, err
	}
	watch := s.watch()
	started := time.Now()
	out := &sweepResult{}
	if err := s.startSweep(ctx, r.id); err != nil {
		return nil, err
	}
	if out.Sweep, err = s.swept(ctx, r.id, started); err != nil {
		return nil, err
	}
	out.Took = time.Since(started)
	// The posture follows the change log; what that costs belongs to the sweep.
	if err := s.settled(ctx, r.id, out.Sweep); err != nil {
		return nil, err
	}
	out.CPU, out.Before, out.Memory = watch()
	if out.Asked, err = r.stats(ctx, true); err != nil {
		return nil, err
	}
	after, err := s.workflows(ctx)
	if err != nil {
		return nil, err
	}
	out.Workflows = after - runs
	out.Kept = s.kept()
	s.say("sweep of %s: %v, %s, listed %d, requests %d, complete %d", r.id, out.Took.Round(time.Millisecond), out.Sweep.State,
		out.Sweep.Counts.Listed, out.Sweep.Counts.Requests, out.Sweep.Counts.Complete)
	return out, nil
}

func (s *system) startSweep(ctx context.Context, id string) error {
	body, err := json.Marshal(map[string]string{"registry": id})
	if err != nil {
		return err
	}
	return until(ctx, time.Minute, time.Second, func() (bool, error) {
		_, err := call(ctx, "POST", s.api+"/api/v1/sweeps", s.token, body)
		return err == nil, nil // Temporal may still be on its way up
	})
}

// sweeps is the answer of /api/v1/sweeps for one registry.
type sweeps struct {
	Items []struct {
		Covered int              `json:"covered"`
		Images  int              `json:"images"`
		Recent  []plimsoll.Sweep `json:"recent"`
	} `json:"items"`
}

// sweepWithin bounds a sweep: 100,000 new images at 10 a second.
const sweepWithin = 3 * time.Hour

// swept waits for the end of a sweep that started not before a moment.
func (s *system) swept(ctx context.Context, id string, started time.Time) (last plimsoll.Sweep, err error) {
	said := time.Now()
	err = until(ctx, sweepWithin, 200*time.Millisecond, func() (bool, error) {
		var all sweeps
		if err := s.ask(ctx, "/api/v1/sweeps?registry="+id, &all); err != nil || len(all.Items) == 0 {
			return false, nil // the reporter is busy
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			s.say("  %d of %d covered", all.Items[0].Covered, all.Items[0].Images)
		}
		for _, x := range all.Items[0].Recent {
			if !x.Started.Before(started.Truncate(time.Second)) && !x.Ended.IsZero() {
				last = x
				return true, nil
			}
		}
		return false, nil
	})
	return last, err
}

// settled waits until the posture holds what the sweep counted.
func (s *system) settled(ctx context.Context, id string, sweep plimsoll.Sweep) error {
	return until(ctx, 10*time.Minute, 200*time.Millisecond, func() (bool, error) {
		var all sweeps
		err := s.ask(ctx, "/api/v1/sweeps?registry="+id, &all)
		return err == nil && len(all.Items) > 0 && all.Items[0].Covered >= sweep.Counts.Complete, nil
	})
}

func (s *system) ask(ctx context.Context, path string, v any) error {
	b, err := get(ctx, s.api+path, "")
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// workflows counts the runs of ScanImages that Temporal has seen.
func (s *system) workflows(ctx context.Context) (n int64, err error) {
	at, err := s.temporal()
	if err != nil {
		return 0, err
	}
	defer at.Close()
	// What the server lists lags behind what it does by a moment.
	var last int64 = -1
	err = until(ctx, time.Minute, time.Second, func() (bool, error) {
		count, err := at.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: "WorkflowType = '" + workflows.NameScan + "'"})
		if err != nil {
			return false, err
		}
		n = count.GetCount()
		same := n == last
		last = n
		return same, nil
	})
	return n, err
}

func (s *system) temporal() (client.Client, error) {
	return client.Dial(client.Options{HostPort: s.temporalAt.Address, Namespace: s.temporalAt.Namespace, Logger: sdklog.NewStructuredLogger(quiet)})
}

func (s *system) kept() (k kept) {
	k.Bucket = size(filepath.Join(s.dir, "bucket", "bucket"))
	k.NATS = size(filepath.Join(s.dir, "queue", "nats"))
	k.Temporal = size(filepath.Join(s.dir, "queue", "temporal"))
	for _, parts := range s.parts() {
		for _, p := range parts {
			k.Files += p.usage().files
		}
	}
	return k
}

// watch notes what the parts use now and samples their memory, until the returned function is called.
func (s *system) watch() func() (cpu map[string]time.Duration, before, most map[string]int64) {
	first, stop, done := s.usages(), make(chan struct{}), make(chan struct{})
	most := map[string]int64{}
	sample := func() {
		for name, u := range s.usages() {
			most[name] = max(most[name], u.memory)
		}
	}
	go func() {
		defer close(done)
		for t := time.NewTicker(2 * time.Second); ; {
			select {
			case <-t.C:
				sample()
			case <-stop:
				t.Stop()
				return
			}
		}
	}()
	return func() (map[string]time.Duration, map[string]int64, map[string]int64) {
		close(stop)
		<-done
		sample()
		cpu, before := map[string]time.Duration{}, map[string]int64{}
		for name, u := range s.usages() {
			cpu[name], before[name] = u.cpu-first[name].cpu, first[name].memory
		}
		return cpu, before, most
	}
}

func (s *system) usages() map[string]usage {
	all := map[string]usage{}
	for name, parts := range s.parts() {
		var sum usage
		for _, p := range parts {
			u := p.usage()
			sum.cpu += u.cpu
			sum.memory += u.memory
			sum.files += u.files
		}
		all[name] = sum
	}
	return all
}

func (s *system) say(format string, args ...any) {
	if s.o.verbose {
		fmt.Fprintf(os.Stderr, "bench-pipeline: "+format+"\n", args...)
	}
}

// tagOf is the i-th tag of a manyimages with so many tags a repository.
func (s *system) tagOf(i int) (repository, tag string) {
	return fmt.Sprintf("team-%02d/app-%04d", (i/s.o.tags)%40, i/s.o.tags), fmt.Sprintf("1.%d", i%s.o.tags)
}

func (s *system) hook(r *fakeRegistry) string { return s.hooks + "/hooks/" + url.PathEscape(r.id) }
