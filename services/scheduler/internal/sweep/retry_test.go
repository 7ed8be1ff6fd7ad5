package sweep

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

// refsFor writes tags of one repository.
func (b *bench) refsFor(repository string, refs ...plimsoll.Ref) {
	b.t.Helper()
	_, err := b.store.MergeRefs(b.t.Context(), b.id, repository, func(tags map[string]plimsoll.Ref) (changed []string) {
		for _, r := range refs {
			tags[r.Tag] = r
			changed = append(changed, r.Tag)
		}
		return changed
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestRetry: a retry asks for what its cause keeps from being covered, and for nothing else, by tag, and forgets the failed tries
// of its layers.
func TestRetry(t *testing.T) {
	t.Parallel()
	layer := plimsoll.DigestOf([]byte("layer"))
	image := plimsoll.DigestOf([]byte("image"))
	quarantined := plimsoll.Partial("quarantine: packages")
	refs := []plimsoll.Ref{
		{Tag: "fine", Digest: image, Read: plimsoll.Complete(), Observed: 1},
		{Tag: "denied", Digest: image, Read: plimsoll.Failed("HTTP 403: access denied"), Observed: 1},
		{Tag: "lost", Digest: image, Read: plimsoll.Failed("HTTP 403: access denied"), Observed: 1, Missing: 1},
		{Tag: "waits", Digest: image, Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, Observed: 1},
		{Tag: "three-times", Digest: image, Read: quarantined, Observed: 1, Platforms: []plimsoll.RefPlatform{
			{Digest: image, Read: map[string]plimsoll.Coverage{plimsoll.AnalyzerTree: plimsoll.Complete(), plimsoll.AnalyzerPackages: quarantined}},
		}},
	}
	for _, test := range []struct {
		cause  string
		want   []string
		layers int
	}{
		{"403", []string{"denied@"}, 0},
		{"ACCESS", []string{"denied@"}, 0},
		{"failed", []string{"denied@"}, 0},
		{"quarantine", []string{"three-times@"}, 1},
		{quarantined.Cause(), []string{"three-times@"}, 1},
		{"waiting", []string{"waits@"}, 0},
		{"", []string{"denied@", "three-times@"}, 1},
		{"no such words", nil, 0},
	} {
		t.Run(fmt.Sprintf("cause %q", test.cause), func(t *testing.T) {
			b := newBench(t, nil)
			b.refsFor("shop/web", refs...)
			if err := blob.PutJSON(t.Context(), b.store, blob.ImageKey(image), plimsoll.Image{Layers: []plimsoll.LayerRef{{Digest: layer}}}); err != nil {
				t.Fatal(err)
			}
			tries := blob.AttemptsKey(recipe, layer)
			if err := blob.PutJSON(t.Context(), b.store, tries, plimsoll.Attempt{Layer: layer, Recipe: recipe, Count: plimsoll.MaxAttempts}); err != nil {
				t.Fatal(err)
			}
			got, err := b.sweeper.Retry(t.Context(), workflows.RetryInput{Registry: b.id, Cause: test.cause, Actor: "anna", Slot: "20261125T010000Z"}, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			want := plimsoll.Retry{Registry: b.id, Cause: test.cause, Tags: len(test.want), Requests: min(1, len(test.want)), Layers: test.layers}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("retry (-want +got):\n%s", diff)
			}
			var asked []string
			for _, r := range b.requests() {
				for _, target := range r.GetTargets() {
					asked = append(asked, target.GetTag()+"@"+target.GetDigest())
				}
				if r.GetActor() != "anna" || r.GetEpoch() != "retry-20261125T010000Z" {
					t.Errorf("request by %q in epoch %q", r.GetActor(), r.GetEpoch())
				}
			}
			slices.Sort(asked)
			if diff := cmp.Diff(test.want, asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if there, err := b.store.Head(t.Context(), tries); err != nil || there != (test.layers == 0) {
				t.Errorf("failed tries are there: %v (%v), want %v", there, err, test.layers == 0)
			}
		})
	}
}

// TestAbandon: what a cancelled sweep has queued is gone, another's is not, and scans are looked for until none runs.
func TestAbandon(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for i := range 3 {
		b.push("shop/web", fmt.Sprint("v", i), fmt.Sprint("content ", i))
	}
	const slot, other = "20261125T010000Z", "20261125T020000Z"
	for _, s := range []string{slot, other} {
		if _, err := b.sweeper.Page(t.Context(), workflows.PageInput{Registry: b.id, Slot: s, Recipe: recipe}, "", func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	b.running = []int{2, 2, 0, 1, 0}
	if err := b.sweeper.Abandon(t.Context(), b.id, slot, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if len(b.running) > 0 {
		t.Errorf("looks left: %v", b.running)
	}
	left := b.requests()
	if len(left) != 1 || left[0].GetEpoch() != other {
		t.Errorf("left in the queue: %v", left)
	}
}
