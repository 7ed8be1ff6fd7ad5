package workflows

import (
	"go.temporal.io/sdk/workflow"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// ScanResult is what a run of ScanImages did. What became of each image stands in refs/, not here.
type ScanResult struct {
	Plan   string // object key
	Images int
	Bytes  int64 // compressed bytes of the layers that lacked facts
	// Unread counts the batches of layers that failed as a whole after all tries, First is why the first did. Their images
	// are partial, and asked for again: a push's by the queue, others by the next sweep.
	Unread int
	First  string
	Announced
}

// ScanImages scans the targets of one request: resolve, analyse the layers that lack facts, assemble, announce; the last three in
// one activity where there is nothing to fan out. Payload: r, at most 12 KiB; the workflow carries nothing else but the plan's
// key and ranges.
//
// One image's failure is a value in the plan and never an error here, and a batch of layers that fails does not stop the
// others. An error means that no target could be served at all (no worker, no registry, no bucket); the queue then tries
// again.
func ScanImages(ctx workflow.Context, r *scanv1.ScanRequest) (ScanResult, error) {
	stage := stages{push: r.GetLane() == scanv1.Lane_LANE_PUSH, targets: len(r.GetTargets())}
	plan, err := stage.resolve(ctx, r)
	if err != nil {
		return ScanResult{}, step(ctx, "resolve", err)
	}
	result := ScanResult{Plan: plan.Key, Images: plan.Images, Bytes: plan.Bytes}
	if plan.Lone && !stage.local() {
		err = stage.conclude(ctx, plan, &result)
		return result, err
	}
	if err := stage.analyze(ctx, plan, &result); err != nil {
		return result, step(ctx, "analyze", err)
	}
	if plan.Images > 0 {
		if err := stage.run(ctx, boundAssemble, activityAssemble, nil, plan.Key); err != nil {
			return result, step(ctx, "assemble", err)
		}
	}
	if err := stage.run(ctx, boundAnnounce, activityAnnounce, &result.Announced, plan.Key); err != nil {
		return result, step(ctx, "announce", err)
	}
	return result, nil
}

// stages runs the steps of one scan in the way its lane asks for.
type stages struct {
	push    bool
	targets int
}

func (s stages) local() bool { return s.push && s.targets <= localTargets }

// run runs one step. A push's steps are local activities: each saves two round trips through Temporal's queues.
func (s stages) run(ctx workflow.Context, b bound, name string, result any, args ...any) error {
	if s.local() {
		return workflow.ExecuteLocalActivity(boundLocal.local(ctx), name, args...).Get(ctx, result)
	}
	return workflow.ExecuteActivity(b.activity(ctx), name, args...).Get(ctx, result)
}

// resolve makes the plan. What most registries answer within a moment is asked for in a local activity first; one that is throttled,
// slow or away gets the time and the tries of an ordinary one, which goes on with what the first has kept. One that refuses is not
// asked twice.
func (s stages) resolve(ctx workflow.Context, r *scanv1.ScanRequest) (plan Planned, err error) {
	if !s.local() && resolvesEarly(ctx) {
		err = workflow.ExecuteLocalActivity(boundEarly.local(ctx), activityResolve, r).Get(ctx, &plan)
		if err == nil || ctx.Err() != nil || final(err) {
			return plan, err
		}
	}
	err = s.run(ctx, boundResolve, activityResolve, &plan, r)
	return plan, err
}

// resolvesEarly tells how the run was begun; those that were begun by versions before replay without.
func resolvesEarly(ctx workflow.Context) bool {
	_, ok := workflow.GetInfo(ctx).Memo.GetFields()[memoEarly]
	return ok
}

// conclude does all that is left of a plan that has nothing to fan out in one activity: each costs Temporal as much as a worker's
// reading of a small image.
func (s stages) conclude(ctx workflow.Context, plan Planned, result *ScanResult) error {
	in := ConcludeInput{AnalyzeInput: AnalyzeInput{Plan: plan.Key, Push: s.push}, Images: plan.Images}
	if len(plan.Cuts) > 1 {
		in.From, in.To = plan.Cuts[0], plan.Cuts[1]
	}
	var got Concluded
	if err := s.run(ctx, boundConclude, activityConclude, &got, in); err != nil {
		return step(ctx, "conclude", err)
	}
	result.Unread, result.First, result.Announced = got.Unread, got.First, got.Announced
	return nil
}

// analyze has all batches of the plan analysed, at most batchesAtOnce at a time and the largest layers first. A failed batch
// is counted; only cancellation is an error.
func (s stages) analyze(ctx workflow.Context, plan Planned, result *ScanResult) error {
	room := workflow.NewSemaphore(ctx, batchesAtOnce)
	batches := workflow.NewWaitGroup(ctx)
	for i := range max(0, len(plan.Cuts)-1) {
		if err := room.Acquire(ctx, 1); err != nil {
			break
		}
		batches.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer batches.Done()
			defer room.Release(1)
			batch := AnalyzeInput{Plan: plan.Key, From: plan.Cuts[i], To: plan.Cuts[i+1], Push: s.push}
			if err := batch.run(ctx, plan.Quick && s.local()); err != nil {
				result.failed(ctx, batch, err)
			}
		})
	}
	batches.Wait(ctx)
	return ctx.Err()
}

// run has one batch analysed. A quick one is first tried as a local activity, as a push's other steps are: what is not read within
// seconds after all gets the tries of any other.
func (in AnalyzeInput) run(ctx workflow.Context, quick bool) error {
	if quick {
		err := workflow.ExecuteLocalActivity(boundQuick.local(ctx), activityAnalyze, in).Get(ctx, nil)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return workflow.ExecuteActivity(boundAnalyze.activity(ctx), activityAnalyze, in).Get(ctx, nil)
}

func (r *ScanResult) failed(ctx workflow.Context, batch AnalyzeInput, err error) {
	workflow.GetLogger(ctx).Warn("a batch of layers was not analysed; its images stay partial",
		"plan", batch.Plan, "from", batch.From, "to", batch.To, "error", err)
	if r.Unread == 0 {
		r.First = cutText(failureText(err))
	}
	r.Unread++
}
