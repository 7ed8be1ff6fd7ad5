package scan

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

const (
	// assembleAtOnce keeps workers busy without making one hold many large trees in memory at a time.
	assembleAtOnce = 8
	// assembleDeadline bounds one image: millions of entries over a slow bucket.
	assembleDeadline = 15 * time.Minute
)

// assembled is what became of one image.
type assembled struct {
	read    map[string]plimsoll.Coverage
	partial bool
	ended   bool // trying again under this recipe gives the same
	passing error
}

// Assemble has every image of the plan assembled and writes into the plan how far each was read. An image that cannot be
// assembled is a value. An error means that none could (plimsoll.ErrUnavailable), or that the workers' recipe is not the
// plan's (plimsoll.ErrRecipe).
func (s *Scanner) Assemble(ctx context.Context, key string, beat func(string)) error {
	plan, err := s.readPlan(ctx, key)
	if err != nil {
		return err
	}
	all := make([]assembled, len(plan.Images))
	var done atomic.Int64
	stop := pulse(beat, func() string { return fmt.Sprintf("%d/%d images", done.Load(), len(all)) })
	defer stop()
	err = each(ctx, len(all), assembleAtOnce, func(ctx context.Context, i int) (err error) {
		all[i], err = s.assembleImage(ctx, key, plan, plan.Images[i])
		done.Add(1)
		return err
	})
	if err == nil {
		err = nonePassed(all)
	}
	if err != nil {
		return fmt.Errorf("assemble images of %s/%s: %w", plan.Request.GetRegistry(), plan.Request.GetRepository(), err)
	}
	fill(&plan, all)
	if err := blob.PutJSON(ctx, s.store, key, plan); err != nil {
		return fmt.Errorf("store plan: %w", err)
	}
	return nil
}

// assembleImage has one image assembled. Errors end the step.
func (s *Scanner) assembleImage(ctx context.Context, key string, plan workflows.Plan, image plimsoll.Digest) (assembled, error) {
	var got *workerv1.AssembleResponse
	in := &workerv1.AssembleRequest{
		Image: string(image), Recipe: string(plan.Recipe), Push: plan.Request.GetLane() == scanv1.Lane_LANE_PUSH,
	}
	err := retry(ctx, passing, func(ctx context.Context, try int) error {
		return ask(routed(ctx, image, try), assembleDeadline, func(ctx context.Context, o ...grpc.CallOption) (err error) {
			got, err = s.pool.client.Assemble(ctx, in, o...)
			return err
		})
	})
	switch {
	case err != nil && ctx.Err() != nil, errors.Is(err, plimsoll.ErrRecipe), away(err):
		return assembled{}, err
	case err != nil:
		out := assembled{read: whole(plimsoll.Failed(reasonOf(err)))}
		if passing(err) {
			out.passing = err
		}
		return out, nil
	}
	out := assembled{read: map[string]plimsoll.Coverage{}, partial: got.GetPartial(), ended: !got.GetPartial()}
	// States are taken as the worker wrote them: an unknown word ranks worst (plimsoll.ReadState.Rank).
	for name, c := range got.GetRead() {
		out.read[name] = plimsoll.Coverage{State: plimsoll.ReadState(c.GetState()), Reason: c.GetReason()}
	}
	if out.partial {
		out.ended, err = s.settled(ctx, key, plan, image)
	}
	return out, err
}

// settled reports whether trying again would give a partial image nothing more: each of its layers has facts, is
// quarantined, or was given up. Then only a new recipe or an operator changes anything, and sweeps must not ask again.
func (s *Scanner) settled(ctx context.Context, key string, plan workflows.Plan, image plimsoll.Digest) (bool, error) {
	im, err := blob.ReadJSON[plimsoll.Image](ctx, s.store, blob.ImageKey(image))
	if errors.Is(err, plimsoll.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read image %s: %w", image.Short(), err)
	}
	worker, err := s.pool.Describe(ctx)
	if err != nil || worker.GetRecipe() != string(plan.Recipe) {
		return false, err
	}
	layers := make([]plimsoll.Digest, len(im.Layers))
	for i, l := range im.Layers {
		layers[i] = l.Digest
	}
	tried, err := s.attempts(ctx, plan.Recipe, layers)
	if err != nil {
		return false, err
	}
	given, _, err := s.given(ctx, key)
	if err != nil {
		return false, err
	}
	for _, d := range layers {
		if _, up := given.Layers[d]; up || tried.quarantined(d) {
			continue
		}
		if ok, err := s.hasFacts(ctx, worker.GetAnalyzers(), d); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// hasFacts asks for the keys alone: whether the facts can be read is for workers to see when they assemble.
func (s *Scanner) hasFacts(ctx context.Context, analyzers []*workerv1.Analyzer, layer plimsoll.Digest) (bool, error) {
	for _, a := range analyzers {
		key := blob.FactsKey(plimsoll.Analyzer{Name: a.GetName(), Version: int(a.GetVersion()), Config: a.GetConfig()}, layer)
		if ok, err := s.store.Head(ctx, key); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// nonePassed is an error when every image failed in a way that may pass: the step is then tried again, while one that failed
// beside others that did not has its own reason and waits for the next sweep.
func nonePassed(all []assembled) error {
	for _, one := range all {
		if one.passing == nil {
			return nil
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("none of %d: %w", len(all), all[0].passing)
}

// fill writes what became of the images into every target that holds them.
func fill(plan *workflows.Plan, all []assembled) {
	by := make(map[plimsoll.Digest]assembled, len(all))
	for i, d := range plan.Images {
		by[d] = all[i]
	}
	for i := range plan.Targets {
		t := &plan.Targets[i]
		if len(t.Platforms) == 0 {
			continue
		}
		// Images that failed while they were resolved are final; those to assemble must all have ended.
		t.Ended = true
		for j := range t.Platforms {
			p := &t.Platforms[j]
			if one, ok := by[p.Digest]; ok {
				p.Read, p.Partial = one.read, one.partial
				t.Ended = t.Ended && one.ended
			}
		}
	}
}
