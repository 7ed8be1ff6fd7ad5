package advisory

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func newStore(t testing.TB) *blob.Store {
	t.Helper()
	c, stop, err := blobtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s, err := blob.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// record is an OSV record of an npm package, affected below fixed.
func record(id, name, fixed string) string {
	return fmt.Sprintf(`{"id":%q,"modified":"2026-01-02T03:04:05Z","summary":"a flaw","affected":[{"package":{"ecosystem":"npm","name":%q},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":%q}]}]}]}`, id, name, fixed)
}

// zipOf writes a feed: name → content.
func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// feedOf is a zip with n records.
func feedOf(t testing.TB, n int, more map[string]string) []byte {
	files := map[string]string{}
	for i := range n {
		id := fmt.Sprintf("GHSA-%04d", i)
		files[id+".json"] = record(id, fmt.Sprint("package-", i), "1.0.0")
	}
	maps.Copy(files, more)
	return zipOf(t, files)
}

func folderOf(feeds map[string][]byte) fstest.MapFS {
	f := fstest.MapFS{}
	for name, b := range feeds {
		f[name+"/all.zip"] = &fstest.MapFile{Data: b}
	}
	return f
}

func updater(t testing.TB, s *blob.Store, f fs.FS, at *time.Time) *Updater {
	return NewUpdater(s, Files("folder", f), Options{Now: func() time.Time { return *at }})
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	s, at := newStore(t), start
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 3, nil), "PyPI": zipOf(t, map[string]string{
		"PYSEC-1.json": `{"id":"PYSEC-1","modified":"2026-01-02T03:04:05Z","affected":[{"package":{"ecosystem":"PyPI","name":"Flask_Login"},"versions":["1.0"]}]}`,
	})})
	u := updater(t, s, folder, &at)
	x, changed, err := u.Update(t.Context())
	if err != nil || !changed {
		t.Fatalf("first update: changed %v, %v", changed, err)
	}
	g := x.Generation()
	if g.ID != "2026-11-25T120000Z" || len(g.Feeds) != 2 || g.Feeds[1].Records != 3 || g.Source != "folder" {
		t.Errorf("generation %+v", g)
	}
	if n := len(x.Entries("PyPI", "flask.login")); n != 1 {
		t.Errorf("PyPI names are not normalised: %d entries", n)
	}
	at = at.Add(time.Hour)
	x, changed, err = u.Update(t.Context())
	if err != nil || changed || x.Generation().ID != g.ID || !x.Generation().Feeds[0].Checked.Equal(at) {
		t.Errorf("nothing new: changed %v, %v, %+v; want the same generation, checked now", changed, err, x.Generation())
	}
	// Another process, the same folder: known from the bucket, nothing is written.
	x, changed, err = updater(t, s, folder, &at).Update(t.Context())
	if err != nil || changed || x.Generation().ID != g.ID || x.Len() != 4 {
		t.Errorf("after a restart: changed %v, %v, %d records", changed, err, x.Len())
	}
	folder["npm/all.zip"].Data = feedOf(t, 4, nil)
	x, changed, err = u.Update(t.Context())
	if err != nil || !changed || x.Len() != 5 || x.Generation().Parent != g.ID {
		t.Errorf("a record more: changed %v, %v, %d records, parent %s", changed, err, x.Len(), x.Generation().Parent)
	}
	if f, _ := x.Feed("PyPI"); f.Pack != g.Feeds[0].Pack {
		t.Error("the pack of a feed that did not change is another")
	}
	var subjects []string
	for b, err := range s.Changes(t.Context(), plimsoll.StreamAdvisories, 0) {
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, string(b.Changes[0].Kind)+" "+b.Changes[0].Subject)
	}
	if want := []string{"generation 2026-11-25T120000Z", "generation 2026-11-25T130000Z"}; !slices.Equal(subjects, want) {
		t.Errorf("change log %q, want %q", subjects, want)
	}
	again, err := Latest(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Collect(x.Records()), slices.Collect(again.Records())); diff != "" {
		t.Errorf("index from packs (-updated +loaded):\n%s", diff)
	}
}

