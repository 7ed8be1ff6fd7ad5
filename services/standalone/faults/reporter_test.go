package faults

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/faults/proxy"
)

// reporterEmptied is F28: the reporter is killed and starts again without anything of its own.
func reporterEmptied(t *testing.T, s *system) {
	p := s.reporter()
	s.underLoad(t, func() {
		s.settle(t)
		s.kill(t, p)
		if err := os.RemoveAll(p.dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(p.tmp, 0o700); err != nil {
			t.Fatal(err)
		}
		s.push(t, corp, "emptied/app", fmt.Sprint(s.count()), s.newImage(t, 4<<10)) // its hint finds nobody
		s.start(t, p)
	})
}

// feedBroken is F26: the source of advisories holds garbage, then nothing. What is known stays.
func feedBroken(t *testing.T, s *system) {
	s.acquaint(t)
	keep := filepath.Join(s.dir, "advisories-kept")
	if err := os.CopyFS(keep, os.DirFS(s.advisories())); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := errors.Join(os.RemoveAll(s.advisories()), os.CopyFS(s.advisories(), os.DirFS(keep))); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = os.RemoveAll(keep) }()
	known, err := s.scanned(t.Context(), s.reporter(), corp)
	if err != nil {
		t.Fatal(err)
	}
	if len(known) == 0 {
		t.Fatal("nothing is known that a feed could spoil")
	}
	zips, err := filepath.Glob(filepath.Join(s.advisories(), "*", "all.zip"))
	if err != nil || len(zips) == 0 {
		t.Fatalf("no advisories in %s: %v", s.advisories(), err)
	}
	update := func() error {
		return s.call(t.Context(), s.reporter(), http.MethodPost, "/api/v1/advisories/update", map[string]string{}, nil)
	}
	for name, harm := range map[string]func(string) error{
		"garbage":   func(p string) error { return os.WriteFile(p, []byte("no zip"), 0o600) },
		"truncated": func(p string) error { return os.Truncate(p, int64(1+s.chance(200))) },
		"absent":    os.Remove,
	} {
		for _, z := range zips {
			if err := harm(z); err != nil {
				t.Fatal(err)
			}
		}
		if err := update(); err == nil {
			t.Errorf("feed %s: the update says that all is well: the fault did not strike", name)
		}
		now, err := s.scanned(t.Context(), s.reporter(), corp)
		if err != nil {
			t.Fatal(err)
		}
		for key, im := range known {
			if len(now[key].Findings) != len(im.Findings) || now[key].Verdict != im.Verdict {
				t.Errorf("feed %s: %s has %d findings and is %s, had %d and was %s", name, key, len(now[key].Findings), now[key].Verdict, len(im.Findings), im.Verdict)
			}
		}
		restore()
	}
	if err := update(); err != nil {
		t.Errorf("with the feed whole again: %v", err)
	}
}

// reporterKilledWriting is F27: the reporter is killed before and after each write that a report makes. The report is there in
// the end, once, and says what it would have said.
func reporterKilledWriting(t *testing.T, s *system) {
	s.settle(t)
	p := s.reporter()
	before := s.reports(t)
	ask := func() error {
		return s.call(t.Context(), p, http.MethodPost, "/api/v1/reports", map[string]string{"period": ""}, nil)
	}
	killed := 0
	for n := int64(1); n <= int64(of(4, 16)); n++ {
		hit := make(chan struct{}, 1)
		release := make(chan struct{})
		var seen atomic.Int64
		after := n%2 == 0
		p.bucket.Bend(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !isWrite(r) || seen.Add(1) != (n+1)/2 {
					next.ServeHTTP(w, r)
					return
				}
				if after {
					next.ServeHTTP(discard{http.Header{}}, r)
				}
				hit <- struct{}{}
				<-release
				panic(http.ErrAbortHandler)
			})
		})
		eventually(t, "ask for the report", ask)
		ended := within(t.Context(), patience, func() error {
			select {
			case <-hit:
				return nil
			default:
			}
			if len(s.reports(t)) > len(before) && n > 8 {
				return nil
			}
			return errors.New("no write yet")
		})
		if ended != nil {
			t.Fatalf("write %d of the report: %v", n, ended)
		}
		s.kill(t, p)
		killed++
		close(release)
		p.bucket.Bend(nil)
		s.start(t, p)
	}
	eventually(t, "ask for the report", ask)
	eventually(t, "the report is there", func() error {
		if len(s.reports(t)) == len(before) {
			return errors.New("not yet")
		}
		return nil
	})
	made := s.reports(t)
	folders := map[string]bool{}
	for name := range made {
		if !before[name] {
			folders[filepath.Dir(name)] = true
		}
	}
	if len(folders) != 1 {
		t.Errorf("%d kills left reports in %v, want one folder", killed, slices.Sorted(maps.Keys(folders)))
	}
}

// discard is an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(b []byte) (int, error) { return len(b), nil }

// reports are the objects of all reports in the bucket.
func (s *system) reports(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(s.s3.data, "bucket", "plimsoll", "reports"), func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			all[path] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// passwordRotated is F36: the registry takes another password than the file holds, says so, and is served again as soon as the
// file has it.
func passwordRotated(t *testing.T, s *system) {
	s.settle(t)
	tag := fmt.Sprint(s.count())
	m := s.newImage(t, 4<<10)
	var n proxy.Struck
	password := atomic.Pointer[string]{}
	set := func(p string) { password.Store(&p) }
	set("first")
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, pass, ok := r.BasicAuth(); ok && user == "robot" && pass == *password.Load() {
				next.ServeHTTP(w, r)
				return
			} else if ok {
				n.Add()
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="corp"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
		})
	}
	file := filepath.Join(s.dir, "corp-password")
	write := func(p string) {
		if err := os.WriteFile(file, []byte(p+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	s.passwordFile = file
	restart := func() {
		for _, p := range s.askers() {
			s.kill(t, p)
			s.start(t, p)
		}
	}
	restart()
	bendDoors(s.askers(), corp, guard)
	s.push(t, corp, "rotated/app", tag, m)
	s.settle(t)

	set("second")
	last := s.sweep(t, corp)
	if n.Count() == 0 {
		t.Fatal("the old password was never offered: the fault did not strike")
	}
	if last.State == plimsoll.SweepGreen || last.Error == "" && len(last.Causes) == 0 {
		t.Errorf("a sweep with a wrong password is %s and says %q, %v", last.State, last.Error, last.Causes)
	}
	t.Logf("with a wrong password the sweep is %s: %s", last.State, last.Error)
	s.settle(t) // nothing is lost
	write("second")
	tag = fmt.Sprint(s.count())
	s.push(t, corp, "rotated/app", tag, s.newImage(t, 4<<10))
	s.settle(t)
	if last = s.sweep(t, corp); last.State != plimsoll.SweepGreen {
		t.Errorf("with the right password again the sweep is %s: %s", last.State, last.Error)
	}
	bendDoors(s.askers(), corp, nil)
	s.passwordFile = ""
	restart()
}
