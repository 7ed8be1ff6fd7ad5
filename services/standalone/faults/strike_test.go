package faults

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/standalone/faults/proxy"
)

// isLayer matches reads of one blob.
func isLayer(digest string) proxy.Match {
	return func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/blobs/"+digest)
	}
}

func isWrite(r *http.Request) bool { return r.Method == http.MethodPut }

func anything(*http.Request) bool { return true }

// reached waits until a gate holds an answer and returns who asked.
func (s *system) reached(t *testing.T, g *proxy.Gate) *part {
	t.Helper()
	select {
	case r := <-g.Reached:
		for _, w := range s.workers {
			for _, d := range w.doors {
				if d.Address() == r.Host {
					return w
				}
			}
		}
		t.Fatalf("a layer was asked for at %s, which is no door", r.Host)
	case <-time.After(patience):
		t.Fatal("no worker asked for the layer: the fault did not strike")
	}
	return nil
}

// acquaint makes sure that the system knows images of both registries, some of them flawed, before a fault that must not touch
// what is known.
func (s *system) acquaint(t *testing.T) {
	t.Helper()
	for i := range 6 {
		s.push(t, []string{corp, edge}[i%2], "known/app", fmt.Sprint(s.count()), s.newImage(t, 1<<10))
	}
	s.settle(t)
}

// heldSize is above what a push reads in passing (quickBytes of the scheduler), so that a layer is held by an activity as a large one is.
const heldSize = 9 << 20

// heldLayer pushes an image and returns when a worker is in the middle of its own layer, where it stays until the gate opens. Who asks
// for the layer anew gets it.
func (s *system) heldLayer(t *testing.T, repository, tag string) (made, *proxy.Gate, *part) {
	t.Helper()
	return s.held(t, repository, tag, 1)
}

// held is heldLayer for so many readings; negative: for all.
func (s *system) held(t *testing.T, repository, tag string, readings int64) (made, *proxy.Gate, *part) {
	t.Helper()
	m := s.newImage(t, heldSize)
	g := proxy.NewGate(readings, int64(s.chance(64<<10)), isLayer(m.own))
	bendDoors(s.workers, corp, g.Fault)
	s.push(t, corp, repository, tag, m)
	return m, g, s.reached(t, g)
}

// reading is how many layers a worker reads now, as the registries' side of its connections shows.
func reading(p *part) (n int) {
	for _, d := range p.doors {
		for key, c := range d.Tally().Open {
			if strings.HasPrefix(key, "GET ") && strings.Contains(key, "/blobs/") {
				n += c
			}
		}
	}
	return n
}

// lose kills a worker in the middle of what it does and allows for that to be read again.
func (s *system) lose(t *testing.T, w *part) {
	t.Helper()
	n := reading(w)
	if n == 0 {
		t.Fatalf("%s reads nothing: killing it proves nothing", w.name)
	}
	s.kill(t, w)
	s.crashed(n)
}

// mustBeQueued fails when the request for an image whose layer is being read is not in the queue any more: it was acknowledged
// before its end, and would be lost with its workflow.
func (s *system) mustBeQueued(t *testing.T, m made) {
	t.Helper()
	if !s.holds(t, m) {
		t.Fatal("a layer is being read and the queue does not hold the request for it: it was acknowledged before it ended")
	}
}

// holds says whether the request for an image is in the queue.
func (s *system) holds(t *testing.T, m made) bool {
	t.Helper()
	nc, js := s.jetstream(t)
	defer nc.Close()
	stream, err := js.Stream(t.Context(), scanv1.StreamRequests)
	if err != nil {
		t.Fatal(err)
	}
	state := stream.CachedInfo().State
	for seq := max(1, state.FirstSeq); ; {
		msg, err := stream.GetMsg(t.Context(), seq, jetstream.WithGetMsgSubject(">")) // the first that is left from there on
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(msg.Data), m.digest) {
			return true
		}
		seq = msg.Sequence + 1
	}
}

// queued counts the requests in the stream on a subject.
func (s *system) queued(t *testing.T, subject string) (n int) {
	t.Helper()
	nc, js := s.jetstream(t)
	defer nc.Close()
	stream, err := js.Stream(t.Context(), scanv1.StreamRequests)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range info.State.Subjects {
		n += int(c)
	}
	return n
}

// stream is the state of the stream of requests.
func (s *system) stream(t *testing.T) *jetstream.StreamInfo {
	t.Helper()
	nc, js := s.jetstream(t)
	defer nc.Close()
	stream, err := js.Stream(t.Context(), scanv1.StreamRequests)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo()
}

// consumer is the state of a durable consumer.
func (s *system) consumer(t *testing.T, name string) *jetstream.ConsumerInfo {
	t.Helper()
	nc, js := s.jetstream(t)
	defer nc.Close()
	c, err := js.Consumer(t.Context(), scanv1.StreamRequests, name)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo()
}

// redelivered says whether anything of a consumer was delivered again since it was made.
func (s *system) redelivered(t *testing.T, consumer string) error {
	t.Helper()
	if n := s.consumer(t, consumer).NumRedelivered; n == 0 {
		return fmt.Errorf("nothing of consumer %s was delivered again", consumer)
	}
	return nil
}
