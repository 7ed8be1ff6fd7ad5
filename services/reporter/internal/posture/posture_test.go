package posture

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

const (
	recipeOne = plimsoll.Recipe("1111111111111111")
	recipeTwo = plimsoll.Recipe("2222222222222222")
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// world is a bucket and what writes into it: the scheduler's and the workers' part.
type world struct {
	t     testing.TB
	store *blob.Store
	clock *clock
	seq   int64
}

// bucket is the one S3 server of the tests; each world has a bucket of its own in it.
var (
	bucket  blob.Config
	buckets atomic.Int64
)

func TestMain(m *testing.M) { os.Exit(blobtest.Main(m, &bucket)) }

func newWorld(t testing.TB) *world {
	t.Helper()
	c := bucket
	c.Bucket = fmt.Sprintf("%s-%d", c.Bucket, buckets.Add(1))
	s, err := blob.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, store: s, clock: &clock{start}}
}

func (w *world) engine(registries ...plimsoll.Registry) *Engine {
	return New(Config{
		Store: w.store, Registries: registries, Policy: policy.Baseline(), Now: w.clock.now,
		Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func digest(name string) plimsoll.Digest { return plimsoll.DigestOf([]byte(name)) }

// pkg is an npm package.
func pkg(name, version string) plimsoll.Package {
	return plimsoll.Package{Name: name, Version: version, Ecosystem: "npm", PURL: "pkg:npm/" + name + "@" + version, Path: "app/package-lock.json"}
}

// inventory writes what an image holds.
func (w *world) inventory(name string, recipe plimsoll.Recipe, packages ...plimsoll.Package) plimsoll.RefPlatform {
	w.t.Helper()
	inv := plimsoll.Inventory{
		Image: digest(name), Recipe: recipe, Platform: plimsoll.Platform{OS: "linux", Architecture: "amd64"},
		Read: read(plimsoll.Complete()), Packages: packages, Layers: []plimsoll.InventoryLayer{{Digest: digest(name + " layer"), Size: 100}},
	}
	for _, p := range packages {
		inv.Ecosystems = append(inv.Ecosystems, p.Ecosystem)
	}
	content(&inv)
	w.check(blob.PutJSON(w.t.Context(), w.store, blob.InventoryKey(recipe, inv.Image), inv))
	return plimsoll.RefPlatform{Platform: inv.Platform, Digest: inv.Image, Read: inv.Read}
}

// content gives an image secrets, files and removed packages, more or fewer by its digest.
func content(inv *plimsoll.Inventory) {
	for i := range int(inv.Image[len(inv.Image)-1]) % 4 {
		inv.Secrets = append(inv.Secrets, plimsoll.Secret{Rule: "awsaccesskey", Path: fmt.Sprint("root/", i), Line: 1, Fingerprint: "ab", Last4: "wxyz", Hidden: i > 0, HiddenIn: i})
		inv.Files = append(inv.Files,
			plimsoll.File{Path: fmt.Sprint("usr/bin/", i), Owner: "curl", Notes: []plimsoll.FileNote{plimsoll.NoteAltered}},
			plimsoll.File{Path: fmt.Sprint("usr/local/bin/", i), Notes: []plimsoll.FileNote{plimsoll.NoteUnowned, plimsoll.NoteSetUID}})
		inv.Hidden = append(inv.Hidden, plimsoll.Package{Name: "perl", HiddenIn: 1})
	}
}

func read(c plimsoll.Coverage) map[string]plimsoll.Coverage {
	return map[string]plimsoll.Coverage{plimsoll.AnalyzerTree: c, plimsoll.AnalyzerPackages: c}
}

// complete is a tag whose images were read.
func (w *world) complete(tag, index string, recipe plimsoll.Recipe, platforms ...plimsoll.RefPlatform) plimsoll.Ref {
	w.seq++
	return plimsoll.Ref{
		Tag: tag, Digest: digest(index), Platforms: platforms, Recipe: recipe, Read: plimsoll.Complete(),
		Observed: w.seq, First: start.Add(-time.Hour), Moved: start.Add(-time.Hour),
	}
}

// waiting is a tag that points at something new.
func (w *world) waiting(tag, name string, lastGood plimsoll.Digest) plimsoll.Ref {
	w.seq++
	return plimsoll.Ref{
		Tag: tag, Digest: digest(name), Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, Observed: w.seq,
		First: start.Add(-time.Hour), Moved: start, LastGood: lastGood,
	}
}

// put writes tags into refs/ and, as the scheduler does, then into the log.
func (w *world) put(registry, repository string, refs ...plimsoll.Ref) {
	w.t.Helper()
	w.refs(registry, repository, refs...)
	var changes []plimsoll.Change
	for _, r := range refs {
		changes = append(changes, plimsoll.Change{Kind: plimsoll.ChangeInventory, Repository: repository, Tag: r.Tag, Digest: r.Digest, Ref: &r})
	}
	w.log(registry, changes...)
}

func (w *world) refs(registry, repository string, refs ...plimsoll.Ref) {
	w.t.Helper()
	_, err := w.store.MergeRefs(w.t.Context(), registry, repository, func(tags map[string]plimsoll.Ref) (changed []string) {
		for _, r := range refs {
			if was, ok := tags[r.Tag]; ok {
				r = r.After(was)
			}
			tags[r.Tag] = r
			changed = append(changed, r.Tag)
		}
		return changed
	})
	w.check(err)
}

func (w *world) gone(registry, repository, tag string) {
	w.t.Helper()
	_, err := w.store.MergeRefs(w.t.Context(), registry, repository, func(tags map[string]plimsoll.Ref) []string {
		delete(tags, tag)
		return []string{tag}
	})
	w.check(err)
	w.log(registry, plimsoll.Change{Kind: plimsoll.ChangeGone, Repository: repository, Tag: tag})
}

func (w *world) log(stream string, changes ...plimsoll.Change) {
	w.t.Helper()
	_, err := w.store.Append(w.t.Context(), stream, "test", w.clock.at, changes)
	w.check(err)
}

// sweep writes a sweep that ended and says so.
func (w *world) sweep(registry string, at time.Time, recipe plimsoll.Recipe, counts plimsoll.SweepCount) {
	w.t.Helper()
	x := plimsoll.Sweep{
		Registry: registry, Slot: at.Format("20060102T150405Z"), State: plimsoll.SweepGreen, Recipe: recipe,
		Started: at, Listed: at, Ended: at, Counts: counts,
	}
	w.check(blob.PutJSON(w.t.Context(), w.store, blob.SweepKey(registry, x.Slot), x))
	w.log(registry, plimsoll.Change{Kind: plimsoll.ChangeSweep, Subject: x.Slot})
}

func (w *world) fold(e *Engine) *View {
	w.t.Helper()
	w.check(e.Fold(w.t.Context()))
	return e.View()
}

func (w *world) advance(e *Engine) *View {
	w.t.Helper()
	_, err := e.Advance(w.t.Context())
	w.check(err)
	return e.View()
}

// flaw is an npm record: name below fixed is affected.
func flaw(id, name, fixed, vector string) plimsoll.Advisory {
	a := plimsoll.Advisory{
		ID: "GHSA-" + id, Aliases: []string{"CVE-" + id}, Summary: "a flaw in " + name, Modified: start,
		Affected: []plimsoll.Affected{{Ecosystem: "npm", Package: name, Ranges: []plimsoll.Range{{
			Type: "SEMVER", Events: []plimsoll.Event{{Introduced: "0"}},
		}}}},
	}
	if fixed != "" {
		a.Affected[0].Ranges[0].Events = append(a.Affected[0].Ranges[0].Events, plimsoll.Event{Fixed: fixed})
	}
	if vector != "" {
		a.Severity = []plimsoll.Score{{Type: "CVSS_V3", Score: vector}}
	}
	return a
}

const (
	critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	medium   = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"
)

func generation(id string, records ...plimsoll.Advisory) *advisory.Index {
	return advisory.Compile(plimsoll.Generation{
		ID: id, Created: start, Feeds: []plimsoll.Feed{{Ecosystem: "npm", Records: len(records), Checked: start}},
	}, append(records, flaw("0000-0000", "unrelated", "1.0.0", medium)))
}

// describe is a row in one line, for messages and comparison.
func describe(r *Row) string {
	return fmt.Sprintf("%s %s %s: %s, %s (%s), %d findings, known %v, behind %s, active %v", r.Reference, r.Digest.Short(), r.Platform,
		r.Verdict.State, r.Coverage.State, r.Coverage.Reason, r.Findings, r.Known, r.Behind.Short(), r.Active)
}

func describeAll(v *View) (out []string) {
	for _, r := range v.Rows() {
		out = append(out, describe(r))
	}
	return out
}

func only(t testing.TB, v *View) *Row {
	t.Helper()
	if len(v.Rows()) != 1 {
		t.Fatalf("rows: %v, want one", describeAll(v))
	}
	return v.Rows()[0]
}

func TestFoldAndAdvance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("dev", "team/web", w.complete("1.0", "web 1.0", recipeOne, w.inventory("web 1.0", recipeOne, pkg("lodash", "4.17.15"))))
	e := w.engine(plimsoll.Registry{ID: "dev"})
	if e.View() != nil {
		t.Fatal("a view stands before the first fold")
	}
	row := only(t, w.fold(e))
	if row.Verdict.State != plimsoll.VerdictUnknown || row.Known["npm"].State != plimsoll.KnownNone {
		t.Errorf("without advisories: %s; want unknown, known none", describe(row))
	}
	changed := e.Changed()
	e.SetGeneration(generation("g1", flaw("2021-23337", "lodash", "4.17.21", critical)))
	select {
	case <-changed:
	default:
		t.Error("a new generation does not close Changed")
	}
	row = only(t, e.View())
	if row.Verdict.State != plimsoll.VerdictFail || row.Findings != 1 || row.Fixable != 1 || row.Counts[plimsoll.SeverityCritical] != 1 {
		t.Errorf("with advisories: %s; want fail by one fixable critical finding", describe(row))
	}
	w.put("dev", "team/web", w.complete("1.1", "web 1.1", recipeOne, w.inventory("web 1.1", recipeOne, pkg("lodash", "4.17.21"))))
	v := w.advance(e)
	if got := len(v.Rows()); got != 2 {
		t.Fatalf("after a push: %d rows, want 2", got)
	}
	if r := v.Rows()[1]; r.Verdict.State != plimsoll.VerdictPass || r.Reference.Tag != "1.1" {
		t.Errorf("the new image: %s; want pass", describe(r))
	}
	if n := v.Position()["dev"]; n != 2 {
		t.Errorf("position %d, want 2", n)
	}
	s := v.Summary()
	if s.Active != (plimsoll.Verdicts{Pass: 1, Fail: 1}) || s.Stored != s.Active {
		t.Errorf("summary %+v, want one pass and one fail", s)
	}
	if c := s.Severity[plimsoll.SeverityCritical]; c != (plimsoll.Counted{Unique: 1, Places: 1}) {
		t.Errorf("critical findings %+v, want 1 unique in 1 place", c)
	}
	w.gone("dev", "team/web", "1.0")
	if row = only(t, w.advance(e)); row.Reference.Tag != "1.1" {
		t.Errorf("after a tag went: %s", describe(row))
	}
	if events := e.View().Events(10); len(events) != 3 || events[0].Change.Kind != plimsoll.ChangeGone {
		t.Errorf("events %+v, want three, the newest first", events)
	}
}

func TestAdvisoryAndImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.inventory("web", recipeOne, pkg("lodash", "4.17.15"), pkg("left-pad", "1.0.0"))
	w.put("dev", "web", w.complete("1", "web", recipeOne, at), w.complete("2", "web", recipeOne, at))
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1", flaw("2021-1", "lodash", "4.17.21", critical), flaw("2021-2", "lodash", "", "")))
	v := w.fold(e)
	for _, id := range []string{"CVE-2021-1", "GHSA-2021-1"} {
		a, ok := v.Advisory(id)
		if !ok || a.ID != "CVE-2021-1" || len(a.Places) != 2 || a.Unique != 1 || a.Active != 2 || len(a.Records) != 1 {
			t.Errorf("Advisory(%s) = %+v, %v; want 2 places of CVE-2021-1", id, a, ok)
		}
	}
	if a, ok := v.Advisory("GHSA-0000-0000"); !ok || len(a.Places) != 0 || a.Severity != plimsoll.SeverityMedium {
		t.Errorf("a record that affects nothing: %+v, %v", a, ok)
	}
	if _, ok := v.Advisory("CVE-1999-1"); ok {
		t.Error("an advisory that nobody knows is found")
	}
	all := v.Advisories()
	if len(all) != 2 || all[0].ID != "CVE-2021-1" || all[0].Images != 2 || !all[0].Fixable || all[1].Fixable {
		t.Errorf("advisories %+v", all)
	}
	im, ok := v.Image(digest("web"))
	if !ok || len(im.Inventory.Packages) != 2 || len(im.Findings) != 2 || len(im.Rows) != 2 {
		t.Errorf("image %+v, %v", im, ok)
	}
	if f := im.Findings[0]; f.ID != "CVE-2021-1" || f.Path != "app/package-lock.json" || f.Package != "lodash" {
		t.Errorf("worst finding %+v", f)
	}
	if _, ok := v.Image(digest("other")); ok {
		t.Error("an image that no row shows is found")
	}
}

// TestLastGood: law 2, the last good verdict stays until a newer complete one stands.
func TestLastGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.complete("1", "old", recipeOne, w.inventory("old", recipeOne, pkg("lodash", "4.17.15")))
	w.put("dev", "web", good)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1", flaw("2021-1", "lodash", "4.17.21", critical)))
	w.fold(e)
	w.put("dev", "web", w.waiting("1", "new", good.Digest))
	fresh := w.engine(plimsoll.Registry{ID: "dev"})
	fresh.SetGeneration(generation("g1", flaw("2021-1", "lodash", "4.17.21", critical)))
	for name, v := range map[string]*View{"advanced": w.advance(e), "folded": w.fold(fresh)} {
		row := only(t, v)
		if row.Verdict.State != plimsoll.VerdictFail || row.Behind != digest("new") || row.Digest != digest("old") || row.Coverage.State != plimsoll.ReadWaiting {
			t.Errorf("%s, while the new one waits: %s; want the old verdict, behind", name, describe(row))
		}
	}
	w.put("dev", "web", w.complete("1", "new", recipeOne, w.inventory("new", recipeOne, pkg("lodash", "4.17.21"))))
	if row := only(t, w.advance(e)); row.Verdict.State != plimsoll.VerdictPass || row.Behind != "" || row.Digest != digest("new") {
		t.Errorf("after it was read: %s; want pass, not behind", describe(row))
	}
}

