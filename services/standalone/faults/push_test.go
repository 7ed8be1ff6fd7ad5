package faults

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// notificationsRepeated is F21: one push told a thousand times, and a tag whose notifications come in the wrong order.
func notificationsRepeated(t *testing.T, s *system) {
	s.settle(t)
	before := s.stream(t).State.LastSeq
	tag := fmt.Sprint(s.count())
	m := s.newImage(t, 32<<10)
	s.put(t, corp, "repeated/app", tag, m)
	body := pushEvent("repeated/app", tag, m.digest)
	var taken, later atomic.Int64
	var senders sync.WaitGroup
	times := of(200, 1000)
	const atOnce = 8
	for range atOnce {
		senders.Go(func() {
			for range times / atOnce {
				status, err := s.hook(t.Context(), s.scheduler(), corp, body)
				switch {
				case err == nil && status == http.StatusAccepted:
					taken.Add(1)
				case err == nil && status == http.StatusServiceUnavailable:
					later.Add(1)
				default:
					t.Errorf("a repeated notification got HTTP %d, %v", status, err)
				}
			}
		})
	}
	senders.Wait()
	if got := taken.Load() + later.Load(); int(got) != times || taken.Load() == 0 {
		t.Fatalf("%d notifications were answered, %d taken, want %d: the fault did not strike", got, taken.Load(), times)
	}
	s.settle(t)
	if got := s.stream(t).State.LastSeq - before; got != 1 {
		t.Errorf("%d notifications of one push became %d requests, want one", times, got)
	}
	if got := s.readsOf(m.own); got != 1 {
		t.Errorf("its layer was asked for %d times, want once", got)
	}

	// The registry holds the second image under the tag; what is told is: the second, the first, that the tag was deleted.
	first, second := s.newImage(t, 1<<10), s.newImage(t, 1<<10)
	s.put(t, corp, "order/app", "1", first)
	s.put(t, corp, "order/app", "1", second)
	for _, e := range [][]byte{
		pushEvent("order/app", "1", second.digest), event("delete", "order/app", "1", second.digest), pushEvent("order/app", "1", first.digest),
	} {
		eventually(t, "an event out of order is taken", func() error {
			status, err := s.hook(t.Context(), s.scheduler(), corp, e)
			if err == nil && status != http.StatusAccepted {
				err = fmt.Errorf("HTTP %d", status)
			}
			return err
		})
	}
	s.settle(t)

	// A push told after the tag is gone makes no image.
	gone := s.newImage(t, 1<<10)
	s.put(t, corp, "order/gone", "1", gone)
	if err := imagetest.Delete(t.Context(), s.direct[corp].Address(), "order/gone", gone.digest); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	delete(s.wanted, corp+"/order/gone:1")
	s.mu.Unlock()
	s.announce(t, corp, "order/gone", "1", gone)
	s.settle(t)
}

// notificationsLost is F22: nobody tells of pushes; the next sweep finds them.
func notificationsLost(t *testing.T, s *system) {
	s.settle(t)
	received, _ := s.metric(t.Context(), s.scheduler(), "plimsoll_hook_events_total") // absent before the first
	for i := range of(5, 30) {
		s.put(t, []string{corp, edge}[i%2], fmt.Sprintf("untold/app%d", i%4), fmt.Sprint(s.count()), s.newImage(t, 2<<10))
	}
	if s.unsettled(t.Context(), s.wanted) == nil {
		t.Fatal("images that nobody told of are known: the fault does not strike")
	}
	for _, id := range []string{corp, edge} {
		s.sweep(t, id)
	}
	if now, _ := s.metric(t.Context(), s.scheduler(), "plimsoll_hook_events_total"); now != received {
		t.Errorf("%v notifications arrived, want none", now-received)
	}
}

// pushFlood is F33, as many pushes as a test has time for: they are taken or told to come again, the other registry's pushes
// get their verdicts meanwhile, and the queue is empty in the end.
func pushFlood(t *testing.T, s *system) {
	s.settle(t)
	m := s.newImage(t, 1<<10)
	tags := of(300, 2000)
	var senders sync.WaitGroup
	var most atomic.Int64
	const atOnce = 8
	for i := range tags {
		s.put(t, corp, "flood/app", fmt.Sprint("f", i), m)
	}
	for k := range atOnce {
		senders.Go(func() {
			for i := k; i < tags; i += atOnce {
				err := within(t.Context(), patience, func() error {
					status, err := s.hook(t.Context(), s.scheduler(), corp, pushEvent("flood/app", fmt.Sprint("f", i), m.digest))
					if err == nil && status != http.StatusAccepted {
						err = fmt.Errorf("HTTP %d", status)
					}
					return err
				})
				if err != nil {
					t.Errorf("a push of the flood was never taken: %v", err)
				}
			}
		})
	}
	other := s.newImage(t, 1<<10)
	s.push(t, edge, "calm/app", "1", other)
	eventually(t, "the other registry's push gets its verdict", func() error {
		most.Store(max(most.Load(), int64(s.queued(t, "plimsoll.scan.push."+corp))))
		got, err := s.scanned(t.Context(), s.reporter(), edge)
		if im := got["calm/app:1"]; err == nil && (im.Digest != other.digest || !im.complete()) {
			err = errors.New("not yet")
		}
		return err
	})
	senders.Wait()
	most.Store(max(most.Load(), int64(s.queued(t, "plimsoll.scan.push."+corp))))
	t.Logf("%d pushes at once; the queue held up to %d", tags, most.Load())
	s.settle(t)
}
