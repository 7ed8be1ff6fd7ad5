package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"github.com/plimsoll/plimsoll"
)

// slotLayout is the form of a sweep's slot: its start in UTC. It sorts by time and holds neither dot nor space, because it
// stands in subjects and keys.
const slotLayout = "20060102T150405Z"

// SweepRegistry passes over one registry: list page by page, enqueue what lacks the recipe, wait until the queue is empty,
// settle what is gone. It answers [QueryProgress] at any time. Its result is the final sweep object.
//
// A listing that fails after all tries ends the sweep as failed; nothing is then called gone. Cancelling stops the listing,
// takes what is queued out of the queue and ends the scans that run.
func SweepRegistry(ctx workflow.Context, in SweepInput) (plimsoll.Sweep, error) {
	in = opened(ctx, in)
	sweep := in.sweep()
	if err := workflow.SetQueryHandler(ctx, QueryProgress, func() (plimsoll.Sweep, error) { return sweep, nil }); err != nil {
		return sweep, step(ctx, "set up progress", err)
	}
	err := pass(ctx, in, &sweep)
	return sweep, err
}

// pass is the whole sweep; it keeps s up to date.
func pass(ctx workflow.Context, in SweepInput, s *plimsoll.Sweep) error {
	err := list(ctx, &in, s)
	switch {
	case ctx.Err() != nil:
		return cancelled(ctx, s)
	case workflow.IsContinueAsNewError(err):
		return err
	case errors.Is(FromFailure(err), plimsoll.ErrNotFound) && in.Recipe == "":
		return step(ctx, "begin", err) // no such registry is configured: there is nothing to record a sweep of
	case err != nil:
		s.Error = cutText(failureText(err))
		return finish(ctx, s)
	}
	s.Listed = workflow.Now(ctx).UTC()
	record(ctx, *s)
	drain(ctx, *s)
	if ctx.Err() != nil {
		return cancelled(ctx, s)
	}
	return finish(ctx, s)
}

// opened fills in what the first run of a sweep starts with; later runs carry it on.
func opened(ctx workflow.Context, in SweepInput) SweepInput {
	if in.Started.IsZero() {
		in.Started = workflow.GetInfo(ctx).WorkflowStartTime.UTC()
	}
	if in.Slot == "" {
		in.Slot = in.Started.UTC().Format(slotLayout)
	}
	if in.Actor == "" {
		in.Actor = "schedule"
	}
	return in
}

func (in SweepInput) sweep() plimsoll.Sweep {
	return plimsoll.Sweep{
		Registry: in.Registry, Slot: in.Slot, State: plimsoll.SweepRunning, Recipe: in.Recipe, Actor: in.Actor,
		Started: in.Started, Cursor: in.Cursor, Counts: in.Counts, Repositories: in.Repositories,
	}
}

// list begins the sweep where that has not been done, and lists pages until there are no more or the history is long
// enough; then it returns the error that continues the workflow as new.
func list(ctx workflow.Context, in *SweepInput, sweep *plimsoll.Sweep) error {
	if in.Recipe == "" {
		begin := workflow.ExecuteActivity(boundBegin.activity(ctx), activityBegin, in.Registry)
		if err := begin.Get(ctx, &in.Recipe); err != nil {
			return err
		}
		sweep.Recipe = in.Recipe
		record(ctx, *sweep)
	}
	for pages := 0; ; pages++ {
		if pages >= pagesPerRun || longHistory(ctx) {
			return workflow.NewContinueAsNewError(ctx, NameSweep, *in)
		}
		done, err := page(ctx, in)
		if err != nil {
			return err
		}
		*sweep = in.sweep()
		if done {
			return nil
		}
		record(ctx, *sweep)
	}
}

