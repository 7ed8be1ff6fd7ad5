package scan

import (
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
)

// TestPushBeforeItsTag: a registry may tell of a push before its tag says so. The tag is asked again, for a short time.
func TestPushBeforeItsTag(t *testing.T) {
	t.Parallel()
	absent := func() (*workerv1.ResolveResponse, error) {
		return nil, status.Error(codes.NotFound, "no such tag")
	}
	names := func(d plimsoll.Digest) func() (*workerv1.ResolveResponse, error) {
		return func() (*workerv1.ResolveResponse, error) {
			return &workerv1.ResolveResponse{Digest: string(d), NotApplicable: "chart"}, nil
		}
	}
	const at = 2 // the question from which on the registry shows the push
	for name, tt := range map[string]struct {
		lane   scanv1.Lane
		age    time.Duration
		told   plimsoll.Digest
		before func() (*workerv1.ResolveResponse, error)
		want   plimsoll.Digest
		gone   bool
	}{
		"a tag that is not there yet":        {scanv1.Lane_LANE_PUSH, 0, digestA, absent, digestA, false},
		"a tag that has not moved yet":       {scanv1.Lane_LANE_PUSH, 0, digestA, names(digestB), digestA, false},
		"an event that was told long ago":    {scanv1.Lane_LANE_PUSH, time.Minute, digestA, absent, "", true},
		"an event that tells no digest":      {scanv1.Lane_LANE_PUSH, 0, "", absent, "", true},
		"a sweep":                            {scanv1.Lane_LANE_SWEEP, 0, digestA, absent, "", true},
		"a forged digest: the registry wins": {scanv1.Lane_LANE_PUSH, 0, plimsoll.DigestOf([]byte("forged")), names(digestB), digestA, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var questions atomic.Int32
			b := newBench(t, &fake{resolve: func(*workerv1.ResolveRequest) (*workerv1.ResolveResponse, error) {
				if questions.Add(1) <= at {
					return tt.before()
				}
				return names(digestA)()
			}})
			b.now = time.Now
			r := b.request(&scanv1.Target{Tag: "v1", Digest: string(tt.told)})
			r.Lane, r.AskedUnixNano = tt.lane, time.Now().Add(-tt.age).UnixNano()
			planned, err := b.Resolve(t.Context(), r, "", func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			if got := b.plan(t, planned.Key).Targets[0]; got.Digest != tt.want || got.Gone != tt.gone {
				t.Errorf("target = %+v after %d questions, want digest %q, gone %v", got, questions.Load(), tt.want, tt.gone)
			}
		})
	}
}