// TestBadFeeds: whatever happens to one feed, it keeps its last good pack and says why; the other goes on (HOSTILE H51, F26).
func TestBadFeeds(t *testing.T) {
	t.Parallel()
	good := feedOf(t, 100, nil)
	old := strings.NewReplacer("2026-01-02", "2020-01-02")
	older := map[string]string{}
	for i := range 100 {
		id := fmt.Sprintf("GHSA-%04d", i)
		older[id+".json"] = old.Replace(record(id, "x", "2.0.0"))
	}
	withdrawn := map[string]string{}
	for i := range 40 {
		id := fmt.Sprintf("GHSA-%04d", i)
		withdrawn[id+".json"] = strings.Replace(record(id, "x", "2.0.0"), `"summary"`, `"withdrawn":"2026-02-01T00:00:00Z","summary"`, 1)
	}
	tests := map[string]struct {
		zip  []byte
		want string // in the feed's error
	}{
		"truncated":       {good[:len(good)/2], "no readable zip"},
		"garbage":         {[]byte("<html>"), "no readable zip"},
		"empty file":      {nil, "no readable zip"},
		"no record":       {zipOf(t, nil), "no usable record"},
		"only bad ones":   {zipOf(t, map[string]string{"a.json": "{}"}), "no usable record (1 skipped)"},
		"damaged bytes":   {damaged(good), "integrity"},
		"bomb":            {bomb(t), "expand to more than"},
		"one id twice":    {twice(t, good), ""},
		"only ../ names":  {zipOf(t, map[string]string{"../GHSA-1.json": record("GHSA-1", "a", "1"), "a/../../GHSA-2.json": record("GHSA-2", "a", "1")}), "no usable record (2 skipped)"},
		"back in time":    {zipOf(t, older), "older than"},
		"shrunk":          {feedOf(t, 70, nil), "30 of 100 records are gone"},
		"many withdrawn":  {feedOf(t, 100, withdrawn), "40 of 100 records are gone"},
		"a few withdrawn": {feedOf(t, 85, nil), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, at := newStore(t), start
			folder := folderOf(map[string][]byte{"npm": good, "crates.io": feedOf(t, 1, nil)})
			u := updater(t, s, folder, &at)
			first, _, err := u.Update(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			folder["npm/all.zip"].Data = tt.zip
			folder["crates.io/all.zip"].Data = feedOf(t, 2, nil)
			at = at.Add(time.Hour)
			x, changed, err := u.Update(t.Context())
			was, _ := first.Feed("npm")
			is, _ := x.Feed("npm")
			if tt.want == "" {
				if err != nil || is.Error != "" || is.Records < 85 {
					t.Errorf("feed %+v, %v; want it taken", is, err)
				}
				return
			}
			if err == nil || !strings.Contains(is.Error, tt.want) {
				t.Errorf("error %q (%v), want %q", is.Error, err, tt.want)
			}
			if is.Pack != was.Pack || !is.Checked.Equal(was.Checked) || x.Len() != 100 {
				t.Errorf("feed %+v, %d records; want the last good pack", is, x.Len())
			}
			if other, _ := x.Feed("crates.io"); !changed || other.Records != 2 || other.Error != "" {
				t.Errorf("the other feed did not go on: %+v", other)
			}
			x, _, err = updater(t, s, folder, &at).Accept(t.Context())
			guarded := strings.Contains(tt.want, "gone") || strings.Contains(tt.want, "older")
			if is, _ = x.Feed("npm"); guarded != (is.Error == "" && is.Pack != was.Pack) {
				t.Errorf("accepted: %+v, %v", is, err)
			}
		})
	}
}

// bomb is a small zip that expands to 160 MB.
func bomb(t testing.TB) []byte {
	files := map[string]string{}
	for i := range 11 {
		id := fmt.Sprintf("GHSA-%04d", i)
		files[id+".json"] = record(id, "a", "1") + strings.Repeat(" ", 15<<20)
	}
	return zipOf(t, files)
}

