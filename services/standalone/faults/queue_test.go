package faults

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// natsLost is F5: the queue is killed, and comes back with what it had, with nothing, with a damaged store, with no room.
func natsLost(t *testing.T, s *system) {
	s.underLoad(t, func() {
		s.natsKilled(t)
		s.natsWiped(t)
		if long {
			s.natsDamaged(t)
		}
	})
	if long {
		s.natsFull(t)
	}
	// What a wipe took is found by a sweep, not by the pushes.
	for _, id := range []string{corp, edge} {
		s.sweep(t, id)
	}
}

// natsKilled: the request in flight is still there after the restart, and acknowledged at its end.
func (s *system) natsKilled(t *testing.T) {
	t.Helper()
	m, g, _ := s.heldLayer(t, "nats/killed", fmt.Sprint(s.count()))
	s.mustBeQueued(t, m)
	made := s.stream(t).Created
	s.nats.kill(t)
	s.nats.start(t)
	if again := s.stream(t).Created; !again.Equal(made) {
		t.Errorf("the stream was made at %s, before the kill at %s: it was lost", again, made)
	}
	s.mustBeQueued(t, m)
	g.Open()
	s.settle(t)
}

// natsWiped: nothing is left of the queue; what was in flight ends, and the streams are made again.
func (s *system) natsWiped(t *testing.T) {
	t.Helper()
	m, g, _ := s.heldLayer(t, "nats/wiped", fmt.Sprint(s.count()))
	s.mustBeQueued(t, m)
	made := s.stream(t).Created
	s.nats.kill(t)
	s.nats.wipe(t)
	s.nats.start(t)
	s.streamAgain(t, made)
	g.Open()
}

// streamAgain waits for a stream that is younger than the one that was lost.
func (s *system) streamAgain(t *testing.T, lost time.Time) {
	t.Helper()
	nc, js := s.jetstream(t)
	defer nc.Close()
	eventually(t, "the scheduler makes the stream again", func() error {
		stream, err := js.Stream(t.Context(), scanv1.StreamRequests)
		if err == nil && !stream.CachedInfo().Created.After(lost) {
			err = fmt.Errorf("the stream is the old one: the fault did not strike")
		}
		return err
	})
}

