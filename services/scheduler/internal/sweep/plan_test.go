package sweep

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// TestPlan: a plan counts each layer once, knows those that have facts, reads no blob, and writes nothing.
func TestPlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *plimsoll.Registry) { r.RequestsPerSecond = 1000 })
	base := imagetest.Gzip(imagetest.Layer(imagetest.Text("etc/base", "shared by all")))
	own := func(text string) imagetest.Blob { return imagetest.Gzip(imagetest.Layer(imagetest.Text("app", text))) }
	one := imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{base, own("one")}}))
	two := imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{base, own("two")}}))
	three := imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{base, own("three")}}))
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: two, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}},
		mutate.IndexAddendum{Add: imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{own("a statement")}})), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}},
	)
	if err := imagetest.Push(t.Context(), b.registry.Host(), "shop/multi", "1", index); err != nil {
		t.Fatal(err)
	}
	if err := imagetest.Push(t.Context(), b.registry.Host(), "shop/web", "1", three); err != nil {
		t.Fatal(err)
	}
	done := b.push("shop/web", "done", "read already")
	b.refsFor("shop/web", plimsoll.Ref{Tag: "done", Digest: done, Recipe: recipe, Read: plimsoll.Complete(), Observed: 1})
	for _, a := range analyzers {
		if err := blob.PutJSON(t.Context(), b.store, blob.FactsKey(a, plimsoll.Digest(base.Digest().String())), plimsoll.Facts{}); err != nil {
			t.Fatal(err)
		}
	}
	// Facts by one analyser alone do not make a layer known.
	half := own("two")
	if err := blob.PutJSON(t.Context(), b.store, blob.FactsKey(analyzers[0], plimsoll.Digest(half.Digest().String())), plimsoll.Facts{}); err != nil {
		t.Fatal(err)
	}
	blobs := b.registry.Stats().BlobBytes()
	got, err := b.sweeper.Plan(t.Context(), b.id, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	want := plimsoll.SweepPlan{
		Registry: b.id, Recipe: recipe, Repositories: 2, Tags: 3, Unchanged: 1, ToRead: 2, Platforms: map[string]int{"linux/amd64": 1, "linux/arm64": 1, notTold: 1},
		Images: 3, Layers: 4, LayersKnown: 1, LayersToRead: 3, Bytes: int64(len(own("one").Bytes) + len(half.Bytes) + len(own("three").Bytes)),
		// A catalog, two lists of tags, three HEADs, an index and three manifests, three configurations, three layers.
		Requests: 1 + 2 + 3 + 4 + 3 + 3, Rate: 1000, AtLimit: 16 * time.Millisecond,
		LeftOut: []plimsoll.Omission{{Reason: "no image: attestation", Count: 1, Of: "manifests", Example: "shop/multi:1"}},
	}
	got.Made = want.Made
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if read := b.registry.Stats().BlobBytes() - blobs; read != 0 {
		t.Errorf("the plan read %d bytes of blobs", read)
	}
	if left := b.requests(); len(left) != 0 {
		t.Errorf("the plan queued %v", left)
	}
}

// TestPlanOfAScope: images of other platforms are left out where an index tells theirs; where only a configuration would, and for
// labels, the plan says that it counts them. What was read in another scope is read again.
func TestPlanOfAScope(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *plimsoll.Registry) { r.Platforms, r.Labels = []string{"linux/amd64"}, []string{"tier=prod"} })
	image := func(text string) v1.Image {
		return imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{imagetest.Gzip(imagetest.Layer(imagetest.Text("app", text)))}}))
	}
	wanted, other := image("amd64"), image("arm64")
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: wanted, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}},
	)
	if err := imagetest.Push(t.Context(), b.registry.Host(), "shop/multi", "1", index); err != nil {
		t.Fatal(err)
	}
	done := b.push("shop/web", "done", "read in another scope")
	b.refsFor("shop/web", plimsoll.Ref{Tag: "done", Digest: done, Recipe: recipe, Scope: "another", Read: plimsoll.Complete(), Observed: 1})
	got, err := b.sweeper.Plan(t.Context(), b.id, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if got.Unchanged != 0 || got.ToRead != 2 || got.Images != 2 || got.Layers != 2 {
		t.Errorf("%d unchanged, %d to read, %d images, %d layers; want 0, 2, 2, 2", got.Unchanged, got.ToRead, got.Images, got.Layers)
	}
	if diff := cmp.Diff(map[string]int{"linux/amd64": 1, notTold: 1}, got.Platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]plimsoll.Omission{{Reason: "not among the platforms", Count: 1, Of: "images", Example: "shop/multi:1"}}, got.LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	if len(got.NotCounted) != 2 || !strings.HasPrefix(got.NotCounted[0], "platforms: the images that no index names (1)") || !strings.HasPrefix(got.NotCounted[1], "labels: ") {
		t.Errorf("not counted: %q", got.NotCounted)
	}
}