// TestUnanswered: a tag that does not answer keeps the verdict of what it named, and its coverage is failed.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.complete("1", "web", recipeOne, w.inventory("web", recipeOne, pkg("lodash", "4.17.21")))
	w.put("dev", "web", r)
	r.Observed, r.LastGood, r.Read = 2, r.Digest, plimsoll.Failed("the tag does not answer: 503")
	r.Platforms[0].Read = map[string]plimsoll.Coverage{"": r.Read, "tree": plimsoll.Complete(), "packages": plimsoll.Complete()}
	w.put("dev", "web", r)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1"))
	v := w.fold(e)
	if row := only(t, v); row.Verdict.State != plimsoll.VerdictPass || row.Coverage.State != plimsoll.ReadFailed || row.Behind != "" {
		t.Errorf("row %s; want the last verdict, coverage failed", describe(row))
	}
	gaps := v.Gaps()
	if len(gaps) != 1 || gaps[0].Images != 1 || gaps[0].Registry != "dev" || gaps[0].Advice == "" || gaps[0].Example != "dev/web:1" {
		t.Errorf("gaps %+v, want one with an example and advice", gaps)
	}
}

func TestRowsWithoutInventory(t *testing.T) {
	t.Parallel()
	chart := plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: "a Helm chart"}
	tests := map[string]struct {
		ref     func(w *world) plimsoll.Ref
		verdict plimsoll.VerdictState
		read    plimsoll.ReadState
	}{
		"waiting": {func(w *world) plimsoll.Ref { return w.waiting("1", "new", "") }, plimsoll.VerdictUnknown, plimsoll.ReadWaiting},
		"a chart": {func(w *world) plimsoll.Ref {
			r := w.complete("1", "chart", recipeOne, plimsoll.RefPlatform{Digest: digest("chart"), Kind: chart.Reason, Read: map[string]plimsoll.Coverage{"": chart}})
			r.Read = chart
			return r
		}, "", plimsoll.ReadNotApplicable},
		"inventory lost": {func(w *world) plimsoll.Ref {
			return w.complete("1", "web", recipeOne, plimsoll.RefPlatform{Digest: digest("lost"), Read: read(plimsoll.Complete())})
		}, plimsoll.VerdictUnknown, plimsoll.ReadFailed},
		"inventory of another image": {func(w *world) plimsoll.Ref {
			p := w.inventory("web", recipeOne, pkg("lodash", "1.0.0"))
			inv, err := blob.ReadJSON[plimsoll.Inventory](w.t.Context(), w.store, blob.InventoryKey(recipeOne, p.Digest))
			w.check(err)
			w.check(blob.PutJSON(w.t.Context(), w.store, blob.InventoryKey(recipeOne, digest("other")), inv))
			p.Digest = digest("other")
			return w.complete("1", "web", recipeOne, p)
		}, plimsoll.VerdictUnknown, plimsoll.ReadFailed},
		"partial": {func(w *world) plimsoll.Ref {
			c := plimsoll.Partial("a layer fails")
			inv := plimsoll.Inventory{Image: digest("web"), Recipe: recipeOne, Read: read(c)}
			w.check(blob.PutJSON(w.t.Context(), w.store, blob.PartialKey(recipeOne, inv.Image), inv))
			r := w.complete("1", "web", "", plimsoll.RefPlatform{Digest: inv.Image, Read: inv.Read, Partial: true})
			r.Read = c
			return r
		}, plimsoll.VerdictUnknown, plimsoll.ReadPartial},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("dev", "web", tt.ref(w))
			e := w.engine(plimsoll.Registry{ID: "dev"})
			e.SetGeneration(generation("g1"))
			v := w.fold(e)
			row := only(t, v)
			if row.Verdict.State != tt.verdict || row.Coverage.State != tt.read {
				t.Errorf("row %s; want verdict %q, read %s", describe(row), tt.verdict, tt.read)
			}
			want := 1
			if tt.verdict == "" {
				want = 0
			}
			if s := v.Summary(); s.Stored.Total() != want || s.Read[tt.read] != 1 {
				t.Errorf("summary %+v; want %d verdicts, one %s", s, want, tt.read)
			}
		})
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("dev", "web", w.complete("1", "web", recipeOne, w.inventory("web", recipeOne, pkg("lodash", "1.0.0"))))
	w.sweep("dev", start, recipeOne, plimsoll.SweepCount{Listed: 1, Complete: 1})
	e, off := w.engine(plimsoll.Registry{ID: "dev"}), w.engine(plimsoll.Registry{ID: "dev", Sweep: plimsoll.Schedule{Cron: "off"}})
	if row := only(t, w.fold(e)); row.Coverage.State != plimsoll.ReadComplete {
		t.Fatalf("fresh: %s", describe(row))
	}
	w.fold(off)
	w.clock.at = start.Add(49 * time.Hour)
	if row := only(t, w.advance(e)); row.Coverage.State != plimsoll.ReadStale || row.Coverage.Reason == "" {
		t.Errorf("49 hours after the listing: %s; want stale", describe(row))
	}
	if row := only(t, w.advance(off)); row.Coverage.State != plimsoll.ReadComplete {
		t.Errorf("with sweeps off: %s; want complete", describe(row))
	}
	w.sweep("dev", w.clock.at, recipeOne, plimsoll.SweepCount{Listed: 1, Complete: 1})
	if row := only(t, w.advance(e)); row.Coverage.State != plimsoll.ReadComplete {
		t.Errorf("after a listing: %s; want complete again", describe(row))
	}
	w.clock.at = w.clock.at.Add(time.Hour)
	w.sweep("dev", w.clock.at, recipeTwo, plimsoll.SweepCount{Listed: 1, Complete: 1})
	if row := only(t, w.advance(e)); row.Coverage.State != plimsoll.ReadStale {
		t.Errorf("after a sweep by a newer recipe: %s; want stale", describe(row))
	}
	registries := e.View().Registries()
	if len(registries) != 1 || registries[0].Sweep == nil || len(registries[0].Recent) != 3 || !registries[0].LastComplete.Equal(w.clock.at) {
		t.Errorf("registries %+v", registries)
	}
	back := w.complete("1", "web", recipeOne, w.inventory("web", recipeOne, pkg("lodash", "1.0.0")))
	back.Observed = w.clock.at.Add(time.Second).UnixNano()
	w.put("dev", "web", back)
	if row := only(t, w.advance(e)); row.Coverage.State != plimsoll.ReadStale {
		t.Errorf("seen again after that sweep, and not read: %s; want stale", describe(row))
	}
	back.ReadAt = back.Observed
	w.put("dev", "web", back)
	if row := only(t, w.advance(e)); row.Coverage.State != plimsoll.ReadComplete {
		t.Errorf("read after that sweep, by the recipe before: %s; want complete", describe(row))
	}
}

