package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
	"github.com/plimsoll/plimsoll/workflows"
)

var _ workflows.Reporter = (*Writer)(nil)

func writer(t *testing.T, w *posturetest.World) *Writer {
	t.Helper()
	out, err := New(Config{
		Store: w.Store, View: w.Engine.View, Registries: w.Registries, Organisation: "Corp " + posturetest.Hostile, Zone: "Europe/Berlin",
		Generator: "plimsoll test", StaleAfter: 48 * time.Hour, Now: w.Now, History: w.Findings.All, Moved: history.NewMovements(w.Config()).Why,
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

// TestContentSection: every count is that of the rows, a value that stands in many images is one line, and no value is told.
func TestContentSection(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 90)
	m, err := writer(t, w).Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var sum plimsoll.Content
	images, applicable := 0, 0
	for _, r := range w.Engine.View().Rows() {
		sum.Secrets, sum.HiddenSecrets, sum.AlteredFiles = sum.Secrets+r.Content.Secrets, sum.HiddenSecrets+r.Content.HiddenSecrets, sum.AlteredFiles+r.Content.AlteredFiles
		if r.Content.Secrets+r.Content.HiddenSecrets > 0 {
			images++
		}
		if r.Coverage.State != plimsoll.ReadNotApplicable {
			applicable++
		}
	}
	c := m.Content
	for i, want := range []int{sum.Secrets, sum.HiddenSecrets, sum.AlteredFiles} {
		if c.Counts[i].Places != want || want == 0 {
			t.Errorf("%s: %d, want %d", c.Counts[i].What, c.Counts[i].Places, want)
		}
	}
	for _, s := range c.States {
		if s.Whole+s.Short+s.Off != applicable || s.Whole == 0 || s.Off == 0 {
			t.Errorf("states of %d images do not add up: %+v", applicable, s)
		}
	}
	i := slices.IndexFunc(c.Secrets, func(s SecretLine) bool { return s.Rule == "awsaccesskey" })
	if i < 0 || c.Secrets[i].Images != images || c.Secrets[i].Visible != 0 {
		t.Errorf("the one key of %d images: %+v", images, c.Secrets)
	}
	if c.Unique != len(c.Secrets) || len(c.Files) != c.Suspect || c.Cut != 0 {
		t.Errorf("%d secrets of %d, %d files of %d, %d images cut", len(c.Secrets), c.Unique, len(c.Files), c.Suspect, c.Cut)
	}
	var page, annex bytes.Buffer
	if err := HTML(&page, m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10 Content", "malware is not analysed", "28a0d1bb632ac698b757323d290533b9", "usr/bin/curl", "configuration"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("report.html lacks %q", want)
		}
	}
	if strings.Contains(page.String(), "secrets, malware and files are not analysed") {
		t.Error("report.html still denies what is analysed")
	}
	if err := list.WriteCSV(&annex, contentColumns, slices.Values(allContent(c))); err != nil {
		t.Fatal(err)
	}
	if rows, err := csv.NewReader(&annex).ReadAll(); err != nil || len(rows) != 1+len(c.Secrets)+len(c.Files) {
		t.Errorf("content.csv has %d rows, %v", len(rows), err)
	}
}

// TestNewAndClosed lets a week pass and looks at what its report says: new ones with their cause, closed ones with their proof,
// what is overdue, and causes that add up.
func TestNewAndClosed(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	flaw := func(id, name string) plimsoll.Advisory {
		return plimsoll.Advisory{
			ID: id, Modified: posturetest.Start.AddDate(0, 0, -30), Severity: []plimsoll.Score{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}},
			Affected: []plimsoll.Affected{{Ecosystem: "npm", Package: name, Ranges: []plimsoll.Range{{Type: "SEMVER", Events: []plimsoll.Event{{Introduced: "0"}, {Fixed: "2.0.0"}}}}}},
		}
	}
	pkg := func(name, version string) plimsoll.Package {
		return plimsoll.Package{Name: name, Version: version, Ecosystem: "npm", PURL: "pkg:npm/" + name + "@" + version, Path: "app/package-lock.json"}
	}
	w.Decide(w.Policy)
	w.Advise(flaw("CVE-2026-1", "a"), flaw("CVE-2026-2", "b"))
	for _, repository := range []string{"shop/fixed", "shop/gone", "shop/lost", "shop/old"} {
		w.Put("harbor", repository, w.Image("1", pkg("a", "1.0.0")))
	}
	w.Put("harbor", "shop/same", w.Image("1", pkg("a", "1.0.0"), pkg("b", "1.0.0")))
	w.Fold()
	r := writer(t, w)
	w.At = w.At.AddDate(0, 0, 7)
	first, _, err := r.Make(t.Context(), "2026-W48", time.Time{})
	if err != nil {
		t.Fatal(err)
	}

	w.At = w.At.AddDate(0, 0, 9) // Friday of week 50
	fixed := w.Image("1", pkg("a", "2.0.0"))
	w.Put("harbor", "shop/fixed", fixed)
	w.Put("harbor", "shop/new", w.Image("1", pkg("a", "1.0.0")))
	w.Put("harbor", "shop/lost", plimsoll.Ref{Tag: "1", Digest: posturetest.Digest("lost"), Read: plimsoll.Failed("blob answers 404"), Observed: 1000, Moved: w.At})
	w.Gone("harbor", "shop/gone", "1")
	w.Advance()
	w.At = w.At.Add(time.Hour)
	other := flaw("CVE-2026-2", "b")
	other.Affected[0].Ranges[0].Events[1].Fixed = "0.5.0"
	other.Modified = posturetest.Start.AddDate(0, 0, -1)
	w.Advise(flaw("CVE-2026-1", "a"), other, flaw("CVE-2026-3", "a"))
	w.Advance()
	w.At = w.At.AddDate(0, 0, 3)
	w.Log("harbor", "sweep", plimsoll.Change{Kind: plimsoll.ChangeCommand, Text: "a look on Monday"})
	w.Advance()
	m, _, err := r.Make(t.Context(), "2026-W50", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Previous != string(first.Digest) {
		t.Errorf("the report before is %s, want %s", m.Previous, first.Digest)
	}
	model, err := blob.ReadJSON[Model](t.Context(), w.Store, key("2026-W50", modelName))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range model.Changes.New {
		got["new "+c.Repository+" "+c.Advisory] = c.Cause
	}
	for _, c := range model.Changes.Closed {
		got["closed "+c.Repository+" "+c.Advisory] = c.Proof
		if c.Repository == "shop/fixed" && (c.Digest != fixed.Digest || c.Scan != blob.InventoryKey(fixed.Recipe, fixed.Digest) || c.InTime == nil || *c.InTime) {
			t.Errorf("proof %+v, want that of %s, closed on day 16 of 14", c, fixed.Digest.Short())
		}
	}
	want := map[string]string{
		"new shop/new CVE-2026-1": "pushed", "new shop/new CVE-2026-3": "advisory", "new shop/old CVE-2026-3": "advisory", "new shop/same CVE-2026-3": "advisory",
		"closed shop/fixed CVE-2026-1": "fixed", "closed shop/gone CVE-2026-1": "tag gone", "closed shop/same CVE-2026-2": "advisory withdrawn",
	}
	if diff := cmp.Diff(want, got); diff != "" || model.Changes.Untold != 1 {
		t.Errorf("changes, %d cannot be told (-want +got):\n%s", model.Changes.Untold, diff)
	}
	late := map[string]int{}
	for _, o := range model.Overdue.Lines {
		late[o.Repository+" "+o.Advisory] = o.Over
	}
	if diff := cmp.Diff(map[string]int{"shop/old CVE-2026-1": 5, "shop/same CVE-2026-1": 5}, late); diff != "" {
		t.Errorf("overdue (-want +got):\n%s", diff)
	}
	critical := model.Ranking.Severities[0]
	if want := (SeverityDue{Severity: plimsoll.SeverityCritical, Days: 14, Open: 6, Within: 4, Overdue: 2, Closed: 3, Median: 16, P90: critical.P90}); critical != want {
		t.Errorf("critical: %+v, want %+v", critical, want)
	}
	x := model.Page.Moved
	if x == nil {
		t.Fatalf("it is not told why it moved: %v", model.Page.Remarks)
	}
	sum := x.Before
	for _, c := range x.Causes {
		sum = sum.Add(c.Difference)
	}
	if sum != x.After || x.Before == x.After {
		t.Errorf("causes add up to %+v, want %+v", sum, x.After)
	}
	if n := len(model.Ranking.Trend); n != 2 || model.Ranking.Trend[0].Period != "2026-W48" || model.Ranking.Trend[0].Open != 6 || model.Verdicts.Trend[0].Period != "2026-W48" {
		t.Errorf("trend: %+v, %+v", model.Ranking.Trend, model.Verdicts.Trend)
	}
	_, page, err := r.Read(t.Context(), "2026-W50", "report.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5 Ranking and deadlines", "6 New and closed", "7 Overdue and exploited", "advisory withdrawn", "New by cause: advisory 3, pushed 1", "Why it moved"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("report.html lacks %q", want)
		}
	}
}