// twice is a feed whose first record stands in it twice.
func twice(t testing.TB, feed []byte) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(feed), int64(len(feed)))
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range append(r.File[:1:1], r.File...) {
		if err := w.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestManyWithdrawn: a feed of 13,600 malicious packages that are all withdrawn at once, as 136,000 of osv.dev's were
// (google/osv.dev issue 5696), stays as it was until an operator confirms it.
func TestManyWithdrawn(t *testing.T) {
	t.Parallel()
	const n = 13_600
	feed := func(withdrawn string) []byte {
		files := map[string]string{"GHSA-1.json": record("GHSA-1", "left", "1.0.0")}
		for i := range n {
			id := fmt.Sprintf("MAL-2026-%d", i)
			files[id+".json"] = fmt.Sprintf(`{"id":%q,"modified":"2026-01-02T03:04:05Z",%s"affected":[{"package":{"ecosystem":"npm","name":"evil-%d"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`, id, withdrawn, i)
		}
		return zipOf(t, files)
	}
	s, at := newStore(t), start
	folder := folderOf(map[string][]byte{"npm": feed("")})
	u := updater(t, s, folder, &at)
	if x, _, err := u.Update(t.Context()); err != nil || x.Len() != n+1 {
		t.Fatal(x.Len(), err)
	}
	folder["npm/all.zip"].Data = feed(`"withdrawn":"2026-01-03T00:00:00Z",`)
	for range 2 {
		x, changed, err := u.Update(t.Context())
		if f, _ := x.Feed("npm"); changed || err == nil || x.Len() != n+1 || !strings.Contains(f.Error, "13600 of 13601 records are gone or withdrawn") {
			t.Fatalf("changed %v, %d records, %v; want the last good state and why", changed, x.Len(), err)
		}
	}
	x, changed, err := u.Accept(t.Context())
	if f, _ := x.Feed("npm"); !changed || err != nil || x.Len() != 1 || f.Withdrawn != n {
		t.Errorf("confirmed: changed %v, %d records, %v", changed, x.Len(), err)
	}
}

// damaged has a flipped byte within a record; the zip's directory stays whole.
func damaged(b []byte) []byte {
	out := bytes.Clone(b)
	out[60] ^= 0xff
	return out
}

// TestBadRecords: a record that cannot be used is skipped, counted and named; its feed goes on (HOSTILE H50).
func TestBadRecords(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ name, json, why string }{
		"not JSON":         {"GHSA-x", `{`, "JSON"},
		"no id":            {"GHSA-x", `{"modified":"2026-01-02T03:04:05Z"}`, "id"},
		"path as id":       {"GHSA-x", `{"id":"../x","modified":"2026-01-02T03:04:05Z"}`, "id"},
		"no date":          {"GHSA-x", `{"id":"GHSA-x"}`, "modified"},
		"other id":         {"GHSA-x", `{"id":"GHSA-y","modified":"2026-01-02T03:04:05Z"}`, "holds"},
		"wrong type":       {"GHSA-x", `{"id":"GHSA-x","modified":"2026-01-02T03:04:05Z","affected":{}}`, "json"},
		"nameless package": {"GHSA-x", `{"id":"GHSA-x","modified":"2026-01-02T03:04:05Z","affected":[{"package":{"ecosystem":"npm"}}]}`, "name"},
		"two in one event": {"GHSA-x", strings.Replace(record("GHSA-x", "a", "1"), `{"fixed":"1"}`, `{"fixed":"1","limit":"2"}`, 1), "2 fields"},
		"no introduced":    {"GHSA-x", strings.Replace(record("GHSA-x", "a", "1"), `{"introduced":"0"},`, ``, 1), "introduced"},
		"unknown range":    {"GHSA-x", strings.Replace(record("GHSA-x", "a", "1"), "SEMVER", "MAGIC", 1), "MAGIC"},
		"huge version":     {"GHSA-x", record("GHSA-x", "a", strings.Repeat("9", 2000)), "longer"},
		"folder":           {"../GHSA-x", record("GHSA-x", "a", "1"), "name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := stage(feedOf(t, 1, map[string]string{tt.name + ".json": tt.json}), start)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.records) != 1 || s.skipped != 1 || len(s.skippedID) != 1 || !strings.Contains(s.skippedID[0], tt.why) {
				t.Errorf("%d records, skipped %d: %q; want one, and one skipped because of %q", len(s.records), s.skipped, s.skippedID, tt.why)
			}
		})
	}
}

