package workflows

import (
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

const (
	historyDir = "testdata/history"
	// nonDeterminism is how the SDK marks a history that the code does not match.
	nonDeterminism = "TMPRL1100"
)

func histories(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(historyDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories in %s (%v); see TestRecordHistories", historyDir, err)
	}
	return files
}

// TestReplay runs today's workflows over recorded histories: what a restart does to the runs in flight. When it fails, the
// change needs workflow.GetVersion, not a new recording.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, file := range histories(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflowWithOptions(ScanImages, workflow.RegisterOptions{Name: NameScan})
			replayer.RegisterWorkflowWithOptions(SweepRegistry, workflow.RegisterOptions{Name: NameSweep})
			replayer.RegisterWorkflowWithOptions(WeeklyReport, workflow.RegisterOptions{Name: NameReport})
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(silent(), file); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReplayNoticesAChange makes sure that TestReplay can fail: a workflow with its steps in another order must not replay.
func TestReplayNoticesAChange(t *testing.T) {
	t.Parallel()
	changed := map[string]any{
		NameScan: func(ctx workflow.Context, r *scanv1.ScanRequest) (ScanResult, error) {
			stage := stages{push: r.GetLane() == scanv1.Lane_LANE_PUSH, targets: len(r.GetTargets())}
			if err := stage.run(ctx, boundResolve, activityResolve, nil, r); err != nil {
				return ScanResult{}, err
			}
			return ScanResult{}, stage.run(ctx, boundAnnounce, activityAnnounce, nil, "")
		},
		NameSweep: func(ctx workflow.Context, in SweepInput) error {
			return workflow.ExecuteActivity(boundDrain.activity(ctx), activityDrain, in.Registry, in.Slot).Get(ctx, nil)
		},
		NameReport: func(ctx workflow.Context, in ReportInput) error {
			return workflow.ExecuteActivity(boundReport.activity(ctx), activityReport, in.Period, in.Cutoff).Get(ctx, nil)
		},
	}
	for _, file := range histories(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			for name, f := range changed {
				replayer.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: name})
			}
			err := replayer.ReplayWorkflowHistoryFromJSONFile(silent(), file)
			if err == nil || !strings.Contains(err.Error(), nonDeterminism) {
				t.Errorf("error = %v, want non-determinism", err)
			}
		})
	}
}
