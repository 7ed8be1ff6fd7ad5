package scan

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

// resolveOne resolves a request and returns its plan.
func (b *bench) resolveOne(t *testing.T, targets ...*scanv1.Target) (workflows.Planned, workflows.Plan) {
	t.Helper()
	planned, err := b.Resolve(t.Context(), b.request(targets...), "", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return planned, b.plan(t, planned.Key)
}

func TestResolve(t *testing.T) {
	t.Parallel()
	answer := &workerv1.ResolveResponse{
		Digest: string(digestA), Observed: 70,
		Images: []*workerv1.ResolvedImage{
			{Digest: string(digestA), Platform: "linux/arm64/v8"},
			{Digest: string(digestB), NotApplicable: "attestation"},
		},
	}
	platforms := []plimsoll.RefPlatform{
		{Platform: plimsoll.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, Digest: digestA},
		{Digest: digestB, Kind: "attestation", Read: whole(notApplicable("attestation"))},
	}
	says := func(code codes.Code, text string) func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
		return func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
			return nil, status.Error(code, text)
		}
	}
	const now = 5_000 // the bench's clock
	tests := []struct {
		name    string
		target  *scanv1.Target
		resolve func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error)
		want    workflows.PlanTarget
		calls   []string
	}{{
		name: "a tag as pushed: its digest is only a hint", target: &scanv1.Target{Tag: "v1", Digest: string(digestB)},
		resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) { return answer, nil },
		want:    workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 70, Platforms: platforms},
		calls:   []string{"resolve v1@"},
	}, {
		name: "a tag as swept: its digest is read", target: &scanv1.Target{Tag: "v1", Digest: string(digestA), Observed: 50},
		resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
			return &workerv1.ResolveResponse{Digest: answer.Digest, Images: answer.Images}, nil
		},
		want:  workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 50, Platforms: platforms},
		calls: []string{"resolve v1@" + string(digestA)},
	}, {
		name: "a tag that moved since it was swept", target: &scanv1.Target{Tag: "v1", Digest: string(digestB), Observed: 50},
		resolve: func(in *workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
			if in.GetDigest() != "" {
				return nil, status.Error(codes.NotFound, "no such manifest")
			}
			return answer, nil
		},
		want:  workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 70, Platforms: platforms},
		calls: []string{"resolve v1@" + string(digestB), "resolve v1@"},
	}, {
		name: "a tag that vanished", target: &scanv1.Target{Tag: "v1", Digest: string(digestA), Observed: 50}, resolve: says(codes.NotFound, "no such tag"),
		want:  workflows.PlanTarget{Tag: "v1", Observed: now, Gone: true, Failed: "no such tag"},
		calls: []string{"resolve v1@" + string(digestA), "resolve v1@"},
	}, {
		name: "no image at all", target: &scanv1.Target{Tag: "v1"},
		resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
			return &workerv1.ResolveResponse{Digest: string(digestA), NotApplicable: "Helm chart", Observed: 70}, nil
		},
		want:  workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 70, NotApplicable: "Helm chart", Ended: true},
		calls: []string{"resolve v1@"},
	}, {
		name: "an index without images", target: &scanv1.Target{Tag: "v1"},
		resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
			return &workerv1.ResolveResponse{Digest: string(digestA), Observed: 70}, nil
		},
		want:  workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 70, Failed: "it names no image, and no reason is given", Ended: true},
		calls: []string{"resolve v1@"},
	}, {
		name: "one platform cannot be read", target: &scanv1.Target{Tag: "v1"},
		resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
			return &workerv1.ResolveResponse{Digest: string(digestA), Observed: 70, Images: []*workerv1.ResolvedImage{
				{Digest: string(digestB), Platform: "linux/amd64", Failed: "configuration is no JSON"},
			}}, nil
		},
		want: workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 70, Ended: true, Platforms: []plimsoll.RefPlatform{
			{Platform: amd64, Digest: digestB, Read: whole(plimsoll.Failed("configuration is no JSON"))},
		}},
		calls: []string{"resolve v1@"},
	}, {
		name: "denied may be mended", target: &scanv1.Target{Tag: "v1", Digest: string(digestA), Observed: 50}, resolve: says(codes.PermissionDenied, "access denied"),
		want:  workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 50, Failed: "access denied"},
		calls: []string{"resolve v1@" + string(digestA)},
	}, {
		name: "an error of the call is never final", target: &scanv1.Target{Tag: "v1", Digest: string(digestA), Observed: 50}, resolve: says(codes.InvalidArgument, "manifest:\n invalid"),
		want:  workflows.PlanTarget{Tag: "v1", Digest: digestA, Observed: 50, Failed: "manifest: invalid"},
		calls: []string{"resolve v1@" + string(digestA)},
	}, {
		name: "a worker's answer is checked", target: &scanv1.Target{Tag: "v1"},
		resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
			return &workerv1.ResolveResponse{Digest: "sha256:../../x"}, nil
		},
		want: workflows.PlanTarget{Tag: "v1", Observed: now,
			Failed: `answer of a worker: digest "sha256:../../x": invalid: want 64 lower-case hexadecimal digits after "sha256:"`},
		calls: []string{"resolve v1@"},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, &fake{resolve: test.resolve})
			_, plan := b.resolveOne(t, test.target)
			if diff := cmp.Diff([]workflows.PlanTarget{test.want}, plan.Targets); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.calls, b.worker.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// Two tags share an image and layers: each is planned once, the largest layer first.
