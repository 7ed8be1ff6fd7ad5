package host

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/workflows"
)

// running are the scans that sweeps have asked for and that run.
const running = "WorkflowType = '" + workflows.NameScan + "' AND TaskQueue = '" + scanv1.TaskQueueSweep + "' AND ExecutionStatus = 'Running'"

// CancelScans cancels the scans that one sweep of a registry asked for and that run, and returns how many there are. Temporal's
// list is late by up to a second: call it again.
func CancelScans(ctx context.Context, t client.Client, registry, slot string) (n int, err error) {
	var next []byte
	for {
		page, err := t.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: running, NextPageToken: next})
		if err != nil {
			return n, fmt.Errorf("list running scans: %w: %w", plimsoll.ErrUnavailable, err)
		}
		for _, x := range page.GetExecutions() {
			id := x.GetExecution().GetWorkflowId()
			if !strings.HasPrefix(id, "scan/"+registry+"/") || epochOf(x) != slot {
				continue
			}
			n++
			var gone *serviceerror.NotFound
			if err := t.CancelWorkflow(ctx, id, x.GetExecution().GetRunId()); err != nil && !errors.As(err, &gone) {
				return n, fmt.Errorf("cancel %s: %w: %w", id, plimsoll.ErrUnavailable, err)
			}
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return n, nil
		}
	}
}

// epochOf is the sweep that asked for a scan; empty for a run of an earlier version, which says nothing of it.
func epochOf(x *workflowpb.WorkflowExecutionInfo) (epoch string) {
	payload, ok := x.GetMemo().GetFields()[workflows.MemoEpoch]
	if !ok || converter.GetDefaultDataConverter().FromPayload(payload, &epoch) != nil {
		return ""
	}
	return epoch
}
