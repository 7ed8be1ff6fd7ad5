package scan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

// imagePlan is a plan of one tag for each image, and one of all of them.
func imagePlan(images ...plimsoll.Digest) workflows.Plan {
	plan := workflows.Plan{Images: images}
	all := workflows.PlanTarget{Tag: "index"}
	for _, d := range images {
		p := plimsoll.RefPlatform{Platform: amd64, Digest: d}
		plan.Targets = append(plan.Targets, workflows.PlanTarget{Tag: d.Short(), Digest: d, Platforms: []plimsoll.RefPlatform{p}})
		all.Platforms = append(all.Platforms, p)
	}
	plan.Targets = append(plan.Targets, all)
	return plan
}

func TestAssemble(t *testing.T) {
	t.Parallel()
	good, short, bad := digest(t, "good"), digest(t, "short"), digest(t, "bad")
	b := newBench(t, &fake{assemble: func(in *workerv1.AssembleRequest) (*workerv1.AssembleResponse, error) {
		switch plimsoll.Digest(in.GetImage()) {
		case bad:
			return nil, status.Error(codes.Internal, "too many entries")
		case short:
			return &workerv1.AssembleResponse{Read: map[string]*workerv1.Coverage{"tree": {State: "partial", Reason: "truncated tar"}}}, nil
		}
		return &workerv1.AssembleResponse{Read: map[string]*workerv1.Coverage{"tree": {State: "complete"}}}, nil
	}})
	key := b.put(t, imagePlan(good, short, bad))
	if err := b.Assemble(t.Context(), key, func(string) {}); err != nil {
		t.Fatal(err)
	}
	got := b.plan(t, key).Targets
	want := imagePlan(good, short, bad).Targets
	want[0].Platforms[0].Read = map[string]plimsoll.Coverage{"tree": plimsoll.Complete()}
	want[0].Ended = true
	want[1].Platforms[0].Read = map[string]plimsoll.Coverage{"tree": plimsoll.Partial("truncated tar")}
	want[1].Ended = true
	want[2].Platforms[0].Read = whole(plimsoll.Failed("too many entries"))
	for i := range 3 {
		want[3].Platforms[i].Read = want[i].Platforms[0].Read
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestAssembleWithoutWorkers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ answer, want error }{
		"away":           {unavailable("bucket"), plimsoll.ErrUnavailable},
		"another recipe": {status.Error(codes.FailedPrecondition, "recipe"), plimsoll.ErrRecipe},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, &fake{assemble: func(*workerv1.AssembleRequest) (*workerv1.AssembleResponse, error) { return nil, test.answer }})
			wantKind(t, b.Assemble(t.Context(), b.put(t, imagePlan(digest(t, ""))), nil), test.want)
		})
	}
}

// A partial image is done with when all that it lacks is quarantined.
func TestAssemblePartial(t *testing.T) {
	t.Parallel()
	tree := &workerv1.Analyzer{Name: "tree", Version: 1, Config: "0"}
	facts := func(d plimsoll.Digest) string {
		return blob.FactsKey(plimsoll.Analyzer{Name: "tree", Version: 1, Config: "0"}, d)
	}
	tests := []struct {
		name      string
		attempts  int
		otherRead bool
		givenUp   bool
		want      bool
	}{
		{"all it lacks is quarantined", plimsoll.MaxAttempts, true, false, true},
		{"a layer may be tried again", plimsoll.MaxAttempts - 1, true, false, false},
		{"another layer was not read yet", plimsoll.MaxAttempts, false, false, false},
		{"another layer was given up", plimsoll.MaxAttempts, false, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			image, poison, other := digest(t, "image"), digest(t, "poison"), digest(t, "other")
			b := newBench(t, &fake{analyzers: []*workerv1.Analyzer{tree}, assemble: func(*workerv1.AssembleRequest) (*workerv1.AssembleResponse, error) {
				return &workerv1.AssembleResponse{Partial: true, Read: map[string]*workerv1.Coverage{"tree": {State: "partial", Reason: "quarantine"}}}, nil
			}})
			im := plimsoll.Image{Digest: image, Layers: []plimsoll.LayerRef{{Digest: other}, {Digest: poison}}}
			if err := blob.PutJSON(t.Context(), b.store, blob.ImageKey(image), im); err != nil {
				t.Fatal(err)
			}
			b.setAttempt(t, poison, test.attempts)
			if test.otherRead {
				if err := blob.PutJSON(t.Context(), b.store, facts(other), plimsoll.Facts{Layer: other}); err != nil {
					t.Fatal(err)
				}
			}
			key := b.put(t, imagePlan(image))
			if test.givenUp {
				if err := b.giveUp(t.Context(), key, other, "unsupported: foreign layer"); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Assemble(t.Context(), key, nil); err != nil {
				t.Fatal(err)
			}
			got := b.plan(t, key).Targets[0]
			if got.Ended != test.want || !got.Platforms[0].Partial {
				t.Errorf("ended = %t, partial = %t; want %t, true", got.Ended, got.Platforms[0].Partial, test.want)
			}
		})
	}
}
