package hooks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// kept is a bucket's worth of counts, which can be away.
type kept struct {
	away   bool
	shares map[string]plimsoll.PushShare // by day and run
}

func (k *kept) keep(_ context.Context, registry string, day time.Time, run string, share plimsoll.PushShare) error {
	if k.away {
		return errors.New("away")
	}
	k.shares[registry+" "+day.Format(time.DateOnly)+" "+run] = share
	return nil
}

func TestCountsAreKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 22, 30, 0, 0, time.UTC)
	k := &kept{shares: map[string]plimsoll.PushShare{}}
	w := newWorld(true, plimsoll.Registry{ID: "r"})
	h := w.handler
	h.Keep, h.counts.now, h.counts.run = k.keep, func() time.Time { return now }, "run"
	store := func() {
		t.Helper()
		if err := h.keep(t.Context()); (err != nil) != k.away {
			t.Errorf("keep: %v with the bucket away: %v", err, k.away)
		}
	}
	for range 2 {
		w.post(t, "/hooks/r", events(pushEvent("1", "team/app", "v1", digestA), `7`))
	}
	store()
	k.away = true
	h.Missed("r", 3)
	store()
	now = now.Add(time.Hour)
	w.post(t, "/hooks/r", `{}`)
	store()
	now = now.Add(time.Hour) // the next day
	w.post(t, "/hooks/r", events(pushEvent("2", "team/app", "v1", digestA)))
	k.away = false
	store()
	want := map[string]plimsoll.PushShare{
		"r 2026-11-29 run": {22: {Received: 4, Queued: 1, Duplicate: 1, Refused: 2, Missed: 3}, 23: {Refused: 1}},
		"r 2026-11-30 run": {0: {Received: 1, Queued: 1}},
	}
	if diff := cmp.Diff(want, k.shares); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if len(h.counts.days) != 1 {
		t.Errorf("%d days are remembered, want today alone", len(h.counts.days))
	}
	clear(k.shares)
	if store(); len(k.shares) != 0 {
		t.Errorf("without a new event %d days are written again", len(k.shares))
	}
}

// An event is late when its tag was seen to move after what it tells of and before it came.
func TestLateEvents(t *testing.T) {
	t.Parallel()
	pushed := time.Date(2026, 11, 25, 1, 0, 0, 0, time.UTC) // as eventOf says
	came := pushed.Add(10 * time.Second)
	tests := []struct {
		name  string
		moved time.Time
		tag   string
		late  float64
	}{
		{"seen by a listing", pushed.Add(5 * time.Second), "v1", 1},
		{"pushed again as it was", pushed.Add(-time.Hour), "v1", 0},
		{"its own scan was faster than this look", came.Add(time.Second), "v1", 0},
		{"another tag", pushed.Add(5 * time.Second), "v2", 0},
	}
	for _, test := range tests {
		w := newWorld(true, plimsoll.Registry{ID: "r"})
		w.handler.Now = func() time.Time { return came }
		w.refs = []plimsoll.Ref{{Tag: test.tag, Digest: digestA, Moved: test.moved}}
		w.post(t, "/hooks/r", events(pushEvent("1", "team/app", "v1", digestA)))
		w.handler.compare(t.Context(), <-w.handler.late)
		if got := w.counted("r", late); got != test.late {
			t.Errorf("%s: late %v, want %v", test.name, got, test.late)
		}
	}
}

// Run stores what is counted when it ends, and compares what comes.
func TestRun(t *testing.T) {
	t.Parallel()
	k := &kept{shares: map[string]plimsoll.PushShare{}}
	w := newWorld(true, plimsoll.Registry{ID: "r"})
	w.handler.Keep = k.keep
	w.post(t, "/hooks/r", events(pushEvent("1", "team/app", "v1", digestA)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.handler.Run(ctx)
	if len(k.shares) != 1 {
		t.Errorf("%d days are stored at the end, want 1", len(k.shares))
	}
}
