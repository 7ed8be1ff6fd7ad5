package scan

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

type analyzeStream = grpc.ServerStreamingServer[workerv1.AnalyzeResponse]

// failing answers every layer with an error, but those in good.
func failing(err error, good ...plimsoll.Digest) func(*workerv1.AnalyzeRequest, analyzeStream) error {
	return func(in *workerv1.AnalyzeRequest, stream analyzeStream) error {
		for _, d := range good {
			if in.GetLayer().GetDigest() == string(d) {
				return stream.Send(&workerv1.AnalyzeResponse{Done: true, State: "complete"})
			}
		}
		return err
	}
}

func planned(layers ...plimsoll.Digest) workflows.Plan {
	var plan workflows.Plan
	for _, d := range layers {
		plan.Layers = append(plan.Layers, workflows.PlanLayer{Digest: d, Size: 1024})
	}
	return plan
}

func (b *bench) attemptOn(t *testing.T, d plimsoll.Digest) plimsoll.Attempt {
	t.Helper()
	a, _, err := b.attempt(t.Context(), testRecipe, d)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (b *bench) setAttempt(t *testing.T, d plimsoll.Digest, count int) {
	t.Helper()
	a := plimsoll.Attempt{Layer: d, Recipe: testRecipe, Count: count, Reason: "before"}
	if err := blob.PutJSON(t.Context(), b.store, blob.AttemptsKey(testRecipe, d), a); err != nil {
		t.Fatal(err)
	}
}

func TestAnalyze(t *testing.T) {
	t.Parallel()
	crash := status.Error(codes.Internal, "analysis died:  out of memory")
	wrong := status.Error(codes.DataLoss, "integrity: bytes do not match their digest")
	tests := []struct {
		name   string
		answer error
		before int // attempts on record
		calls  int
		count  int
		reason string
		err    error // of the batch, when this layer is all of it
	}{
		{name: "read", calls: 1},
		{name: "read after failed tries: the record is cleared", before: 2, calls: 1},
		{name: "quarantined", before: plimsoll.MaxAttempts, count: plimsoll.MaxAttempts, reason: "before"},
		{name: "analysis dies: another worker is tried", answer: crash, calls: 2, count: 2, reason: "analysis died: out of memory"},
		{name: "the last try before quarantine", answer: crash, before: 2, calls: 1, count: 3, reason: "analysis died: out of memory"},
		{name: "the registry has wrong bytes: the worker counts that", answer: wrong, calls: 1, reason: "integrity: bytes do not match their digest"},
		{name: "the registry refuses", answer: status.Error(codes.PermissionDenied, "access denied"), calls: 1, reason: "access denied"},
		{name: "the registry is away", answer: unavailable("registry"), calls: triesPerScan, reason: "registry: unavailable", err: plimsoll.ErrUnavailable},
		{name: "a reason on record stays", answer: status.Error(codes.PermissionDenied, "access denied"), before: 1, calls: 1, count: 1, reason: "before"},
		{name: "another recipe", answer: status.Error(codes.FailedPrecondition, "recipe"), calls: 1, err: plimsoll.ErrRecipe},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := digest(t, "")
			f := &fake{}
			if test.answer != nil {
				f.analyze = failing(test.answer)
			}
			b := newBench(t, f)
			if test.before > 0 {
				b.setAttempt(t, d, test.before)
			}
			err := b.Analyze(t.Context(), b.put(t, planned(d)), 0, 1, false, func(string) {})
			wantKind(t, err, test.err)
			if got := f.took(""); got != test.calls {
				t.Errorf("%d calls, want %d", got, test.calls)
			}
			want := plimsoll.Attempt{}
			if test.reason != "" {
				want = plimsoll.Attempt{Layer: d, Recipe: testRecipe, Count: test.count, Reason: test.reason}
			}
			if diff := cmp.Diff(want, b.attemptOn(t, d)); diff != "" {
				t.Errorf("attempt (-want +got):\n%s", diff)
			}
		})
	}
}

