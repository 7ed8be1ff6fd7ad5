package pages

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// said is what the pages and the API said on one day, by URL.
type said struct {
	at   time.Time
	text map[string]string
}

// asked are URLs whose answers are kept: every page, and the API's reading calls with their exports.
func (b *browser) asked() []string {
	urls := b.every()
	for _, u := range []string{
		"/images?scope=stored&limit=1000", "/images?scope=stored&format=csv", "/findings?scope=stored&format=ndjson", "/findings?scope=stored&format=parquet", "/findings/unique?scope=stored&format=csv",
		"/repositories?scope=stored", "/advisories?scope=stored", "/advisories/CVE-2021-44228", "/coverage", "/coverage/gaps?format=csv", "/coverage/feeds",
		"/posture", "/status", "/changes?limit=1000", "/search?q=log4j", "/scan", "/scan?format=sarif",
	} {
		urls = append(urls, "/api/v1"+u)
	}
	return urls
}

func (b *browser) listen() said {
	b.t.Helper()
	if err := b.days.Fill(b.t.Context(), b.world.At); err != nil {
		b.t.Fatal(err)
	}
	out := said{b.world.At, map[string]string{}}
	for _, target := range b.asked() {
		status, _, text := b.get(target)
		out.text[target] = fmt.Sprint(status, "\n", text)
	}
	return out
}

var (
	addedLink = regexp.MustCompile(`(\?|&amp;|&)at=[^"&'#<]*`)
	addedHead = regexp.MustCompile(`\?at=[^"&'#<]*&amp;`)
	addedForm = regexp.MustCompile(`<input type="hidden" name="at"[^>]*>`)
	band      = regexp.MustCompile(`<p class="band">.*</p>\n`)
	emptyLine = regexp.MustCompile(`</header>\n\n`)
	picker    = regexp.MustCompile(`<details class="menu when">.*</details>`)
)

// withoutFrame takes from a page what says of when it is: the band, the picker, and the moment in links.
func withoutFrame(page string) string {
	page = band.ReplaceAllString(picker.ReplaceAllString(page, ""), "\n")
	page = addedHead.ReplaceAllString(page, "?")
	page = addedForm.ReplaceAllString(addedLink.ReplaceAllString(page, ""), "")
	return emptyLine.ReplaceAllString(page, "</header>\n")
}

func atMoment(target string, at time.Time) string {
	path, query, _ := strings.Cut(target, "?")
	return path + "?" + strings.TrimPrefix(query+"&at="+url.QueryEscape(at.UTC().Format(time.RFC3339)), "&")
}

// TestReplay keeps what every page and call said on each of several days, and asks again 35 days later, after retention has
// removed generations and old changes were merged, each night: the answers are the same to the byte.
func TestReplay(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 60)
	b := browse(t, w)
	days := []said{b.listen()}
	for day := 1; day <= 5; day++ {
		w.At = w.At.Add(23 * time.Hour)
		w.Advise(append(posturetest.Records(), news(w, day, "morning"))...) // is not the day's last, and will go
		w.At = w.At.Add(time.Hour)
		someDay(w, day)
		w.Advance()
		days = append(days, b.listen())
	}
	removed, merged := 0, 0
	for day := 6; day <= 40; day++ {
		w.At = w.At.Add(24 * time.Hour)
		w.Log("harbor", "push", plimsoll.Change{Kind: plimsoll.ChangeCommand, Subject: "harbor", Text: "sweep start"})
		w.Advise(append(posturetest.Records(), news(w, day, "evening"))...)
		generations, changes := nightly(t, w)
		removed, merged = removed+generations, merged+changes
	}
	someDay(w, 99)
	w.Advance()
	if removed < 5 || merged < 60 {
		t.Errorf("%d generations removed and %d batches merged: it is not tried whether answers survive that", removed, merged)
	}
	if err := b.days.Fill(t.Context(), w.At); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, day := range days {
		for target, was := range day.text {
			status, _, text := b.get(atMoment(target, day.at))
			is := fmt.Sprint(status, "\n", text)
			if !strings.HasPrefix(target, "/api/") {
				if status == 200 && !strings.Contains(is, "As of "+day.at.Format("2 Jan 2006 15:04 UTC")) {
					t.Errorf("%s: no band", target)
				}
				is, was = withoutFrame(is), withoutFrame(was)
			}
			if diff := cmp.Diff(strings.Split(was, "\n"), strings.Split(is, "\n")); diff != "" {
				t.Fatalf("%s at %s (-then +replayed):\n%s", target, day.at, diff)
			}
			compared++
		}
	}
	t.Logf("%d answers compared, after %d generations went and %d batches were merged", compared, removed, merged)
	if status, _, text := b.get("/?at=2020-01-01"); status != 404 || !strings.Contains(text, "begins") {
		t.Errorf("before the log: %d", status)
	}
	if status, _, _ := b.get("/?at=2030-01-01"); status != 400 {
		t.Errorf("to come: %d, want 400", status)
	}
	if status, _, _ := b.get("/api/v1/posture?at=yesterday"); status != 400 {
		t.Errorf("no moment: %d, want 400", status)
	}
	if status, _, _ := b.get("/api/v1/openapi.yaml?at=2026-11-26"); status != 400 {
		t.Errorf("a call without moments: %d, want 400", status)
	}
}

