package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue/queuetest"
)

func heldOf(r *scanv1.ScanRequest, deliveries int) *held {
	return &held{request: r, deliveries: deliveries, release: func() {}}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	of := func(repository, tag, digest string, asked int64) *scanv1.ScanRequest {
		return &scanv1.ScanRequest{Registry: "prod", Repository: repository, Trace: tag, AskedUnixNano: asked, Targets: []*scanv1.Target{{Tag: tag, Digest: digest}}}
	}
	all := []*held{
		heldOf(of("a", "1", "x", 5), 1), heldOf(of("b", "1", "x", 2), 1), heldOf(of("a", "2", "x", 3), 1), heldOf(of("a", "1", "x", 9), 1),
		heldOf(of("a", "1", "y", 4), 1), // moved: another run, which begins later than the one before
		heldOf(of("a", "3", "x", 4), 2), // came before: alone
		heldOf(of("a", "", "x", 4), 1),  // a digest alone
		heldOf(of("a", "4", "x", 1), 1),
	}
	for i := range 70 {
		all = append(all, heldOf(of("c", fmt.Sprint(i), "x", 1), 1))
	}
	var got []string
	for _, g := range groups(all) {
		r := g.request()
		var tags []string
		for _, x := range r.GetTargets() {
			tags = append(tags, x.GetTag()+x.GetDigest())
		}
		if len(tags) > 5 {
			tags = []string{fmt.Sprint(len(tags))}
		}
		got = append(got, fmt.Sprintf("%s %v %d messages, asked %d to %d", r.GetRepository(), tags, len(g), r.GetAskedUnixNano(), g.asked()))
	}
	want := []string{
		"a [1x 2x] 3 messages, asked 3 to 9", "b [1x] 1 messages, asked 2 to 2", "a [1y 4x] 2 messages, asked 1 to 4",
		"a [3x] 1 messages, asked 4 to 4", "a [x] 1 messages, asked 4 to 4", "c [64] 64 messages, asked 1 to 1", "c [6] 6 messages, asked 1 to 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("groups:\n%q\nwant\n%q", got, want)
	}
}

// A flood of one repository's pushes takes few runs; one that fails fails alone in the end, and below a flood nothing is put together.
func TestAFloodIsPerformedTogether(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	const flood = 1000
	for i := range flood {
		publish(t, q, push(fmt.Sprint("v", i)))
	}
	var mu sync.Mutex
	runs, done := 0, map[string]bool{}
	consume(t, q, quickLane(PushLane(prod, 4)), func(_ context.Context, r *scanv1.ScanRequest) error {
		mu.Lock()
		defer mu.Unlock()
		runs++
		for _, x := range r.GetTargets() {
			if x.GetTag() == "v500" {
				return errors.New("poison")
			}
		}
		for _, x := range r.GetTargets() {
			done[x.GetTag()] = true
		}
		return nil
	})
	eventually(t, "the poisonous push is a dead letter", func() bool { return len(deadLetters(t, q)) == 1 })
	eventually(t, "all have ended", empty(t, q, scanv1.SubjectsPush))
	// 1,000 of 64, what a batch leaves over, the neighbours of the poisonous one alone, and the last below a flood alone.
	if most := flood/scanv1.MaxTargets + 8 + 2*scanv1.MaxTargets + floodAt; runs > most || len(done) != flood-1 {
		t.Errorf("%d runs performed %d pushes of %d, want at most %d runs for all but one", runs, len(done), flood, most)
	}
	if letter := deadLetters(t, q)[0]; len(letter.GetRequest().GetTargets()) != 1 || letter.GetRequest().GetTrace() != "v500" {
		t.Errorf("the dead letter is of %v, want v500 alone", letter.GetRequest())
	}
	mu.Lock()
	runs = 0
	mu.Unlock()
	for i := range 20 {
		publish(t, q, push(fmt.Sprint("calm", i)))
	}
	eventually(t, "all have ended", empty(t, q, scanv1.SubjectsPush))
	if runs != 20 {
		t.Errorf("20 pushes took %d runs, want each its own", runs)
	}
}
