package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/plimsoll/plimsoll"
)

// PlanSweep tells what a sweep of a registry would do. It changes nothing. Its result is the plan.
func PlanSweep(ctx workflow.Context, registry string) (plimsoll.SweepPlan, error) {
	var plan plimsoll.SweepPlan
	err := workflow.ExecuteActivity(boundPlan.activity(ctx), activityPlan, registry).Get(ctx, &plan)
	if err != nil {
		return plan, step(ctx, "plan", err)
	}
	return plan, nil
}

// RetryCause queues again what one cause keeps from being covered. It ends when that is queued, not when it is read.
func RetryCause(ctx workflow.Context, in RetryInput) (plimsoll.Retry, error) {
	if in.Slot == "" {
		in.Slot = workflow.GetInfo(ctx).WorkflowStartTime.UTC().Format(slotLayout)
	}
	var got plimsoll.Retry
	err := workflow.ExecuteActivity(boundRetry.activity(ctx), activityRetry, in).Get(ctx, &got)
	if err != nil {
		return got, step(ctx, "retry", err)
	}
	return got, nil
}
