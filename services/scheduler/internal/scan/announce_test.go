package scan

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/workflows"
)

// readPlanOf is the plan of a tag that was read whole.
func readPlanOf(tags ...string) workflows.Plan {
	var plan workflows.Plan
	for _, tag := range tags {
		plan.Targets = append(plan.Targets, workflows.PlanTarget{
			Tag: tag, Digest: digestA, Observed: 10, Platforms: []plimsoll.RefPlatform{image(digestA, plimsoll.Complete())}, Ended: true,
		})
	}
	return plan
}

// log is the registry's change log, one line a change.
func (b *bench) log(t *testing.T) (lines []string) {
	t.Helper()
	for batch, err := range b.store.Changes(t.Context(), b.registry, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			lines = append(lines, fmt.Sprintf("%d %s %s %s:%s", batch.Sequence, batch.Actor, c.Kind, c.Repository, c.Tag))
		}
	}
	return lines
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{})
	plan := readPlanOf("v1", "v2")
	plan.Request = b.request()
	plan.Request.Actor = "ops"
	key := b.put(t, plan)
	for range 3 { // repeating it changes nothing
		if _, err := b.Announce(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"1 ops tag team/app:v1", "1 ops inventory team/app:v1", "1 ops tag team/app:v2", "1 ops inventory team/app:v2"}
	if diff := cmp.Diff(want, b.log(t)); diff != "" {
		t.Errorf("change log (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{1}, b.hints); diff != "" {
		t.Errorf("hints (-want +got):\n%s", diff)
	}
	refs, err := b.store.Refs(t.Context(), b.registry, "team/app")
	if err != nil {
		t.Fatal(err)
	}
	first, second := complete(digestA), complete(digestA)
	second.Tag = "v2"
	if diff := cmp.Diff([]plimsoll.Ref{first, second}, refs); diff != "" {
		t.Errorf("refs (-want +got):\n%s", diff)
	}
	if left := b.plan(t, key).Pending; len(left) > 0 {
		t.Errorf("pending changes left: %v", left)
	}
}

// TestAnnounceAPush: the change log keeps when a push was told, its id and the step that announced it, so that whoever reads the
// log can go on with the trace; of a sweep it keeps none of it.
func TestAnnounceAPush(t *testing.T) {
	t.Parallel()
	provider := sdk.NewTracerProvider()
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	for _, lane := range []scanv1.Lane{scanv1.Lane_LANE_PUSH, scanv1.Lane_LANE_SWEEP} {
		b := newBench(t, &fake{})
		b.registry += lane.String()
		plan := readPlanOf("v1")
		plan.Request = b.request()
		plan.Request.Lane, plan.Request.AskedUnixNano, plan.Request.Trace = lane, 4_000, "id"
		ctx, step := trace.New(provider).Begin(t.Context(), "announce", trace.Inside)
		if _, err := b.Announce(ctx, b.put(t, plan)); err != nil {
			t.Fatal(err)
		}
		var want plimsoll.Change
		if lane == scanv1.Lane_LANE_PUSH {
			want = plimsoll.Change{Asked: time.Unix(0, 4_000).UTC(), Trace: "id", Span: trace.Parent(ctx)}
		}
		step.End(nil)
		for batch, err := range b.store.Changes(t.Context(), b.registry, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range batch.Changes {
				if diff := cmp.Diff(want, plimsoll.Change{Asked: c.Asked, Trace: c.Trace, Span: c.Span}); diff != "" {
					t.Errorf("%s: %s (-want +got):\n%s", lane, c.Kind, diff)
				}
			}
		}
	}
}

func TestAnnounceWithoutAHint(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{})
	b.hintErr = errors.New("no queue")
	if _, err := b.Announce(t.Context(), b.put(t, readPlanOf("v1"))); err != nil {
		t.Errorf("error = %v: a hint that is lost costs time alone", err)
	}
	if got := len(b.log(t)); got != 2 {
		t.Errorf("%d changes, want 2", got)
	}
}

