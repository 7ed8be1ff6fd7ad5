package workflows

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// AnalyzeInput is one batch: the layers [From, To) of a plan.
type AnalyzeInput struct {
	Plan     string
	From, To int
	Push     bool
}

// The activities are thin: they hand on heartbeats and give errors their kind.

type scanActivities struct {
	scanner Scanner
	slow    time.Duration // slowTry in all but tests
}

func (a scanActivities) resolve(ctx context.Context, r *scanv1.ScanRequest) (Planned, error) {
	plan, err := a.scanner.Resolve(ctx, r, resume(ctx), beat(ctx))
	return plan, failure(err)
}

func (a scanActivities) analyze(ctx context.Context, in AnalyzeInput) error {
	last, err := a.batch(ctx, in)
	if last {
		return typed(err, true)
	}
	return failure(err)
}

// slowTry is how long a try of a batch takes that ends in vain because a layer hangs: after two of them its images are told as
// partial, with the reason.
const slowTry = time.Minute

// batch is one try of a batch of layers. last says that it failed and will not be tried again.
func (a scanActivities) batch(ctx context.Context, in AnalyzeInput) (last bool, err error) {
	began, try := time.Now(), activity.GetInfo(ctx).Attempt
	err = a.scanner.Analyze(ctx, in.Plan, in.From, in.To, in.Push, beat(ctx))
	if err == nil || ctx.Err() != nil {
		return false, err
	}
	return !passing(err) || try >= boundAnalyze.attempts || try > 1 && time.Since(began) > a.slow, err
}

func (a scanActivities) assemble(ctx context.Context, plan string) error {
	return failure(a.scanner.Assemble(ctx, plan, beat(ctx)))
}

func (a scanActivities) announce(ctx context.Context, plan string) (Announced, error) {
	out, err := a.scanner.Announce(ctx, plan)
	return out, failure(err)
}

// ConcludeInput is all that is left of a plan with one batch, which is empty where no layer lacks facts.
type ConcludeInput struct {
	AnalyzeInput
	Images int
}

// Concluded is what became of the batch and its targets, as in [ScanResult].
type Concluded struct {
	Unread int
	First  string
	Announced
}

// conclude analyses, assembles and announces. A batch that fails as a whole, after the tries that one of many has, does not keep
// the rest from being told.
func (a scanActivities) conclude(ctx context.Context, in ConcludeInput) (out Concluded, err error) {
	if in.To > in.From {
		switch last, err := a.batch(ctx, in.AnalyzeInput); {
		case err != nil && !last:
			return out, failure(err)
		case err != nil:
			activity.GetLogger(ctx).Warn("the layers were not analysed; their images stay partial", "plan", in.Plan, "error", err)
			out.Unread, out.First = 1, cutText(err.Error())
		}
	}
	if in.Images > 0 {
		if err := a.scanner.Assemble(ctx, in.Plan, beat(ctx)); err != nil {
			return out, failure(err)
		}
	}
	stop := alive(ctx)
	defer stop()
	out.Announced, err = a.scanner.Announce(ctx, in.Plan)
	return out, failure(err)
}

type sweepActivities struct{ sweeper Sweeper }

func (a sweepActivities) begin(ctx context.Context, registry string) (plimsoll.Recipe, error) {
	recipe, err := a.sweeper.Begin(ctx, registry)
	return recipe, failure(err)
}

func (a sweepActivities) page(ctx context.Context, in PageInput) (PageResult, error) {
	got, err := a.sweeper.Page(ctx, in, resume(ctx), beat(ctx))
	return got, failure(err)
}

func (a sweepActivities) drain(ctx context.Context, registry, slot string) error {
	return failure(a.sweeper.Drain(ctx, registry, slot, beat(ctx)))
}

func (a sweepActivities) record(ctx context.Context, s plimsoll.Sweep) error {
	return failure(a.sweeper.Record(ctx, s))
}

func (a sweepActivities) finish(ctx context.Context, s plimsoll.Sweep) (plimsoll.Sweep, error) {
	final, err := a.sweeper.Finish(ctx, s, beat(ctx))
	return final, failure(err)
}

func (a sweepActivities) abandon(ctx context.Context, registry, slot string) error {
	return failure(a.sweeper.Abandon(ctx, registry, slot, beat(ctx)))
}

func (a sweepActivities) plan(ctx context.Context, registry string) (plimsoll.SweepPlan, error) {
	plan, err := a.sweeper.Plan(ctx, registry, beat(ctx))
	return plan, failure(err)
}

func (a sweepActivities) retry(ctx context.Context, in RetryInput) (plimsoll.Retry, error) {
	got, err := a.sweeper.Retry(ctx, in, beat(ctx))
	return got, failure(err)
}

type reportActivities struct{ reporter Reporter }

func (a reportActivities) write(ctx context.Context, period string, cutoff time.Time) error {
	stop := alive(ctx)
	defer stop()
	return failure(a.reporter.WriteReport(ctx, period, cutoff))
}

// alive heartbeats for a step that has no word to say of its own, until stop: a process that dies is then noticed within the
// heartbeat's time-out and not within the step's.
func alive(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	var owner sync.WaitGroup
	owner.Go(func() {
		tick := time.NewTicker(heartbeat / 3)
		defer tick.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	return func() { close(done); owner.Wait() }
}

// beat sends heartbeats with the word reached; a local activity has none and drops them.
func beat(ctx context.Context) func(string) {
	return func(reached string) { activity.RecordHeartbeat(ctx, reached) }
}

// resume is the last word that a former try of this activity sent; empty when there is none.
func resume(ctx context.Context) (reached string) {
	if !activity.HasHeartbeatDetails(ctx) {
		return ""
	}
	if err := activity.GetHeartbeatDetails(ctx, &reached); err != nil {
		return "" // written by another version: the activity starts from its beginning, which is safe
	}
	return reached
}
