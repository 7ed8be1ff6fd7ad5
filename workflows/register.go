package workflows

import (
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// RegisterScan makes w a host of ScanImages and its activities: once for each of scanv1.TaskQueuePush and TaskQueueSweep.
func RegisterScan(w worker.Registry, s Scanner) { registerScan(w, scanActivities{s, slowTry}) }

func registerScan(w worker.Registry, a scanActivities) {
	registerWorkflow(w, NameScan, ScanImages)
	registerActivity(w, activityResolve, a.resolve)
	registerActivity(w, activityAnalyze, a.analyze)
	registerActivity(w, activityAssemble, a.assemble)
	registerActivity(w, activityAnnounce, a.announce)
	registerActivity(w, activityConclude, a.conclude)
}

// RegisterSweep makes w a host of SweepRegistry, PlanSweep and RetryCause and of their activities: on scanv1.TaskQueueSweeps.
func RegisterSweep(w worker.Registry, s Sweeper) {
	a := sweepActivities{s}
	registerWorkflow(w, NameSweep, SweepRegistry)
	registerActivity(w, activityBegin, a.begin)
	registerActivity(w, activityPage, a.page)
	registerActivity(w, activityDrain, a.drain)
	registerActivity(w, activityRecord, a.record)
	registerActivity(w, activityFinish, a.finish)
	registerActivity(w, activityAbandon, a.abandon)
	registerWorkflow(w, NamePlan, PlanSweep)
	registerActivity(w, activityPlan, a.plan)
	registerWorkflow(w, NameRetry, RetryCause)
	registerActivity(w, activityRetry, a.retry)
}

// RegisterReport makes w a host of WeeklyReport and its activity: on scanv1.TaskQueueReport.
func RegisterReport(w worker.Registry, r Reporter) {
	registerWorkflow(w, NameReport, WeeklyReport)
	registerActivity(w, activityReport, reportActivities{r}.write)
}

func registerWorkflow(w worker.WorkflowRegistry, name string, f any) {
	w.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: name})
}

// registrar is the part of a worker that activities need.
type registrar interface {
	RegisterActivityWithOptions(f any, o activity.RegisterOptions)
}

func registerActivity(w registrar, name string, f any) {
	w.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
}