// TestOddRecords: strange and still usable.
func TestOddRecords(t *testing.T) {
	t.Parallel()
	a, err := Decode([]byte(`{"id":"X-1","modified":"2026-01-02T03:04:05.123456Z","published":"0001-01-01T00:00:00Z","aliases":["CVE-1","CVE-1","../x",""],
		"summary":"<b>\u202eevil\nline</b>","severity":[{"type":"CVSS_V3","score":"NaN"}],"database_specific":{"severity":"Medium"},
		"affected":[
			{"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]},
			{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]},
			{"package":{"ecosystem":"npm","name":"b"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"database_specific":{"severity":7}},
			{"package":{"ecosystem":"Nowhere:1","name":"c"},"versions":["1"],"ecosystem_specific":{"severity":"High"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := plimsoll.Advisory{
		ID: "X-1", Modified: time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC), Aliases: []string{"CVE-1"}, Summary: "<b> evil line</b>",
		Severity: []plimsoll.Score{{Type: "CVSS_V3", Score: "NaN"}},
		Affected: []plimsoll.Affected{
			{Ecosystem: "npm", Package: "b", Level: "Medium", Ranges: []plimsoll.Range{{Type: "SEMVER", Events: []plimsoll.Event{{Introduced: "0"}}}}},
			{Ecosystem: "Nowhere:1", Package: "c", Level: "High", Versions: []string{"1"}},
		},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDuplicateIDs(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, fixed := range []string{"1.0.0", "2.0.0"} {
		f, err := w.Create("GHSA-1.json")
		if err != nil {
			t.Fatal(err)
		}
		date := map[string]string{"1.0.0": "2026-05", "2.0.0": "2026-01"}[fixed]
		f.Write([]byte(strings.Replace(record("GHSA-1", "a", fixed), "2026-01", date, 1)))
	}
	w.Close()
	s, err := stage(buf.Bytes(), start)
	if err != nil || len(s.records) != 1 || s.skipped != 1 || s.records[0].Affected[0].Ranges[0].Events[1].Fixed != "1.0.0" {
		t.Errorf("%+v, %v; want the newer one, the other skipped", s, err)
	}
}

func TestRecordBound(t *testing.T) {
	t.Parallel()
	large := record("GHSA-x", "a", "1") + strings.Repeat(" ", MaxRecord)
	s, err := stage(feedOf(t, 1, map[string]string{"GHSA-x.json": large}), start)
	if err != nil || len(s.records) != 1 || s.skipped != 1 || !strings.Contains(s.skippedID[0], "larger") {
		t.Errorf("%d records, skipped %q, %v; want the large one skipped", len(s.records), s.skippedID, err)
	}
}

func TestBadFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{filepath.Join(dir, "none"), file, "http://", "http://user:secret@host/"} {
		if _, err := Open(at, WebOptions{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q): %v; want an error without secrets", at, err)
		}
	}
	s, at := newStore(t), start
	u := updater(t, s, fstest.MapFS{}, &at)
	x, changed, err := u.Update(t.Context())
	if !errors.Is(err, plimsoll.ErrNotFound) || changed || x == nil || x.Len() != 0 {
		t.Errorf("an empty folder: %v, %v; want not found and the empty index", changed, err)
	}
	// The folder goes away later: what is known stays, and every feed says why it may be old.
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 2, nil)})
	u = updater(t, s, folder, &at)
	if _, _, err := u.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	delete(folder, "npm/all.zip")
	x, changed, err = u.Update(t.Context())
	if f, _ := x.Feed("npm"); err == nil || changed || x.Len() != 2 || f.Error == "" {
		t.Errorf("the folder went away: %v, %v, %+v", changed, err, f)
	}
}

func TestFeedNames(t *testing.T) {
	t.Parallel()
	got := feedNames([]string{"npm", "", " Go ", "Debian:12", "../etc", ".hidden", "a/b", "Azure Linux", strings.Repeat("x", 200), "npm", "bad\x1bname"})
	if want := []string{"Azure Linux", "Go", "npm"}; !slices.Equal(got, want) {
		t.Errorf("feed names %q, want %q", got, want)
	}
}

func TestWeb(t *testing.T) {
	t.Parallel()
	body := feedOf(t, 2, nil)
	var mu sync.Mutex // of what follows: requests come at the same time
	fetched, broken := map[string]int{}, false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ecosystems.txt":
			fmt.Fprintln(w, "npm\nAzure Linux\nDebian:12\nmissing")
		case "/npm/all.zip", "/Azure Linux/all.zip":
			w.Header().Set("ETag", `"one"`)
			if r.Header.Get("If-None-Match") == `"one"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			fetched[r.URL.Path]++
			if broken {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				w.Write(body[:10])
				return
			}
			w.Write(body)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	s, at := newStore(t), start
	source, err := Open(srv.URL+"/", WebOptions{})
	if err != nil {
		t.Fatal(err)
	}
	u := NewUpdater(s, source, Options{Now: func() time.Time { return at }})
	x, changed, err := u.Update(t.Context())
	if !changed || err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("changed %v, %v; want a generation, and the feed that is not there named", changed, err)
	}
	if x.Len() != 2 || len(x.Generation().Feeds) != 3 {
		t.Errorf("%d records, feeds %+v", x.Len(), x.Generation().Feeds)
	}
	x, changed, _ = u.Update(t.Context())
	mu.Lock()
	if changed || fetched["/npm/all.zip"] != 1 || fetched["/Azure Linux/all.zip"] != 1 {
		t.Errorf("changed %v, fetched %v; want nothing fetched twice", changed, fetched)
	}
	broken = true
	mu.Unlock()
	x, _, err = NewUpdater(s, stampless{source}, Options{Now: func() time.Time { return at }}).Update(t.Context())
	if f, _ := x.Feed("npm"); err == nil || f.Error == "" || f.Records != 2 {
		t.Errorf("a broken download: %+v, %v; want the last good pack and an error", f, err)
	}
}

// stampless is a source that asks without conditions.
type stampless struct{ Source }

func (s stampless) Zip(ctx context.Context, e string, _ Stamp) (Answer, error) {
	return s.Source.Zip(ctx, e, Stamp{})
}

// TestDamagedPack: a generation whose pack is damaged is passed over; the source makes it whole again.
func TestDamagedPack(t *testing.T) {
	t.Parallel()
	s, at := newStore(t), start
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 2, nil)})
	x, _, err := updater(t, s, folder, &at).Update(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, _ := x.Feed("npm")
	if err := s.Put(t.Context(), blob.PackKey("npm", f.Pack), []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := Latest(t.Context(), s, ""); !errors.Is(err, plimsoll.ErrIntegrity) {
		t.Errorf("Latest with a damaged pack: %v; want integrity", err)
	}
	at = at.Add(time.Minute)
	x, changed, err := updater(t, s, folder, &at).Update(t.Context())
	if !changed || x.Len() != 2 || !errors.Is(err, plimsoll.ErrIntegrity) {
		t.Errorf("changed %v, %d records, %v; want it made again and the damage said", changed, x.Len(), err)
	}
	if _, err := Latest(t.Context(), s, ""); err != nil {
		t.Errorf("Latest afterwards: %v", err)
	}
	if err := s.Delete(t.Context(), blob.PackKey("npm", f.Pack)); err != nil {
		t.Fatal(err)
	}
	if x, err := Latest(t.Context(), s, ""); x.Len() != 0 || !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("Latest without the pack: %d records, %v; want the empty index and not found", x.Len(), err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(record("GHSA-1", "a", "1.0.0")))
	f.Add([]byte(`{"id":"X-1","modified":"2026-01-02T03:04:05Z","aliases":["X-1"],"affected":[{"package":{"ecosystem":"npm","name":"b"},"versions":["1"]}]}`))
	f.Add([]byte(`{"id":"X-1","modified":"0001-01-01T00:00:00Z","severity":null,"database_specific":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Decode(b)
		if err != nil {
			if !errors.Is(err, plimsoll.ErrInvalid) {
				t.Errorf("error %v is not invalid", err)
			}
			return
		}
		if !idForm.MatchString(a.ID) || strings.ContainsAny(a.Summary, "\n\x1b") {
			t.Errorf("decoded %+v", a)
		}
		pack, err := encodePack([]plimsoll.Advisory{a})
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodePack(pack)
		if err != nil || len(back) != 1 {
			t.Fatalf("pack %s: %v", pack, err)
		}
		again, err := encodePack(back)
		if err != nil || !bytes.Equal(pack, again) {
			t.Errorf("a pack changes when it is written again:\n%s%s", pack, again)
		}
		_ = json.Valid(pack)
	})
}

func FuzzStage(f *testing.F) {
	f.Add(feedOf(f, 2, nil))
	f.Add([]byte("PK"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := stage(b, start)
		if err == nil && len(s.records)+s.withdrawn == 0 {
			t.Error("a feed without records is no error")
		}
	})
}
