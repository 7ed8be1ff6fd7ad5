package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
	"github.com/plimsoll/plimsoll/workflows"
)

var _ workflows.Reporter = (*Writer)(nil)

func writer(t *testing.T, w *posturetest.World) *Writer {
	t.Helper()
	out, err := New(Config{
		Store: w.Store, View: w.Engine.View, Registries: w.Registries, Organisation: "Corp " + posturetest.Hostile, Zone: "Europe/Berlin",
		Generator: "plimsoll test", StaleAfter: 48 * time.Hour, Now: w.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// announced counts the change log's words on a period.
func announced(t *testing.T, s *blob.Store, period string) (n int) {
	t.Helper()
	for batch, err := range s.Changes(t.Context(), plimsoll.StreamDecisions, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			if c.Kind == plimsoll.ChangeReport && c.Subject == period {
				n++
			}
		}
	}
	return n
}

func TestWeeks(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{ // the first instant, from ISO 8601 calendars
		"2026-W01": "2025-12-29T00:00:00+01:00",
		"2026-W13": "2026-03-23T00:00:00+01:00", // its Sunday has the change to summer time
		"2026-W14": "2026-03-30T00:00:00+02:00",
		"2026-W53": "2026-12-28T00:00:00+01:00",
		"2020-W53": "2020-12-28T00:00:00+01:00",
	} {
		w, err := ParseWeek(name, berlin)
		if err != nil || w.From.Format(time.RFC3339) != want || w.Name != name {
			t.Errorf("%s: %v from %v, want %s (%v)", name, w.Name, w.From, want, err)
		}
		if days := w.To.Sub(w.From).Round(24 * time.Hour); days != 7*24*time.Hour || WeekOf(w.To.Add(-time.Nanosecond)).Name != name || LastWeek(w.To).Name != name {
			t.Errorf("%s ends at %v", name, w.To)
		}
	}
	for _, bad := range []string{"", "2026-W00", "2026-W54", "2025-W53", "2026-48", "26-W48", "2026-W48x", "../../etc"} {
		if w, err := ParseWeek(bad, berlin); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("%q: %+v %v, want invalid", bad, w, err)
		}
	}
}

func FuzzParseWeek(f *testing.F) {
	for _, s := range []string{"2026-W48", "0000-W01", "9999-W53", "2026-W00", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		w, err := ParseWeek(name, time.UTC)
		if err == nil && (w.Name != name || !w.From.Before(w.To) || WeekOf(w.From).Name != name) {
			t.Errorf("%q: %+v", name, w)
		}
	})
}

func TestReportIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 40)
	one, two := writer(t, w), writer(t, w)
	var group sync.WaitGroup
	made := make(chan bool, 8)
	for i := range 8 {
		group.Go(func() {
			by := one
			if i%2 == 0 {
				by = two
			}
			_, mine, err := by.Make(t.Context(), "2026-W47", time.Time{})
			if err != nil {
				t.Error(err)
			}
			made <- mine
		})
	}
	group.Wait()
	close(made)
	times := 0
	for mine := range made {
		if mine {
			times++
		}
	}
	if times != 1 || announced(t, w.Store, "2026-W47") != 1 {
		t.Errorf("made %d times, announced %d times", times, announced(t, w.Store, "2026-W47"))
	}
	before, err := one.Manifest(t.Context(), "2026-W47")
	if err != nil {
		t.Fatal(err)
	}
	w.At = w.At.Add(3 * time.Hour)
	if err := two.WriteReport(t.Context(), "2026-W47", before.Cutoff); err != nil {
		t.Fatal(err)
	}
	after, err := one.Manifest(t.Context(), "2026-W47")
	if diff := cmp.Diff(before, after); diff != "" || err != nil {
		t.Errorf("the report changed (%v):\n%s", err, diff)
	}
	if n := announced(t, w.Store, "2026-W47"); n != 1 {
		t.Errorf("announced %d times", n)
	}
	for _, f := range after.Files {
		got, b, err := one.Read(t.Context(), "2026-W47", f.Name)
		if err != nil || plimsoll.DigestOf(b) != f.Digest || len(b) != f.Size || got != f {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if want := "2026-11-22 23:00 UTC"; instant(after.Cutoff) != want {
		t.Errorf("cut-off %s, want the week's end in Berlin, %s", instant(after.Cutoff), want)
	}
}

// TestCutShort lets a run end after each object that it writes: the next one completes the report, and what was written
// first is what it says.
func TestCutShort(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 20)
	r := writer(t, w)
	week, err := ParseWeek("2026-W47", r.zone)
	if err != nil {
		t.Fatal(err)
	}
	model, err := r.model(t.Context(), week, week.To) // and then the process died
	if err != nil {
		t.Fatal(err)
	}
	w.At = w.At.Add(time.Hour)
	w.Put("harbor", "shop/late", w.Image("1"))
	w.Fold()
	if _, _, err := r.Make(t.Context(), "2026-W47", time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, b, err := r.Read(t.Context(), "2026-W47", "report.html")
	if err != nil || strings.Contains(string(b), "shop/late") || !strings.Contains(string(b), instant(model.Front.Made)) {
		t.Errorf("the second run did not take the first one's model (%v)", err)
	}
	if m, err := r.Manifest(t.Context(), "2026-W47"); err != nil || !m.Made.Equal(model.Front.Made) {
		t.Errorf("made %v, want %v (%v)", m.Made, model.Front.Made, err)
	}
}

// TestAnnouncedLater is a run that died between manifest and change log: the next one says it, once.
func TestAnnouncedLater(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 5)
	r := writer(t, w)
	m, _, err := r.Make(t.Context(), "2026-W46", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	m.Period = "2026-W47" // a manifest of which the log does not know
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Create(t.Context(), key("2026-W47", manifestName), b); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.At = w.At.Add(time.Hour)
		if err := r.WriteReport(t.Context(), "2026-W47", w.At); err != nil {
			t.Fatal(err)
		}
	}
	if n := announced(t, w.Store, "2026-W47"); n != 1 {
		t.Errorf("announced %d times", n)
	}
}

func TestUnfinishedWeekIsRefused(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 5)
	r := writer(t, w)
	for _, period := range []string{"2026-W48", "2026-W49", "2027-W01"} {
		if err := r.WriteReport(t.Context(), period, w.At); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("%s: %v, want invalid", period, err)
		}
	}
	draft, err := r.Draft(t.Context())
	if err != nil || !draft.Front.Draft || draft.Front.Period != "2026-W48" {
		t.Errorf("draft: %+v %v", draft.Front, err)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a draft was kept: %v %v", all, err)
	}
}

func TestReportReconciles(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 90)
	m, err := writer(t, w).Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := m.Scope.Balance
	if !b.Whole || b.Listed != len(w.Engine.View().Rows()) || b.Listed != b.Covered+b.Gaps || b.Gaps == 0 {
		t.Errorf("balance %+v", b)
	}
	for i, x := range m.Scope.Registries {
		sum := 0
		for _, n := range x.Read {
			sum += n
		}
		if sum != x.Images || x.Listed == 0 || x.Sweeps == 0 {
			t.Errorf("registry %d: %+v", i, x)
		}
	}
	var out bytes.Buffer
	if err := HTML(&out, m); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script>alert", "<img src=x", "\x1b", "\u202e", "ZgotmplZ"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("report.html holds %q", bad)
		}
	}
	for _, want := range []string{"it adds up", "zone Europe/Berlin", "2026-W48", "Draft of a running period", "5 Ranking and deadlines", "not analysed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report.html lacks %q", want)
		}
	}
	out.Reset()
	if err := CSV(&out, m); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != len(m.Findings)+1 || len(m.Findings) == 0 {
		t.Errorf("findings.csv has %d rows, want %d (%v)", len(rows), len(m.Findings)+1, err)
	}
}

