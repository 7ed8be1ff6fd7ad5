package host

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue"
	"github.com/plimsoll/plimsoll/workflows"
)

// answers is a Temporal that answers a start and its run with errors; the real one is used in the product's own tests.
type answers struct {
	start, end error
	announced  workflows.Announced
	options    client.StartWorkflowOptions
	name       any
}

func (a *answers) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, workflow any, _ ...any) (client.WorkflowRun, error) {
	a.options, a.name = o, workflow
	return ending{err: a.end, announced: a.announced}, a.start
}

type ending struct {
	client.WorkflowRun
	err       error
	announced workflows.Announced
}

func (e ending) Get(_ context.Context, result any) error {
	result.(*workflows.ScanResult).Announced = e.announced
	return e.err
}

// TestScansAgain: a push asks again for what it lacks and for what is in doubt; a sweep leaves it to the next.
func TestScansAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		lane             scanv1.Lane
		got              workflows.Announced
		again, unsettled bool
	}{
		{lane: scanv1.Lane_LANE_PUSH, got: workflows.Announced{Unsettled: 1}, again: true, unsettled: true},
		{lane: scanv1.Lane_LANE_PUSH, got: workflows.Announced{Unsettled: 1, Doubtful: 1}, again: true},
		{lane: scanv1.Lane_LANE_SWEEP, got: workflows.Announced{Unsettled: 1, Doubtful: 1}},
	} {
		r := &scanv1.ScanRequest{Lane: test.lane, Registry: "prod", Repository: "team/app", Targets: []*scanv1.Target{{Tag: "v1"}}}
		err := Scans(&answers{announced: test.got})(t.Context(), r)
		if (err != nil) != test.again || errors.Is(err, queue.ErrUnsettled) != test.unsettled || errors.Is(err, queue.ErrLost) {
			t.Errorf("%s %+v: error %v, want again %v, unsettled %v", test.lane, test.got, err, test.again, test.unsettled)
		}
	}
}

func TestScans(t *testing.T) {
	t.Parallel()
	denied := temporal.NewApplicationErrorWithOptions("resolve: HTTP 403", "denied", temporal.ApplicationErrorOptions{NonRetryable: true})
	tests := []struct {
		name     string
		temporal answers
		ok, lost bool
	}{
		{name: "ended well", ok: true},
		{name: "cannot be reached", temporal: answers{start: serviceerror.NewUnavailable("connection refused")}, lost: true},
		{name: "time-out", temporal: answers{start: context.DeadlineExceeded}, lost: true},
		{name: "refused", temporal: answers{start: serviceerror.NewInvalidArgument("blob size")}},
		{name: "run failed", temporal: answers{end: failed(denied)}},
		{name: "connection lost while it runs", temporal: answers{end: serviceerror.NewUnavailable("connection reset")}, lost: true},
		{name: "run forgotten", temporal: answers{end: serviceerror.NewNotFound("no such run")}, lost: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &scanv1.ScanRequest{Lane: scanv1.Lane_LANE_PUSH, Registry: "prod", Repository: "team/app", Targets: []*scanv1.Target{{Tag: "v1"}}}
			err := Scans(&test.temporal)(t.Context(), r)
			if (err == nil) != test.ok || errors.Is(err, queue.ErrLost) != test.lost {
				t.Errorf("error %v, want ok %v, lost %v", err, test.ok, test.lost)
			}
			if test.temporal.options.ID != r.WorkflowID() || test.temporal.name != workflows.NameScan {
				t.Errorf("started %v as %q, want %s as %q", test.temporal.name, test.temporal.options.ID, workflows.NameScan, r.WorkflowID())
			}
		})
	}
}

// failed is how the client reports a run that failed; its type has no constructor, so the SDK's own test environment would
// be needed for more than the kind.
func failed(cause error) error { return &wrapped{cause} }

type wrapped struct{ cause error }

func (w *wrapped) Error() string { return fmt.Sprint("workflow execution error: ", w.cause) }
func (w *wrapped) Unwrap() error { return w.cause }

func (w *wrapped) As(target any) bool {
	t, ok := target.(**temporal.WorkflowExecutionError)
	if ok {
		*t = new(temporal.WorkflowExecutionError)
	}
	return ok
}

func TestFailureReadsAsItsCause(t *testing.T) {
	t.Parallel()
	denied := temporal.NewApplicationErrorWithOptions("resolve: HTTP 403", "denied", temporal.ApplicationErrorOptions{NonRetryable: true})
	err := ended(failed(denied), scanv1.Lane_LANE_SWEEP)
	if !errors.Is(err, plimsoll.ErrDenied) || err.Error() != "resolve: HTTP 403" {
		t.Errorf("ended = %v, want the cause, as ErrDenied", err)
	}
}

// TestCancelledScan: a cancelled sweep's request is over; a push that had joined its run wants one of its own.
func TestCancelledScan(t *testing.T) {
	t.Parallel()
	cancelled := failed(temporal.NewCanceledError())
	if err := ended(cancelled, scanv1.Lane_LANE_SWEEP); !errors.Is(err, queue.ErrCancelled) || errors.Is(err, queue.ErrLost) {
		t.Errorf("a sweep's: %v, want ErrCancelled", err)
	}
	if err := ended(cancelled, scanv1.Lane_LANE_PUSH); !errors.Is(err, queue.ErrLost) || errors.Is(err, queue.ErrCancelled) {
		t.Errorf("a push's: %v, want ErrLost", err)
	}
}
