package history_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// standing counts a view on its own.
func standing(v *posture.View) history.Standing {
	n := v.Summary().Stored
	s := history.Standing{Pass: n.Pass, Warn: n.Warn, Fail: n.Fail, Unknown: n.Unknown}
	for _, r := range v.Rows() {
		s.Findings += len(v.Findings(r))
	}
	return s
}

// TestCausesAddUp lets random things happen and compares moments at random: what the causes did is the whole difference, for
// each verdict and for findings, also where the log begins in between.
func TestCausesAddUp(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := &happenings{World: start(t), t: t, rand: rand.New(rand.NewPCG(seed, 6)), tags: map[[2]string]plimsoll.Ref{}}
			begin, stood := h.At, map[time.Time]history.Standing{h.At.Add(-time.Hour): {}}
			moments := []time.Time{h.At.Add(-time.Hour)}
			for range 40 {
				h.happen()
				h.Advance()
				if h.rand.IntN(4) == 0 {
					moments = append(moments, h.At)
					stood[h.At] = standing(h.Engine.View())
				}
			}
			h.At = h.At.Add(time.Hour)
			for range 6 {
				i := h.rand.IntN(len(moments) - 1)
				from, to := moments[i], moments[i+1+h.rand.IntN(len(moments)-i-1)]
				m, err := history.Why(t.Context(), h.Config(), from, to, "")
				if err != nil {
					t.Fatal(err)
				}
				sum := m.Before
				for _, c := range m.Causes {
					sum = sum.Add(c.Difference)
					if c.Appeared-c.Disappeared != c.Difference.Findings {
						t.Errorf("%s: %d appeared, %d disappeared, difference %d", c.Cause, c.Appeared, c.Disappeared, c.Difference.Findings)
					}
				}
				if diff := cmp.Diff(stood[from], m.Before); diff != "" {
					t.Errorf("before differs from what stood (-stood +said):\n%s", diff)
				}
				if diff := cmp.Diff(stood[to], m.After); diff != "" {
					t.Errorf("after differs from what stood (-stood +said):\n%s", diff)
				}
				if sum != m.After {
					t.Errorf("causes add up to %+v, want %+v", sum, m.After)
				}
				if m.Total != len(m.Moves) {
					t.Errorf("%d of %d moves are listed", len(m.Moves), m.Total)
				}
			}
			if _, err := history.Why(t.Context(), h.Config(), begin, begin, ""); !errors.Is(err, plimsoll.ErrInvalid) {
				t.Errorf("no time between: %v", err)
			}
		})
	}
}

// TestCauses: each kind of event is its own cause, with what it did.
func TestCauses(t *testing.T) {
	t.Parallel()
	strict := policy.Baseline()
	strict.Version = 9
	for i := range strict.Rules {
		strict.Rules[i].Then = plimsoll.VerdictWarn
	}
	for name, tt := range map[string]struct {
		do   func(w *posturetest.World)
		want history.CauseEffect
		what string
	}{
		"pushed": {
			func(w *posturetest.World) { push(w, "shop/cart", "1", log4j(vulnerable)) },
			history.CauseEffect{Cause: posture.CausePushed, Difference: history.Standing{Fail: 1, Findings: 1}, Images: 1, Crossed: 1, Appeared: 1}, "read",
		},
		"rebuilt": {
			func(w *posturetest.World) { push(w, "shop/orders", "1", log4j(sound)) },
			history.CauseEffect{Cause: posture.CausePushed, Difference: history.Standing{Fail: -1, Pass: 1, Findings: -1}, Images: 1, Crossed: 1, Disappeared: 1}, "read",
		},
		"removed": {
			func(w *posturetest.World) { w.Gone("harbor", "shop/orders", "1") },
			history.CauseEffect{Cause: posture.CauseRemoved, Difference: history.Standing{Fail: -1, Findings: -1}, Images: 1, Crossed: 1, Disappeared: 1}, "gone from the registry",
		},
		"advisory": {
			func(w *posturetest.World) {
				w.Advise(flaw("CVE-2021-44228", "Maven", "log4j-core", "2.13.0"), flaw("CVE-2021-23337", "npm", "lodash", "4.17.21"))
			},
			history.CauseEffect{Cause: posture.CauseAdvisory, Difference: history.Standing{Fail: -1, Pass: 1, Findings: -1}, Images: 1, Crossed: 1, Disappeared: 1}, "advisories, generation 2026-11-25T140000Z",
		},
		"policy": {
			func(w *posturetest.World) { w.Decide(policy.Seal(strict)) },
			history.CauseEffect{Cause: posture.CausePolicy, Difference: history.Standing{Fail: -1, Warn: 1}, Images: 1, Crossed: 1}, "policy baseline v9",
		},
		"scope": {
			func(w *posturetest.World) {
				w.Log("harbor", "sweep", plimsoll.Change{Kind: plimsoll.ChangeGone, Repository: "shop/orders", Tag: "1", Text: plimsoll.GoneOutOfScope})
			},
			history.CauseEffect{Cause: posture.CauseScope, Difference: history.Standing{Fail: -1, Findings: -1}, Images: 1, Crossed: 1, Disappeared: 1}, "gone from the registry",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			push(w, "shop/orders", "1", log4j(vulnerable))
			from := w.At
			w.At = w.At.Add(2 * time.Hour)
			tt.do(w)
			m, err := history.Why(t.Context(), w.Config(), from, w.At, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range m.Causes {
				want := history.CauseEffect{Cause: c.Cause}
				if c.Cause == tt.want.Cause {
					want = tt.want
				}
				if diff := cmp.Diff(want, c); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.Cause, diff)
				}
			}
			if len(m.Moves) != 1 || m.Moves[0].What != tt.what || m.Moves[0].Cause != tt.want.Cause {
				t.Errorf("moves %+v, want one: %s", m.Moves, tt.what)
			}
		})
	}
}

// TestEndOfLifeMoves: what time does by an end of life is the advisories' doing, and not that of what is pushed days later.
func TestEndOfLifeMoves(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	last := posturetest.Start.AddDate(0, 0, 2)
	table, err := eol.Parse([]byte("as_of: 2026-01-01\nproducts:\n- {product: Debian, source: 'https://x', releases: [{release: '12', date: " + last.Format(time.DateOnly) + "}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	w.EndOfLife = table
	w.Engine = posture.New(w.Config())
	w.Decide(w.Policy)
	w.Advise(flaw("CVE-2021-44228", "Maven", "log4j-core", "2.15.0"))
	w.Fold()
	w.At = w.At.Add(time.Hour)
	push(w, "app", "v1", log4j(sound))
	from := w.At
	w.At = w.At.AddDate(0, 0, 5)
	w.Advance() // nothing but time
	seen := all(w.Findings)
	if len(seen) != 1 || seen[0].ID != "EOL-debian-12" || !seen[0].Spans[0].First.Equal(time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("followed: %+v", seen)
	}
	push(w, "other", "v1", log4j(vulnerable))
	to := w.At
	w.At = w.At.Add(time.Hour)
	m, err := history.Why(t.Context(), w.Config(), from, to, "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[posture.Cause]int{}
	for _, c := range m.Causes {
		if c.Difference.Findings != 0 {
			got[c.Cause] = c.Difference.Findings
		}
	}
	if diff := cmp.Diff(map[posture.Cause]int{posture.CauseAdvisory: 1, posture.CausePushed: 2}, got); diff != "" {
		t.Errorf("findings by cause (-want +got):\n%s", diff)
	}
	if x := m.Moves[0]; x.What != "end of life" || !x.Time.Equal(time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the first move: %+v", x)
	}
}
