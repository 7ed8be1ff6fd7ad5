package workflows

import (
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/plimsoll/plimsoll"
)

// A sweep that is started twice runs once, under the registry's own id, with what the first start said.
func TestStartSweepJoins(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := patient(suite.NewTestWorkflowEnvironment())
	var ids []string
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in SweepInput) (plimsoll.Sweep, error) {
		ids = append(ids, workflow.GetInfo(ctx).WorkflowExecution.ID+" by "+in.Actor)
		return plimsoll.Sweep{}, workflow.Sleep(ctx, time.Hour)
	}, workflow.RegisterOptions{Name: NameSweep})
	twice := func(ctx workflow.Context) error {
		for _, actor := range []string{"schedule", "alice"} {
			if err := StartSweep(ctx, SweepInput{Registry: "prod", Actor: actor}); err != nil {
				return err
			}
		}
		return nil
	}
	env.RegisterWorkflowWithOptions(twice, workflow.RegisterOptions{Name: "twice"})
	env.ExecuteWorkflow("twice")
	if err := env.GetWorkflowError(); err != nil {
		t.Fatalf("StartSweep twice: %v", err)
	}
	if len(ids) != 1 || ids[0] != "sweep/prod by schedule" {
		t.Errorf("sweeps %q, want one: sweep/prod by schedule", ids)
	}
}

// Histories of StartSweep as schedules made them must go on replaying: see TestReplay.
func TestReplayStartSweep(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/schedule/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories in testdata/schedule (%v)", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflowWithOptions(StartSweep, workflow.RegisterOptions{Name: NameStart})
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(silent(), file); err != nil {
				t.Error(err)
			}
		})
	}
}
