package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// chance is the system's randomness: one seed, one order of choices, as far as the machine's own timing lets it.
func (s *system) chance(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

// Packages whose versions the demo's advisories tell apart: some of what is made is flawed, some is not.
var versions = []string{"4.17.11", "4.17.15", "4.17.20", "4.17.21", "4.17.23"}

// bases are shared by all images, as in a company.
var bases = sync.OnceValue(func() (all []imagetest.Blob) {
	for _, busybox := range []string{"1.36.1-r28", "1.36.1-r29", "1.37.0-r12"} {
		all = append(all, imagetest.Gzip(imagetest.Layer(imagetest.AlpineLike("3.20.1",
			imagetest.Package{Name: "musl", Version: "1.2.5-r0"}, imagetest.Package{Name: "busybox", Version: busybox})...)))
	}
	return all
})

// A made image has one layer of its own on a shared base.
type made struct {
	image  v1.Image
	digest string
	own    string // its own layer's digest
	size   int64  // of that layer
}

// newImage makes an image that differs from all before; filler bytes, which do not compress, make its own layer long.
func (s *system) newImage(t testing.TB, filler int) made {
	t.Helper()
	s.mu.Lock()
	n := s.images
	s.images++
	version, base := versions[s.rng.IntN(len(versions))], bases()[s.rng.IntN(len(bases()))]
	s.mu.Unlock()
	files := imagetest.NodeApp(fmt.Sprintf("app%d", n), imagetest.Package{Name: "lodash", Version: version},
		imagetest.Package{Name: "minimist", Version: fmt.Sprintf("1.2.%d", n%9)})
	noise := make([]byte, filler)
	fill := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	_, _ = fill.Read(noise) // never fails
	files = append(files, imagetest.Text("srv/noise", string(noise)), imagetest.Text("srv/number", fmt.Sprint(n)))
	own := imagetest.Gzip(imagetest.Layer(files...))
	image, err := imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{base, own}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range []imagetest.Blob{base, own} {
		s.layers[l.Digest().String()] = int64(len(l.Bytes))
	}
	return made{image, d.String(), own.Digest().String(), int64(len(own.Bytes))}
}

// put stores an image in a registry, whose notification nobody gets. It is wanted from now on: the end of a fault waits for it.
func (s *system) put(t testing.TB, registry, repository, tag string, m made) {
	t.Helper()
	s.want(s.store(t, registry, repository, tag, m))
}

// A stored image is in a registry under a name, registry/repository:tag.
type stored struct{ name, digest string }

func (s *system) store(t testing.TB, registry, repository, tag string, m made) stored {
	t.Helper()
	if err := imagetest.Push(t.Context(), s.direct[registry].Address(), repository, tag, m.image); err != nil {
		t.Fatal(err)
	}
	return stored{registry + "/" + repository + ":" + tag, m.digest}
}

func (s *system) want(all ...stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range all {
		s.wanted[one.name] = one.digest
	}
}

// found waits for what only sweeps tell of. The sweep of a load may have joined one that had listed already, or have gone with
// what a fault wiped: then another is made.
func (s *system) found(t testing.TB) {
	t.Helper()
	if len(s.night) == 0 {
		return
	}
	wanted := map[string]string{}
	for _, one := range s.night {
		wanted[one.name] = one.digest
	}
	s.want(s.night...)
	s.night = nil
	if s.unsettled(t.Context(), wanted) != nil {
		s.sweep(t, corp)
	}
}

// push stores an image and has its notification taken, as a registry does that tries again until it is.
func (s *system) push(t testing.TB, registry, repository, tag string, m made) {
	t.Helper()
	s.put(t, registry, repository, tag, m)
	s.announce(t, registry, repository, tag, m)
}

func (s *system) announce(t testing.TB, registry, repository, tag string, m made) {
	t.Helper()
	body := pushEvent(repository, tag, m.digest)
	eventually(t, "a notification of "+repository+":"+tag+" is taken", func() error {
		status, err := s.hook(t.Context(), s.scheduler(), registry, body)
		if err == nil && status != http.StatusAccepted {
			err = fmt.Errorf("HTTP %d", status)
		}
		return err
	})
}

// scheduler is the first one that runs.
func (s *system) scheduler() *part {
	for _, p := range s.schedulers {
		if alive(p) {
			return p
		}
	}
	return s.schedulers[0]
}

func (s *system) reporter() *part { return s.reporters[0] }

// alive reports whether a part's process runs and is not frozen.
func alive(p *part) bool {
	select {
	case <-p.proc.ended:
		return false
	default:
		return p.proc.state() != "T"
	}
}

// pushEvent is a notification in the form of the CNCF distribution registry.
func pushEvent(repository, tag, digest string) []byte {
	return event("push", repository, tag, digest)
}

func event(action, repository, tag, digest string) []byte {
	id := fmt.Sprintf("%s-%s-%s-%.19s", action, repository, tag, digest)
	b, err := json.Marshal(map[string]any{"events": []map[string]any{{
		"id": id, "timestamp": time.Now().UTC(), "action": action,
		"target": map[string]any{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "repository": repository, "tag": tag},
	}}})
	if err != nil {
		panic(err)
	}
	return b
}

// client gives each answer a bound and keeps no connections, so that what a fault leaves behind concerns one call alone.
var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (s *system) hook(ctx context.Context, p *part, registry string, body []byte) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/hooks/"+registry, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", imagetest.EventsMediaType)
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

