package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue/queuetest"
)

// quick is the lanes' timing for tests: the same order of durations, a hundred times shorter.
func quick() Timing {
	return Timing{
		AckWait: 4 * time.Second, Beat: 100 * time.Millisecond, Unsettled: 50 * time.Millisecond, Lost: 20 * time.Millisecond, Retry: 20 * time.Millisecond,
		Backoff: []time.Duration{10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond},
	}
}

var prod = []string{"prod"}

func quickLane(l Lane) Lane {
	l.Timing = quick()
	return l
}

func newQueue(t *testing.T, nc *nats.Conn, o Options) *Queue {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	q, err := New(nc, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Ensure(t.Context()); err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	return q
}

func push(tag string) *scanv1.ScanRequest {
	return &scanv1.ScanRequest{
		Lane: scanv1.Lane_LANE_PUSH, Registry: "prod", Repository: "team/app", Epoch: "event-" + tag, Trace: tag,
		Targets: []*scanv1.Target{{Tag: tag, Digest: string(plimsoll.DigestOf([]byte(tag)))}},
	}
}

func swept(tag, slot string) *scanv1.ScanRequest {
	r := push(tag)
	r.Lane, r.Epoch = scanv1.Lane_LANE_SWEEP, slot
	return r
}

func publish(t *testing.T, q *Queue, r *scanv1.ScanRequest) {
	t.Helper()
	if _, err := q.Publish(t.Context(), r); err != nil {
		t.Fatalf("Publish %s: %v", r.GetTrace(), err)
	}
}

// consume runs a lane until the returned function is called.
func consume(t *testing.T, q *Queue, l Lane, run Run) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.Consume(ctx, l, run)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// eventually waits until holds says so.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func empty(t *testing.T, q *Queue, subject string) func() bool {
	return func() bool {
		n, err := q.Left(t.Context(), subject)
		return err == nil && n == 0
	}
}

func deadLetters(t *testing.T, q *Queue) (letters []*scanv1.DeadLetter) {
	t.Helper()
	s, err := q.js.Stream(t.Context(), scanv1.StreamDeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && info.State.Msgs > 0; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatalf("read dead letter %d: %v", seq, err)
		}
		var d scanv1.DeadLetter
		if err := proto.Unmarshal(m.Data, &d); err != nil {
			t.Fatal(err)
		}
		letters = append(letters, &d)
	}
	return letters
}

func TestPublishDropsRepeats(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	for i, want := range []bool{false, true} {
		if got, err := q.Publish(t.Context(), push("v1")); err != nil || got != want {
			t.Errorf("try %d: duplicate = %v, %v, want %v", i, got, err, want)
		}
	}
	again := push("v1")
	again.Epoch = "another event"
	if got, err := q.Publish(t.Context(), again); err != nil || got {
		t.Errorf("another epoch: duplicate = %v, %v, want false", got, err)
	}
	if n, err := q.Left(t.Context(), scanv1.SubjectsPush); err != nil || n != 2 {
		t.Errorf("Left = %d, %v, want 2", n, err)
	}
}

func TestPublishRefusesWhatIsFullOrWrong(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{MaxRequests: 2})
	publish(t, q, push("v1"))
	publish(t, q, push("v2"))
	if _, err := q.Publish(t.Context(), push("v3")); !errors.Is(err, plimsoll.ErrLimit) {
		t.Errorf("third of two: %v, want ErrLimit", err)
	}
	large := push("v4")
	for i := range scanv1.MaxTargets + 1 {
		large.Targets = append(large.Targets, &scanv1.Target{Tag: fmt.Sprint("t", i)})
	}
	if _, err := q.Publish(t.Context(), large); !errors.Is(err, plimsoll.ErrInvalid) {
		t.Errorf("65 targets: %v, want ErrInvalid", err)
	}
}

