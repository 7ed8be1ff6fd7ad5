package advisory

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
)

// bucket is a server in osv.dev's layout with one feed, "Azure Linux", whose records tests change.
type bucket struct {
	t       testing.TB
	mu      sync.Mutex
	records map[string]string    // id → JSON
	dates   map[string]time.Time // id → modified as listed
	zipped  []byte               // all.zip as it was last made
	asked   map[string]int       // path → answers with content
	status  int                  // of every answer, unless 0
	header  string               // Retry-After
	noList  bool
}

func newBucket(t testing.TB, n int) (*bucket, *httptest.Server) {
	b := &bucket{t: t, records: map[string]string{}, dates: map[string]time.Time{}, asked: map[string]int{}}
	for i := range n {
		b.put(fmt.Sprintf("AZL-%04d", i), "1.0.0", start.Add(-time.Duration(1000-i)*time.Hour))
	}
	b.zip()
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	return b, srv
}

func azure(id, fixed string, at time.Time) string {
	return strings.NewReplacer("2026-01-02T03:04:05Z", at.Format(time.RFC3339), `"npm"`, `"Azure Linux:3"`, "SEMVER", "ECOSYSTEM").Replace(record(id, "package-"+id, fixed))
}

func (b *bucket) put(id, fixed string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records[id], b.dates[id] = azure(id, fixed, at), at
}

func (b *bucket) zip() {
	files := map[string]string{}
	for id, json := range b.records {
		files[id+".json"] = json
	}
	b.zipped = zipOf(b.t, files)
}

