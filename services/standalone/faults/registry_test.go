package faults

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/standalone/faults/proxy"
)

// relabelled is another image of the same layers.
func relabelled(t *testing.T, m made) made {
	t.Helper()
	image, err := mutate.Config(m.image, v1.Config{Labels: map[string]string{"again": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	m.image, m.digest = image, d.String()
	return m
}

// askers are the parts that talk to registries.
func (s *system) askers() []*part {
	return append(s.workers[:len(s.workers):len(s.workers)], s.schedulers...)
}

// requests is how many a registry got from all parts.
func (s *system) requests(registry string) (n int) {
	for _, p := range s.askers() {
		n += p.doors[registry].Tally().Requests
	}
	return n
}

// registryThrottles is F15: 429 with seconds, with a date, with nothing, and with an hour. The other registry does not notice,
// and nobody knocks on a closed door.
func registryThrottles(t *testing.T, s *system) {
	s.settle(t)
	for _, header := range []func() http.Header{
		func() http.Header { return http.Header{"Retry-After": {"1"}} },
		func() http.Header {
			return http.Header{"Retry-After": {time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat)}}
		},
		func() http.Header { return nil },
	} {
		var n proxy.Struck
		bendDoors(s.askers(), corp, proxy.AnswerWith(&n, int64(2+s.chance(4)), anything, http.StatusTooManyRequests, header(), "{}"))
		s.push(t, corp, "throttled/app", fmt.Sprint(s.count()), s.newImage(t, 4<<10))
		s.settle(t)
		if n.Count() == 0 {
			t.Error("nobody was throttled")
		}
	}
	var n proxy.Struck
	bendDoors(s.askers(), corp, proxy.AnswerWith(&n, -1, anything, http.StatusTooManyRequests, http.Header{"Retry-After": {"3600"}}, "{}"))
	tag := fmt.Sprint(s.count())
	m := s.newImage(t, 4<<10)
	s.push(t, corp, "throttled/hour", tag, m)
	eventually(t, "corp throttles for an hour", func() error {
		if n.Count() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	before := s.requests(corp)
	const pushes = 5
	for i := range pushes {
		tag := fmt.Sprintf("%d-%d", s.count(), i)
		other := s.newImage(t, 4<<10)
		s.push(t, edge, "free/app", tag, other)
		eventually(t, "edge gives verdicts while corp throttles", func() error {
			got, err := s.scanned(t.Context(), s.reporter(), edge)
			if im, ok := got["free/app:"+tag]; err == nil && (!ok || !im.complete()) {
				err = errors.New("not yet")
			}
			return err
		})
	}
	// Each part that talks to the registry may find out for itself, once; the rest would be a storm.
	if storm := s.requests(corp) - before; storm > 2*len(s.askers()) {
		t.Errorf("%d requests to a registry that asked for an hour's peace, want at most %d", storm, 2*len(s.askers()))
	}
	bendDoors(s.askers(), corp, nil)
	// The hour is remembered by processes; an operator who knows better starts them anew.
	for _, p := range s.askers() {
		if _, err := p.proc.stop(time.Minute); err != nil {
			t.Fatal(err)
		}
		p.rpc.Aim("")
		s.start(t, p)
	}
	s.announce(t, corp, "throttled/hour", tag, m)
}

// registryFails is F16.
func registryFails(t *testing.T, s *system) {
	s.underLoad(t, func() {
		for range of(2, 6) {
			for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout} {
				var n proxy.Struck
				bendDoors(s.askers(), corp, proxy.AnswerWith(&n, int64(1+s.chance(3)), anything, status, nil, "a fault"))
				s.push(t, corp, "failing/app", fmt.Sprint(s.count()), s.newImage(t, 8<<10))
				eventually(t, fmt.Sprintf("a burst of %d strikes", status), func() error {
					if n.Count() == 0 {
						return errors.New("not yet")
					}
					return nil
				})
			}
		}
	})
	bendDoors(s.askers(), corp, nil)
	s.sweep(t, corp) // a push that failed six times is a sweep's
}

// registryDamages is F17: layers cut at random bytes are resumed there; flipped ones are read again and never become facts.
func registryDamages(t *testing.T, s *system) {
	s.settle(t)
	for i := range of(3, 10) {
		m := s.newImage(t, 96<<10)
		at := 1 + int64(s.chance(int(m.size)-1))
		flip := i%3 == 2
		bend := imagetest.Cut(1, at)
		if flip {
			bend = imagetest.Flip(1, at)
			s.allow(m.size)
		}
		bendDoors(s.workers, corp, onlyLayer(m.own, bend))
		tag := fmt.Sprint(s.count())
		read := s.layerBytes(s.layers)
		s.push(t, corp, "damaged/app", tag, m)
		s.settle(t)
		reads := s.readsOf(m.own)
		if reads < 2 {
			t.Errorf("a layer damaged at byte %d of %d was asked for %d times: the fault did not strike", at, m.size, reads)
		}
		// What was sent and not received: at most what lies in buffers.
		const buffers = 64 << 10
		if bytes := s.layerBytes(s.layers) - read; !flip && bytes > m.size+buffers {
			t.Errorf("a layer of %d bytes that was cut at %d cost %d", m.size, at, bytes)
		}
		s.allow(buffers)
	}
}

// onlyLayer applies a fault to the reads of one layer.
func onlyLayer(digest string, f imagetest.Fault) proxy.Fault {
	match := isLayer(digest)
	return func(next http.Handler) http.Handler {
		bent := f(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) {
				bent.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// registryStalls is F18: one connection sends nothing any more, in the middle of a layer. Others get their verdicts meanwhile.
func registryStalls(t *testing.T, s *system) {
	s.settle(t)
	_, g, holder := s.heldLayer(t, "stalled/app", fmt.Sprint(s.count()))
	beside := 0 // verdicts that came while the layer stood still; the connection is given up after half a minute
	for range 8 {
		tag := fmt.Sprint(s.count())
		m := s.newImage(t, 8<<10)
		s.push(t, corp, "flowing/app", tag, m)
		eventually(t, "others get their verdicts", func() error {
			got, err := s.scanned(t.Context(), s.reporter(), corp)
			if im, ok := got["flowing/app:"+tag]; err == nil && (!ok || im.Digest != m.digest || !im.complete()) {
				err = errors.New("not yet")
			}
			return err
		})
		if reading(holder) > 0 {
			beside++
		}
	}
	if beside == 0 {
		t.Error("the stalled layer was not being read any more when the first verdict came: the fault did not last")
	}
	g.Open()
}

// registryListsNothing is F19.
func registryListsNothing(t *testing.T, s *system) {
	s.settle(t)
	for range 3 {
		s.push(t, corp, "listed/app", fmt.Sprint(s.count()), s.newImage(t, 1<<10))
	}
	s.settle(t)
	s.sweep(t, corp)
	for name, fault := range map[string]func(*proxy.Struck) proxy.Fault{
		"an empty catalog": func(n *proxy.Struck) proxy.Fault {
			return proxy.AnswerWith(n, -1, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_catalog") },
				http.StatusOK, http.Header{"Content-Type": {"application/json"}}, `{"repositories":[]}`)
		},
		"no tags of one repository": func(n *proxy.Struck) proxy.Fault {
			return proxy.AnswerWith(n, -1, func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/listed/app/tags/") },
				http.StatusOK, http.Header{"Content-Type": {"application/json"}}, `{"name":"listed/app","tags":[]}`)
		},
		"403 on one repository": func(n *proxy.Struck) proxy.Fault {
			return proxy.AnswerWith(n, -1, func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/listed/app/") },
				http.StatusForbidden, http.Header{"Content-Type": {"application/json"}}, `{"errors":[{"code":"DENIED"}]}`)
		},
	} {
		var n proxy.Struck
		bendDoors(s.schedulers, corp, fault(&n))
		sweep := s.sweep(t, corp)
		bendDoors(s.schedulers, corp, nil)
		if n.Count() == 0 {
			t.Errorf("%s: nothing was asked", name)
		}
		if sweep.Counts.Gone != 0 {
			t.Errorf("%s for one sweep: %d images are gone, want none", name, sweep.Counts.Gone)
		}
		if strings.HasPrefix(name, "403") && sweep.State == plimsoll.SweepGreen {
			t.Errorf("%s: the sweep is green", name)
		}
		s.settle(t) // everything is still there
		if sweep := s.sweep(t, corp); sweep.Counts.Gone != 0 || sweep.State != plimsoll.SweepGreen {
			t.Errorf("after %s: sweep is %s with %d gone (%s), want green and none", name, sweep.State, sweep.Counts.Gone, sweep.Error)
		}
	}
}

// deletedWhileRead is F20: a tag, its manifest and its layer vanish while the layer is read.
func deletedWhileRead(t *testing.T, s *system) {
	s.settle(t)
	tag := fmt.Sprint(s.count())
	m, g, holder := s.heldLayer(t, "deleted/app", tag)
	if err := imagetest.Delete(t.Context(), s.direct[corp].Address(), "deleted/app", m.digest); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	delete(s.wanted, corp+"/deleted/app:"+tag)
	s.mu.Unlock()
	// The blob is gone too: the connection ends and each further question is answered with 404.
	var n proxy.Struck
	bendDoors(s.workers, corp, proxy.AnswerWith(&n, -1, isLayer(m.own), http.StatusNotFound,
		http.Header{"Content-Type": {"application/json"}}, `{"errors":[{"code":"BLOB_UNKNOWN"}]}`))
	s.allow(m.size)
	s.kill(t, holder) // its connection with it
	s.crashed(1)
	g.Open()
	s.start(t, holder)
	eventually(t, "the deleted layer is asked for", func() error {
		if n.Count() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	bendDoors(s.workers, corp, nil)
	for range 2 {
		s.sweep(t, corp)
	}
	eventually(t, "the deleted image leaves the posture", func() error {
		got, err := s.scanned(t.Context(), s.reporter(), corp)
		if _, there := got["deleted/app:"+tag]; err == nil && there {
			err = errors.New("still there")
		}
		return err
	})
}

// imageHangs is F34: a layer that never ends, whoever asks. It ends in a reason; others are not held up.
func imageHangs(t *testing.T, s *system) {
	s.settle(t)
	tag := fmt.Sprint(s.count())
	m := s.newImage(t, 96<<10)
	g := proxy.NewGate(-1, 1<<10, isLayer(m.own))
	bendDoors(s.workers, corp, g.Fault)
	s.push(t, corp, "hanging/app", tag, m)
	s.reached(t, g)
	for range 5 {
		other := s.newImage(t, 4<<10)
		s.push(t, corp, "living/app", "1", other)
		eventually(t, "others are not held up", func() error {
			got, err := s.scanned(t.Context(), s.reporter(), corp)
			if im := got["living/app:1"]; err == nil && (im.Digest != other.digest || !im.complete()) {
				err = errors.New("not yet")
			}
			return err
		})
	}
	// A minute of a push's first try, then two tries that each wait for two workers' three connections, half a minute each.
	err := within(t.Context(), patience+6*time.Minute, func() error {
		got, err := s.scanned(t.Context(), s.reporter(), corp)
		if err != nil {
			return err
		}
		im, ok := got["hanging/app:"+tag]
		if !ok {
			return errors.New("it is not known yet")
		}
		c := im.Read[plimsoll.AnalyzerPackages]
		if c.State == plimsoll.ReadComplete || c.Reason == "" {
			return fmt.Errorf("it is read %+v", im.Read)
		}
		t.Logf("the hanging image is %s: %s", c.State, c.Reason)
		return nil
	})
	if err != nil {
		t.Errorf("the hanging image does not say why it is not read: %v", err)
	}
	s.allow(g.Struck.Count() * m.size)
	g.Open()
	s.sweep(t, corp)
}
