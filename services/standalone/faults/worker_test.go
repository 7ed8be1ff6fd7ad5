package faults

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// workerKilled is F1. Each round kills the worker that is in the middle of a layer, at a random byte of it; then all workers
// are gone for so long that workflows fail and requests come again.
func workerKilled(t *testing.T, s *system) {
	s.underLoad(t, func() {
		for i := range of(3, 20) {
			m, g, holder := s.heldLayer(t, "killed/app", fmt.Sprint(i))
			s.mustBeQueued(t, m)
			s.lose(t, holder)
			g.Open()
			s.start(t, holder)
		}
	})
	bendDoors(s.workers, corp, nil)
	s.sweep(t, corp) // a layer whose second try in a scan was killed too is left to the next sweep
	s.settle(t)
	for _, w := range s.workers {
		s.kill(t, w)
	}
	m := s.newImage(t, 4<<10)
	s.push(t, corp, "killed/all", "1", m)
	// Of a build that acknowledges early the push is lost here: its workflow fails, and nobody has a request to try again.
	eventually(t, "the request comes again", func() error {
		s.mustBeQueued(t, m)
		return s.redelivered(t, scanv1.Consumer(scanv1.LanePush, corp))
	})
	for _, w := range s.workers {
		s.start(t, w)
	}
}

// workerFrozen is F2: the worker says nothing for so long that the layer is given to another one; then it wakes up and finishes.
func workerFrozen(t *testing.T, s *system) {
	m, g, holder := s.heldLayer(t, "frozen/app", fmt.Sprint(s.count()))
	holder.proc.freeze()
	eventually(t, "the kernel froze the worker", func() error {
		if got := holder.proc.state(); got != "T" {
			return fmt.Errorf("state %q", got)
		}
		return nil
	})
	s.crashed(1)
	g.Open() // what the frozen worker asked for waits in its socket
	eventually(t, "another worker reads the layer", func() error {
		for _, w := range s.workers {
			if w != holder && w.doors[corp].Tally().Count(func(key string) bool { return strings.HasSuffix(key, m.own) }) > 0 {
				return nil
			}
		}
		return fmt.Errorf("nobody else asked for %s", m.own)
	})
	s.settle(t)
	facts := s.writesOf(m.own)
	if facts == 0 {
		t.Error("the verdict is there and no facts were written")
	}
	holder.proc.thaw()
	eventually(t, "the woken worker answers", func() error {
		_, err := s.metric(t.Context(), holder, "go_goroutines")
		return err
	})
	t.Logf("facts of the layer were written %d times before the worker woke up", facts)
}

// writesOf counts the writes of a layer's facts over all workers.
func (s *system) writesOf(digest string) (n int) {
	hex := strings.TrimPrefix(digest, "sha256:")
	for _, w := range s.workers {
		n += w.bucket.Tally().Count(func(key string) bool {
			return strings.HasPrefix(key, http.MethodPut+" ") && strings.Contains(key, "/facts/") && strings.HasSuffix(key, hex)
		})
	}
	return n
}

// childKilled is F3: the process that reads the bytes of an image dies, as the kernel ends one that takes too much memory. The
// worker lives on.
func childKilled(t *testing.T, s *system) {
	s.underLoad(t, func() {
		for i := range of(1, 2) { // three would quarantine the layer, which is right and not complete
			_, g, holder := s.heldLayer(t, "child/app", fmt.Sprintf("%d-%d", s.count(), i))
			var struck []int
			eventually(t, "a child is killed", func() error { // it may be starting
				for _, pid := range holder.proc.children() {
					if syscall.Kill(pid, syscall.SIGKILL) == nil {
						struck = append(struck, pid)
					}
				}
				if len(struck) == 0 {
					return fmt.Errorf("%s has no child", holder.name)
				}
				return nil
			})
			s.crashed(reading(holder) + 1)
			g.Open()
			for _, pid := range struck {
				eventually(t, "the child is dead", func() error {
					if st := procState(pid); st != "" && st != "Z" {
						return fmt.Errorf("process %d is %s", pid, st)
					}
					return nil
				})
			}
			if !alive(holder) {
				t.Fatalf("%s died with its child", holder.name)
			}
		}
	})
}

// drain is how long a part may take to end well.
const drain = 30 * time.Second

