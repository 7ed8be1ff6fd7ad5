package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Bounds of one workflow run. Temporal's own advice is to stay well under its hard limits (51,200 events, 2 MiB payloads);
// ours keep a replay after a restart cheap.
const (
	// maxEvents is the length of a history at which a run continues as new.
	maxEvents = 4096
	// pagesPerRun is how many pages of a sweep one run lists: about 8 events each, so that a run never nears maxEvents and a
	// restart replays little.
	pagesPerRun = 32
	// batchesAtOnce bounds the batches of one scan in flight: a scan alone can fill several workers, and the window of scans
	// at once times this stays under 500 pending activities a run.
	batchesAtOnce = 8
	// MaxBatches is how many batches a plan may have: 6 events each stay under maxEvents without continue-as-new, and the
	// cuts under 4 KiB.
	MaxBatches = 400
	// localTargets is up to how many targets a push may have and still run in local activities: these hold the workflow's
	// task, so they must end within seconds.
	localTargets = 4
)

// heartbeat is the longest silence of an activity; after it the activity counts as dead and is given to another host.
const heartbeat = 15 * time.Second

// Time-outs of whole runs: a run that outlives them is stuck, and a later request or sweep does its work again.
const (
	scanTimeout   = 24 * time.Hour     // the next night's sweep asks again
	sweepTimeout  = 7 * 24 * time.Hour // a million images behind a throttled registry take days
	planTimeout   = 48 * time.Hour     // two tries of a plan or a retry that took a day
	reportTimeout = 24 * time.Hour     // the report is wanted on its day
	drainTimeout  = 6 * 24 * time.Hour // leaves Finish a day of the sweep's time
	finishTimeout = 24 * time.Hour     // outlasts an outage of the bucket over night
)

// bound is how long one activity may take and how often it is tried. Total, when set, bounds all tries together.
type bound struct {
	try, total time.Duration
	beats      bool  // it heartbeats
	attempts   int32 // 0: as many as fit into total
	first      time.Duration
	longest    time.Duration // the longest pause between tries
}

// The bounds of each activity. Tries cover what passes in seconds to minutes (restarts of workers and of this host, each of
// which costs a try; a failover); what lasts longer goes back to the queue, whose back-off grows to 30 minutes.
var (
	// A throttled registry takes minutes for 64 images, each with its own Retry-After.
	boundResolve = bound{try: time.Hour, beats: true, attempts: 8, first: time.Second, longest: 30 * time.Second}
	// The first try of it, which holds the workflow's task.
	boundEarly = bound{try: 4 * time.Second, total: 4 * time.Second, attempts: 1}
	// The largest layers are tens of gigabytes; a batch without progress ends by its heartbeat, not by this.
	boundAnalyze = bound{try: 4 * time.Hour, beats: true, attempts: 10, first: time.Second, longest: 30 * time.Second}
	// 64 images with hundreds of thousands of files each.
	boundAssemble = bound{try: time.Hour, beats: true, attempts: 10, first: time.Second, longest: 30 * time.Second}
	// A merge and an append: small objects, but many writers may meet in one repository.
	boundAnnounce = bound{try: time.Minute, attempts: 8, first: 500 * time.Millisecond, longest: 10 * time.Second}
	// These three at once. From the tenth try on the layers are not waited for.
	boundConclude = bound{try: 4 * time.Hour, beats: true, attempts: 20, first: time.Second, longest: 30 * time.Second}
	// The same steps for a push: a verdict is wanted within seconds, and the queue tries again soon.
	boundLocal = bound{try: time.Minute, total: 3 * time.Minute, attempts: 3, first: 200 * time.Millisecond, longest: 2 * time.Second}
	// A push's small layers, see [Planned.Quick]. Who ends it early has them read again, so it has time for a registry that is slow.
	boundQuick = bound{try: time.Minute, total: time.Minute, attempts: 1}

	// No worker answers while all of them restart.
	boundBegin = bound{try: 30 * time.Second, total: 15 * time.Minute, first: time.Second, longest: 30 * time.Second}
	// A page holds while the window is full, so its time is that of the scans before it; silence ends it, not this. Tries
	// are few, because the page itself retries each request: after them the registry counts as down.
	boundPage  = bound{try: 24 * time.Hour, beats: true, attempts: 6, first: 2 * time.Second, longest: time.Minute}
	boundDrain = bound{try: drainTimeout, total: drainTimeout, beats: true, first: 2 * time.Second, longest: time.Minute}
	// Progress for people: the next page records again.
	boundRecord = bound{try: 10 * time.Second, total: 30 * time.Second, attempts: 3, first: 200 * time.Millisecond, longest: 2 * time.Second}
	// The last word on a cancelled sweep: without it the sweep would look as if it ran for ever.
	boundCancelled = bound{try: 30 * time.Second, total: time.Hour, first: time.Second, longest: time.Minute}
	// What a cancelled sweep had in hand ends within seconds, or its requests run out by themselves.
	boundAbandon = bound{try: 5 * time.Minute, total: 15 * time.Minute, beats: true, first: time.Second, longest: 30 * time.Second}
	// A plan of a million images behind a throttled registry takes as long as its listing; a try begins anew.
	boundPlan = bound{try: 24 * time.Hour, total: 24 * time.Hour, beats: true, attempts: 6, first: 2 * time.Second, longest: time.Minute}
	// A retry holds while the window is full, as a page does.
	boundRetry  = bound{try: 24 * time.Hour, total: 24 * time.Hour, beats: true, attempts: 6, first: 2 * time.Second, longest: time.Minute}
	boundFinish = bound{try: time.Hour, total: finishTimeout, beats: true, first: 2 * time.Second, longest: time.Minute}
	// Rendering a large posture takes minutes; the bucket may be away over night.
	boundReport = bound{try: time.Hour, total: reportTimeout, beats: true, first: 5 * time.Second, longest: 10 * time.Minute}
)

func (b bound) retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    b.first,
		BackoffCoefficient: 2,
		MaximumInterval:    b.longest,
		MaximumAttempts:    b.attempts,
	}
}

// activity gives ctx the options of an ordinary activity on the workflow's own task queue. A cancelled activity is waited
// for, so that what follows sees its last word.
func (b bound) activity(ctx workflow.Context) workflow.Context {
	o := workflow.ActivityOptions{
		StartToCloseTimeout:    b.try,
		ScheduleToCloseTimeout: b.total,
		WaitForCancellation:    true,
		RetryPolicy:            b.retry(),
	}
	if b.beats {
		o.HeartbeatTimeout = heartbeat
	}
	return workflow.WithActivityOptions(ctx, o)
}

// local gives ctx the options of a local activity.
func (b bound) local(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout:    b.try,
		ScheduleToCloseTimeout: b.total,
		RetryPolicy:            b.retry(),
	})
}
