package workflows

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// MemoEpoch is the memo under which a scan keeps the sweep or push that asked for it first.
const MemoEpoch = "plimsoll-epoch"

// memoEarly marks scans that resolve in a local activity first.
const memoEarly = "plimsoll-early"

// ScanOptions are the options to start ScanImages for r with. A run of the same set joins the one in flight; a finished one
// may be repeated, because a new message means that somebody wants to know again.
func ScanOptions(r *scanv1.ScanRequest) client.StartWorkflowOptions {
	queue := scanv1.TaskQueueSweep
	if r.GetLane() == scanv1.Lane_LANE_PUSH {
		queue = scanv1.TaskQueuePush
	}
	return client.StartWorkflowOptions{
		ID:                       r.WorkflowID(),
		TaskQueue:                queue,
		Memo:                     map[string]any{MemoEpoch: r.GetEpoch(), memoEarly: true},
		EnableEagerStart:         true, // by the scheduler that asks, which saves the way through the task queue
		WorkflowExecutionTimeout: scanTimeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}
}

// SweepOptions are the options to start SweepRegistry by hand with; one that runs already is joined. A schedule uses their
// ID, TaskQueue and WorkflowExecutionTimeout for its action.
func SweepOptions(registry string) client.StartWorkflowOptions {
	return joined(SweepID(registry), sweepTimeout)
}

// PlanOptions are the options to start PlanSweep with; one that runs already is joined.
func PlanOptions(registry string) client.StartWorkflowOptions {
	return joined(PlanID(registry), planTimeout)
}

// RetryOptions are the options to start RetryCause with; one of the same cause that runs already is joined.
func RetryOptions(in RetryInput) client.StartWorkflowOptions {
	return joined(RetryID(in), planTimeout)
}

// joined are the options of what concerns a whole registry: one of an id runs at a time, as often as it is asked for.
func joined(id string, timeout time.Duration) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                scanv1.TaskQueueSweeps,
		WorkflowExecutionTimeout: timeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}
}

// ReportOptions are the options to start WeeklyReport for one period with: once made, it is not made again; one that failed
// may be repeated. A schedule, which knows no period, passes an empty one and gives its action its own id.
func ReportOptions(period string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                       ReportID(period),
		TaskQueue:                scanv1.TaskQueueReport,
		WorkflowExecutionTimeout: reportTimeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
	}
}
