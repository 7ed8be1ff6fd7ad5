package host

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue"
	"github.com/plimsoll/plimsoll/workflows"
)

// Starter is the part of Temporal's client that a run needs.
type Starter interface {
	ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
}

// Scans makes a [queue.Run] of Temporal: it starts ScanImages, or joins the run of the same set that is in flight, and waits
// for its end. Cancelling ctx stops the wait, not the workflow. A push that left something for another try is [queue.ErrUnsettled]; what
// a sweep leaves is the next one's.
func Scans(t Starter) queue.Run {
	return func(ctx context.Context, r *scanv1.ScanRequest) error {
		run, err := t.ExecuteWorkflow(ctx, workflows.ScanOptions(r), workflows.NameScan, r)
		if err != nil {
			return fmt.Errorf("start scan %s: %w", r.WorkflowID(), started(err))
		}
		var result workflows.ScanResult
		if err := run.Get(ctx, &result); err != nil {
			return fmt.Errorf("scan %s: %w", r.WorkflowID(), ended(err, r.GetLane()))
		}
		switch {
		case r.GetLane() != scanv1.Lane_LANE_PUSH:
			return nil
		case result.Doubtful > 0:
			return fmt.Errorf("scan %s: %d of %d tags were seen elsewhere by another scan within moments; the registry is asked again", r.WorkflowID(), result.Doubtful, len(r.GetTargets()))
		case result.Unsettled > 0:
			return fmt.Errorf("scan %s: %d of %d targets: %w", r.WorkflowID(), result.Unsettled, len(r.GetTargets()), queue.ErrUnsettled)
		}
		return nil
	}
}

// started tells a request that Temporal refuses, which counts against it, from a Temporal that cannot be asked.
func started(err error) error {
	var invalid *serviceerror.InvalidArgument
	if errors.As(err, &invalid) {
		return err
	}
	return fmt.Errorf("%w: %w", queue.ErrLost, err)
}

// ended tells a run that failed from one whose end is not known. A run that Temporal has forgotten (its store was lost) is
// started again; so is a cancelled one that a push had joined, because it is the sweep that was cancelled.
func ended(err error, lane scanv1.Lane) error {
	var failed *temporal.WorkflowExecutionError
	switch cancelled := temporal.IsCanceledError(err); {
	case cancelled && lane == scanv1.Lane_LANE_SWEEP:
		return fmt.Errorf("%w: %w", queue.ErrCancelled, err)
	case cancelled:
		return fmt.Errorf("%w: %w", queue.ErrLost, err)
	case errors.As(err, &failed):
		return workflows.FromFailure(err)
	}
	return fmt.Errorf("%w: %w", queue.ErrLost, err)
}
