package history_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// TestTrackerEqualsRecompute lets random things happen to a tracker that is ended and started again at random, sometimes
// before it could write or in the middle of that, and compares it with one that looks at everything each time, and with one that
// folds the whole change log.
func TestTrackerEqualsRecompute(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := &happenings{World: start(t), t: t, rand: rand.New(rand.NewPCG(seed, 9)), tags: map[[2]string]plimsoll.Ref{}}
			tracker, whole, crashed := h.Findings, history.NewTracker(), false
			for step := range 60 {
				h.happen()
				switch h.rand.IntN(8) {
				case 0:
					half := h.rand.IntN(2) == 0
					head, err := h.Store.Get(t.Context(), history.HeadKey)
					if half = half && err == nil; err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
						t.Fatal(err)
					}
					if err := tracker.Save(t.Context(), h.Store); err != nil {
						t.Fatal(err)
					}
					if half { // a crash before the head was written
						if err := h.Store.Put(t.Context(), history.HeadKey, head.Bytes); err != nil {
							t.Fatal(err)
						}
					}
				case 1: // a crash: what was not written is lost, and things happen until another one runs
					for range h.rand.IntN(4) {
						h.happen()
					}
					tracker, crashed = history.NewTracker(), true
					if _, err := tracker.Load(t.Context(), h.Store); err != nil {
						t.Fatal(err)
					}
					if _, err := h.Engine.Advance(t.Context()); err != nil {
						t.Fatal(err)
					}
					if err := tracker.CatchUp(t.Context(), h.Config(), h.Engine.View()); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := h.Engine.Advance(t.Context()); err != nil {
					t.Fatal(err)
				}
				tracker.Observe(h.Engine.View())
				if crashed { // it has not seen what the other walked through since
					whole, crashed = history.NewTracker(), false
					if err := whole.CatchUp(t.Context(), h.Config(), h.Engine.View()); err != nil {
						t.Fatal(err)
					}
				}
				whole.Doubt()
				whole.Observe(h.Engine.View())
				if diff := cmp.Diff(all(whole), all(tracker)); diff != "" {
					t.Fatalf("step %d: followed differs from looking at everything (-whole +followed):\n%s", step, diff)
				}
				if step%20 != 19 {
					continue
				}
				anew := history.NewTracker()
				if err := anew.CatchUp(t.Context(), h.Config(), h.Engine.View()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(all(anew), all(tracker)); diff != "" {
					t.Fatalf("step %d: followed differs from recomputed (-recomputed +followed):\n%s", step, diff)
				}
			}
			if len(all(tracker)) == 0 {
				t.Error("nothing was found: the test says nothing")
			}
		})
	}
}

func all(t *history.Tracker) []*history.Finding { return slices.Collect(t.All()) }