// A crash between the merge and the append must not lose the changes, and one before the merge must not invent any.
func TestAnnounceAfterACrash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// until is what the crashed try had done of its steps.
		until func(t *testing.T, b *bench, key string, plan workflows.Plan)
	}{
		{"before anything", func(*testing.T, *bench, string, workflows.Plan) {}},
		{"after the note", func(*testing.T, *bench, string, workflows.Plan) {}},
		{"after the merge", func(t *testing.T, b *bench, _ string, plan workflows.Plan) {
			if _, _, err := b.mergeRefs(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
		}},
		{"after the merge, and the request came again", func(t *testing.T, b *bench, key string, plan workflows.Plan) {
			if _, _, err := b.mergeRefs(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			again := readPlanOf("v1")
			again.Request, again.Recipe = plan.Request, plan.Recipe
			if err := b.keepPending(t.Context(), key, &again); err != nil {
				t.Fatal(err)
			}
			if err := blob.PutJSON(t.Context(), b.store, key, again); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, &fake{})
			key := b.put(t, readPlanOf("v1"))
			plan := b.plan(t, key)
			if i > 0 {
				left, planned, err := b.foresee(t.Context(), plan)
				if err != nil {
					t.Fatal(err)
				}
				plan.Pending = append(left, planned...)
				if err := blob.PutJSON(t.Context(), b.store, key, plan); err != nil {
					t.Fatal(err)
				}
			}
			test.until(t, b, key, plan)
			for range 2 {
				if _, err := b.Announce(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{"1 sweep tag team/app:v1", "1 sweep inventory team/app:v1"}
			if diff := cmp.Diff(want, b.log(t)); diff != "" {
				t.Errorf("change log (-want +got):\n%s", diff)
			}
		})
	}
}

// Scans of one repository announce at once: every tag stands, and the log holds each change once.
func TestAnnounceBesideOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{})
	const scans = 12
	b.Scanner = New(Options{Pool: b.pool, Store: b.store, Now: b.now})
	done := make(chan error, scans)
	for i := range scans {
		plan := readPlanOf(fmt.Sprintf("v%d", i))
		plan.Request, plan.Recipe = b.request(), testRecipe
		key := blob.PlanKey(b.registry, fmt.Sprint("p", i))
		if err := blob.PutJSON(t.Context(), b.store, key, plan); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := b.Announce(t.Context(), key)
			done <- err
		}()
	}
	for range scans {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	refs, err := b.store.Refs(t.Context(), b.registry, "team/app")
	if err != nil || len(refs) != scans {
		t.Errorf("%d refs (%v), want %d", len(refs), err, scans)
	}
	if got := len(b.log(t)); got != 2*scans {
		t.Errorf("%d changes, want %d", got, 2*scans)
	}
}

// TestAnnounceUnsettled: what another try may give is told on every repetition; a tag that is gone is not among it.
func TestAnnounceUnsettled(t *testing.T) {
	t.Parallel()
	b := newBench(t, &fake{})
	plan := readPlanOf("whole", "short", "unread", "gone")
	plan.Request = b.request()
	plan.Targets[1].Platforms[0].Read, plan.Targets[1].Ended = whole(plimsoll.Failed("its worker died")), false
	plan.Targets[2] = workflows.PlanTarget{Tag: "unread", Observed: 10, Failed: "the registry is away"}
	plan.Targets[3] = workflows.PlanTarget{Tag: "gone", Observed: 10, Gone: true}
	key := b.put(t, plan)
	for range 2 {
		if got, err := b.Announce(t.Context(), key); got != (workflows.Announced{Unsettled: 2}) || err != nil {
			t.Errorf("announced %+v (%v), want 2 unsettled targets", got, err)
		}
	}
}

// TestAnnounceInDoubt: two scans saw a tag at different digests within moments. The one whose time is the older says that it may have
// been the later, and the tag asked again has its word; long after each other, or at one digest, there is no doubt.
func TestAnnounceInDoubt(t *testing.T) {
	t.Parallel()
	const at = int64(time.Hour)
	for _, test := range []struct {
		name   string
		before time.Duration
		digest plimsoll.Digest
		want   int
	}{
		{"within moments", time.Second, digestB, 1},
		{"long after", doubt, digestB, 0},
		{"the newer one", -time.Second, digestB, 0},
		{"of one digest", time.Second, digestA, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, &fake{})
			announce := func(d plimsoll.Digest, observed int64) workflows.Announced {
				t.Helper()
				plan := readPlanOf("v1")
				plan.Request = b.request()
				plan.Targets[0].Digest, plan.Targets[0].Observed = d, observed
				got, err := b.Announce(t.Context(), b.put(t, plan))
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			announce(digestA, at)
			if got := announce(test.digest, at-int64(test.before)); got.Doubtful != test.want {
				t.Errorf("announced %+v, want %d in doubt", got, test.want)
			}
			if got := announce(test.digest, at+1); got.Doubtful != 0 {
				t.Errorf("announced later: %+v, want none in doubt", got)
			}
		})
	}
}

func TestActor(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]*scanv1.ScanRequest{
		"ops": {Actor: "ops", Lane: scanv1.Lane_LANE_PUSH}, "push": {Lane: scanv1.Lane_LANE_PUSH}, "sweep": {Lane: scanv1.Lane_LANE_SWEEP},
	} {
		if got := actorOf(r); got != want {
			t.Errorf("actor of %v = %q, want %q", r, got, want)
		}
	}
}
