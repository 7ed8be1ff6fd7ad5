package scan

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

const (
	// triesPerScan is how often one scan tries a layer: a second worker, or a moment later, tells a passing fault from the
	// layer's own. The third counted try is left to a later scan.
	triesPerScan = 2
	// betweenTries is that moment, for a registry that was away.
	betweenTries = 2 * time.Second
	// maxLayersAtOnce bounds one batch's calls, whatever slots a worker claims.
	maxLayersAtOnce = 32
)

// batch is one Analyze step in progress.
type batch struct {
	*Scanner
	key    string
	plan   workflows.Plan
	layers []workflows.PlanLayer
	push   bool
	tried  tried

	mu      sync.Mutex
	done    int
	passing error // the last layer's failure that may pass
	failed  int   // layers that failed in such a way
}

// Analyze has the layers [from, to) of a plan analysed, as many at once as a worker has slots. A layer that fails is noted in
// attempts/ and is no error; one with plimsoll.MaxAttempts is quarantined and not tried. An error means trouble of the whole
// batch: no worker answers (plimsoll.ErrUnavailable), no layer can be had from the registry now, or the workers' recipe is
// not the plan's (plimsoll.ErrRecipe).
func (s *Scanner) Analyze(ctx context.Context, key string, from, to int, push bool, beat func(string)) error {
	plan, err := s.readPlan(ctx, key)
	if err != nil {
		return err
	}
	if from < 0 || to > len(plan.Layers) || from > to {
		return fmt.Errorf("analyze [%d, %d) of the %d layers of plan %s: %w range", from, to, len(plan.Layers), key, plimsoll.ErrInvalid)
	}
	worker, err := s.pool.Describe(ctx)
	if err != nil {
		return err
	}
	b := &batch{Scanner: s, key: key, plan: plan, layers: plan.Layers[from:to], push: push}
	if b.tried, err = s.attempts(ctx, plan.Recipe, b.digests()); err != nil {
		return err
	}
	stop := pulse(beat, b.reached)
	defer stop()
	slots := min(max(1, int(worker.GetSlots())), maxLayersAtOnce)
	if err := each(ctx, len(b.layers), slots, b.layer); err != nil {
		return fmt.Errorf("analyze layers of %s/%s: %w", plan.Request.GetRegistry(), plan.Request.GetRepository(), err)
	}
	return b.verdict()
}

// readPlan reads a plan that Resolve stored. A missing one is ErrNotFound and final: plans are derivable, so the queue's next
// try makes it again.
func (s *Scanner) readPlan(ctx context.Context, key string) (workflows.Plan, error) {
	plan, err := blob.ReadJSON[workflows.Plan](ctx, s.store, key)
	if err != nil {
		return plan, fmt.Errorf("read plan %s: %w", key, err)
	}
	if plan.Request == nil {
		return plan, fmt.Errorf("plan %s holds no request: %w", key, plimsoll.ErrInvalid)
	}
	return plan, nil
}

// digests are the batch's layers, to look their attempts up.
func (b *batch) digests() []plimsoll.Digest {
	all := make([]plimsoll.Digest, len(b.layers))
	for i, l := range b.layers {
		all[i] = l.Digest
	}
	return all
}

// reached is what heartbeats say: people read it in Temporal's pages, nothing resumes from it, because a repeated batch finds
// the facts that were made.
func (b *batch) reached() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%d/%d layers", b.done, len(b.layers))
}

// layer has one layer analysed. Its failure is noted; an error ends the batch.
func (b *batch) layer(ctx context.Context, i int) error {
	l := b.layers[i]
	defer func() { b.mu.Lock(); b.done++; b.mu.Unlock() }()
	if b.tried.quarantined(l.Digest) {
		return nil
	}
	known := b.tried[l.Digest]
	for try := range triesPerScan {
		res, err := b.read(ctx, l, try)
		switch {
		case err == nil:
			return b.answered(ctx, l.Digest, res, known)
		case ctx.Err() != nil, errors.Is(err, plimsoll.ErrRecipe), away(err):
			return err
		}
		var nerr error
		if known, nerr = b.note(ctx, b.plan.Recipe, l.Digest, reasonOf(err), counts(err)); nerr != nil {
			return nerr
		}
		if !again(err) || known.Count >= plimsoll.MaxAttempts || try == triesPerScan-1 {
			b.failure(err)
			return nil
		}
		if passing(err) && wait(ctx, betweenTries) != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// read is one try at a layer, bridging moments without a worker.
func (b *batch) read(ctx context.Context, l workflows.PlanLayer, try int) (res *workerv1.AnalyzeResponse, err error) {
	in := &workerv1.AnalyzeRequest{
		Registry: b.plan.Request.GetRegistry(), Repository: b.plan.Request.GetRepository(),
		Layer:  &workerv1.Layer{Digest: string(l.Digest), Size: l.Size, MediaType: l.MediaType},
		Recipe: string(b.plan.Recipe), Push: b.push,
	}
	err = retry(ctx, away, func(ctx context.Context, _ int) (err error) {
		res, err = b.pool.layer(ctx, in, try)
		return err
	})
	return res, err
}

// answered takes a worker's result. A layer that it failed to read for good may have no facts (a foreign layer, one beyond
// its limits): that is kept for Assemble. Of one that was read, former failures are forgotten.
func (b *batch) answered(ctx context.Context, d plimsoll.Digest, res *workerv1.AnalyzeResponse, known plimsoll.Attempt) error {
	switch {
	case res.GetState() == string(plimsoll.ReadFailed):
		return b.giveUp(ctx, b.key, d, res.GetReason())
	case known.Layer != "" && res.GetState() == string(plimsoll.ReadComplete):
		// A layer that was read in part may have an analyser in quarantine; the worker tells those apart.
		return b.forget(ctx, b.plan.Recipe, d)
	}
	return nil
}

// failure counts a layer that may be read later; others are settled by their attempts.
func (b *batch) failure(err error) {
	if !passing(err) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passing = err
	b.failed++
}

// verdict is an error when every layer failed in a way that may pass: the batch is then worth another try soon.
func (b *batch) verdict() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.passing == nil || b.failed < len(b.layers) {
		return nil
	}
	return fmt.Errorf("none of %d layers could be read: %w", len(b.layers), b.passing)
}

// counts reports whether a failure is one try nearer to quarantine, to be counted here. It is when the worker died, hung or
// failed by itself: it cannot have counted that. Workers count what they tell themselves (damaged bytes, time spent); and what
// the registry or its operator can mend does not count, or an outage of a night would quarantine a registry.
func counts(err error) bool {
	if errors.Is(err, errSilent) || errors.Is(err, errBroken) {
		return true
	}
	s, raw := rawStatus(err)
	if !raw {
		return false
	}
	switch s.Code() {
	case codes.Internal, codes.Unknown, codes.ResourceExhausted, codes.DeadlineExceeded:
		return true
	}
	return false
}

// again reports whether another try in this scan may do better: when a worker failed, another may; when the registry was away,
// it may be back. When the registry has spoken, it says the same again.
func again(err error) bool { return counts(err) || passing(err) }