// natsDamaged: the stream's newest block is cut at a random byte, as a power cut leaves it.
func (s *system) natsDamaged(t *testing.T) {
	t.Helper()
	_, g, _ := s.heldLayer(t, "nats/damaged", fmt.Sprint(s.count()))
	s.nats.kill(t)
	var cut string
	err := filepath.WalkDir(s.nats.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".blk") || !strings.Contains(path, scanv1.StreamRequests+string(filepath.Separator)+"msgs") {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() < 2 {
			return err
		}
		cut = path
		return os.Truncate(path, 1+int64(s.chance(int(info.Size())-1)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if cut == "" {
		t.Fatalf("no block of the stream in %s: the fault did not strike", s.nats.data)
	}
	s.nats.start(t)
	g.Open()
}

// natsFull: the disk under the queue is full. Notifications are refused, and taken once there is room.
func (s *system) natsFull(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("a full disk needs a file system of its own, which only root can make: this part is left out")
		return
	}
	s.nats.kill(t)
	s.nats.wipe(t)
	if err := unix.Mount("tmpfs", s.nats.data, "tmpfs", 0, "size=2m"); err != nil {
		t.Logf("mount a small file system: %v: this part is left out", err)
		s.nats.start(t)
		return
	}
	filler := filepath.Join(s.nats.data, "filler")
	defer func() {
		s.nats.kill(t)
		if err := unix.Unmount(s.nats.data, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
		s.nats.wipe(t)
		s.nats.start(t)
	}()
	s.nats.start(t)
	s.push(t, corp, "nats/room", fmt.Sprint(s.count()), s.newImage(t, 1<<10))
	s.settle(t)
	if err := os.WriteFile(filler, make([]byte, 4<<20), 0o600); err == nil {
		t.Fatal("4 MiB fit into 2: the fault does not strike")
	}
	m := s.newImage(t, 1<<10)
	s.put(t, corp, "nats/full", "1", m)
	refused := 0
	for i := range 200 { // some fit into what the server has set aside
		status, err := s.hook(t.Context(), s.scheduler(), corp, pushEvent("nats/full", fmt.Sprintf("none%d", i), m.digest))
		if err == nil && status == http.StatusServiceUnavailable {
			refused++
			break
		}
	}
	if refused == 0 {
		t.Error("a queue without room took 200 notifications")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	// The server switches JetStream off when its disk is full, until somebody makes room and starts it again.
	s.nats.kill(t)
	s.nats.start(t)
	s.announce(t, corp, "nats/full", "1", m)
	s.settle(t)
}

// publishUnanswered is F6: the network loses what the server says, not what it is told.
func publishUnanswered(t *testing.T, s *system) {
	s.settle(t)
	const repository = "unanswered/app"
	tag := fmt.Sprint(s.count())
	m := s.newImage(t, 32<<10)
	s.put(t, corp, repository, tag, m)
	before := s.stream(t).State.LastSeq
	link := s.scheduler().nats
	link.Hold(false, true)
	body := pushEvent(repository, tag, m.digest)
	status, err := s.hook(t.Context(), s.scheduler(), corp, body)
	if err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("a notification without the queue's answer got HTTP %d, %v, want 503", status, err)
	}
	if got := s.stream(t).State.LastSeq; got != before+1 {
		t.Fatalf("the stream has %d messages more, want the one: the fault did not strike", got-before)
	}
	link.Heal()
	eventually(t, "the same notification is taken", func() error {
		status, err := s.hook(t.Context(), s.scheduler(), corp, body)
		if err == nil && status != http.StatusAccepted {
			err = fmt.Errorf("HTTP %d", status)
		}
		return err
	})
	s.settle(t)
	if got := s.stream(t).State.LastSeq; got != before+1 {
		t.Errorf("the push became %d messages, want one", got-before)
	}
}

// requestsRedelivered is F7: the server delivers a request five times more while its workflow runs, and then the scheduler dies
// without having acknowledged.
func requestsRedelivered(t *testing.T, s *system) {
	nc, _ := s.jetstream(t)
	defer nc.Close()
	deliveries := make(chan *nats.Msg, 1<<16)            // nothing is to be dropped until the first is looked at
	sub, err := nc.ChanSubscribe("_INBOX.>", deliveries) // what the server sends to the scheduler, which is of the same account
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	s.underLoad(t, func() {
		m, g, _ := s.heldLayer(t, "again/app", fmt.Sprint(s.count()))
		s.mustBeQueued(t, m)
		const times = 5
		again := 0
		deadline := time.After(patience)
		for again < times {
			select {
			case d := <-deliveries:
				if !strings.HasPrefix(d.Reply, "$JS.ACK."+scanv1.StreamRequests+"."+scanv1.Consumer(scanv1.LanePush, corp)) || !strings.Contains(string(d.Data), m.digest) {
					continue
				}
				// In the scheduler's name: this one is not done, send it again.
				if err := nc.Publish(d.Reply, []byte("-NAK")); err != nil {
					t.Fatal(err)
				}
				again++
			case <-deadline:
				t.Fatalf("the request was delivered again %d times of %d", again, times)
			}
		}
		if err := s.redelivered(t, scanv1.Consumer(scanv1.LanePush, corp)); err != nil {
			eventually(t, "the server counts it", func() error { return s.redelivered(t, scanv1.Consumer(scanv1.LanePush, corp)) })
		}
		reads := s.readsOf(m.own)
		g.Open()
		s.settle(t)
		if got := s.readsOf(m.own); reads != 1 || got != 1 {
			t.Errorf("the layer was asked for %d times, and %d at the end, want once", reads, got)
		}
	})
	if long {
		s.ackLost(t)
	}
}

// ackLost: the scheduler dies with its workflow running; the next one gets the request again and joins the workflow.
func (s *system) ackLost(t *testing.T) {
	t.Helper()
	m, g, _ := s.heldLayer(t, "again/lost", fmt.Sprint(s.count()))
	s.mustBeQueued(t, m)
	p := s.scheduler()
	s.kill(t, p)
	s.start(t, p)
	eventually(t, "the request is delivered to the new scheduler", func() error {
		if !s.holds(t, m) { // and it has ended it already: the workflow went on meanwhile
			return nil
		}
		return s.redelivered(t, scanv1.Consumer(scanv1.LanePush, corp))
	})
	// The call of the dead scheduler ended with it, so the layer may be asked for once more.
	s.crashed(1)
	g.Open()
	s.settle(t)
	if got := s.readsOf(m.own); got > 2 {
		t.Errorf("the layer was asked for %d times, want at most twice", got)
	}
}

// readsOf counts the requests for a layer over all workers.
func (s *system) readsOf(digest string) (n int) {
	for _, w := range s.workers {
		for _, d := range w.doors {
			n += d.Tally().Count(func(key string) bool { return strings.HasPrefix(key, "GET ") && strings.HasSuffix(key, digest) })
		}
	}
	return n
}

// requestPoisoned is F8: a message that is no request ends among the dead letters and stops nothing. (A request that fails six
// times takes three quarters of an hour to get there: services/scheduler/internal/queue tests that with shorter delays.)
func requestPoisoned(t *testing.T, s *system) {
	before, _ := s.metric(t.Context(), s.scheduler(), "plimsoll_queue_dead_letters_total") // absent until there is one
	nc, js := s.jetstream(t)
	defer nc.Close()
	s.underLoad(t, func() {
		for i := range 3 {
			if _, err := js.Publish(t.Context(), "plimsoll.scan.push."+corp, []byte(fmt.Sprintf("\xff no request %d", i))); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "three dead letters", func() error {
			n, err := s.metric(t.Context(), s.scheduler(), "plimsoll_queue_dead_letters_total")
			if err == nil && n-before != 3 {
				err = fmt.Errorf("%v", n-before)
			}
			return err
		})
	})
	stream, err := js.Stream(t.Context(), scanv1.StreamDeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n < 3 {
		t.Errorf("%d dead letters are kept, want 3 at least", n)
	}
}
