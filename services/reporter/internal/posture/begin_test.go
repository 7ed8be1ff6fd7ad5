package posture_test

import (
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// logged is a world with one image that has a finding, first seen and told at the same time.
func logged(t *testing.T) *posturetest.World {
	w := posturetest.Empty(t)
	w.Decide(w.Policy)
	w.Advise(posturetest.Records()...)
	w.Fold()
	r := w.Image("v1", plimsoll.Package{Name: "log4j-core", Version: "2.14.1", Ecosystem: "Maven"})
	r.First, r.Moved = w.At, w.At
	w.Put("harbor", "shop/web", r)
	w.Advance()
	return w
}

// lose deletes what the change log knows, as a bucket that was lost in part.
func lose(t *testing.T, w *posturetest.World, streams ...string) {
	t.Helper()
	for _, stream := range streams {
		for e, err := range w.Store.List(t.Context(), blob.PrefixChanges+stream+"/", "") {
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Store.Delete(t.Context(), e.Key); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// again is a reporter that starts anew on the bucket, with what it knows of findings.
func again(t *testing.T, w *posturetest.World, findings *history.Tracker) *posture.View {
	t.Helper()
	s, err := blob.Open(t.Context(), w.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	conf := w.Config()
	conf.Store, conf.Clock = s, findings
	e := posture.New(conf)
	e.SetGeneration(index(t, s))
	_ = e.Fold(t.Context()) // what is missing is part of the view
	v := e.View()
	if v == nil {
		t.Fatal("nothing is folded")
	}
	findings.Observe(v)
	return v
}

// index is the newest generation.
func index(t *testing.T, s *blob.Store) *advisory.Index {
	t.Helper()
	x, err := advisory.Latest(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func due(t *testing.T, v *posture.View) posture.Due {
	t.Helper()
	for _, r := range v.Rows() {
		for _, f := range v.Findings(r) {
			v := v
			if d, ok := v.Due(r, &f, v.At()); ok {
				return d
			}
		}
	}
	t.Fatal("no finding has a deadline")
	return posture.Due{}
}

func TestHistoryThatWasLostIsSaid(t *testing.T) {
	t.Parallel()
	w := logged(t)
	old := history.NewTracker()
	v := again(t, w, old)
	if l := v.Losses(); len(l) > 0 {
		t.Fatalf("nothing was lost: %v", l)
	}
	if d := due(t, v); !d.Lost.IsZero() {
		t.Errorf("a deadline is marked: %+v", d)
	}
	first := due(t, v).First

	began := w.At
	w.At = w.At.AddDate(0, 0, 10)
	lose(t, w, "harbor", plimsoll.StreamAdvisories, plimsoll.StreamDecisions)
	r := w.Image("v2")
	r.First, r.Moved = w.At, w.At
	s, err := blob.Open(t.Context(), w.Bucket) // one that does not remember where the log ended
	if err != nil {
		t.Fatal(err)
	}
	w.Store = s
	w.Put("harbor", "shop/other", r)

	v = again(t, w, history.NewTracker())
	l := v.Losses()
	if len(l) != 1 || l[0].Registry != "harbor" || !l[0].Begins.Equal(w.At) || l[0].Known.After(began) || !strings.Contains(l[0].String(), "begins on "+w.At.UTC().Format("2 Jan 2006")) {
		t.Errorf("losses: %v", l)
	}
	if d := due(t, v); !d.Lost.Equal(w.At) {
		t.Errorf("the deadline counts anew and does not say so: %+v", d)
	}
	// A history of findings that was not lost knows when the finding was first seen: no deadline begins anew.
	v = again(t, w, old)
	if d := due(t, v); !d.First.Equal(first) || !d.Lost.IsZero() {
		t.Errorf("first seen %s, was %s; marked %s", d.First, first, d.Lost)
	}
}

// TestRegistryThatIsNotConfigured: its images stay, are stale, and the gap says how to purge them; forgotten, it is gone.
func TestRegistryThatIsNotConfigured(t *testing.T) {
	t.Parallel()
	w := logged(t)
	conf := w.Config()
	conf.Registries = []plimsoll.Registry{{ID: "elsewhere", URL: "https://elsewhere.example"}}
	fold := func() *posture.View {
		e := posture.New(conf)
		if err := e.Fold(t.Context()); err != nil {
			t.Fatal(err)
		}
		return e.View()
	}
	v := fold()
	if n := len(v.Rows()); n != 1 || v.Rows()[0].Coverage != (plimsoll.Coverage{State: plimsoll.ReadStale, Reason: posture.NotConfigured}) {
		t.Fatalf("%d rows, the first %+v", n, v.Rows()[0].Coverage)
	}
	if g := v.Gaps(); len(g) != 1 || g[0].Images != 1 || !strings.Contains(g[0].Advice, "plimsoll registry forget harbor") {
		t.Errorf("gaps: %+v", g)
	}
	w.Gone("harbor", "shop/web", "v1")
	v = fold()
	for _, r := range v.Registries() {
		if r.ID == "harbor" {
			t.Error("it is still listed")
		}
	}
	if len(v.Rows()) > 0 {
		t.Error("its images stand")
	}
}
