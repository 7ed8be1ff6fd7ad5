package history_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

const amd64 = "linux/amd64"

// stateOf is how a tag stands in a view of everything, by its row of the platform, else by the one without.
func stateOf(v *posture.View, ref plimsoll.Reference) (s history.TagState) {
	for _, r := range v.Rows() {
		at := r.Reference
		if at.Digest = ""; at == ref && (r.Platform.String() == amd64 || r.Platform.String() == "" && !s.There()) {
			s = history.StateOf(r)
		}
	}
	return s
}

// TestTimelineEqualsViews lets random things happen, and compares what timelines of the tags end with at moments at random with
// the views of everything at these moments. What happens to other tags is none of a timeline's.
func TestTimelineEqualsViews(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := &happenings{World: start(t), t: t, rand: rand.New(rand.NewPCG(seed, 11)), tags: map[[2]string]plimsoll.Ref{}}
			type moment struct {
				at     time.Time
				states map[plimsoll.Reference]history.TagState
			}
			var moments []moment
			for range 50 {
				h.happen()
				h.Advance()
				m := moment{h.At, map[plimsoll.Reference]history.TagState{}}
				for at := range h.tags {
					ref := plimsoll.Reference{Registry: "harbor", Repository: at[0], Tag: at[1]}
					m.states[ref] = stateOf(h.Engine.View(), ref)
				}
				moments = append(moments, m)
			}
			h.At = h.At.Add(time.Hour)
			turns := 0
			for range 6 {
				m := moments[h.rand.IntN(len(moments))]
				for ref, want := range m.states {
					x, err := history.TimelineOf(t.Context(), h.Config(), ref, amd64, m.at)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, x.Last); diff != "" {
						t.Errorf("%s at %s (-view +timeline):\n%s", ref, m.at, diff)
					}
					checkTurns(t, x)
					turns += len(x.Turns)
				}
			}
			if turns < 50 {
				t.Errorf("only %d turns: the test says little", turns)
			}
		})
	}
}

// checkTurns holds that each turn begins where the one before ended, and that something is another one after it.
func checkTurns(t *testing.T, x *history.Timeline) {
	t.Helper()
	was, at := x.First, x.From
	for i := len(x.Turns) - 1; i >= 0 && x.Total == len(x.Turns); i-- {
		turn := x.Turns[i]
		told := func(s history.TagState) string { return fmt.Sprint(s.Verdict, s.Coverage, s.Counts) }
		if told(turn.Before) != told(was) || told(turn.Before) == told(turn.After) || turn.Time.Before(at) || turn.Cause == "" || turn.What == "" {
			t.Errorf("%s: a turn that does not follow: %+v, after %+v at %s", x.Reference, turn, was, at)
		}
		was, at = turn.After, turn.Time
	}
	if fmt.Sprint(was.Verdict, was.Coverage, was.Counts) != fmt.Sprint(x.Last.Verdict, x.Last.Coverage, x.Last.Counts) {
		t.Errorf("%s: the turns end with %+v, want %+v", x.Reference, was, x.Last)
	}
}

// TestTurns: each kind of event is a turn with its cause, when it changes what the tag says.
func TestTurns(t *testing.T) {
	t.Parallel()
	ref := plimsoll.Reference{Registry: "harbor", Repository: "shop/orders", Tag: "1"}
	lenient := policy.Baseline()
	lenient.Version = 9
	for i := range lenient.Rules {
		lenient.Rules[i].Then = plimsoll.VerdictWarn
	}
	strict := policy.Seal(lenient)
	withdrawn := []plimsoll.Advisory{flaw("CVE-2021-44228", "Maven", "log4j-core", "2.13.0"), flaw("CVE-2021-23337", "npm", "lodash", "4.17.21")}
	for name, tt := range map[string]struct {
		do   func(w *posturetest.World)
		want string // the turns after the first push, the oldest first
	}{
		"rebuilt":                {func(w *posturetest.World) { push(w, "shop/orders", "1", log4j(sound)) }, "2h pushed (read): fail 1 > pass 0"},
		"rebuilt, nothing new":   {func(w *posturetest.World) { push(w, "shop/orders", "1", log4j("2.14.0")) }, ""},
		"another tag is pushed":  {func(w *posturetest.World) { push(w, "shop/orders", "2", log4j(sound)) }, ""},
		"advisory withdrawn":     {func(w *posturetest.World) { w.Advise(withdrawn...) }, "2h advisory (advisories, generation 2026-11-25T140000Z): fail 1 > pass 0"},
		"policy":                 {func(w *posturetest.World) { w.Decide(strict) }, "2h policy (policy baseline v9): fail 1 > warn 1"},
		"gone":                   {func(w *posturetest.World) { w.Gone("harbor", "shop/orders", "1") }, "2h removed (gone from the registry): fail 1 > gone"},
		"another registry's tag": {func(w *posturetest.World) { w.Put("ecr-prod", "shop/orders", w.Image("1", log4j(sound))) }, ""},
		"out of scope": {func(w *posturetest.World) {
			w.Log("harbor", "sweep", plimsoll.Change{Kind: plimsoll.ChangeGone, Repository: "shop/orders", Tag: "1", Text: plimsoll.GoneOutOfScope})
		}, "2h scope (gone from the registry): fail 1 > gone"},
		"moved, and read": {func(w *posturetest.World) {
			r := w.Image("1", log4j(sound))
			r.Moved = w.At
			waiting := plimsoll.Ref{Tag: "1", Digest: r.Digest, Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, Observed: r.Observed, First: w.At, Moved: w.At}
			w.Log("harbor", "push", plimsoll.Change{Kind: plimsoll.ChangeTag, Repository: "shop/orders", Tag: "1", Digest: r.Digest, Ref: &waiting})
			w.At = w.At.Add(time.Minute)
			w.Put("harbor", "shop/orders", r)
		}, "2h1m pushed (read): fail 1 > pass 0"},
		"cannot be read": {func(w *posturetest.World) {
			w.Log("harbor", "push", plimsoll.Change{Kind: plimsoll.ChangeCoverage, Repository: "shop/orders", Tag: "1", Ref: &plimsoll.Ref{
				Tag: "1", Digest: posturetest.Digest("x"), Read: plimsoll.Failed("404"), Observed: 1 << 40,
			}})
		}, "2h coverage (coverage changed): fail 1 > unknown not read, failed"},
		"two pushes": {func(w *posturetest.World) {
			push(w, "shop/orders", "1", log4j(sound))
			w.At = w.At.Add(time.Hour)
			push(w, "shop/orders", "1", log4j(vulnerable), lodash("4.17.18"))
		}, "2h pushed (read): fail 1 > pass 0; 3h pushed (read): pass 0 > fail 2"},
		"advisories of one day": {func(w *posturetest.World) { // what is withdrawn and comes back on one day is no turn
			w.Advise(withdrawn...)
			w.At = w.At.Add(time.Hour)
			w.Advise(flaw("CVE-2021-44228", "Maven", "log4j-core", "2.15.0"), flaw("CVE-2021-23337", "npm", "lodash", "4.17.20"))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			push(w, "shop/orders", "1", log4j(vulnerable))
			w.At = w.At.Add(2 * time.Hour)
			tt.do(w)
			x, err := history.TimelineOf(t.Context(), w.Config(), ref, amd64, w.At)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, turn := range x.Turns[:max(0, len(x.Turns)-1)] {
				since := strings.TrimSuffix(strings.TrimSuffix(turn.Time.Sub(posturetest.Start).String(), "0s"), "0m")
				got = append([]string{fmt.Sprintf("%s %s (%s): %s > %s", since, turn.Cause, turn.What, said(turn.Before), said(turn.After))}, got...)
			}
			if text := strings.Join(got, "; "); text != tt.want {
				t.Errorf("%s\nwant %s", text, tt.want)
			}
			if first := x.Turns[len(x.Turns)-1]; first.Cause != posture.CausePushed || first.Before.There() || x.First.There() {
				t.Errorf("it began with %+v", first)
			}
		})
	}
}

