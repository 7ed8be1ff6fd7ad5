package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"runtime/pprof"
)

func trivialActivity(context.Context, int) (int, error) { return 1, nil }

func trivialWorkflow(ctx workflow.Context, local bool) (int, error) {
	var n int
	if local {
		ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
		return n, workflow.ExecuteLocalActivity(ctx, trivialActivity, 1).Get(ctx, &n)
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, DisableEagerExecution: os.Getenv("NOEAGER") != ""})
	return n, workflow.ExecuteActivity(ctx, trivialActivity, 1).Get(ctx, &n)
}

func TestStallX(t *testing.T) {
	dir := os.Getenv("STALLDIR")
	if dir == "" {
		t.Skip()
	}
	os.RemoveAll(dir)
	os.MkdirAll(dir, 0o700)
	n, _ := strconv.Atoi(os.Getenv("N"))
	conc, _ := strconv.Atoi(os.Getenv("CONC"))
	if conc == 0 {
		conc = 1
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx := context.Background()
	begin := time.Now()
	ctx2, cancel := context.WithTimeout(ctx, time.Minute)
	tp, stop, err := startTemporal(ctx2, dir, Options{Log: log, Transient: os.Getenv("TRANSIENT") != ""})
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("start", time.Since(begin))
	c, err := client.Dial(client.Options{HostPort: tp.Address, Namespace: tp.Namespace, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("NOSTICKY") != "" {
		worker.SetStickyWorkflowCacheSize(0)
	}
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflow(trivialWorkflow)
	w.RegisterActivityWithOptions(trivialActivity, activity.RegisterOptions{})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var ds []time.Duration
	var wg sync.WaitGroup
	begin = time.Now()
	if p := os.Getenv("CPUPROF"); p != "" {
		f, _ := os.Create(p)
		pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
	}
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	for range conc {
		wg.Go(func() {
			for i := range next {
				b := time.Now()
				tm := time.AfterFunc(3*time.Second, func() {
					fmt.Println("STALL at", i, time.Since(begin))
					f, _ := os.Create(fmt.Sprintf("/tmp/stall-%d.txt", i))
					pprof.Lookup("goroutine").WriteTo(f, 2)
					f.Close()
				})
				run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: fmt.Sprintf("w-%d-%d", time.Now().UnixNano(), i), TaskQueue: "q", EnableEagerStart: os.Getenv("EAGER") != ""}, trivialWorkflow, os.Getenv("LOCAL") != "")
				if err != nil {
					t.Error(err)
					return
				}
				if err := run.Get(ctx, nil); err != nil {
					t.Error(err)
					return
				}
				tm.Stop()
				d := time.Since(b)
				if d > time.Second {
					fmt.Println("slow", i, d, "at", time.Since(begin))
				}
				mu.Lock()
				ds = append(ds, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	total := time.Since(begin)
	slices.Sort(ds)
	fmt.Printf("n=%d conc=%d total=%v rate=%.1f/s p50=%v p90=%v p99=%v max=%v\n", len(ds), conc, total, float64(len(ds))/total.Seconds(), ds[len(ds)/2], ds[len(ds)*9/10], ds[len(ds)*99/100], ds[len(ds)-1])
	w.Stop()
	c.Close()
	begin = time.Now()
	if err := stop(ctx); err != nil {
		t.Error(err)
	}
	fmt.Println("stop", time.Since(begin))
}
