package scan

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	// resolveAtOnce is how many targets of one request are resolved at once: what a registry accepts from one client
	// without throttling; many requests run beside each other.
	resolveAtOnce = 8
	// resolveDeadline bounds one target: an index with dozens of platforms behind a registry that asks for pauses.
	resolveDeadline = 10 * time.Minute
	// maxPlanImages and maxPlanLayers bound a plan, which a hostile index could swell: 64 targets with 32 platforms each, and
	// 127 layers (the most that overlay file systems take) in a fifth of them. They keep a plan below 16 MiB.
	maxPlanImages = 2048
	maxPlanLayers = 50_000
)

// resolved is one target with its layers that lack facts. passing is set when it failed in a way that may pass.
type resolved struct {
	target  workflows.PlanTarget
	images  []plimsoll.Digest
	missing []*workerv1.Layer
	passing error
}

// Resolve asks workers what each target names, and stores the plan: the images, and the union of the layers that lack facts
// by the workers' recipe. A target that is gone or fails is a value in the plan. When no target can be resolved because
// the registry is unavailable, or one cannot because no worker can be reached, the error wraps plimsoll.ErrUnavailable and no
// plan is written.
//
// A repeated call starts at the beginning: workers keep what they resolved in images/, so resume is not needed.
func (s *Scanner) Resolve(ctx context.Context, r *scanv1.ScanRequest, _ string, beat func(string)) (workflows.Planned, error) {
	if err := check(r); err != nil {
		return workflows.Planned{}, fmt.Errorf("scan request: %w", err)
	}
	worker, err := s.pool.Describe(ctx)
	if err != nil {
		return workflows.Planned{}, err
	}
	recipe := plimsoll.Recipe(worker.GetRecipe())
	all, err := s.resolveAll(ctx, r, recipe, beat)
	if err != nil {
		return workflows.Planned{}, err
	}
	plan := planOf(r, recipe, all)
	plan.Scope = s.scopes[r.GetRegistry()]
	key := planKey(r, recipe)
	if err := s.keepPending(ctx, key, &plan); err != nil {
		return workflows.Planned{}, err
	}
	if err := blob.PutJSON(ctx, s.store, key, plan); err != nil {
		return workflows.Planned{}, fmt.Errorf("store plan: %w", err)
	}
	planned := workflows.Planned{Key: key, Cuts: cut(plan.Layers), Images: len(plan.Images)}
	for _, l := range plan.Layers {
		planned.Bytes = plus(planned.Bytes, l.Size)
	}
	planned.Lone = len(planned.Cuts) <= 2
	planned.Quick = planned.Bytes <= quickBytes && len(plan.Layers) <= quickLayers
	return planned, nil
}

// planKey is a key of the run's own, as its workflow's id is: a push and a sweep of the same targets may run at once, and so may two
// runs before and after an upgrade. None overwrites what another one reads its layers from.
func planKey(r *scanv1.ScanRequest, recipe plimsoll.Recipe) string {
	id := r.Key() + "-" + string(recipe)
	if r.GetRecipe() == "" {
		id += "-push"
	}
	return blob.PlanKey(r.GetRegistry(), id)
}

// check refuses a request that no part of ours would make.
func check(r *scanv1.ScanRequest) error {
	switch n := len(r.GetTargets()); {
	case r.GetRegistry() == "":
		return fmt.Errorf("%w: it names no registry", plimsoll.ErrInvalid)
	case n == 0 || n > scanv1.MaxTargets:
		return fmt.Errorf("%w: it has %d targets, want 1 to %d", plimsoll.ErrInvalid, n, scanv1.MaxTargets)
	}
	return plimsoll.CheckRepository(r.GetRepository())
}