func (b *bucket) list() string {
	var lines []string
	for id, at := range b.dates {
		lines = append(lines, at.Format(time.RFC3339)+","+id)
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	return strings.Join(lines, "\n") + "\n"
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name, inFeed := strings.CutPrefix(r.URL.Path, "/Azure Linux/")
	if strings.Contains(r.RequestURI, " ") {
		b.t.Errorf("request %q is not escaped", r.RequestURI)
	}
	send := func(body []byte) {
		tag := `"` + sumOf(body)[:16] + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		b.asked[r.URL.Path]++
		_, _ = w.Write(body)
	}
	id, isRecord := strings.CutSuffix(name, ".json")
	switch {
	case b.status != 0:
		b.asked["refused"]++
		w.Header().Set("Retry-After", b.header)
		w.WriteHeader(b.status)
	case r.URL.Path == "/ecosystems.txt":
		send([]byte("Azure Linux\n"))
	case inFeed && name == "all.zip":
		send(b.zipped)
	case inFeed && name == "modified_id.csv" && !b.noList:
		send([]byte(b.list()))
	case inFeed && isRecord && b.records[id] != "":
		send([]byte(b.records[id]))
	default:
		http.NotFound(w, r)
	}
}

// counts gives the answers with content since the last call: zips, lists, records.
func (b *bucket) counts() (zips, lists, records int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for path, n := range b.asked {
		switch {
		case strings.HasSuffix(path, "all.zip"):
			zips += n
		case strings.HasSuffix(path, ".csv"):
			lists += n
		case strings.HasSuffix(path, ".json"):
			records += n
		}
	}
	clear(b.asked)
	return zips, lists, records
}

func webUpdater(t testing.TB, url string, at *time.Time) *Updater {
	now := func() time.Time { return *at }
	source, err := Open(url, WebOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return NewUpdater(newStore(t), source, Options{Now: now})
}

// TestIncrements: of a feed that changed a little only the records that did are fetched, and the result is what the whole zip
// gives.
func TestIncrements(t *testing.T) {
	t.Parallel()
	at := start
	b, srv := newBucket(t, 600)
	future := start.Add(365 * 24 * time.Hour)
	b.put("AZL-2027", "1.0.0", future) // dated in the future, as two real ones are
	b.zip()
	u := webUpdater(t, srv.URL, &at)
	steps := []struct {
		name                 string
		do                   func()
		zips, lists, records int
		changed              bool
	}{
		{"first", func() {}, 1, 0, 0, true},
		{"nothing new", func() {}, 0, 1, 0, false},
		{"still nothing: the list is not sent again", func() {}, 0, 0, 0, false},
		{"one changed, one new", func() {
			b.put("AZL-0003", "2.0.0", at)
			b.put("AZL-9000", "1.0.0", at)
		}, 0, 1, 2, true},
		{"one withdrawn", func() {
			b.put("AZL-0004", "1.0.0", at)
			b.records["AZL-0004"] = strings.Replace(b.records["AZL-0004"], `"summary"`, `"withdrawn":"2026-11-01T00:00:00Z","summary"`, 1)
		}, 0, 1, 1, true},
		{"one no longer listed", func() {
			delete(b.records, "AZL-0005")
			delete(b.dates, "AZL-0005")
		}, 0, 1, 0, true},
		{"one that cannot be used", func() {
			b.put("AZL-0006", "3.0.0", at)
			b.records["AZL-0006"] = `{"id":"AZL-0006"}`
		}, 0, 1, 1, false},
		{"one more in the future", func() { b.put("AZL-2028", "1.0.0", future.Add(time.Hour)) }, 0, 1, 2, true},
		{"many changed", func() {
			for i := 100; i < 400; i++ {
				b.put(fmt.Sprintf("AZL-%04d", i), "4.0.0", at)
			}
			b.zip()
		}, 1, 1, 0, true},
		{"one with an old date", func() {
			b.put("AZL-1900", "1.0.0", start.Add(-5000*time.Hour))
			b.zip()
		}, 1, 1, 0, true},
	}
	for _, step := range steps {
		at = at.Add(time.Hour)
		step.do()
		x, changed, err := u.Update(t.Context())
		if err != nil || changed != step.changed {
			t.Fatalf("%s: changed %v, %v; want %v", step.name, changed, err, step.changed)
		}
		zips, lists, records := b.counts()
		if zips != step.zips || lists != step.lists || records != step.records {
			t.Errorf("%s: fetched %d zips, %d lists, %d records; want %d, %d, %d", step.name, zips, lists, records, step.zips, step.lists, step.records)
		}
		f, _ := x.Feed("Azure Linux")
		if !f.Checked.Equal(at) || f.Error != "" {
			t.Errorf("%s: feed %+v, want it checked now", step.name, f)
		}
		if step.name == "one that cannot be used" {
			if f.Skipped != 1 || len(f.SkippedID) != 1 || !strings.HasPrefix(f.SkippedID[0], "AZL-0006: ") {
				t.Errorf("skipped %d: %q; want the one", f.Skipped, f.SkippedID)
			}
			if _, ok := x.Record("AZL-0006"); !ok {
				t.Error("the last good form of a record that cannot be used is gone")
			}
			b.put("AZL-0006", "3.0.0", at)
		}
	}
	x, _, err := u.Update(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.zip()
	whole, err := Read(t.Context(), stampless{u.source}, at)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := values(x), values(whole); len(got) != len(want) || len(Delta(x, whole)) > 0 {
		t.Errorf("%d records by increments, %d by the zip, delta %v", len(got), len(want), Delta(x, whole))
	}
}

// TestListBackInTime: a list that is older than what was taken from it already is refused, until it is accepted.
func TestListBackInTime(t *testing.T) {
	t.Parallel()
	at := start
	b, srv := newBucket(t, 100)
	u := webUpdater(t, srv.URL, &at)
	if _, _, err := u.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := maps.Clone(b.dates)
	at = at.Add(time.Hour)
	b.put("AZL-9000", "1.0.0", at)
	if x, _, err := u.Update(t.Context()); err != nil || x.Len() != 101 {
		t.Fatal(x.Len(), err)
	}
	b.dates = old
	x, changed, err := u.Update(t.Context())
	if err == nil || changed || x.Len() != 101 {
		t.Errorf("an older list: changed %v, %d records, %v; want it refused", changed, x.Len(), err)
	}
	if x, _, err = u.Accept(t.Context()); err != nil || x.Len() != 100 {
		t.Errorf("accepted: %d records, %v", x.Len(), err)
	}
}

// TestWithoutList: a mirror that has no modified_id.csv works by its zips.
func TestWithoutList(t *testing.T) {
	t.Parallel()
	at := start
	b, srv := newBucket(t, 30)
	b.noList = true
	u := webUpdater(t, srv.URL, &at)
	for range 2 {
		if x, _, err := u.Update(t.Context()); err != nil || x.Len() != 30 {
			t.Fatal(x.Len(), err)
		}
	}
	b.put("AZL-9000", "1.0.0", at)
	b.zip()
	if x, _, err := u.Update(t.Context()); err != nil || x.Len() != 31 {
		t.Errorf("%d records, %v; want 31", x.Len(), err)
	}
}

// TestRetryAfter: a short wait that the server asks for is waited out, once; a long one is kept.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	at := start
	b, srv := newBucket(t, 5)
	b.status, b.header = http.StatusTooManyRequests, "0"
	u := webUpdater(t, srv.URL, &at)
	if _, _, err := u.Update(t.Context()); !errors.Is(err, plimsoll.ErrUnavailable) || b.asked["refused"] != 2 {
		t.Errorf("Retry-After: 0: %v, %d requests; want two", err, b.asked["refused"])
	}
	clear(b.asked)
	b.status, b.header = http.StatusServiceUnavailable, start.Add(20*time.Minute).Format(http.TimeFormat)
	for range 3 {
		if _, _, err := u.Update(t.Context()); !errors.Is(err, plimsoll.ErrUnavailable) {
			t.Errorf("Retry-After: 20 minutes: %v", err)
		}
	}
	if b.asked["refused"] != 1 {
		t.Errorf("%d requests to a server that asked to be left alone, want one", b.asked["refused"])
	}
	b.status = 0
	at = at.Add(21 * time.Minute)
	if x, _, err := u.Update(t.Context()); err != nil || x.Len() != 5 {
		t.Errorf("afterwards: %d records, %v", x.Len(), err)
	}
}

func FuzzReadModified(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05Z,GHSA-1\n2027-01-02T03:04:05.123Z,ALSA-2021:1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := readModified(b, start)
		if err == nil && (len(l.modified) == 0 || l.newest.After(start)) {
			t.Errorf("list %+v", l)
		}
	})
}
