package advisory

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

const ownRecord = `{
  "id": "PLIM-2026-0001",
  "aliases": ["CVE-2026-4242"],
  "summary": "a flaw that nobody has published yet",
  "affected": [{"package": {"ecosystem": "npm", "name": "package-1"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]},
               {"package": {"ecosystem": "Debian:13", "name": "openssl"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]
}`

// TestOwn: our own records are in the next generation at once, with or without a source, join with a public record when that
// comes, and are data for no ecosystem.
func TestOwn(t *testing.T) {
	t.Parallel()
	s, at := newStore(t), start
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 30, nil)})
	u := updater(t, s, folder, &at)
	x, _, err := u.Update(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := x
	ids, err := AddOwn(t.Context(), s, []byte(ownRecord), "alice", at)
	if err != nil || !slices.Equal(ids, []string{"PLIM-2026-0001"}) {
		t.Fatal(ids, err)
	}
	x, changed, err := u.Update(t.Context())
	if err != nil || !changed || x.Generation().Own.Records != 1 || x.Len() != 31 {
		t.Fatalf("changed %v, %v, own %+v", changed, err, x.Generation().Own)
	}
	if n := len(x.Entries("npm", "package-1")); n != 2 {
		t.Errorf("%d entries of the package, want the public one and ours", n)
	}
	if d := Delta(before, x); !slices.Equal(d, []Name{{"Debian", "openssl"}, {"npm", "package-1"}}) {
		t.Errorf("delta %v", d)
	}
	if known, released := x.Covers("Debian:13"); known || released || len(x.Entries("Debian:13", "openssl")) != 1 {
		t.Error("our own record counts as data of its ecosystem, or is not found")
	}
	if _, ok := x.Feed(ownFeed); ok {
		t.Error("our own records count as a feed of an ecosystem")
	}
	// The public record comes, by the CVE that ours names.
	folder["npm/all.zip"].Data = feedOf(t, 30, map[string]string{"GHSA-new.json": strings.Replace(record("GHSA-new", "package-1", "3.0.0"), `"summary"`, `"aliases":["CVE-2026-4242"],"summary"`, 1)})
	if x, _, err = u.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	if about := x.About("CVE-2026-4242"); len(about) != 2 || x.Flaw("PLIM-2026-0001") != "CVE-2026-4242" {
		t.Errorf("%d records about the flaw, ours is known as %s", len(about), x.Flaw("PLIM-2026-0001"))
	}
	// Another process without any source: a new version, then taken back.
	at = at.Add(1)
	if _, err := AddOwn(t.Context(), s, []byte(strings.Replace(ownRecord, "package-1", "package-2", 1)), "bob", at); err != nil {
		t.Fatal(err)
	}
	lone := NewUpdater(s, None(errors.New("none is configured")), u.o)
	x, changed, err = lone.Update(t.Context())
	if err == nil || !changed || len(x.Entries("npm", "package-1")) != 2 || len(x.Entries("npm", "package-2")) != 2 {
		t.Errorf("changed %v, %v: %d and %d entries", changed, err, len(x.Entries("npm", "package-1")), len(x.Entries("npm", "package-2")))
	}
	if _, err := AddOwn(t.Context(), s, []byte(`[{"id":"PLIM-2026-0001","withdrawn":"2026-11-25T12:00:00Z"}]`), "bob", at); err != nil {
		t.Fatal(err)
	}
	if x, _, _ = lone.Update(t.Context()); x.Generation().Own.Records != 0 || x.Generation().Own.Withdrawn != 1 || len(x.Entries("npm", "package-2")) != 1 {
		t.Errorf("taken back: own %+v", x.Generation().Own)
	}
	versions := 0
	for e, err := range s.List(t.Context(), blob.OwnPrefix("PLIM-2026-0001"), "") {
		if err != nil {
			t.Fatal(err)
		}
		versions++
		if v, err := blob.ReadJSON[ownVersion](t.Context(), s, e.Key); err != nil || v.Actor != []string{"alice", "bob", "bob"}[versions-1] {
			t.Errorf("%s: %+v, %v", e.Key, v, err)
		}
	}
	if versions != 3 {
		t.Errorf("%d versions are kept, want 3", versions)
	}
}

