package scan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/workflows"
)

// Announce merges the plan's targets into refs/, appends to changes/ what that changed, and publishes the hint. Repeating it
// changes and appends nothing.
//
// refs/ and changes/ are two objects, and a crash may come between them. The changes are therefore written into the plan
// first; a repetition appends those whose ref stands in refs/ as announced. Only a crash between the append and its note in
// the plan makes a change stand twice, which the fold over the log does not mind.
func (s *Scanner) Announce(ctx context.Context, key string) (out workflows.Announced, err error) {
	plan, err := s.readPlan(ctx, key)
	if err != nil {
		return out, err
	}
	registry, repository := plan.Request.GetRegistry(), plan.Request.GetRepository()
	changes, planned, err := s.foresee(ctx, plan)
	if err != nil {
		return out, fmt.Errorf("announce %s/%s: %w", registry, repository, err)
	}
	if len(changes)+len(planned) > 0 {
		plan.Pending = slices.Concat(changes, planned)
		if err := blob.PutJSON(ctx, s.store, key, plan); err != nil {
			return out, fmt.Errorf("announce %s/%s: note what changes: %w", registry, repository, err)
		}
	}
	merged, unsure, err := s.mergeRefs(ctx, plan)
	if err != nil {
		return out, fmt.Errorf("announce %s/%s: %w", registry, repository, err)
	}
	out = workflows.Announced{Unsettled: unsettledOf(plan), Doubtful: unsure}
	if err := s.logged(ctx, plan, append(changes, merged...)); err != nil {
		return out, fmt.Errorf("announce %s/%s: %w", registry, repository, err)
	}
	if len(plan.Pending) == 0 {
		return out, nil
	}
	plan.Pending = nil
	if err := blob.PutJSON(ctx, s.store, key, plan); err != nil {
		return out, fmt.Errorf("announce %s/%s: note what has changed: %w", registry, repository, err)
	}
	return out, nil
}

// unsettledOf counts the targets of a plan that another try may do better for. One that the registry denies is for listings to settle.
func unsettledOf(plan workflows.Plan) (n int) {
	for _, t := range plan.Targets {
		if !t.Ended && !t.Gone {
			n++
		}
	}
	return n
}

// foresee returns the changes that a former try merged and did not log, and those that merging now would make.
func (s *Scanner) foresee(ctx context.Context, plan workflows.Plan) (left, planned []plimsoll.Change, err error) {
	refs, err := s.store.Refs(ctx, plan.Request.GetRegistry(), plan.Request.GetRepository())
	if err != nil {
		return nil, nil, fmt.Errorf("read refs: %w", err)
	}
	tags := make(map[string]plimsoll.Ref, len(refs))
	for _, r := range refs {
		tags[r.Tag] = r
	}
	for _, c := range plan.Pending {
		if now, ok := tags[c.Tag]; ok && c.Ref != nil && equal(now, *c.Ref) {
			left = append(left, c)
		}
	}
	_, planned = merge(plan, tags)
	return left, planned, nil
}

// mergeRefs merges and returns the changes of those refs that were written. The store may ask several times, whenever other
// writers were faster, and then some tags are written already; so the last word on each tag counts, if it was written. Unsure is how
// many targets are [doubtful].
func (s *Scanner) mergeRefs(ctx context.Context, plan workflows.Plan) (all []plimsoll.Change, unsure int, err error) {
	words := map[string][]plimsoll.Change{}
	written, err := s.store.MergeRefs(ctx, plan.Request.GetRegistry(), plan.Request.GetRepository(),
		func(tags map[string]plimsoll.Ref) []string {
			unsure = doubtful(plan, tags)
			changed, changes := merge(plan, tags)
			for _, tag := range changed {
				delete(words, tag)
			}
			for _, c := range changes {
				words[c.Tag] = append(words[c.Tag], c)
			}
			return changed
		})
	if err != nil {
		return nil, 0, err
	}
	for _, ref := range written {
		all = append(all, words[ref.Tag]...)
	}
	return all, unsure, nil
}

// logged appends changes to the registry's stream and publishes the hint.
func (s *Scanner) logged(ctx context.Context, plan workflows.Plan, changes []plimsoll.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if asked := plan.Request.GetAskedUnixNano(); plan.Request.GetLane() == scanv1.Lane_LANE_PUSH && asked > 0 {
		for i := range changes {
			changes[i].Asked = time.Unix(0, asked).UTC()
			changes[i].Trace, changes[i].Span = plan.Request.GetTrace(), trace.Parent(ctx)
		}
	}
	stream := plan.Request.GetRegistry()
	sequence, err := s.store.Append(ctx, stream, actorOf(plan.Request), s.now().UTC(), changes)
	if err != nil {
		return fmt.Errorf("append to the change log: %w", err)
	}
	if err := s.publish(ctx, &scanv1.Event{Stream: stream, Sequence: sequence}); err != nil {
		s.log.Warn("hint about the change log not published; the reporter looks by itself",
			"stream", stream, "sequence", sequence, "error", err)
	}
	return nil
}

// actorOf is who stands in the change log: the person or part that asked, else the lane.
func actorOf(r *scanv1.ScanRequest) string {
	switch {
	case r.GetActor() != "":
		return r.GetActor()
	case r.GetLane() == scanv1.Lane_LANE_PUSH:
		return "push"
	}
	return "sweep"
}