// workersReplaced is F4: each worker is asked to end while it reads, ends within half a minute with its layer done, and starts anew.
func workersReplaced(t *testing.T, s *system) {
	s.underLoad(t, func() {
		for i := range of(1, 3) {
			_, g, holder := s.heldLayer(t, "replaced/app", fmt.Sprintf("%d-%d", s.count(), i))
			if n := reading(holder); n == 0 {
				t.Fatalf("%s reads nothing", holder.name)
			}
			if err := holder.proc.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the worker says that it ends", func() error {
				if _, err := s.metric(t.Context(), holder, "go_goroutines"); err == nil {
					resp, err := client.Get(holder.url + "/readyz")
					if err != nil {
						return nil
					}
					_ = resp.Body.Close()
					if resp.StatusCode == http.StatusOK {
						return fmt.Errorf("still ready")
					}
				}
				return nil
			})
			g.Open()
			if took, err := holder.proc.stop(drain); err != nil {
				t.Errorf("%s ended after %s with %v, want within %s and well", holder.name, took, err, drain)
			}
			holder.rpc.Aim("")
			s.start(t, holder)
			for _, w := range s.workers {
				if w == holder {
					continue
				}
				if took, err := w.proc.stop(drain); err != nil {
					t.Errorf("%s ended after %s with %v, want within %s and well", w.name, took, err, drain)
				}
				w.rpc.Aim("")
				s.start(t, w)
			}
		}
	})
}

// noTemporaryFiles is F25: a worker whose folder for temporary files does not exist reads everything all the same.
func noTemporaryFiles(t *testing.T, s *system) {
	const nowhere = "/proc/nowhere"
	if err := os.WriteFile(filepath.Join(nowhere, "x"), nil, 0o600); err == nil {
		t.Fatalf("%s can be written: the fault does not strike", nowhere)
	}
	replace := func(env []string) {
		for _, w := range s.workers {
			if _, err := w.proc.stop(30 * time.Second); err != nil {
				t.Fatal(err)
			}
			w.rpc.Aim("")
			w.env = env
			s.start(t, w)
		}
	}
	replace([]string{"TMPDIR=" + nowhere})
	s.underLoad(t, func() {
		s.push(t, corp, "no/place", fmt.Sprint(s.count()), s.newImage(t, 64<<10))
		s.settle(t)
	})
	replace(nil)
}

// workersUnreachable is F31: the connection to a worker that reads a layer is half-open, so that nobody hears of it any more;
// connections break in the middle of a call, and are cut after some bytes.
func workersUnreachable(t *testing.T, s *system) {
	s.underLoad(t, func() {
		m, g, holder := s.heldLayer(t, "unreachable/app", fmt.Sprint(s.count()))
		s.crashed(1 + reading(holder))
		holder.rpc.Hold(true, true)
		eventually(t, "another worker reads the layer", func() error {
			for _, w := range s.workers {
				if w != holder && w.doors[corp].Tally().Count(func(key string) bool { return strings.HasSuffix(key, m.own) }) > 0 {
					return nil
				}
			}
			return fmt.Errorf("nobody else asked for %s", m.own)
		})
		g.Open()
		s.settle(t)
		if holder.rpc.Stats().Held == 0 {
			t.Error("nothing was held on the way to the worker: the fault did not strike")
		}
		holder.rpc.Heal()
		holder.rpc.Break() // what hung is gone for good

		for range of(1, 5) {
			_, g, holder := s.heldLayer(t, "unreachable/broken", fmt.Sprint(s.count()))
			s.crashed(1 + reading(holder))
			holder.rpc.Break()
			g.Open()
			s.settle(t)
		}

		for _, w := range s.workers {
			w.rpc.Cut(int64(200 + s.chance(8<<10)))
			w.rpc.Break() // so that new connections, which are cut, take the place of old ones
		}
		s.push(t, corp, "unreachable/cut", fmt.Sprint(s.count()), s.newImage(t, 64<<10))
		eventually(t, "connections are cut", func() error {
			for _, w := range s.workers {
				if w.rpc.Stats().Cut > 0 {
					return nil
				}
			}
			return fmt.Errorf("none was")
		})
		for _, w := range s.workers {
			w.rpc.Heal()
		}
		s.settle(t)
		for _, w := range s.workers {
			s.crashed(w.rpc.Stats().Cut)
		}
	})
}