// resolveAll resolves every target. All of them unavailable is an error, because then nothing was learnt.
func (s *Scanner) resolveAll(ctx context.Context, r *scanv1.ScanRequest, recipe plimsoll.Recipe, beat func(string)) ([]resolved, error) {
	all := make([]resolved, len(r.GetTargets()))
	var done atomic.Int64
	stop := pulse(beat, func() string { return fmt.Sprintf("%s %d/%d", r.GetRepository(), done.Load(), len(all)) })
	defer stop()
	err := each(ctx, len(all), resolveAtOnce, func(ctx context.Context, i int) error {
		all[i] = s.resolveTarget(ctx, r, r.GetTargets()[i], recipe)
		done.Add(1)
		if away(all[i].passing) {
			return all[i].passing
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("resolve %s/%s: %w", r.GetRegistry(), r.GetRepository(), err)
	}
	for _, one := range all {
		if one.passing == nil {
			return all, nil
		}
	}
	return nil, fmt.Errorf("resolve %s/%s: %w", r.GetRegistry(), r.GetRepository(), all[0].passing)
}

// resolveTarget resolves one target. The digest of a target that was not observed is only a hint (events are hints), so the
// tag is asked again; so it is when the observed digest is gone, because the tag may have moved since. Where only what is listed
// may be read, the next listing tells.
func (s *Scanner) resolveTarget(ctx context.Context, r *scanv1.ScanRequest, t *scanv1.Target, recipe plimsoll.Recipe) resolved {
	out := workflows.PlanTarget{Tag: t.GetTag(), Observed: t.GetObserved()}
	in := &workerv1.ResolveRequest{
		Registry: r.GetRegistry(), Repository: r.GetRepository(), Tag: t.GetTag(), Digest: t.GetDigest(),
		Push: r.GetLane() == scanv1.Lane_LANE_PUSH,
	}
	var told plimsoll.Digest
	if t.GetTag() != "" && t.GetObserved() == 0 {
		told, in.Digest = plimsoll.Digest(in.GetDigest()), ""
	}
	// The time before the question: whatever moves the tag later has a newer one.
	got, asked, err := s.resolveTold(ctx, r, told, in, recipe)
	if errors.Is(err, plimsoll.ErrNotFound) && in.Tag != "" && in.Digest != "" && !s.listed[r.GetRegistry()] {
		in.Digest, asked = "", s.now()
		got, err = s.resolve(ctx, in, recipe)
	}
	if in.Digest == "" {
		out.Observed = asked.UnixNano()
	}
	if err == nil {
		err = checkAnswer(got)
	}
	if err != nil {
		return unresolved(out, in, err)
	}
	if got.GetObserved() != 0 {
		out.Observed = got.GetObserved()
	}
	return answered(out, got)
}

// resolve is one call with its tries. A worker of another recipe is passed over: its word on missing layers is about other
// facts.
func (s *Scanner) resolve(ctx context.Context, in *workerv1.ResolveRequest, recipe plimsoll.Recipe) (*workerv1.ResolveResponse, error) {
	var got *workerv1.ResolveResponse
	err := retry(ctx, passing, func(ctx context.Context, _ int) error {
		err := ask(ctx, resolveDeadline, func(ctx context.Context, o ...grpc.CallOption) (err error) {
			got, err = s.pool.client.Resolve(ctx, in, o...)
			return err
		})
		if err == nil && got.GetRecipe() != string(recipe) {
			err = fmt.Errorf("workers are being replaced (recipe %s is asked for, %s answers): %w",
				recipe, got.GetRecipe(), plimsoll.ErrUnavailable)
		}
		return err
	})
	return got, err
}

// checkAnswer refuses digests that could not become keys.
func checkAnswer(got *workerv1.ResolveResponse) error {
	digests := []string{got.GetDigest()}
	for _, im := range got.GetImages() {
		digests = append(digests, im.GetDigest())
	}
	for _, l := range got.GetMissing() {
		digests = append(digests, l.GetDigest())
	}
	for _, d := range digests {
		if _, err := plimsoll.ParseDigest(d); err != nil {
			return fmt.Errorf("answer of a worker: %w", err)
		}
	}
	return nil
}

// unresolved is the value of a target that failed. It is never final: what is wrong with bytes for good, workers tell as a
// failed image, so an error of the call is about the way to them.
func unresolved(t workflows.PlanTarget, in *workerv1.ResolveRequest, err error) resolved {
	t.Digest, t.Failed = plimsoll.Digest(in.GetDigest()), reasonOf(err)
	t.Gone = errors.Is(err, plimsoll.ErrNotFound) && t.Tag != ""
	if passing(err) {
		return resolved{target: t, passing: err}
	}
	return resolved{target: t}
}

// answered is the value of a target that was resolved.
func answered(t workflows.PlanTarget, got *workerv1.ResolveResponse) resolved {
	t.Digest = plimsoll.Digest(got.GetDigest())
	if t.NotApplicable = got.GetNotApplicable(); t.NotApplicable != "" {
		t.Ended = true
		return resolved{target: t}
	}
	if len(got.GetImages()) == 0 {
		t.Failed, t.Ended = "it names no image, and no reason is given", true
		return resolved{target: t}
	}
	out := resolved{target: t, missing: got.GetMissing()}
	for _, im := range got.GetImages() {
		p := plimsoll.RefPlatform{Platform: platformOf(im.GetPlatform()), Digest: plimsoll.Digest(im.GetDigest())}
		switch {
		case im.GetNotApplicable() != "":
			p.Kind = im.GetNotApplicable()
			p.Read = whole(plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: p.Kind})
		case im.GetFailed() != "":
			p.Read = whole(plimsoll.Failed(im.GetFailed()))
		default:
			out.images = append(out.images, p.Digest)
		}
		out.target.Platforms = append(out.target.Platforms, p)
	}
	out.target.Ended = len(out.images) == 0
	return out
}

// planOf joins the targets: each image and each layer once. A target that would swell the plan beyond its bounds fails.
func planOf(r *scanv1.ScanRequest, recipe plimsoll.Recipe, all []resolved) workflows.Plan {
	plan := workflows.Plan{Request: r, Recipe: recipe}
	images := map[plimsoll.Digest]bool{}
	layers := map[plimsoll.Digest]workflows.PlanLayer{}
	for _, one := range all {
		if len(images)+len(one.images) > maxPlanImages || len(layers)+len(one.missing) > maxPlanLayers {
			one = tooLarge(one)
		}
		for _, d := range one.images {
			if !images[d] {
				images[d] = true
				plan.Images = append(plan.Images, d)
			}
		}
		for _, l := range one.missing {
			d := plimsoll.Digest(l.GetDigest())
			// Manifests may claim different sizes for one layer; the last claim orders the batches and decides nothing else.
			layers[d] = workflows.PlanLayer{Digest: d, Size: max(0, l.GetSize()), MediaType: l.GetMediaType()}
		}
		plan.Targets = append(plan.Targets, one.target)
	}
	plan.Layers = ordered(layers)
	return plan
}

// tooLarge is a target that the plan has no room for. It ends there: its size is that of its bytes.
func tooLarge(one resolved) resolved {
	t := one.target
	t.Platforms, t.Ended = nil, true
	t.Failed = fmt.Sprintf("limit reached: a scan request holds at most %d images and %d layers to read", maxPlanImages, maxPlanLayers)
	return resolved{target: t}
}

// keepPending carries over changes that a former run of the same request had merged but perhaps not logged.
func (s *Scanner) keepPending(ctx context.Context, key string, plan *workflows.Plan) error {
	old, err := blob.ReadJSON[workflows.Plan](ctx, s.store, key)
	if errors.Is(err, plimsoll.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the former plan: %w", err)
	}
	plan.Pending = old.Pending
	return nil
}

// platformOf reads os/architecture[/variant].
func platformOf(s string) plimsoll.Platform {
	parts := append(strings.SplitN(s, "/", 3), "", "")
	return plimsoll.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

// whole is the coverage of an image that no analyser has looked at alone.
func whole(c plimsoll.Coverage) map[string]plimsoll.Coverage {
	return map[string]plimsoll.Coverage{"": c}
}

// maxReason bounds a reason in plans and refs: it may quote a registry's answer.
const maxReason = 300

// reasonOf is err as one short line.
func reasonOf(err error) string {
	text := err.Error()
	if s, raw := rawStatus(err); raw {
		text = s.Message() // without grpc's own frame
	}
	line := strings.Join(strings.Fields(text), " ")
	if len(line) > maxReason {
		line = strings.ToValidUTF8(line[:maxReason], "") + " …"
	}
	return line
}