func TestResolvePlansEachLayerOnce(t *testing.T) {
	t.Parallel()
	low, high, own := digest(t, "low"), digest(t, "high"), digest(t, "own")
	b := newBench(t, &fake{resolve: func(in *workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
		out := &workerv1.ResolveResponse{Digest: in.GetDigest(), Missing: []*workerv1.Layer{layerOf(low, 10), layerOf(high, 90<<20)}}
		out.Images = []*workerv1.ResolvedImage{{Digest: in.GetDigest(), Platform: "linux/amd64"}}
		switch in.GetTag() {
		case "other":
			out.Missing = append(out.Missing, layerOf(own, -5))
		case "small":
			out.Missing = out.Missing[:1]
		}
		return out, nil
	}})
	at := func(tag string, d plimsoll.Digest) *scanv1.Target {
		return &scanv1.Target{Tag: tag, Digest: string(d), Observed: 1}
	}
	planned, plan := b.resolveOne(t, at("v1", digestA), at("latest", digestA), at("other", digestB))
	var layers []string
	for _, l := range plan.Layers {
		layers = append(layers, fmt.Sprint(l.Digest.Short(), " ", l.Size))
	}
	if diff := cmp.Diff([]string{high.Short() + " 94371840", low.Short() + " 10", own.Short() + " 0"}, layers); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]plimsoll.Digest{digestA, digestB}, plan.Images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	want := workflows.Planned{Key: planned.Key, Cuts: []int{0, 1, 3}, Images: 2, Bytes: 90<<20 + 10}
	if diff := cmp.Diff(want, planned); diff != "" {
		t.Errorf("planned (-want +got):\n%s", diff)
	}
	if one, _ := b.resolveOne(t, at("small", digestB)); !one.Lone {
		t.Errorf("planned %+v: want its only batch told", one)
	}
	if again, _ := b.resolveOne(t, at("other", digestB), at("v1", digestA), at("latest", digestA)); again.Key != planned.Key {
		t.Errorf("the same targets in another order have plan %s, want %s", again.Key, planned.Key)
	}
}

func TestResolveWhileTheRegistryIsAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{resolve: func(in *workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
		if in.GetTag() == "up" {
			return &workerv1.ResolveResponse{Digest: string(digestA), NotApplicable: "chart"}, nil
		}
		return nil, unavailable("registry r")
	}})
	_, err := b.Resolve(t.Context(), b.request(&scanv1.Target{Tag: "a"}, &scanv1.Target{Tag: "b"}), "", nil)
	wantKind(t, err, plimsoll.ErrUnavailable)

	_, plan := b.resolveOne(t, &scanv1.Target{Tag: "a"}, &scanv1.Target{Tag: "up"})
	if got := plan.Targets[0]; got.Failed != "registry r: unavailable" || got.Ended || got.Gone {
		t.Errorf("a target that failed in passing beside one that did not: %+v", got)
	}
}

func TestResolveBridgesAMomentOfUnavailability(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	b := newBench(t, &fake{resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
		if asked.Add(1) < tries {
			return nil, unavailable("registry r")
		}
		return &workerv1.ResolveResponse{Digest: string(digestA), NotApplicable: "chart"}, nil
	}})
	_, plan := b.resolveOne(t, &scanv1.Target{Tag: "a"})
	if plan.Targets[0].Failed != "" {
		t.Errorf("target = %+v, want it resolved at the third try", plan.Targets[0])
	}
}

