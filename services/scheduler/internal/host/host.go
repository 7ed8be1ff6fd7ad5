package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/workflows"
)

// Config is what the workflow hosts run.
type Config struct {
	Temporal   client.Client
	Scanner    workflows.Scanner
	Sweeper    workflows.Sweeper
	PushSlots  int // requests of the push lane at once
	SweepSlots int // requests of the sweep lane at once
	Registries int
	Log        *slog.Logger
	// Broken is called once when a host has ended by itself and cannot go on.
	Broken func(error)
}

const (
	// batchesARequest is how many batches of layers one request has in flight (workflows bounds them to 8); few have more
	// than one or two, so this fills the workers without flooding them.
	batchesARequest = 4
	// stopTimeout is how long activities may go on when the host stops. Longer ones are given to another host; what they had
	// finished is in the bucket.
	stopTimeout = 10 * time.Second
	// cachedRuns bounds the workflow runs kept in memory between their tasks: above both windows together, because a run that
	// falls out is replayed from its history.
	cachedRuns = 1024
)

var cacheSize sync.Once

// Start registers and starts the hosts of the three task queues. The returned function stops them, and returns when
// their activities have ended or were given up.
func Start(c Config) (stop func(), err error) {
	// The cache is one for all hosts of a process, and may be sized only before the first of them.
	cacheSize.Do(func() { worker.SetStickyWorkflowCacheSize(cachedRuns) })
	hosts := []worker.Worker{
		newHost(c, scanv1.TaskQueuePush, c.PushSlots*batchesARequest, func(w worker.Worker) { workflows.RegisterScan(w, c.Scanner) }),
		newHost(c, scanv1.TaskQueueSweep, c.SweepSlots*batchesARequest, func(w worker.Worker) { workflows.RegisterScan(w, c.Scanner) }),
		// A page holds its slot while its sweep waits for the queue, so every registry needs one, and one more to finish; so do
		// its plan and a retry.
		newHost(c, scanv1.TaskQueueSweeps, 4*c.Registries+2, func(w worker.Worker) {
			workflows.RegisterSweep(w, c.Sweeper)
			workflows.RegisterSchedule(w)
		}),
	}
	for i, w := range hosts {
		if err := w.Start(); err != nil {
			stopAll(hosts[:i])
			return nil, fmt.Errorf("start workflow host: %w", err)
		}
	}
	return func() { stopAll(hosts) }, nil
}

func newHost(c Config, queue string, activities int, register func(worker.Worker)) worker.Worker {
	w := worker.New(c.Temporal, queue, worker.Options{
		MaxConcurrentActivityExecutionSize:      activities,
		MaxConcurrentLocalActivityExecutionSize: activities,
		WorkerStopTimeout:                       stopTimeout,
		OnFatalError: func(err error) {
			c.Broken(fmt.Errorf("workflow host of task queue %q: %w", queue, err))
		},
	})
	register(w)
	return w
}

// stopAll stops hosts side by side, so that their time-outs do not add up.
func stopAll(hosts []worker.Worker) {
	var all sync.WaitGroup
	for _, w := range hosts {
		all.Go(w.Stop)
	}
	all.Wait()
}

// Healthy asks Temporal whether it serves.
func Healthy(ctx context.Context, t client.Client) error {
	if _, err := t.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return errors.Join(errors.New("temporal does not answer"), err)
	}
	return nil
}