// What a worker will not read has neither facts nor attempts: it is noted beside the plan, and a quarantine stays.
func TestAnalyzeGivesUp(t *testing.T) {
	t.Parallel()
	var all []plimsoll.Digest
	for i := range 8 {
		all = append(all, digest(t, fmt.Sprint(i)))
	}
	b := newBench(t, &fake{slots: 8, analyze: func(_ *workerv1.AnalyzeRequest, stream analyzeStream) error {
		return stream.Send(&workerv1.AnalyzeResponse{Done: true, State: "failed", Reason: "unsupported: foreign layer"})
	}})
	b.setAttempt(t, all[0], 2)
	key := b.put(t, planned(all...))
	for range 2 {
		if err := b.Analyze(t.Context(), key, 0, len(all), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	got, _, err := b.given(t.Context(), key)
	if err != nil || len(got.Layers) != len(all) || got.Layers[all[3]] != "unsupported: foreign layer" {
		t.Errorf("given up: %v (%v), want all %d with their reason", got.Layers, err, len(all))
	}
	if got := b.attemptOn(t, all[0]).Count; got != 2 {
		t.Errorf("attempts = %d, want the 2 on record", got)
	}
}

func TestAnalyzeDoesItsRangeAlone(t *testing.T) {
	t.Parallel()
	var all []plimsoll.Digest
	for i := range 10 {
		all = append(all, digest(t, fmt.Sprint(i)))
	}
	f := &fake{slots: 3}
	b := newBench(t, f)
	key := b.put(t, planned(all...))
	if err := b.Analyze(t.Context(), key, 3, 8, true, nil); err != nil {
		t.Fatal(err)
	}
	for i, d := range all {
		want := 0
		if i >= 3 && i < 8 {
			want = 1
		}
		if got := f.took("analyze " + string(d)); got != want {
			t.Errorf("layer %d: %d calls, want %d", i, got, want)
		}
	}
	for _, bad := range [][2]int{{-1, 2}, {0, 11}, {5, 4}} {
		wantKind(t, b.Analyze(t.Context(), key, bad[0], bad[1], false, nil), plimsoll.ErrInvalid)
	}
	wantKind(t, b.Analyze(t.Context(), key+"x", 0, 1, false, nil), plimsoll.ErrNotFound)
}

func TestAnalyzeOneBadLayerStopsNoOther(t *testing.T) {
	t.Parallel()
	good, bad, away := digest(t, "good"), digest(t, "bad"), digest(t, "away")
	f := &fake{slots: 1, analyze: func(in *workerv1.AnalyzeRequest, stream analyzeStream) error {
		switch plimsoll.Digest(in.GetLayer().GetDigest()) {
		case bad:
			return status.Error(codes.DataLoss, "integrity")
		case away:
			return unavailable("registry")
		}
		return stream.Send(&workerv1.AnalyzeResponse{Done: true})
	}}
	b := newBench(t, f)
	if err := b.Analyze(t.Context(), b.put(t, planned(bad, away, good)), 0, 3, false, nil); err != nil {
		t.Fatalf("error = %v: one of three layers was read", err)
	}
	if f.took("analyze "+string(good)) != 1 {
		t.Error("the good layer was not read")
	}
	if got := b.attemptOn(t, away); got.Count != 0 || got.Reason == "" {
		t.Errorf("attempt on what the registry could not give = %+v, want its reason and no count", got)
	}
}

func TestAnalyzeAsManyAtOnceAsThereAreSlots(t *testing.T) {
	t.Parallel()
	const slots = 3
	var mu sync.Mutex
	now, most := 0, 0
	full := make(chan struct{})
	f := &fake{slots: slots, analyze: func(_ *workerv1.AnalyzeRequest, stream analyzeStream) error {
		mu.Lock()
		now++
		if most = max(most, now); now == slots {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full // so the first calls wait for each other
		mu.Lock()
		now--
		mu.Unlock()
		return stream.Send(&workerv1.AnalyzeResponse{Done: true})
	}}
	b := newBench(t, f)
	var all []plimsoll.Digest
	for i := range 4 * slots {
		all = append(all, digest(t, fmt.Sprint(i)))
	}
	if err := b.Analyze(t.Context(), b.put(t, planned(all...)), 0, len(all), false, nil); err != nil {
		t.Fatal(err)
	}
	if most != slots {
		t.Errorf("%d layers at once, want %d", most, slots)
	}
}

func TestAnalyzeCancelledCountsNothing(t *testing.T) {
	t.Parallel()
	d := digest(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, &fake{analyze: func(_ *workerv1.AnalyzeRequest, stream analyzeStream) error {
		cancel()
		<-stream.Context().Done()
		return stream.Context().Err()
	}})
	if err := b.Analyze(ctx, b.put(t, planned(d)), 0, 1, false, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want cancelled", err)
	}
	if got := b.attemptOn(t, d); got.Count != 0 {
		t.Errorf("attempt = %+v: a shutdown is not the layer's fault", got)
	}
}

func TestAnalyzeWhileAWorkerDies(t *testing.T) {
	t.Parallel()
	d := digest(t, "")
	var f *fake
	f = &fake{analyze: func(_ *workerv1.AnalyzeRequest, stream analyzeStream) error {
		go f.kill()
		<-stream.Context().Done()
		return stream.Context().Err()
	}}
	b := newBench(t, f)
	err := b.Analyze(t.Context(), b.put(t, planned(d)), 0, 1, false, nil)
	wantKind(t, err, plimsoll.ErrUnavailable) // nobody is left to try
	if got := b.attemptOn(t, d); got.Count != 1 {
		t.Errorf("attempt = %+v, want one counted", got)
	}
}