// TestOwnFaults: what is wrong with a record is said, all of it, and nothing of its file is kept.
func TestOwnFaults(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	tests := map[string]struct{ file, want string }{
		"no JSON":         {"{\n\n  nothing\n}", "line 3"},
		"another's id":    {strings.Replace(ownRecord, "PLIM-2026-0001", "CVE-2026-1", 1), "others' ids are others'"},
		"a path":          {strings.Replace(ownRecord, "PLIM-2026-0001", "PLIM-../x", 1), "id"},
		"no package":      {`{"id":"PLIM-1"}`, "names no package"},
		"no ecosystem":    {strings.Replace(ownRecord, `"npm"`, `""`, 1), "affected[0]"},
		"no introduced":   {strings.Replace(ownRecord, `{"introduced": "0"}`, `{"fixed": "2"}`, 1), "introduced"},
		"a range of GIT":  {strings.NewReplacer("SEMVER", "MAGIC").Replace(ownRecord), "MAGIC"},
		"odd ecosystem":   {strings.Replace(ownRecord, `"npm"`, `"../npm"`, 1), "write OSV's name"},
		"a bad second":    {"[" + ownRecord + `,{"id":"PLIM-2"}]`, "record 2"},
		"nothing":         {"", "JSON"},
		"a date of words": {strings.Replace(ownRecord, `"summary"`, `"modified": "yesterday", "summary"`, 1), "RFC 3339"},
	}
	for name, tt := range tests {
		if _, err := AddOwn(t.Context(), s, []byte(tt.file), "alice", start); !errors.Is(err, plimsoll.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want invalid and %q", name, err, tt.want)
		}
	}
	for e, err := range s.List(t.Context(), blob.PrefixOwn, "") {
		t.Errorf("%s is kept, %v", e.Key, err)
	}
}

const kevFile = `{"dateReleased":"2026-11-24T10:00:00Z","vulnerabilities":[
	{"cveID":"CVE-2026-4242","dateAdded":"2026-11-20","dueDate":"2026-12-11","knownRansomwareCampaignUse":"Known"},{"cveID":"nonsense","dateAdded":"2026-11-20"}]}`

// TestEnrichmentFeeds: feeds about exploitation are kept in generations like the others, fail by themselves, and are looked up
// by CVE.
func TestEnrichmentFeeds(t *testing.T) {
	t.Parallel()
	s, at, dir := newStore(t), start, t.TempDir()
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 3, map[string]string{
		"GHSA-a.json": strings.Replace(record("GHSA-a", "package-a", "3.0.0"), `"summary"`, `"aliases":["CVE-2026-4242"],"summary"`, 1),
	})})
	folder["enrichment/known_exploited_vulnerabilities.json"] = folderOf(map[string][]byte{"x": []byte(kevFile)})["x/all.zip"]
	epss := filepath.Join(dir, "epss.csv")
	write := func(score string) {
		if err := os.WriteFile(epss, []byte("#model_version:v2026.03.01,score_date:2026-11-24T00:00:00+0000\ncve,epss,percentile\nCVE-2026-4242,"+score+",0.91\nCVE-2026-1,2,1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("0.5")
	ask, err := At(epss, WebOptions{})
	if err != nil {
		t.Fatal(err)
	}
	u := updater(t, s, folder, &at)
	u.o.Cache = Cache(t.TempDir())
	u.o.Enrichment = map[enrich.Kind]func(context.Context, Stamp) (Answer, error){enrich.EPSS: ask}
	x, _, err := u.Update(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := x.Generation()
	if len(g.Enrichment) != 2 || g.Enrichment[0].Records != 1 || g.Enrichment[0].Skipped != 1 || g.Enrichment[1].Skipped != 1 || len(g.Feeds) != 1 {
		t.Fatalf("enrichment %+v, feeds %d", g.Enrichment, len(g.Feeds))
	}
	check := func(x *Index, score float64) {
		t.Helper()
		e, ok := x.Enrichment("CVE-2026-4242")
		if !ok || !e.KEV.Ransomware || e.KEV.Due.Format("2006-01-02") != "2026-12-11" || e.EPSS.Score != score || e.EPSS.Percentile != 0.91 || !e.Exploited() {
			t.Errorf("enrichment %+v, %v", e, ok)
		}
		if _, ok := x.Enrichment("GHSA-0001"); ok {
			t.Error("something is said of what is no CVE")
		}
	}
	check(x, 0.5)
	check(reopen(t, x), 0.5)
	loaded, err := Latest(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	check(loaded, 0.5)
	at = at.Add(1)
	write("0.75")
	delete(folder, "enrichment/known_exploited_vulnerabilities.json")
	y, changed, err := u.Update(t.Context())
	if !changed || err == nil || !strings.Contains(err.Error(), "KEV") {
		t.Errorf("changed %v, %v; want a generation and the feed that went away named", changed, err)
	}
	check(y, 0.75)
	if d := Delta(x, y); !slices.Equal(d, []Name{{"npm", "package-a"}}) {
		t.Errorf("delta %v", d)
	}
	if d := Delta(y, y); len(d) != 0 {
		t.Errorf("delta with itself %v", d)
	}
}
