package scan

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/workflows"
)

var (
	digestA = plimsoll.DigestOf([]byte("a"))
	digestB = plimsoll.DigestOf([]byte("b"))
	amd64   = plimsoll.Platform{OS: "linux", Architecture: "amd64"}
)

// at is the instant that an observation sequence stands for.
func at(observed int64) time.Time { return time.Unix(0, observed).UTC() }

func image(d plimsoll.Digest, c plimsoll.Coverage) plimsoll.RefPlatform {
	return plimsoll.RefPlatform{Platform: amd64, Digest: d, Read: map[string]plimsoll.Coverage{"tree": c}}
}

// complete is the ref of a tag read whole at sequence 10.
func complete(d plimsoll.Digest) plimsoll.Ref {
	return plimsoll.Ref{
		Tag: "v1", Digest: d, Platforms: []plimsoll.RefPlatform{image(d, plimsoll.Complete())}, Recipe: testRecipe,
		Read: plimsoll.Complete(), Observed: 10, ReadAt: 10, Moved: at(10), First: at(10),
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	waiting := plimsoll.Ref{Tag: "v1", Digest: digestA, Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, Observed: 10, Moved: at(10), First: at(10)}
	read := func(d plimsoll.Digest, observed int64, c plimsoll.Coverage, ended bool) workflows.PlanTarget {
		return workflows.PlanTarget{Tag: "v1", Digest: d, Observed: observed, Platforms: []plimsoll.RefPlatform{image(d, c)}, Ended: ended}
	}
	with := func(r plimsoll.Ref, change func(*plimsoll.Ref)) *plimsoll.Ref { change(&r); return &r }
	partial := plimsoll.Partial("layer: quarantine")
	failed := plimsoll.Failed("registry: access denied")
	former := []plimsoll.FormerImage{{Platform: amd64, Digest: digestA, From: at(10), Until: at(20)}}

	tests := []struct {
		name   string
		old    *plimsoll.Ref
		target workflows.PlanTarget
		want   *plimsoll.Ref // nil: as it was
		kinds  []plimsoll.ChangeKind
	}{{
		name: "a new tag", target: read(digestA, 10, plimsoll.Complete(), true), want: with(complete(digestA), func(*plimsoll.Ref) {}),
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeTag, plimsoll.ChangeInventory},
	}, {
		name: "a tag that the sweep has noted", old: &waiting, target: read(digestA, 10, plimsoll.Complete(), true),
		want: with(complete(digestA), func(*plimsoll.Ref) {}), kinds: []plimsoll.ChangeKind{plimsoll.ChangeInventory},
	}, {
		name: "the same again", old: with(complete(digestA), func(*plimsoll.Ref) {}), target: read(digestA, 10, plimsoll.Complete(), true),
	}, {
		name: "the same, seen later", old: with(complete(digestA), func(r *plimsoll.Ref) { r.Missing = 1 }), target: read(digestA, 20, plimsoll.Complete(), true),
		want: with(complete(digestA), func(r *plimsoll.Ref) { r.Observed, r.ReadAt = 20, 20 }), kinds: []plimsoll.ChangeKind{plimsoll.ChangeCoverage},
	}, {
		name: "a tag moved", old: with(complete(digestA), func(*plimsoll.Ref) {}), target: read(digestB, 20, plimsoll.Complete(), true),
		want:  with(complete(digestB), func(r *plimsoll.Ref) { r.Observed, r.ReadAt, r.Moved, r.Former = 20, 20, at(20), former }),
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeTag, plimsoll.ChangeInventory},
	}, {
		name: "an older observation loses", old: with(complete(digestA), func(*plimsoll.Ref) {}), target: read(digestB, 5, plimsoll.Complete(), true),
	}, {
		name: "an older observation of the same digest still brings its inventory", old: &waiting, target: read(digestA, 5, plimsoll.Complete(), true),
		want: with(complete(digestA), func(r *plimsoll.Ref) { r.ReadAt = 5 }), kinds: []plimsoll.ChangeKind{plimsoll.ChangeInventory},
	}, {
		name: "the same, seen before and read later", old: with(complete(digestA), func(*plimsoll.Ref) {}), target: read(digestA, 5, plimsoll.Complete(), true),
	}, {
		name: "the last good one stays named", old: with(complete(digestA), func(*plimsoll.Ref) {}), target: read(digestB, 20, partial, false),
		want: with(complete(digestB), func(r *plimsoll.Ref) {
			r.Observed, r.ReadAt, r.Moved, r.Recipe, r.Read, r.LastGood = 20, 0, at(20), "", partial, digestA
			r.Platforms, r.Former = []plimsoll.RefPlatform{image(digestB, partial)}, former
		}),
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeTag, plimsoll.ChangeInventory},
	}, {
		name: "partial by its bytes ends the scan", old: &waiting, target: read(digestA, 10, partial, true),
		want: with(complete(digestA), func(r *plimsoll.Ref) {
			r.Read = partial
			r.Platforms = []plimsoll.RefPlatform{image(digestA, partial)}
		}),
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeInventory},
	}, {
		name: "a complete one replaces the last good one", old: with(complete(digestB), func(r *plimsoll.Ref) { r.Read, r.LastGood, r.Recipe = partial, digestA, "" }),
		target: read(digestB, 20, plimsoll.Complete(), true), want: with(complete(digestB), func(r *plimsoll.Ref) { r.Observed, r.ReadAt = 20, 20 }),
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeInventory},
	}, {
		name: "a passing failure says nothing against what was read", old: with(complete(digestA), func(*plimsoll.Ref) {}),
		target: workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 20, Failed: failed.Reason},
		want:   with(complete(digestA), func(r *plimsoll.Ref) { r.Observed = 20 }),
	}, {
		name: "a failure of an unknown tag", target: workflows.PlanTarget{Tag: "v1", Observed: 20, Failed: failed.Reason},
		want:  &plimsoll.Ref{Tag: "v1", Read: failed, Observed: 20, First: at(20)},
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeCoverage},
	}, {
		name: "a failure of a tag that may have moved", old: with(complete(digestA), func(*plimsoll.Ref) {}),
		target: workflows.PlanTarget{Tag: "v1", Observed: 20, Failed: failed.Reason},
		want: with(complete(digestA), func(r *plimsoll.Ref) {
			r.Observed, r.ReadAt, r.Recipe, r.Read, r.LastGood = 20, 0, "", failed, digestA
			r.Platforms[0].Read[""] = failed
		}),
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeInventory},
	}, {
		name: "gone before it was read", old: &waiting, target: workflows.PlanTarget{Tag: "v1", Observed: 20, Gone: true, Failed: "404"},
		want:  with(waiting, func(r *plimsoll.Ref) { r.Missing, r.Read = 1, plimsoll.Failed(goneReason) }),
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeCoverage},
	}, {
		name: "gone after it was read: the verdict stays", old: with(complete(digestA), func(*plimsoll.Ref) {}),
		target: workflows.PlanTarget{Tag: "v1", Observed: 20, Gone: true, Failed: "404"},
		want:   with(complete(digestA), func(r *plimsoll.Ref) { r.Missing = 1 }),
		kinds:  []plimsoll.ChangeKind{plimsoll.ChangeCoverage},
	}, {
		name: "gone and never known", target: workflows.PlanTarget{Tag: "v1", Observed: 20, Gone: true, Failed: "404"},
	}, {
		name: "no image at all", target: workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 10, NotApplicable: "Helm chart", Ended: true},
		want: with(complete(digestA), func(r *plimsoll.Ref) {
			r.Read = notApplicable("Helm chart")
			r.Platforms = []plimsoll.RefPlatform{{Digest: digestA, Kind: "Helm chart", Read: whole(notApplicable("Helm chart"))}}
		}),
		kinds: []plimsoll.ChangeKind{plimsoll.ChangeTag, plimsoll.ChangeInventory},
	}, {
		name: "a digest without a tag has no ref", target: workflows.PlanTarget{Digest: digestA, Observed: 10, Ended: true},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tags := map[string]plimsoll.Ref{}
			if test.old != nil {
				tags["v1"] = *test.old
			}
			want := map[string]plimsoll.Ref{}
			if test.old != nil {
				want["v1"] = *test.old
			}
			if test.want != nil {
				want["v1"] = *test.want
			}
			plan := workflows.Plan{Request: &scanv1.ScanRequest{Repository: "team/app"}, Recipe: testRecipe, Targets: []workflows.PlanTarget{test.target}}
			changed, changes := merge(plan, tags)
			if diff := cmp.Diff(want, tags); diff != "" {
				t.Errorf("ref (-want +got):\n%s", diff)
			}
			if got := len(changed) == 1; got != (test.want != nil) {
				t.Errorf("changed = %v, want a change: %t", changed, test.want != nil)
			}
			var kinds []plimsoll.ChangeKind
			for _, c := range changes {
				kinds = append(kinds, c.Kind)
				if diff := cmp.Diff(test.want, c.Ref); diff != "" || c.Repository != "team/app" || c.Tag != "v1" {
					t.Errorf("change of %s:%s (-want +got):\n%s", c.Repository, c.Tag, diff)
				}
			}
			if diff := cmp.Diff(test.kinds, kinds); diff != "" {
				t.Errorf("kinds of change (-want +got):\n%s", diff)
			}
			if again, more := merge(plan, tags); len(again)+len(more) > 0 {
				t.Errorf("merging again changed %v", again)
			}
		})
	}
}