// call asks a reporter.
func (s *system) call(ctx context.Context, p *part, method, path string, body, v any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		raw = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if method != http.MethodGet {
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(said)))
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// startSweep starts one, or joins the one that runs; it tries again while what it needs is down.
func (s *system) startSweep(t testing.TB, registry string) {
	t.Helper()
	eventually(t, "start a sweep of "+registry, func() error {
		return s.call(t.Context(), s.reporter(), http.MethodPost, "/api/v1/sweeps", map[string]string{"registry": registry}, nil)
	})
}

// sweep waits for the end of a sweep that began after the call. One that runs is joined by a start, also in the moment between
// the record of its end and its end: then it is started again.
func (s *system) sweep(t testing.TB, registry string) (last plimsoll.Sweep) {
	t.Helper()
	// A sweep's slot is its start to the second: this one begins in another second than any before.
	after := time.Now().Truncate(time.Second).Add(time.Second)
	eventually(t, "another second", func() error {
		if time.Now().Before(after) {
			return fmt.Errorf("still the second of the call")
		}
		return nil
	})
	var asked time.Time
	eventually(t, "sweep of "+registry, func() (err error) {
		if last, err = s.lastSweep(t.Context(), registry); err != nil {
			return err
		}
		switch {
		case !last.Started.IsZero() && last.Ended.IsZero():
			return fmt.Errorf("sweep %q is %s: %+v", last.Slot, last.State, last.Counts)
		case last.Started.Before(after) && time.Since(asked) > askAgain:
			asked = time.Now()
			return errors.Join(fmt.Errorf("sweep %q is the one before", last.Slot),
				s.call(t.Context(), s.reporter(), http.MethodPost, "/api/v1/sweeps", map[string]string{"registry": registry}, nil))
		case last.Started.Before(after):
			return fmt.Errorf("sweep %q is the one before, another was asked for", last.Slot)
		}
		return nil
	})
	return last
}

// askAgain is how long a sweep that was asked for may take to show; asking sooner could make two.
const askAgain = 10 * time.Second

func (s *system) lastSweep(ctx context.Context, registry string) (plimsoll.Sweep, error) {
	var answer struct {
		Items []struct {
			ID    string          `json:"id"`
			Sweep *plimsoll.Sweep `json:"sweep"`
		} `json:"items"`
	}
	if err := s.call(ctx, s.reporter(), http.MethodGet, "/api/v1/sweeps", nil, &answer); err != nil {
		return plimsoll.Sweep{}, err
	}
	for _, r := range answer.Items {
		if r.ID == registry && r.Sweep != nil {
			return *r.Sweep, nil
		}
	}
	return plimsoll.Sweep{}, nil
}

// underLoad runs a fault while images are pushed to both registries and a sweep of one runs.
func (s *system) underLoad(t *testing.T, fault func()) {
	t.Helper()
	for i := range 4 { // found by a sweep alone, see found
		s.night = append(s.night, s.store(t, corp, fmt.Sprintf("night/app%d", i), fmt.Sprint(s.count()), s.newImage(t, 4<<10)))
	}
	s.startSweep(t, corp)
	ctx, cancel := context.WithCancel(t.Context())
	var pushing sync.WaitGroup
	var failed error
	pushing.Go(func() {
		ticker := time.NewTicker(pushEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			registry := []string{corp, edge}[s.chance(2)]
			repository := fmt.Sprintf("load/app%d", s.chance(12))
			m := s.newImage(t, 2<<10)
			s.put(t, registry, repository, "1", m)
			err := within(t.Context(), patience, func() error {
				status, err := s.hook(t.Context(), s.scheduler(), registry, pushEvent(repository, "1", m.digest))
				if err == nil && status != http.StatusAccepted {
					err = fmt.Errorf("HTTP %d", status)
				}
				return err
			})
			if err != nil {
				failed = err
				return
			}
		}
	})
	defer func() {
		cancel()
		pushing.Wait()
		if failed != nil {
			t.Errorf("a push of the load was never taken: %v", failed)
		}
	}()
	fault()
}

// pushEvery is the load's pace: it must leave a small machine room for the fault.
const pushEvery = 400 * time.Millisecond

func (s *system) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.images
}
