package scan

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/workflows"
)

// goneReason is the coverage of a tag that the registry denies before it was ever read.
const goneReason = "the registry says there is no such tag; it is removed after the next complete listing without it"

// merge brings the targets of a plan into a repository's tags and returns the tags that differ now, with what the change log
// has to say of each. Tags are merged one by one; an older observation of another digest loses. The same plan merged again
// changes nothing.
func merge(plan workflows.Plan, tags map[string]plimsoll.Ref) (changed []string, changes []plimsoll.Change) {
	for _, t := range plan.Targets {
		if t.Tag == "" {
			continue // refs are about tags; an image asked for by digest has its inventory and no ref
		}
		old, known := tags[t.Tag]
		// A tag that was never known and is gone leaves no trace: nobody has seen it.
		if !known && t.Gone || known && old.Observed > t.Observed && old.Digest != t.Digest {
			continue
		}
		next := refAfter(old, t, plan.Recipe, plan.Scope)
		if known && equal(old, next) {
			continue
		}
		tags[t.Tag] = next
		changed = append(changed, t.Tag)
		changes = append(changes, changesOf(plan.Request.GetRepository(), old, next)...)
	}
	return changed, changes
}

// doubt is how far apart two schedulers' times may be though both follow the bucket's clock: which of two observations within it was
// the later one they cannot tell.
const doubt = 5 * time.Second

// doubtful counts the targets of a plan that lose against an observation of another digest which was made within moments of theirs:
// perhaps it was the earlier one. Asking the registry again tells.
func doubtful(plan workflows.Plan, tags map[string]plimsoll.Ref) (n int) {
	for _, t := range plan.Targets {
		old := tags[t.Tag]
		if ahead := old.Observed - t.Observed; ahead > 0 && ahead < int64(doubt) && old.Digest != t.Digest && !t.Gone {
			n++
		}
	}
	return n
}

// refAfter is the ref of a tag after a scan of it. The last good digest stays named until a complete one takes its place.
func refAfter(old plimsoll.Ref, t workflows.PlanTarget, recipe plimsoll.Recipe, scope string) plimsoll.Ref {
	next := old
	switch {
	case t.Gone:
		// A 404 is not proof (a registry answers so to those it refuses, too): it counts as one listing without the tag, so
		// that the next complete one without it settles the matter.
		next.Missing = max(1, old.Missing)
		if old.Read.State != plimsoll.ReadComplete && old.Read.State != plimsoll.ReadNotApplicable {
			next.Read = plimsoll.Failed(goneReason)
		}
		return next
	case keeps(old, t, recipe):
		next.Missing = 0
		next.Observed = max(old.Observed, t.Observed)
		return next
	}
	// Times come from the observation and not from the clock, so that the same plan always gives the same ref.
	seen := time.Unix(0, t.Observed).UTC()
	if t.Digest != "" && t.Digest != old.Digest {
		next.Former = old.MovedAway(seen)
		next.Digest, next.Moved, next.Platforms = t.Digest, seen, nil
	}
	if old.First.IsZero() {
		next.First = seen
	}
	next.Tag, next.Missing, next.Observed = t.Tag, 0, max(old.Observed, t.Observed)
	if t.Failed != "" {
		next.Platforms = failedToo(next.Platforms, t.Failed)
	} else {
		next.Platforms, next.Scope = platformsOf(t), scope
	}
	next.Read, next.Recipe, next.ReadAt = coverageOf(t), "", 0
	if t.Ended {
		next.Recipe, next.ReadAt = recipe, t.Observed
	}
	if old.Digest == next.Digest && old.Recipe == next.Recipe {
		next.ReadAt = max(next.ReadAt, old.ReadAt)
	}
	next.LastGood = lastGood(old, next)
	return next
}