func TestLeftCountsOneSweep(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	publish(t, q, swept("v1", "20261125T010000Z"))
	publish(t, q, swept("v2", "20261125T010000Z"))
	publish(t, q, swept("v1", "20261126T010000Z"))
	publish(t, q, push("v1"))
	for subject, want := range map[string]int{
		scanv1.SweepSubject("prod", "20261125T010000Z"): 2,
		scanv1.SweepSubject("prod", "20261126T010000Z"): 1,
		scanv1.SweepSubject("prod", "20261127T010000Z"): 0,
		scanv1.SubjectsSweep:                            3,
		scanv1.SubjectsRequests:                         4,
	} {
		if got, err := q.Left(t.Context(), subject); err != nil || got != want {
			t.Errorf("Left(%s) = %d, %v, want %d", subject, got, err, want)
		}
	}
}

func TestConsumePerformsBothLanesApart(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	block := make(chan struct{})
	consume(t, q, quickLane(SweepLane(prod, 2)), func(ctx context.Context, _ *scanv1.ScanRequest) error {
		select {
		case <-block:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	for i := range 4 {
		publish(t, q, swept(fmt.Sprint("v", i), "20261125T010000Z"))
	}
	pushed := make(chan string, 1)
	consume(t, q, quickLane(PushLane(prod, 2)), func(_ context.Context, r *scanv1.ScanRequest) error {
		pushed <- r.GetTrace()
		return nil
	})
	publish(t, q, push("urgent"))
	if got := <-pushed; got != "urgent" {
		t.Errorf("push lane performed %q, want urgent", got)
	}
	if n, err := q.Left(t.Context(), scanv1.SubjectsSweep); err != nil || n != 4 {
		t.Errorf("sweep requests left = %d, %v, want 4 while they are held", n, err)
	}
	close(block)
	eventually(t, "both lanes empty", empty(t, q, scanv1.SubjectsRequests))
}

// A request that runs longer than the server waits for an acknowledgement is performed once all the same.
func TestConsumeHoldsLongRequests(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	var runs atomic.Int64
	finish := make(chan struct{})
	consume(t, q, quickLane(PushLane(prod, 4)), func(ctx context.Context, _ *scanv1.ScanRequest) error {
		runs.Add(1)
		select {
		case <-finish:
		case <-ctx.Done():
		}
		return nil
	})
	publish(t, q, push("slow"))
	wait := time.NewTimer(2 * quick().AckWait)
	defer wait.Stop()
	<-wait.C
	close(finish)
	eventually(t, "request acknowledged", empty(t, q, scanv1.SubjectsPush))
	if got := runs.Load(); got != 1 {
		t.Errorf("performed %d times, want once", got)
	}
}

func TestConsumeKeepsToItsWindow(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	const window = 3
	var now, most, total atomic.Int64
	release := make(chan struct{})
	consume(t, q, quickLane(PushLane(prod, window)), func(ctx context.Context, _ *scanv1.ScanRequest) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		select {
		case <-release:
		case <-ctx.Done():
		}
		total.Add(1)
		return nil
	})
	for i := range 10 {
		publish(t, q, push(fmt.Sprint("v", i)))
	}
	eventually(t, "window full", func() bool { return now.Load() == window })
	close(release)
	eventually(t, "all performed", func() bool { return total.Load() == 10 })
	if got := most.Load(); got != window {
		t.Errorf("at most %d at once, want %d", got, window)
	}
}

func TestSixthFailureIsADeadLetter(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	var runs atomic.Int64
	consume(t, q, quickLane(PushLane(prod, 2)), func(context.Context, *scanv1.ScanRequest) error {
		runs.Add(1)
		return errors.New("no worker has such a slot")
	})
	publish(t, q, push("poison"))
	eventually(t, "dead letter", func() bool { return len(deadLetters(t, q)) > 0 })
	eventually(t, "request ended", empty(t, q, scanv1.SubjectsPush))
	letters := deadLetters(t, q)
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	d := letters[0]
	if d.GetRequest().GetTrace() != "poison" || !strings.Contains(d.GetReason(), "no worker has such a slot") || d.GetDeliveries() != 6 {
		t.Errorf("dead letter %v, want the request, its reason and 6 deliveries", d)
	}
	if got := runs.Load(); got != 6 {
		t.Errorf("performed %d times, want 6", got)
	}
}

// TestUnsettledIsTriedLater: what lacks something is tried as often as what fails, never sooner than Unsettled, and leaves no dead letter.
func TestUnsettledIsTriedLater(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	began := make(chan time.Time, 10)
	consume(t, q, quickLane(PushLane(prod, 2)), func(context.Context, *scanv1.ScanRequest) error {
		began <- time.Now()
		return fmt.Errorf("1 of 1 targets: %w", ErrUnsettled)
	})
	publish(t, q, push("short"))
	eventually(t, "request ended", empty(t, q, scanv1.SubjectsPush))
	if n := len(began); n != 6 {
		t.Errorf("performed %d times, want 6", n)
	}
	for last := <-began; len(began) > 0; {
		next := <-began
		if d := next.Sub(last); d < quick().Unsettled {
			t.Errorf("tried again after %s, want %s at least", d, quick().Unsettled)
		}
		last = next
	}
	if letters := deadLetters(t, q); len(letters) != 0 {
		t.Errorf("dead letters %v, want none", letters)
	}
}

func TestMalformedMessagesAreDeadLetters(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	foreign := push("v1")
	foreign.Registry = "other"
	b, err := proto.Marshal(foreign)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{[]byte("not protobuf"), nil, b} {
		if _, err := q.js.Publish(t.Context(), "plimsoll.scan.push.prod", data); err != nil {
			t.Fatal(err)
		}
	}
	consume(t, q, quickLane(PushLane(prod, 2)), func(context.Context, *scanv1.ScanRequest) error {
		t.Error("a malformed message was performed")
		return nil
	})
	eventually(t, "three dead letters", func() bool { return len(deadLetters(t, q)) == 3 })
	eventually(t, "messages ended", empty(t, q, scanv1.SubjectsPush))
}

// While the orchestrator is away a request waits; that time is not its failure.
func TestLostOrchestratorIsNoFailure(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	var tries atomic.Int64
	consume(t, q, quickLane(PushLane(prod, 2)), func(context.Context, *scanv1.ScanRequest) error {
		if tries.Add(1) <= 20 {
			return fmt.Errorf("start: %w", ErrLost)
		}
		return nil
	})
	publish(t, q, push("v1"))
	eventually(t, "request ended", empty(t, q, scanv1.SubjectsPush))
	if n := len(deadLetters(t, q)); n != 0 || tries.Load() != 21 {
		t.Errorf("%d dead letters after %d tries, want 0 after 21", n, tries.Load())
	}
}

// Stopping leaves what runs unacknowledged: the next scheduler gets it.
func TestStopLeavesRequestsToTheNext(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	running := make(chan struct{}, 1)
	stop := consume(t, q, quickLane(PushLane(prod, 2)), func(ctx context.Context, _ *scanv1.ScanRequest) error {
		running <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	publish(t, q, push("v1"))
	<-running
	stop()
	if n, err := q.Left(t.Context(), scanv1.SubjectsPush); err != nil || n != 1 {
		t.Fatalf("Left = %d, %v, want 1", n, err)
	}
	consume(t, q, quickLane(PushLane(prod, 2)), func(context.Context, *scanv1.ScanRequest) error { return nil })
	eventually(t, "performed by the next", empty(t, q, scanv1.SubjectsPush))
}

// Repeats of one push that wait while it is scanned are served by that scan only when they were asked before it began.
func TestCoalescing(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	before := time.Now()
	var runs atomic.Int64
	for i := range 50 {
		r := push("v1")
		r.Epoch, r.AskedUnixNano = fmt.Sprint("event ", i), before.UnixNano()
		publish(t, q, r)
	}
	consume(t, q, quickLane(PushLane(prod, 8)), func(context.Context, *scanv1.ScanRequest) error {
		runs.Add(1)
		return nil
	})
	eventually(t, "all served", empty(t, q, scanv1.SubjectsPush))
	if got := runs.Load(); got != 1 {
		t.Errorf("50 repeats were scanned %d times, want once", got)
	}
	later := push("v1")
	later.Epoch, later.AskedUnixNano = "later", time.Now().UnixNano()
	publish(t, q, later)
	eventually(t, "served", empty(t, q, scanv1.SubjectsPush))
	if got := runs.Load(); got != 2 {
		t.Errorf("a repeat that came after the scan: %d scans, want 2", got)
	}
}

// A server that restarts, and one whose store was wiped meanwhile, are used again without help (fault F5).
func TestServerRestartsAndIsWiped(t *testing.T) {
	t.Parallel()
	server := queuetest.Start(t)
	q := newQueue(t, server.Connect(), Options{})
	var mu sync.Mutex
	done := map[string]int{}
	consume(t, q, quickLane(PushLane(prod, 2)), func(_ context.Context, r *scanv1.ScanRequest) error {
		mu.Lock()
		defer mu.Unlock()
		done[r.GetTrace()]++
		return nil
	})
	performed := func(tag string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return done[tag] > 0
		}
	}
	publish(t, q, push("first"))
	eventually(t, "first", performed("first"))
	created, err := q.Created(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	server.Stop()
	server.Restart()
	eventually(t, "publish after a restart", func() bool { _, err := q.Publish(t.Context(), push("second")); return err == nil })
	eventually(t, "second", performed("second"))

	server.Stop()
	server.Wipe()
	server.Restart()
	eventually(t, "publish after a wipe", func() bool { _, err := q.Publish(t.Context(), push("third")); return err == nil })
	eventually(t, "third", performed("third"))
	if again, err := q.Created(t.Context()); err != nil || !again.After(created) {
		t.Errorf("Created = %v, %v, want later than %v: the wipe must show", again, err, created)
	}
}

func TestEnsureKeepsAnOperatorsChoice(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{Memory: true})
	files, err := New(q.js.Conn(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Ensure(t.Context()); err != nil {
		t.Fatalf("Ensure over streams of another storage: %v", err)
	}
	s, err := q.js.Stream(t.Context(), scanv1.StreamRequests)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().Config.Storage; got != jetstream.MemoryStorage {
		t.Errorf("storage = %v, want it kept", got)
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{})
	publish(t, q, push("v1"))
	if err := q.Measure(t.Context()); err != nil {
		t.Fatalf("Measure: %v", err)
	}
	if age, err := q.oldest(t.Context(), scanv1.SubjectsPush); err != nil || age <= 0 {
		t.Errorf("oldest push is %v old, %v, want more than 0", age, err)
	}
	if age, err := q.oldest(t.Context(), scanv1.SubjectsSweep); err != nil || age != 0 {
		t.Errorf("oldest of an empty lane is %v old, %v, want 0", age, err)
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	nc := queuetest.Start(t).Connect()
	q := newQueue(t, nc, Options{})
	sub, err := nc.SubscribeSync(scanv1.SubjectsChanges)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Event(t.Context(), &scanv1.Event{Stream: "prod", Sequence: 7}); err != nil {
		t.Fatalf("Event: %v", err)
	}
	m, err := sub.NextMsgWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var e scanv1.Event
	if err := proto.Unmarshal(m.Data, &e); err != nil || e.GetStream() != "prod" || e.GetSequence() != 7 {
		t.Errorf("event %v, %v, want prod 7", &e, err)
	}
}

// A server that goes away with a question does not keep whoever asked for as long as its context lets it: an activity has hours.
func TestAQuestionThatIsLost(t *testing.T) {
	t.Parallel()
	server := queuetest.Start(t)
	q := newQueue(t, server.Connect(), Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	server.Stop()
	var all sync.WaitGroup
	for what, ask := range map[string]func() error{
		"Publish": func() error { _, err := q.Publish(ctx, push("v1")); return err },
		"Left":    func() error { _, err := q.Left(ctx, scanv1.SubjectsPush); return err },
		"Created": func() error { _, err := q.Created(ctx); return err },
		"Pushed":  func() error { _, _, err := q.Pushed(ctx, "prod"); return err },
		"Drop":    func() error { _, err := q.Drop(ctx, scanv1.SubjectsPush); return err },
	} {
		all.Go(func() {
			if err := ask(); !errors.Is(err, plimsoll.ErrUnavailable) {
				t.Errorf("%s without a server: %v, want ErrUnavailable", what, err)
			}
		})
	}
	all.Wait()
}
