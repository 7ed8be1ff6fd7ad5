package posture

import (
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
)

// endingToday is a table by which Debian 12 has its last day with fixes today.
func endingToday(t *testing.T) *eol.Table {
	t.Helper()
	table, err := eol.Parse([]byte("as_of: 2026-01-01\nproducts:\n- {product: Debian, source: 'https://x', releases: [{release: '12', date: " + start.Format(time.DateOnly) + "}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestEndOfLife: the finding comes with the day, without any event; it goes where the clock goes back; and a snapshot of the day
// before gives it on the day after.
func TestEndOfLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := pkg("lodash", "4.17.21")
	p.Layer = 0
	at := w.inventory("web", recipeOne, p)
	inv, err := blob.ReadJSON[plimsoll.Inventory](t.Context(), w.store, blob.InventoryKey(recipeOne, at.Digest))
	w.check(err)
	inv.Release = plimsoll.OSRelease{ID: "debian", VersionID: "12"}
	w.check(blob.PutJSON(t.Context(), w.store, blob.InventoryKey(recipeOne, at.Digest), inv))
	w.put("dev", "web", w.complete("1", "web", recipeOne, at))
	engine := func() *Engine {
		e := New(Config{Store: w.store, Registries: []plimsoll.Registry{{ID: "dev"}}, Policy: w.engine().cfg.Policy, EndOfLife: endingToday(t), Now: w.clock.now})
		e.SetGeneration(generation("g1"))
		return e
	}
	e := engine()
	if r := only(t, w.fold(e)); r.Findings != 0 || r.Verdict.State != plimsoll.VerdictPass || r.Packages != 1 {
		t.Errorf("on the last day: %s", describe(r))
	}
	w.check(e.Save(t.Context()))
	w.clock.at = midnight(start).AddDate(0, 0, 1)
	ended := w.advance(e)
	r := only(t, ended)
	if r.Findings != 1 || r.Counts[plimsoll.SeverityHigh] != 1 || r.Packages != 1 || r.Verdict.State != plimsoll.VerdictWarn {
		t.Fatalf("on the day after: %s", describe(r))
	}
	f := ended.Findings(r)[0]
	if f.ID != "EOL-debian-12" || f.Class != plimsoll.ClassEndOfLife || f.Path != "etc/os-release" || len(f.Matched) != 0 || r.Verdict.Violations[0].Text != f.Text+"." {
		t.Errorf("finding %+v, violations %+v", f, r.Verdict.Violations)
	}
	if a, ok := ended.Advisory(f.ID); !ok || len(a.Places) != 1 || !ended.Ended().Equal(w.clock.at) {
		t.Errorf("advisory %+v, %v; ended %s", a, ok, ended.Ended())
	}
	for p := range ended.Packages() {
		if p.Name == "debian" {
			t.Error("the distribution is listed as a package")
		}
	}
	restored := engine()
	w.check(restored.Start(t.Context()))
	if r := only(t, restored.View()); r.Findings != 1 {
		t.Errorf("from a snapshot: %s", describe(r))
	}
	w.clock.at = start
	if r := only(t, w.advance(e)); r.Findings != 0 {
		t.Errorf("the clock went back: %s", describe(r))
	}
}