// page lists one page and adds it to in.
func page(ctx workflow.Context, in *SweepInput) (done bool, err error) {
	var got PageResult
	err = workflow.ExecuteActivity(boundPage.activity(ctx), activityPage, PageInput{
		Registry: in.Registry, Slot: in.Slot, Actor: in.Actor, Recipe: in.Recipe, Cursor: in.Cursor,
	}).Get(ctx, &got)
	if err != nil {
		return false, err
	}
	in.Cursor = got.Cursor
	in.Counts = added(in.Counts, got.Counts)
	in.Repositories += got.Repositories
	return got.Done, nil
}

func longHistory(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetCurrentHistoryLength() >= maxEvents-64 || info.GetContinueAsNewSuggested()
}

// record shows the sweep as it stands. It is a word to people: when it fails, the next one or the end says it again.
func record(ctx workflow.Context, s plimsoll.Sweep) {
	err := workflow.ExecuteLocalActivity(boundRecord.local(ctx), activityRecord, s).Get(ctx, nil)
	if err != nil && ctx.Err() == nil {
		workflow.GetLogger(ctx).Warn("the sweep's progress was not recorded", "registry", s.Registry, "slot", s.Slot, "error", err)
	}
}

// drain waits until no request of the sweep is queued. When it gives up, what is still queued is counted as waiting by
// Finish, so the sweep is red and says why.
func drain(ctx workflow.Context, s plimsoll.Sweep) {
	err := workflow.ExecuteActivity(boundDrain.activity(ctx), activityDrain, s.Registry, s.Slot).Get(ctx, nil)
	if err != nil && ctx.Err() == nil {
		workflow.GetLogger(ctx).Warn("requests of the sweep are still queued; their images count as waiting",
			"registry", s.Registry, "slot", s.Slot, "error", err)
	}
}

// finish settles the sweep. A cancellation that comes now is too late: the listing is done, and half a settlement would
// leave the sweep object running for ever.
func finish(ctx workflow.Context, s *plimsoll.Sweep) error {
	ctx, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	var final plimsoll.Sweep
	if err := workflow.ExecuteActivity(boundFinish.activity(ctx), activityFinish, *s).Get(ctx, &final); err != nil {
		return step(ctx, "finish", err)
	}
	*s = final
	return nil
}

// changeAbandon is since when a cancelled sweep takes back what it queued; runs that were cancelled before replay without.
const changeAbandon = "abandon"

// cancelled records that the sweep was cancelled, takes back what it queued, and ends the workflow as cancelled. What cannot be
// taken back runs; the sweep is over either way.
func cancelled(ctx workflow.Context, s *plimsoll.Sweep) error {
	s.State, s.Ended = plimsoll.SweepCancelled, workflow.Now(ctx).UTC()
	free, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	if workflow.GetVersion(free, changeAbandon, workflow.DefaultVersion, 1) == 1 {
		err := workflow.ExecuteActivity(boundAbandon.activity(free), activityAbandon, s.Registry, s.Slot).Get(free, nil)
		if err != nil {
			workflow.GetLogger(ctx).Warn("what the cancelled sweep had queued still runs", "registry", s.Registry, "slot", s.Slot, "error", err)
		}
	}
	if err := workflow.ExecuteActivity(boundCancelled.activity(free), activityRecord, *s).Get(free, nil); err != nil {
		return step(free, "record that the sweep was cancelled", err)
	}
	return ctx.Err()
}

// added is the sum of what pages counted. States of coverage are counted by Finish alone.
func added(a, b plimsoll.SweepCount) plimsoll.SweepCount {
	a.Listed += b.Listed
	a.Unchanged += b.Unchanged
	a.Enqueued += b.Enqueued
	a.Requests += b.Requests
	a.Complete += b.Complete
	a.NotApplicable += b.NotApplicable
	a.Partial += b.Partial
	a.Failed += b.Failed
	a.Waiting += b.Waiting
	a.Gone += b.Gone
	a.Missed += b.Missed
	a.Throttled += b.Throttled
	a.Waited += b.Waited
	a.LayerBytes += b.LayerBytes
	return a
}