// TestGap: a hole in the log stops its stream, is said in the view and by Advance, and ends when it is mended.
func TestGap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("dev", "web", w.complete("1", "one", recipeOne, w.inventory("one", recipeOne)))
	w.put("lab", "web", w.complete("1", "one", recipeOne, w.inventory("one", recipeOne)))
	e := w.engine(plimsoll.Registry{ID: "dev"}, plimsoll.Registry{ID: "lab"})
	w.fold(e)
	w.put("dev", "web", w.complete("2", "one", recipeOne, w.inventory("one", recipeOne)))
	w.put("dev", "web", w.complete("3", "one", recipeOne, w.inventory("one", recipeOne)))
	w.put("lab", "web", w.complete("2", "one", recipeOne, w.inventory("one", recipeOne)))
	missing, err := w.store.Get(t.Context(), blob.ChangeKey("dev", 2))
	w.check(err)
	w.check(w.store.Delete(t.Context(), blob.ChangeKey("dev", 2)))
	if _, err := e.Advance(t.Context()); err == nil {
		t.Error("Advance over a gap: no error")
	}
	v := e.View()
	if len(v.Faults()) != 1 || v.Position()["dev"] != 1 || v.Position()["lab"] != 2 || len(v.Rows()) != 3 {
		t.Errorf("faults %q, position %v, %d rows; want one fault, dev at 1, lab at 2, 3 rows", v.Faults(), v.Position(), len(v.Rows()))
	}
	w.check(w.store.Put(t.Context(), blob.ChangeKey("dev", 2), missing.Bytes))
	v = w.advance(e)
	if len(v.Faults()) != 0 || len(v.Rows()) != 5 {
		t.Errorf("mended: faults %q, %d rows; want none, 5", v.Faults(), len(v.Rows()))
	}
}

// TestSweepCountsDiffer: what was never announced is found at the sweep's end.
func TestSweepCountsDiffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("dev", "web", w.complete("1", "one", recipeOne, w.inventory("one", recipeOne)))
	e := w.engine(plimsoll.Registry{ID: "dev"})
	w.fold(e)
	w.refs("dev", "web", w.complete("2", "two", recipeOne, w.inventory("two", recipeOne))) // nobody says so
	if v := w.advance(e); len(v.Rows()) != 1 {
		t.Fatalf("%d rows before the sweep, want 1", len(v.Rows()))
	}
	w.sweep("dev", start, recipeOne, plimsoll.SweepCount{Listed: 2, Complete: 2})
	if v := w.advance(e); len(v.Rows()) != 2 {
		t.Errorf("after it: %v, want 2 rows", describeAll(v))
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	w.fold(e)
	done := make(chan error, 1)
	go func() { done <- e.Wait(t.Context(), map[string]int64{"dev": 1}) }()
	w.put("dev", "web", w.waiting("1", "one", ""))
	w.advance(e)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Wait(ctx, map[string]int64{"dev": 2}); err == nil {
		t.Error("Wait beyond the log's end with an ended context: no error")
	}
}