// keeps reports whether a scan that failed in passing says nothing against what the ref has: the same digest, read complete
// by the same recipe.
func keeps(old plimsoll.Ref, t workflows.PlanTarget, recipe plimsoll.Recipe) bool {
	return !t.Ended && t.Digest != "" && old.Digest == t.Digest && old.Recipe == recipe && !old.Read.Short()
}

// lastGood is the digest whose verdict people still see. It may be the ref's own, read complete by a recipe before this one.
func lastGood(old, next plimsoll.Ref) plimsoll.Digest {
	switch {
	case next.Read.State == plimsoll.ReadComplete:
		return ""
	case old.Read.State == plimsoll.ReadComplete && old.Digest != "":
		return old.Digest
	}
	return old.LastGood
}

// platformsOf are a target's images; an artifact is one that is not applicable.
func platformsOf(t workflows.PlanTarget) []plimsoll.RefPlatform {
	if t.NotApplicable == "" {
		return t.Platforms
	}
	return []plimsoll.RefPlatform{{Digest: t.Digest, Kind: t.NotApplicable, Read: whole(notApplicable(t.NotApplicable))}}
}

// failedToo marks images that were read once, of a target that could not be resolved now: whoever looks at one of them alone
// must not take it for what the tag names. The next scan that succeeds replaces them.
func failedToo(images []plimsoll.RefPlatform, reason string) []plimsoll.RefPlatform {
	marked := slices.Clone(images)
	for i := range marked {
		read := maps.Clone(marked[i].Read)
		if read == nil {
			read = map[string]plimsoll.Coverage{}
		}
		read[""] = plimsoll.Failed(reason)
		marked[i].Read = read
	}
	return marked
}

// coverageOf is the worst of a target's images. What is no image beside images (an attestation in an index) does not count.
func coverageOf(t workflows.PlanTarget) plimsoll.Coverage {
	switch {
	case t.Failed != "":
		return plimsoll.Failed(t.Failed)
	case t.NotApplicable != "":
		return notApplicable(t.NotApplicable)
	}
	images := 0
	worst := plimsoll.WorstCoverage(func(yield func(plimsoll.Coverage) bool) {
		for _, p := range t.Platforms {
			if p.Kind != "" {
				continue
			}
			images++
			if !yield(imageCoverage(p)) {
				return
			}
		}
	})
	if images == 0 && len(t.Platforms) > 0 {
		return notApplicable(t.Platforms[0].Kind)
	}
	return worst
}

// imageCoverage is the worst of an image's analysers; waiting when none has looked yet.
func imageCoverage(p plimsoll.RefPlatform) plimsoll.Coverage {
	return plimsoll.WorstCoverage(func(yield func(plimsoll.Coverage) bool) {
		for _, c := range p.Read {
			if !yield(c) {
				return
			}
		}
	})
}

func notApplicable(reason string) plimsoll.Coverage {
	return plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: reason}
}

// changesOf is what the change log says of a ref that changed: that the tag moved, and that its inventory or its coverage did.
// A newer observation of the same is no change.
func changesOf(repository string, old, next plimsoll.Ref) (changes []plimsoll.Change) {
	change := func(kind plimsoll.ChangeKind, previous plimsoll.Digest, text string) {
		changes = append(changes, plimsoll.Change{
			Kind: kind, Repository: repository, Tag: next.Tag, Digest: next.Digest, Previous: previous, Ref: &next, Text: text,
		})
	}
	if next.Digest != old.Digest {
		change(plimsoll.ChangeTag, old.Digest, "")
	}
	switch {
	case len(next.Platforms) > 0 && (next.Recipe != old.Recipe || !same(next.Platforms, old.Platforms)):
		change(plimsoll.ChangeInventory, "", "")
	case next.Read != old.Read || next.Missing != old.Missing:
		change(plimsoll.ChangeCoverage, "", next.Read.Reason)
	}
	return changes
}

// equal compares refs by their stored form, in which times have lost their zones.
func equal(a, b plimsoll.Ref) bool { return same(a, b) }

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