// said is a state in words: the verdict and the number of findings, or why there is none.
func said(s history.TagState) string {
	switch {
	case !s.There():
		return "gone"
	case s.Counts == nil:
		return fmt.Sprintf("%s not read, %s", s.Verdict, s.Coverage)
	}
	n := 0
	for _, k := range s.Counts {
		n += k
	}
	return fmt.Sprint(s.Verdict, " ", n)
}

// TestTimelineIsBounded: of a tag that is pushed over and over the latest turns stand, and all that were looked at are counted.
func TestTimelineIsBounded(t *testing.T) {
	t.Parallel()
	w := start(t)
	for i := range 2*history.MaxTurns + 20 {
		w.At = w.At.Add(10 * time.Minute)
		push(w, "shop/orders", "latest", log4j([]string{vulnerable, sound}[i%2]))
	}
	x, err := history.TimelineOf(t.Context(), w.Config(), plimsoll.Reference{Registry: "harbor", Repository: "shop/orders", Tag: "latest"}, amd64, w.At)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Turns) != history.MaxTurns || x.Total != 2*history.MaxTurns-1 || !x.Turns[0].Time.Equal(w.At) || !x.First.There() || w.At.Sub(x.From) > 24*time.Hour {
		t.Errorf("%d of %d turns since %s, the latest at %s; first %+v", len(x.Turns), x.Total, x.From, x.Turns[0].Time, x.First)
	}
}

// TestRecentTimelines: what is asked for is found beside the page, and found anew when the image says something else.
func TestRecentTimelines(t *testing.T) {
	t.Parallel()
	w := start(t)
	push(w, "shop/orders", "1", log4j(vulnerable))
	all := history.NewTimelines(w.Config())
	row := func() *posture.Row { return w.Engine.View().Rows()[0] }
	if x, err := all.Recent(t.Context(), row(), w.At); x != nil || err != nil {
		t.Errorf("nobody runs: %+v %v", x, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all.Run(ctx, w.Now, slog.New(slog.NewTextHandler(t.Output(), nil)))
	}()
	recent := func() *history.Timeline {
		for {
			if x, err := all.Recent(t.Context(), row(), w.At); x != nil || err != nil {
				if err != nil {
					t.Fatal(err)
				}
				return x
			}
		}
	}
	first := recent()
	if again := recent(); again != first || len(first.Turns) != 1 {
		t.Errorf("%+v, then %+v", first, again)
	}
	if x, err := all.Of(t.Context(), row(), w.At); x != first || err != nil {
		t.Errorf("of the same moment: %+v %v", x, err)
	}
	stop()
	<-ended // the clock is the test's
	w.At = w.At.Add(time.Minute)
	push(w, "shop/orders", "1", log4j(sound))
	if x, err := all.Recent(t.Context(), row(), w.At); x != nil || err != nil {
		t.Errorf("the image says something else by now: %+v %v", x, err)
	}
	if x, err := all.Of(t.Context(), row(), w.At); err != nil || len(x.Turns) != 2 {
		t.Errorf("after a push: %+v %v", x, err)
	}
	if x, err := all.Recent(t.Context(), row(), w.At); err != nil || x == nil || len(x.Turns) != 2 {
		t.Errorf("found meanwhile: %+v %v", x, err)
	}
}