func TestResolveAmongWorkersOfTwoRecipes(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
		return &workerv1.ResolveResponse{Digest: string(digestA), NotApplicable: "chart", Recipe: "ffffffffffffffff"}, nil
	}})
	_, err := b.Resolve(t.Context(), b.request(&scanv1.Target{Tag: "a"}), "", nil)
	wantKind(t, err, plimsoll.ErrUnavailable)
	if !strings.Contains(err.Error(), "workers are being replaced") {
		t.Errorf("error %q does not say why", err)
	}
}

func TestResolveRefusesBadRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{})
	one := []*scanv1.Target{{Tag: "v1"}}
	for name, r := range map[string]*scanv1.ScanRequest{
		"no registry":    {Repository: "a", Targets: one},
		"no targets":     {Registry: "r", Repository: "a"},
		"too many":       {Registry: "r", Repository: "a", Targets: make([]*scanv1.Target, scanv1.MaxTargets+1)},
		"bad repository": {Registry: "r", Repository: "../a", Targets: one},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := b.Resolve(t.Context(), r, "", nil)
			wantKind(t, err, plimsoll.ErrInvalid)
		})
	}
}

func TestPlansAreBounded(t *testing.T) {
	t.Parallel()
	var all []resolved
	for i := range 3 {
		one := resolved{target: workflows.PlanTarget{Tag: fmt.Sprint(i)}}
		for j := range maxPlanImages/2 - 1 {
			one.images = append(one.images, plimsoll.DigestOf(fmt.Append(nil, i, j)))
		}
		all = append(all, one)
	}
	plan := planOf(&scanv1.ScanRequest{}, testRecipe, all)
	if len(plan.Images) > maxPlanImages || plan.Targets[1].Failed != "" || !strings.Contains(plan.Targets[2].Failed, "limit reached") {
		t.Errorf("%d images; second target %q, third %q", len(plan.Images), plan.Targets[1].Failed, plan.Targets[2].Failed)
	}
}

func TestResolveKeepsWhatIsPending(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{})
	planned, plan := b.resolveOne(t, &scanv1.Target{Tag: "v1"})
	plan.Pending = []plimsoll.Change{{Kind: plimsoll.ChangeTag, Tag: "v1"}}
	if err := blob.PutJSON(t.Context(), b.store, planned.Key, plan); err != nil {
		t.Fatal(err)
	}
	_, again := b.resolveOne(t, &scanv1.Target{Tag: "v1"})
	if diff := cmp.Diff(plan.Pending, again.Pending); diff != "" {
		t.Errorf("pending changes (-want +got):\n%s", diff)
	}
}

func FuzzPlatformOf(f *testing.F) {
	for _, s := range []string{"", "linux/amd64", "linux/arm64/v8", "windows", "a/b/c/d", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := platformOf(s)
		if got := strings.Join([]string{p.OS, p.Architecture, p.Variant}, "/"); strings.TrimRight(got, "/") != strings.TrimRight(s, "/") {
			t.Errorf("platformOf(%q) = %+v", s, p)
		}
	})
}

// TestResolveWhatIsListedOnly: where a question by tag might fetch from elsewhere, a digest that is gone is left to the next listing.
// TestResolveBesideAnother: a sweep that asks for the targets of a push in work leaves the push's plan as it is.
func TestResolveBesideAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{})
	push := b.request(&scanv1.Target{Tag: "v1"})
	push.Lane, push.Recipe = scanv1.Lane_LANE_PUSH, ""
	sweep := b.request(&scanv1.Target{Tag: "v1"})
	keys := map[string]bool{}
	for _, r := range []*scanv1.ScanRequest{push, sweep} {
		planned, err := b.Resolve(t.Context(), r, "", func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		keys[planned.Key] = true
	}
	if len(keys) != 2 {
		t.Errorf("plans %v, want one each", keys)
	}
}

func TestResolveWhatIsListedOnly(t *testing.T) {
	t.Parallel()
	for _, listed := range []bool{false, true} {
		var byTag atomic.Int32
		b := newBench(t, &fake{resolve: func(in *workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
			if in.GetDigest() == "" {
				byTag.Add(1)
			}
			return nil, status.Error(codes.NotFound, "no such manifest")
		}})
		b.listed = map[string]bool{b.request().GetRegistry(): listed}
		_, plan := b.resolveOne(t, &scanv1.Target{Tag: "v1", Digest: string(digestA), Observed: 60})
		if got := plan.Targets[0]; !got.Gone || got.Ended || byTag.Load() > 0 == listed {
			t.Errorf("listed only %v: %d questions by tag, %+v", listed, byTag.Load(), got)
		}
	}
}
