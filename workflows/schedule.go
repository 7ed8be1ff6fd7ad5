package workflows

import (
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// NameStart stands in histories and in schedules; it never changes.
const NameStart = "StartSweep"

// StartSweep starts SweepRegistry under the registry's own workflow id and ends at once. Schedules run it, because Temporal
// appends the time to the id of a workflow that a schedule starts: under such an id a nightly sweep would run beside one that
// somebody started by hand, instead of joining it.
func StartSweep(ctx workflow.Context, in SweepInput) error {
	o := SweepOptions(in.Registry)
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:               o.ID,
		TaskQueue:                o.TaskQueue,
		WorkflowExecutionTimeout: o.WorkflowExecutionTimeout,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:        enums.PARENT_CLOSE_POLICY_ABANDON,
	})
	err := workflow.ExecuteChildWorkflow(ctx, NameSweep, in).GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		workflow.GetLogger(ctx).Info("sweep runs already and is joined", "registry", in.Registry)
		return nil
	}
	if err != nil {
		return step(ctx, "start sweep", err)
	}
	return nil
}

// RegisterSchedule makes w a host of StartSweep: on scanv1.TaskQueueSweeps.
func RegisterSchedule(w worker.Registry) { registerWorkflow(w, NameStart, StartSweep) }