// TestNewAndClosed changes the world between two weeks and looks at what the second report says of it.
func TestNewAndClosed(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	flaw := func(id, name string) plimsoll.Advisory {
		return plimsoll.Advisory{ID: id, Modified: posturetest.Start.AddDate(0, 0, -30), Affected: []plimsoll.Affected{{
			Ecosystem: "npm", Package: name, Ranges: []plimsoll.Range{{Type: "SEMVER", Events: []plimsoll.Event{{Introduced: "0"}, {Fixed: "2.0.0"}}}},
		}}}
	}
	pkg := func(name, version string) plimsoll.Package {
		return plimsoll.Package{Name: name, Version: version, Ecosystem: "npm", PURL: "pkg:npm/" + name + "@" + version, Path: "app/package-lock.json"}
	}
	w.Advise(flaw("CVE-2026-1", "a"), flaw("CVE-2026-2", "b"))
	w.Put("harbor", "shop/fixed", w.Image("1", pkg("a", "1.0.0")))
	w.Put("harbor", "shop/gone", w.Image("1", pkg("a", "1.0.0")))
	w.Put("harbor", "shop/lost", w.Image("1", pkg("a", "1.0.0")))
	w.Put("harbor", "shop/same", w.Image("1", pkg("a", "1.0.0"), pkg("b", "1.0.0")))
	w.Fold()
	r := writer(t, w)
	first, _, err := r.Make(t.Context(), "2026-W47", time.Time{})
	if err != nil {
		t.Fatal(err)
	}

	w.At = w.At.AddDate(0, 0, 7)
	w.Put("harbor", "shop/fixed", w.Image("1", pkg("a", "2.0.0")))
	w.Put("harbor", "shop/new", w.Image("1", pkg("a", "1.0.0")))
	w.Put("harbor", "shop/lost", plimsoll.Ref{Tag: "1", Digest: posturetest.Digest("lost"), Read: plimsoll.Failed("blob answers 404"), Observed: 1000, Moved: w.At})
	w.Log("harbor", "sweep", plimsoll.Change{Kind: plimsoll.ChangeGone, Repository: "shop/gone", Tag: "1"})
	if _, err := w.Store.MergeRefs(t.Context(), "harbor", "shop/gone", func(tags map[string]plimsoll.Ref) []string {
		delete(tags, "1")
		return []string{"1"}
	}); err != nil {
		t.Fatal(err)
	}
	fixed := flaw("CVE-2026-2", "b")
	fixed.Affected[0].Ranges[0].Events[1].Fixed = "0.5.0"
	fixed.Modified = posturetest.Start.AddDate(0, 0, -1)
	w.Advise(flaw("CVE-2026-1", "a"), fixed)
	w.Fold()
	m, _, err := r.Make(t.Context(), "2026-W48", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Previous != string(first.Digest) {
		t.Errorf("the report before is %s, want %s", m.Previous, first.Digest)
	}
	model, err := blob.ReadJSON[Model](t.Context(), w.Store, key("2026-W48", modelName))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range model.Changes.New {
		got["new "+c.Reference+" "+c.Advisory] = c.Cause
	}
	for _, c := range model.Changes.Closed {
		got["closed "+c.Reference+" "+c.Advisory] = c.Cause
	}
	want := map[string]string{
		"new harbor/shop/new:1 CVE-2026-1":      "push: the tag is new",
		"closed harbor/shop/fixed:1 CVE-2026-1": "the new digest was read completely and does not hold it",
		"closed harbor/shop/gone:1 CVE-2026-1":  "the tag, or its platform, is not stored any more",
		"closed harbor/shop/same:1 CVE-2026-2":  "the advisory data no longer says so (generation " + model.Method.Generation + ")",
	}
	if diff := cmp.Diff(want, got); diff != "" || model.Changes.Untold != 1 {
		t.Errorf("changes, %d cannot be told (-want +got):\n%s", model.Changes.Untold, diff)
	}
	if n := len(model.Verdicts.Trend); n != 2 || model.Verdicts.Trend[0].Period != "2026-W47" {
		t.Errorf("trend: %+v", model.Verdicts.Trend)
	}
}