func TestCoverageOfAnIndex(t *testing.T) {
	t.Parallel()
	attestation := plimsoll.RefPlatform{Kind: "attestation", Read: whole(notApplicable("attestation"))}
	broken := plimsoll.RefPlatform{Platform: amd64, Read: whole(plimsoll.Failed("configuration is no JSON"))}
	good := image(digestA, plimsoll.Complete())
	tests := []struct {
		name      string
		platforms []plimsoll.RefPlatform
		want      plimsoll.Coverage
	}{
		{"images and an attestation", []plimsoll.RefPlatform{good, attestation}, plimsoll.Complete()},
		{"attestations alone", []plimsoll.RefPlatform{attestation}, notApplicable("attestation")},
		{"one image failed", []plimsoll.RefPlatform{good, broken, attestation}, plimsoll.Failed("configuration is no JSON")},
		{"one image not assembled", []plimsoll.RefPlatform{good, {Platform: amd64}}, plimsoll.Coverage{State: plimsoll.ReadWaiting}},
		{"an empty index", nil, plimsoll.Coverage{State: plimsoll.ReadWaiting}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for range 3 { // whatever the order
				slices.Reverse(test.platforms)
				if got := coverageOf(workflows.PlanTarget{Platforms: slices.Clone(test.platforms)}); got != test.want {
					t.Errorf("coverage = %v, want %v", got, test.want)
				}
			}
		})
	}
}
