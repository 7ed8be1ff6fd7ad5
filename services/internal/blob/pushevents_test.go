package blob_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Two schedulers that write at the same time, again and again, lose nothing of each other and count nothing twice.
func TestPushEventsOfManyRuns(t *testing.T) {
	t.Parallel()
	s, ctx, id := open(t, bucket), t.Context(), name(t)
	var all sync.WaitGroup
	for run := range 4 {
		all.Go(func() {
			for n := 1; n <= 5; n++ { // each time with all that the run has counted so far
				share := plimsoll.PushShare{12: {Received: n, Queued: n}, 3: {Missed: 1}}
				if err := s.KeepPushEvents(ctx, id, noon, fmt.Sprint("run", run), share); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got, err := s.PushEvents(ctx, id, noon.Add(20*time.Minute), 24)
	if diff := cmp.Diff(plimsoll.PushCount{Received: 20, Queued: 20, Missed: 4}, got); diff != "" || err != nil {
		t.Errorf("counts of 4 runs, 5 each (-want +got):\n%s%v", diff, err)
	}
}

func TestPushEventsOfSomeHours(t *testing.T) {
	t.Parallel()
	s, ctx, id := open(t, bucket), t.Context(), name(t)
	yesterday := noon.Add(-24 * time.Hour)
	keep := func(day time.Time, share plimsoll.PushShare) {
		t.Helper()
		if err := s.KeepPushEvents(ctx, id, day, "run", share); err != nil {
			t.Fatal(err)
		}
	}
	keep(yesterday, plimsoll.PushShare{12: {Received: 1}, 13: {Received: 10}, 23: {Late: 2}})
	keep(noon, plimsoll.PushShare{0: {Received: 100}, 12: {Received: 1000}, 13: {Received: 10000}})
	tests := []struct {
		until time.Time
		hours int
		want  plimsoll.PushCount
	}{
		{noon.Add(59 * time.Minute), 24, plimsoll.PushCount{Received: 1110, Late: 2}}, // from 13:00 of yesterday
		{noon.Add(time.Hour), 24, plimsoll.PushCount{Received: 11100, Late: 2}},
		{noon, 1, plimsoll.PushCount{Received: 1000}},
		{noon.Add(-12 * time.Hour), 2, plimsoll.PushCount{Received: 100, Late: 2}},
		{noon.Add(100 * time.Hour), 24, plimsoll.PushCount{}},
	}
	for _, test := range tests {
		got, err := s.PushEvents(ctx, id, test.until, test.hours)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%d hours until %s (-want +got):\n%s%v", test.hours, test.until, diff, err)
		}
	}
	if got, err := s.PushEvents(ctx, id+"x", noon, 24); err != nil || got != (plimsoll.PushCount{}) {
		t.Errorf("of a registry that nobody knows: %+v, %v, want nothing", got, err)
	}
}

// The first count of a day deletes the days that are too old, and no other.
func TestOldPushEventsGo(t *testing.T) {
	t.Parallel()
	s, ctx, id := open(t, bucket), t.Context(), name(t)
	for _, age := range []int{500, 401, 400, 1, 0} {
		day := noon.Add(-time.Duration(age) * 24 * time.Hour)
		if err := s.KeepPushEvents(ctx, id, day, "run", plimsoll.PushShare{1: {Received: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	for age, want := range map[int]bool{500: false, 401: false, 400: true, 1: true, 0: true} {
		if got, err := s.Head(ctx, blob.PushEventsKey(id, noon.Add(-time.Duration(age)*24*time.Hour))); got != want || err != nil {
			t.Errorf("counts of %d days ago there: %v, want %v (%v)", age, got, want, err)
		}
	}
}
