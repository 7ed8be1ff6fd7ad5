package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue/queuetest"
)

func TestShare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ window, registries, want int }{
		{8, 1, 8}, {8, 2, 6}, {64, 50, 48}, {3, 2, 2}, {2, 2, 1}, {1, 9, 1},
	} {
		if got := share(c.window, c.registries); got != c.want {
			t.Errorf("share(%d, %d) = %d, want %d", c.window, c.registries, got, c.want)
		}
	}
}

// Whoever holds the fewest is next, whatever came first.
func TestTurnsGoToWhoHoldsFewest(t *testing.T) {
	t.Parallel()
	turns := newTurns(8, 2)
	for range 6 {
		if err := turns.take(t.Context(), "slow"); err != nil {
			t.Fatal(err)
		}
	}
	got := make(chan string, 4)
	wait := func(registry string, waiting int) {
		go func() {
			if turns.take(t.Context(), registry) == nil {
				got <- registry
			}
		}()
		eventually(t, "waiting", func() bool { turns.mu.Lock(); defer turns.mu.Unlock(); return len(turns.waiting) == waiting })
	}
	wait("slow", 1) // at its cap, though places are free
	for range 2 {
		wait("fast", 1)
		if r := <-got; r != "fast" {
			t.Fatalf("a free place went to %s, which is at its cap", r)
		}
	}
	wait("fast", 2)
	turns.give("slow") // slow holds 5, fast 2
	if r := <-got; r != "fast" {
		t.Errorf("the place went to %s, want fast, which holds fewer", r)
	}
	turns.give("slow")
	if r := <-got; r != "slow" {
		t.Errorf("the place went to %s, want slow, which alone waits", r)
	}
}

func TestTurnsOfACancelledWaiter(t *testing.T) {
	t.Parallel()
	turns := newTurns(1, 1)
	if err := turns.take(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := turns.take(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Fatalf("take = %v, want it cancelled", err)
	}
	turns.give("a")
	if len(turns.waiting) != 0 || turns.free != 1 || len(turns.held) != 0 {
		t.Errorf("%d wait, %d free, %v held after all ended, want 0, 1, none", len(turns.waiting), turns.free, turns.held)
	}
}

// A registry whose requests hang takes at most its share, and one whose requests fail keeps nobody from being served.
func TestASlowRegistryLeavesRoom(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	var mu sync.Mutex
	running, most, served := 0, 0, 0
	consume(t, q, quickLane(PushLane([]string{"slow", "broken", "prod"}, 4)), func(ctx context.Context, r *scanv1.ScanRequest) error {
		switch r.GetRegistry() {
		case "broken":
			return errors.New("broken")
		case "prod":
			mu.Lock()
			defer mu.Unlock()
			served++
			return nil
		}
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	})
	of := func(registry string, i int) *scanv1.ScanRequest {
		r := push(fmt.Sprint("v", i))
		r.Registry = registry
		return r
	}
	for i := range 20 {
		publish(t, q, of("slow", i))
		publish(t, q, of("broken", i))
	}
	eventually(t, "the slow registry has its share", func() bool { mu.Lock(); defer mu.Unlock(); return running == 3 })
	for i := range 20 {
		publish(t, q, of("prod", i))
	}
	eventually(t, "the others are served", func() bool { mu.Lock(); defer mu.Unlock(); return served == 20 })
	eventually(t, "what is broken is buried", func() bool { return len(deadLetters(t, q)) == 20 })
	if most != 3 {
		t.Errorf("the slow registry held %d of 4 places, want 3", most)
	}
}

// The consumer that read a lane for all registries, as schedulers made it before, gives way.
func TestAnOlderConsumerGivesWay(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	if _, err := q.js.CreateConsumer(t.Context(), scanv1.StreamRequests, jetstream.ConsumerConfig{
		Durable: "push", FilterSubject: scanv1.SubjectsPush, AckPolicy: jetstream.AckExplicitPolicy,
	}); err != nil {
		t.Fatal(err)
	}
	publish(t, q, push("v1"))
	consume(t, q, quickLane(PushLane(prod, 2)), func(context.Context, *scanv1.ScanRequest) error { return nil })
	eventually(t, "performed", empty(t, q, scanv1.SubjectsPush))
}
