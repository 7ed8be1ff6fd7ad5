package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.temporal.io/server/common/log/tag"
)

// A step is how the trivial workflow has its one activity done.
type step string

const (
	eagerStep  step = "eager"  // by the worker that asked for it, if it has a free slot
	queuedStep step = "queued" // through the task queue
	localStep  step = "local"  // inside the workflow task
)

// stepTimeout is also how long an activity that died with its engines is waited for.
const stepTimeout = 5 * time.Second

func trivialActivity(context.Context) (int, error) { return 1, nil }

func trivialWorkflow(ctx workflow.Context, s step) (n int, err error) {
	if s == localStep {
		ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: stepTimeout})
		err = workflow.ExecuteLocalActivity(ctx, trivialActivity).Get(ctx, &n)
		return n, err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: stepTimeout, DisableEagerExecution: s == queuedStep,
	})
	err = workflow.ExecuteActivity(ctx, trivialActivity).Get(ctx, &n)
	return n, err
}

// startTemporalTest runs a server over files, and a worker, in this process.
func startTemporalTest(t testing.TB) client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	tp, stop, err := startTemporal(ctx, t.TempDir(), Options{Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := dialTemporal(t, tp)
	t.Cleanup(startWorker(t, c).Stop)
	return c
}

func startWorker(t testing.TB, c client.Client) worker.Worker {
	t.Helper()
	w := worker.New(c, "trivial", worker.Options{})
	w.RegisterWorkflow(trivialWorkflow)
	w.RegisterActivity(trivialActivity)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// runWorkflows runs n workflows, some at a time, and returns how long each took, in ascending order.
func runWorkflows(t testing.TB, c client.Client, s step, n, atATime int) []time.Duration {
	t.Helper()
	ids := make(chan int)
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for range atATime {
		wg.Go(func() {
			for i := range ids {
				begin := time.Now()
				run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
					ID: fmt.Sprintf("%s-%d-%d", s, atATime, i), TaskQueue: "trivial",
				}, trivialWorkflow, s)
				if err == nil {
					err = run.Get(t.Context(), nil)
				}
				if err != nil {
					t.Errorf("workflow %d: %v", i, err)
				}
				mu.Lock()
				took = append(took, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	for i := range n {
		ids <- i
	}
	close(ids)
	wg.Wait()
	slices.Sort(took)
	return took
}

// TestSerialWorkflowsDoNotStall is the regression test for the two defaults that tuning explains. With either of them it
// fails within some hundred workflows. The bound leaves room for a machine that does much else.
func TestSerialWorkflowsDoNotStall(t *testing.T) {
	t.Parallel()
	const bound, medianBound = 5 * time.Second, 140 * time.Millisecond
	c := startTemporalTest(t)
	for _, tt := range []struct {
		step step
		n    int
	}{{eagerStep, 2000}, {queuedStep, 300}, {localStep, 300}} {
		n := tt.n
		if testing.Short() || raceEnabled {
			n /= 10
		}
		begin := time.Now()
		took := runWorkflows(t, c, tt.step, n, 1)
		median, most := took[n/2], took[n-1]
		t.Logf("%d serial workflows with one %s activity: %.1f/s, median %v, 99%% %v, most %v",
			n, tt.step, float64(n)/time.Since(begin).Seconds(), median, took[n*99/100], most)
		if most > bound {
			t.Errorf("%s: a workflow took %v, want at most %v", tt.step, most, bound)
		}
		if median > medianBound && !raceEnabled {
			t.Errorf("%s: the median workflow took %v, want at most %v", tt.step, median, medianBound)
		}
	}
}

func BenchmarkWorkflows(b *testing.B) {
	c := startTemporalTest(b)
	for _, s := range []step{eagerStep, localStep} {
		for _, atATime := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/%d", s, atATime), func(b *testing.B) {
				took := runWorkflows(b, c, s, b.N, atATime)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "workflows/s")
			})
		}
	}
}

func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		damage func(content []byte) []byte
		is     error
		want   string
	}{
		{"truncated", func(b []byte) []byte { return b[:len(b)/2+100] }, nil, "is damaged: remove it, with its -wal and -shm files"},
		{"foreign", func(b []byte) []byte { return []byte(strings.Repeat("not a database ", 1000)) }, nil, "is damaged: remove it"},
		{"empty", func([]byte) []byte { return nil }, nil, ""}, // a creation that was killed: created again
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "temporal.db")
			if err := prepareFile(path); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tt.damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = openDatabase(dir, false)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v\nwant an error that names %s and has %q", err, path, tt.want)
			}
		})
	}
}

func TestOtherSchema(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"older":   `UPDATE ` + schemaTable + ` SET main = '0.1'`,
		"foreign": `DROP TABLE ` + schemaTable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "temporal.db")
			if err := prepareFile(path); err != nil {
				t.Fatal(err)
			}
			execSQL(t, path, change)
			if err := prepareFile(path); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want ErrSchema and the path", err)
			}
		})
	}
}

// TestPortInUse checks that Temporal's way of reporting it, ending the process, ends in an error.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	db, err := openDatabase("", true)
	if err != nil {
		t.Fatal(err)
	}
	ports, err := freePorts(4)
	if err != nil {
		t.Fatal(err)
	}
	ports[1] = ports[0]
	_, err = newServer(serverConfig(db, ports), newTemporalLog(testLog(t)))
	if !errors.As(err, new(fatalError)) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v, want a fatalError about the port", err)
	}
}

func TestTemporalLogRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		l := newTemporalLog(slog.New(slog.NewTextHandler(&b, nil)))
		l.Error("while starting")
		l.level.Set(levelRun)
		for range 3 {
			l.Info("chatter")
			l.Warn("slow")
			l.With(tag.NewStringTag("task", "2")).Warn("slow")
			l.Error("broken")
			time.Sleep(logEvery)
		}
		for msg, want := range map[string]int{"while starting": 0, "chatter": 0, "slow": 3, "broken": 3} {
			if got := strings.Count(b.String(), msg); got != want {
				t.Errorf("%q was written %d times, want %d", msg, got, want)
			}
		}
	})
}

// TestFatal checks both ways a fatal error ends its caller.
func TestFatal(t *testing.T) {
	t.Parallel()
	l := newTemporalLog(testLog(t))
	var wg sync.WaitGroup
	wg.Go(func() {
		l.With(tag.NewStringTag("service", "worker")).Fatal("first", tag.Error(errors.New("cause")))
		t.Error("a hook went on after a fatal error")
	})
	wg.Wait()
	if got := l.fatal.first.Load(); got == nil || got.Error() != "first: cause" {
		t.Errorf("recorded %v, want the first fatal error", got)
	}
	l.fatal.building.Store(true)
	defer func() {
		if _, ok := recover().(fatalError); !ok {
			t.Error("a constructor went on after a fatal error")
		}
	}()
	l.Fatal("second")
}
