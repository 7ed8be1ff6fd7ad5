package workflows

// Names under which workflows and activities are registered. They stand in histories, so they never change, whatever the
// Go functions are called.
const (
	NameScan   = "ScanImages"
	NameSweep  = "SweepRegistry"
	NameReport = "WeeklyReport"
	NamePlan   = "PlanSweep"
	NameRetry  = "RetryCause"

	activityResolve  = "scan.Resolve"
	activityAnalyze  = "scan.Analyze"
	activityAssemble = "scan.Assemble"
	activityAnnounce = "scan.Announce"
	activityConclude = "scan.Conclude"

	activityBegin  = "sweep.Begin"
	activityPage   = "sweep.Page"
	activityDrain  = "sweep.Drain"
	activityRecord = "sweep.Record"
	activityFinish = "sweep.Finish"

	activityAbandon = "sweep.Abandon"
	activityPlan    = "sweep.Plan"
	activityRetry   = "sweep.Retry"

	activityReport = "report.Write"
)

// QueryProgress asks a running SweepRegistry for its plimsoll.Sweep as it stands.
const QueryProgress = "progress"