// story is what a finding of log4j-core in shop/orders went through, as text.
func story(w *posturetest.World) string {
	var out []string
	for f := range w.Findings.All() {
		if f.Repository != "shop/orders" || f.Package != "log4j-core" {
			continue
		}
		out = append(out, f.ID)
		for _, s := range f.Spans {
			text := s.First.Sub(posturetest.Start).String() + " to "
			if c := s.Closed; c != nil {
				text += fmt.Sprintf("%s: %s by %s", c.Time.Sub(posturetest.Start), c.Proof, c.Tag)
				if c.Digest != "" {
					text += " " + c.Digest.Short()
				}
			} else {
				text += "now"
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, " | ")
}

// TestFindingsOverTime: the clock belongs to the repository; it ends by proof alone, and a flaw that gets another name keeps it.
func TestFindingsOverTime(t *testing.T) {
	t.Parallel()
	hour := func(w *posturetest.World) { w.At = w.At.Add(time.Hour) }
	put := func(w *posturetest.World, r plimsoll.Ref) { w.Put("harbor", "shop/orders", r); w.Advance() }
	var second plimsoll.Ref
	records := func(w *posturetest.World, all ...plimsoll.Advisory) {
		w.Advise(append(all, flaw("CVE-2021-23337", "npm", "lodash", "4.17.21"))...)
		w.Advance()
	}
	for name, tt := range map[string]struct {
		do   func(w *posturetest.World)
		want string
	}{
		"rebuilt": {func(w *posturetest.World) { push(w, "shop/orders", "1", log4j(vulnerable)) }, "CVE-2021-44228 | 0s to now"},
		"other tag": {func(w *posturetest.World) {
			push(w, "shop/orders", "2", log4j(vulnerable))
			hour(w)
			w.Gone("harbor", "shop/orders", "1")
			w.Advance()
		}, "CVE-2021-44228 | 0s to now"},
		"fixed": {func(w *posturetest.World) { second = push(w, "shop/orders", "1", log4j(sound)) }, "CVE-2021-44228 | 0s to 1h0m0s: fixed by 1 DIGEST"},
		"fixed in one of two": {func(w *posturetest.World) {
			push(w, "shop/orders", "2", log4j(vulnerable))
			push(w, "shop/orders", "1", log4j(sound))
		}, "CVE-2021-44228 | 0s to now"},
		"back again": {func(w *posturetest.World) {
			second = push(w, "shop/orders", "1", log4j(sound))
			hour(w)
			push(w, "shop/orders", "1", log4j(vulnerable))
		}, "CVE-2021-44228 | 0s to 1h0m0s: fixed by 1 DIGEST | 2h0m0s to now"},
		"tag gone": {func(w *posturetest.World) { w.Gone("harbor", "shop/orders", "1"); w.Advance() }, "CVE-2021-44228 | 0s to 1h0m0s: tag gone by 1"},
		"gone, and pushed under another tag": {func(w *posturetest.World) {
			w.Gone("harbor", "shop/orders", "1")
			w.Advance()
			hour(w)
			push(w, "shop/orders", "2", log4j(vulnerable))
		}, "CVE-2021-44228 | 0s to now"},
		"moved, and not read yet": {func(w *posturetest.World) {
			r := w.Image("1", log4j(sound))
			put(w, plimsoll.Ref{Tag: "1", Digest: r.Digest, Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, Observed: r.Observed, LastGood: second.Digest})
		}, "CVE-2021-44228 | 0s to now"},
		"cannot be read": {func(w *posturetest.World) {
			put(w, plimsoll.Ref{Tag: "1", Digest: posturetest.Digest("x"), Read: plimsoll.Failed("404"), Observed: 1 << 40})
		}, "CVE-2021-44228 | 0s to now"},
		"withdrawn": {func(w *posturetest.World) { records(w, flaw("CVE-2020-0001", "Maven", "another", "1")) }, "CVE-2021-44228 | 0s to 1h0m0s: advisory withdrawn by 1 DIGEST"},
		"another name": {func(w *posturetest.World) {
			r := flaw("GHSA-jfh8-c2jp-5v3q", "Maven", "log4j-core", "2.15.0")
			r.Aliases = []string{"CVE-2026-0001"}
			r2 := flaw("CVE-2026-0001", "Maven", "log4j-core", "2.15.0")
			r2.Aliases = []string{"GHSA-jfh8-c2jp-5v3q"}
			records(w, flaw("GHSA-jfh8-c2jp-5v3q", "Maven", "log4j-core", "2.15.0"), flaw("CVE-2021-44228", "Maven", "log4j-core", "2.15.0"))
			hour(w)
			records(w, r, flaw("CVE-2021-44228", "Maven", "log4j-core", "2.15.0"))
		}, "CVE-2021-44228 | 0s to now | CVE-2026-0001 | 1h0m0s to now"},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			second = push(w, "shop/orders", "1", log4j(vulnerable))
			hour(w)
			tt.do(w)
			want := strings.ReplaceAll(tt.want, "DIGEST", second.Digest.Short())
			if got := story(w); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}

// TestRebuildsDoNotRestartTheClock rebuilds an image each day for 30 days: the deadline of the first stands, and on day 31 all
// is as overdue as it would be without.
func TestRebuildsDoNotRestartTheClock(t *testing.T) {
	t.Parallel()
	w := start(t)
	begin := w.At
	for day := range 31 {
		w.At = begin.AddDate(0, 0, day)
		push(w, "shop/orders", "latest", log4j(vulnerable), plimsoll.Package{Name: fmt.Sprint("build", day), Version: "1", Ecosystem: "npm", PURL: fmt.Sprint("pkg:npm/build", day)})
		v := w.Engine.View()
		r := v.Rows()[0]
		for f := range v.Each(r) {
			due, ok := v.Due(r, f, w.At)
			if !ok || !due.First.Equal(begin) || !due.At.Equal(begin.AddDate(0, 0, 14)) || due.From != plimsoll.FromFirstDetected {
				t.Fatalf("day %d: due %+v, %t", day, due, ok)
			}
			if want := day > 14; due.Overdue != want || want && due.Over != day-14 {
				t.Errorf("day %d: overdue %t, %d days over", day, due.Overdue, due.Over)
			}
		}
		if n, _ := v.Overdue(r, w.At); (n == 1) != (day > 14) {
			t.Errorf("day %d: %d overdue", day, n)
		}
	}
}

// TestOverdueIsNotOutOfDate: what is remembered of a row ends with the policy and the clock that it was counted by. A reporter
// that has just started knows no clock yet.
func TestOverdueIsNotOutOfDate(t *testing.T) {
	t.Parallel()
	w := start(t)
	push(w, "shop/orders", "1", log4j(vulnerable))
	if err := w.Findings.Save(t.Context(), w.Store); err != nil {
		t.Fatal(err)
	}
	w.At = w.At.AddDate(0, 0, 20)
	w.Findings = history.NewTracker()
	w.Engine = posture.New(w.Config())
	w.Advise(flaw("CVE-2021-44228", "Maven", "log4j-core", "2.15.0"), flaw("CVE-2021-23337", "npm", "lodash", "4.17.21"))
	if err := w.Engine.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	overdue := func(what string, want int) {
		t.Helper()
		v := w.Engine.View()
		if n, _ := v.Overdue(v.Rows()[0], w.At); n != want {
			t.Errorf("%s: %d overdue, want %d", what, n, want)
		}
	}
	overdue("before the history is read", 0)
	if _, err := w.Findings.Load(t.Context(), w.Store); err != nil {
		t.Fatal(err)
	}
	overdue("after", 1)
	longer := w.Policy
	longer.Deadline = &plimsoll.Deadline{Critical: 30}
	w.Engine.SetPolicy(longer)
	overdue("with a longer deadline", 0)
	w.At = w.At.AddDate(0, 0, 20)
	overdue("when it is over", 1)
	push(w, "shop/orders", "1", log4j(sound))
	w.At = w.At.AddDate(0, 0, 1)
	push(w, "shop/orders", "1", log4j(vulnerable))
	overdue("back again", 0)
}

// TestDeadlineStarts: the date that the policy asks for counts; where it is not known, the earliest known one does, and says so.
func TestDeadlineStarts(t *testing.T) {
	t.Parallel()
	w := start(t)
	push(w, "shop/orders", "1", log4j(vulnerable))
	published := posturetest.Start.AddDate(0, 0, -20)
	for from, want := range map[plimsoll.DeadlineStart]posture.Due{
		plimsoll.FromFirstDetected:     {From: plimsoll.FromFirstDetected, Start: posturetest.Start},
		plimsoll.FromAdvisoryPublished: {From: plimsoll.FromAdvisoryPublished, Start: published},
		plimsoll.FromFixPublished:      {From: plimsoll.FromFixPublished, Start: published},
		plimsoll.FromKEVAdded:          {From: plimsoll.FromAdvisoryPublished, Start: published},
	} {
		p := w.Policy
		p.Deadline = &plimsoll.Deadline{Critical: 10, From: from}
		w.Engine.SetPolicy(p)
		v := w.Engine.View()
		r := v.Rows()[0]
		for f := range v.Each(r) {
			got, ok := v.Due(r, f, w.At)
			if !ok || got.From != want.From || got.Wanted != from || !got.Start.Equal(want.Start) || !got.At.Equal(want.Start.AddDate(0, 0, 10)) {
				t.Errorf("%s: %+v, %t", from, got, ok)
			}
		}
	}
}