// someDay lets pushes, a tag that goes, another policy and new advisories happen.
func someDay(w *posturetest.World, day int) {
	bad := plimsoll.Package{Name: "log4j-core", Version: "2.14.1", Ecosystem: "Maven", PURL: "pkg:maven/log4j-core@2.14.1", Path: "app/lib/log4j.jar"}
	good := bad
	good.Version, good.PURL = "2.17.1", "pkg:maven/log4j-core@2.17.1"
	r := w.Image(fmt.Sprint("day", day), []plimsoll.Package{bad, good}[day%2])
	r.Moved, r.First = w.At, w.At
	w.Put("harbor", "shop/orders", r)
	switch day {
	case 2:
		w.Gone("harbor", "shop/orders", "day1")
	case 3:
		strict := policy.Baseline()
		strict.Version++
		strict.Rules = slices.Clone(strict.Rules)
		strict.Rules[0].Fixable = nil
		w.Decide(policy.Seal(strict))
	case 4:
		w.Registries = w.Registries[:1]
		w.Decide(w.Policy)
		w.Registries = w.Registries[:2]
		w.Decide(w.Policy)
	}
	w.Advise(append(posturetest.Records(), news(w, day, "news"))...)
}

// news is an advisory about what [someDay] pushes, another one each day.
func news(w *posturetest.World, day int, summary string) plimsoll.Advisory {
	return plimsoll.Advisory{
		ID: fmt.Sprintf("CVE-2026-%04d", day), Summary: summary, Published: w.At, Modified: w.At,
		Affected: []plimsoll.Affected{{Ecosystem: "Maven", Package: "log4j-core", Ranges: []plimsoll.Range{{Type: "ECOSYSTEM", Events: []plimsoll.Event{{Introduced: "0"}, {Fixed: fmt.Sprintf("2.%d", 15+day%4)}}}}}},
	}
}

// nightly does what the reporter does each day to what is old.
func nightly(t *testing.T, w *posturetest.World) (generations, changes int) {
	t.Helper()
	count := func() (n int) {
		for _, err := range w.Store.List(t.Context(), blob.PrefixGenerations, "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	before := count()
	named, err := report.Generations(t.Context(), w.Store)
	if err == nil {
		_, err = advisory.Tidy(t.Context(), w.Store, named, w.At)
	}
	if err != nil {
		t.Fatal(err)
	}
	if changes, err = w.Store.Compact(t.Context(), w.At); err != nil {
		t.Fatal(err)
	}
	return before - count(), changes
}

// TestMomentStaysInLinks follows every link of a past page: each leads to a page of the same moment, but the one to now.
func TestMomentStaysInLinks(t *testing.T) {
	t.Parallel()
	b := open(t, 30)
	at := b.world.At
	b.world.At = at.Add(time.Hour)
	href := regexp.MustCompile(`href="([^"]*)"`)
	followed := 0
	for _, target := range b.every() {
		text := b.page(atMoment(target, at))
		now := 0
		for _, m := range href.FindAllStringSubmatch(text, -1) {
			switch to := m[1]; {
			case strings.HasPrefix(to, "#"), strings.HasPrefix(to, "/assets/"), strings.HasPrefix(to, "/api/v1/openapi"), strings.HasPrefix(to, "/api/v1/reports/"), strings.HasPrefix(to, "https://"):
			case hasMoment.MatchString(to):
				followed++
			default:
				now++
			}
		}
		if now != 2 { // the band's and the picker's
			t.Errorf("%s: %d links lead to now, want 2", target, now)
		}
		if strings.Contains(text, "curl -s") && !strings.Contains(text, "at=") {
			t.Errorf("%s: the command for a terminal forgets the moment", target)
		}
	}
	t.Logf("%d links", followed)
}
