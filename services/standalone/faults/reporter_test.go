package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/faults/proxy"
	"github.com/plimsoll/plimsoll/workflows"
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

// reporterKilledWriting is F27: the weekly report's workflow runs, and the reporter is killed just before and just after it writes
// one of the report's objects, again and again. The report is there in the end, once. (services/reporter/internal/report
// TestKilledAtEachWrite does that at every write, with less of the world around it.)
func reporterKilledWriting(t *testing.T, s *system) {
	s.acquaint(t)
	p := s.reporter()
	c, err := sdk.Dial(sdk.Options{HostPort: s.temporal.address(), Namespace: "default",
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	weeks := len(s.reports(t)) // of the faults before
	year, week := time.Now().UTC().AddDate(0, 0, -7*(1+weeks)).ISOWeek()
	period := fmt.Sprintf("%04d-W%02d", year, week)
	gate := s.gateReports(p, true)
	run, err := c.ExecuteWorkflow(t.Context(), workflows.ReportOptions(period), workflows.NameReport, workflows.ReportInput{Period: period, Zone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range of(1, 4) {
		select {
		case <-gate.hit:
		case <-time.After(patience):
			t.Fatalf("the report was not written on after %d kills", n)
		}
		s.kill(t, p)
		close(gate.release)
		gate = s.gateReports(p, n%2 == 1)
		s.start(t, p)
	}
	gate.open.Store(true)
	p.bucket.Bend(nil)
	select {
	case <-gate.hit: // the one that is held now goes on
	default:
	}
	close(gate.release)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := run.Get(ctx, nil); err != nil {
		t.Fatalf("the report's workflow: %v", err)
	}
	if got := s.reports(t); len(got) != weeks+1 || !got[period] {
		t.Errorf("reports of %v, want one more than %d, of %s", slices.Sorted(maps.Keys(got)), weeks, period)
	}
}

// reportGate holds a reporter at the next write of a report.
type reportGate struct {
	hit, release chan struct{}
	open         atomic.Bool
}

// gateReports holds the next write of an object of a report before it reaches the bucket or after; the writer gets no answer.
func (s *system) gateReports(p *part, before bool) *reportGate {
	g := &reportGate{hit: make(chan struct{}, 1), release: make(chan struct{})}
	var once atomic.Bool
	p.bucket.Bend(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if g.open.Load() || !isWrite(r) || !strings.Contains(r.URL.Path, "/reports/") || !once.CompareAndSwap(false, true) {
				next.ServeHTTP(w, r)
				return
			}
			if !before {
				next.ServeHTTP(discard{http.Header{}}, r)
			}
			g.hit <- struct{}{}
			<-g.release
			panic(http.ErrAbortHandler)
		})
	})
	return g
}

// discard is an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(b []byte) (int, error) { return len(b), nil }

// reports are the periods of which the bucket holds a report that is complete: with its manifest.
func (s *system) reports(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	manifests, err := filepath.Glob(filepath.Join(s.s3.data, "bucket", "plimsoll", "reports", "*", "manifest*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifests {
		all[filepath.Base(filepath.Dir(m))] = true
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
