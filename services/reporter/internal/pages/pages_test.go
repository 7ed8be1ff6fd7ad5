package pages

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	xhtml "golang.org/x/net/html"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/reporter/internal/api"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// browser reads pages of a world, and the API's lists behind them.
type browser struct {
	t     *testing.T
	mux   *http.ServeMux
	world *posturetest.World
	days  *history.Days
	rows  map[string]int // of a list, by the API's URL
}

func open(t *testing.T, tags int) *browser {
	t.Helper()
	w := posturetest.New(t, tags)
	return browse(t, w)
}

func browse(t *testing.T, w *posturetest.World) *browser {
	t.Helper()
	days := daysOf(w)
	mux := site(w, days)
	api.New(api.Config{View: w.Engine.View, Replay: replays(w).At, Moved: history.NewMovements(w.Config()).Why, Timeline: history.NewTimelines(w.Config()).Of, Parts: func() map[string]string { return map[string]string{} }, Registries: w.Registries, StaleAfter: 48 * time.Hour, Now: w.Now, Log: slog.New(slog.DiscardHandler)}).
		Register(mux, func(_ access.Role, h http.Handler) http.Handler { return h })
	return &browser{t, mux, w, days, map[string]int{}}
}

func (b *browser) get(target string) (int, http.Header, string) {
	b.t.Helper()
	rec := httptest.NewRecorder()
	target, _, _ = strings.Cut(target, "#")
	b.mux.ServeHTTP(rec, httptest.NewRequest("GET", target, nil))
	out, err := io.ReadAll(rec.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return rec.Code, rec.Header(), string(out)
}

func (b *browser) page(target string) string {
	b.t.Helper()
	status, _, text := b.get(target)
	if status != http.StatusOK {
		b.t.Fatalf("GET %s: %d", target, status)
	}
	return text
}

// every is one URL of each page, and of each state of a page that looks different.
func (b *browser) every() []string {
	v := b.world.Engine.View()
	urls := []string{
		"/", "/?registry=harbor", "/images", "/images?scope=stored", "/images?group=repository&scope=stored", "/images?verdict=fail&severity=critical",
		"/images?coverage=failed&scope=stored", "/findings", "/findings?group=unique&scope=stored", "/findings?severity=not+rated", "/advisories",
		"/advisories?scope=stored&registry=ecr-prod", "/coverage", "/coverage?registry=harbor", b.lastSweep("harbor"), "/bases", "/bases?scope=stored&registry=harbor", "/reports", "/search", "/search?q=log4j", "/search?q=shop",
		"/moved", "/moved?cause=pushed&from=2026-11-25", "/search?q=CVE-2021-44228", "/search?q=nothing-like-it", "/find", "/find?package=log4j-core", "/find?package=log4j-core&range=%3C2.17", "/find?package=liba0&range=%3C2&ecosystem=Debian&registry=harbor",
		"/find?package=liba0&range=%2A&status=affected", "/find?package=liba0&range=%2A&status=unknown&owned=no", "/find?package=none&range=%2A&status=fixed", "/advisory/CVE-2021-44228", "/advisory/CVE-2023-4911?scope=stored",
	}
	seen := map[string]bool{}
	for _, r := range v.Rows() { // one image of each verdict and coverage
		if kind := fmt.Sprint(r.Verdict.State, r.Coverage.State, r.Behind != "", r.Content.Files, r.Content.Secrets); !seen[kind] {
			seen[kind] = true
			urls = append(urls, imagePath(r))
		}
	}
	holding := v.Rows()[slices.IndexFunc(v.Rows(), func(r *posture.Row) bool { return r.Content.Secrets > 0 })]
	return append(append(urls, comparisons(v)...), imagePath(v.Rows()[0])+"&layer=2&severity=critical", imagePath(holding)+"&secret=hidden&file=altered",
		"/images?secret=yes&file=altered&scope=stored", "/images?secret=unknown", "/images?sort=secrets")
}

// lastSweep is the page of a registry's last sweep.
func (b *browser) lastSweep(registry string) string {
	for _, reg := range b.world.Engine.View().Registries() {
		if reg.ID == registry && len(reg.Recent) > 0 {
			return sweepURL(reg.Recent[0])
		}
	}
	b.t.Fatalf("no sweep of %s", registry)
	return ""
}

// comparisons are URLs of the compare page: each kind of other tag, one that is narrowed, the form alone, and a tag that is not.
func comparisons(v *posture.View) (urls []string) {
	seen := map[string]bool{}
	for _, r := range v.Rows() {
		others := list.Others(v, r, 1)
		if len(others) == 0 || r.Findings == 0 {
			continue
		}
		kind := fmt.Sprint(r.Coverage.State, others[0].Coverage.State, list.Unsure(r) == "")
		if seen[kind] {
			continue
		}
		q := list.Question{Image: list.Name(r), Platform: r.Platform.String()}
		if seen[kind] = true; len(seen) == 1 {
			urls = append(urls, compareURL(q))
		}
		q.With = others[0].Reference.Tag
		urls = append(urls, compareURL(q), compareURL(q.Narrow(list.ChangeFixed, plimsoll.SeverityCritical)))
	}
	return urls
}

var (
	linked    = regexp.MustCompile(`<a class="n[^"]*" href="([^"]*)">([0-9,]+)</a>`)
	totalForm = regexp.MustCompile(`data-total="(\d+)"`)
)

// TestNumbersHaveAsManyRows follows every linked number of every page: the list behind it has as many rows, counted in its
// NDJSON, and says so itself.
func TestNumbersHaveAsManyRows(t *testing.T) {
	t.Parallel()
	b := open(t, 90)
	followed := 0
	for _, target := range b.every() {
		for _, m := range linked.FindAllStringSubmatch(b.page(target), -1) {
			n, err := strconv.Atoi(strings.ReplaceAll(m[2], ",", ""))
			if err != nil {
				t.Fatal(err)
			}
			href := html.UnescapeString(m[1])
			if got := b.count(href); got != n {
				t.Errorf("%s: the number %d links to %s, which has %d rows", target, n, href, got)
			}
			followed++
		}
	}
	if followed < 500 {
		t.Errorf("only %d numbers were followed", followed)
	}
	t.Logf("%d numbers, %d lists", followed, len(b.rows))
}

// count is how many rows the list at a page's URL has, by its NDJSON export; the page must say the same.
func (b *browser) count(href string) int {
	b.t.Helper()
	u, err := url.Parse(href)
	if err != nil {
		b.t.Fatal(err)
	}
	if n, ok := b.rows[href]; ok {
		return n
	}
	text := b.page(href)
	m := regexp.MustCompile(`href="([^"]*format=ndjson[^"]*)"`).FindStringSubmatch(sectionOf(text, u.Fragment))
	if m == nil {
		b.t.Fatalf("%s has no export", href)
	}
	export := html.UnescapeString(m[1])
	status, _, lines := b.get(export)
	if status != http.StatusOK {
		b.t.Fatalf("%s: %d %s", export, status, lines)
	}
	n := strings.Count(lines, "\n")
	if m := totalForm.FindStringSubmatch(sectionOf(text, u.Fragment)); (m == nil) != (n == 0) || m != nil && m[1] != strconv.Itoa(n) {
		b.t.Errorf("%s says it has %v rows; %s has %d", href, m, export, n)
	}
	b.rows[href] = n
	return n
}

// sectionOf is the section of a page that a link's fragment names; the whole page without one.
func sectionOf(text, fragment string) string {
	if fragment == "" {
		return text
	}
	_, text, _ = strings.Cut(text, `<section id="`+fragment+`">`)
	text, _, _ = strings.Cut(text, "</section>")
	return text
}

// TestHostileTextIsHarmless reads every page of a world whose names try to break out: no markup of theirs, no character that
// a reader cannot see, nothing that runs.
func TestHostileTextIsHarmless(t *testing.T) {
	t.Parallel()
	b := open(t, 60)
	shown := 0
	for _, target := range b.every() {
		text := b.page(target)
		for _, bad := range []string{"<script>alert", "<img src=x", "onerror=alert(1)>", "style=", "<style", "javascript:"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s holds %q", target, bad)
			}
		}
		for _, r := range text {
			if r != '\n' && r != ' ' && !unicode.IsPrint(r) {
				t.Errorf("%s holds the character %U", target, r)
				break
			}
		}
		shown += strings.Count(text, `\x1b[31m\r\nforged\u202eabc`)
	}
	if shown < 10 {
		t.Errorf("hostile text was shown %d times only: the test looks at the wrong pages", shown)
	}
}

func TestPagesAreStrictAndSmall(t *testing.T) {
	t.Parallel()
	b := open(t, 120)
	weight := 0
	for _, target := range []string{"/assets/plimsoll.css", "/assets/plimsoll.js", "/assets/mark.svg"} {
		status, h, text := b.get(target)
		if status != http.StatusOK || h.Get("Content-Type") == "" {
			t.Errorf("%s: %d %q", target, status, h.Get("Content-Type"))
		}
		weight += len(text)
	}
	const limit = 300 << 10 // PAGES: rules
	for _, target := range b.every() {
		_, h, text := b.get(target)
		if got := h.Get("Content-Security-Policy"); got != contentPolicy || strings.Contains(got, "unsafe") {
			t.Errorf("%s: policy %q", target, got)
		}
		if len(text)+weight > limit {
			t.Errorf("%s: %d bytes with its assets, more than %d", target, len(text)+weight, limit)
		}
		if inline := inlined(text); inline != "" {
			t.Errorf("%s holds inline %s", target, inline)
		}
		if n := strings.Count(text, "<h1"); n != 1 {
			t.Errorf("%s has %d first headings", target, n)
		}
	}
}

// inlined is the first thing in a page that the strict policy would block; empty when there is none.
func inlined(page string) string {
	for z := xhtml.NewTokenizer(strings.NewReader(page)); z.Next() != xhtml.ErrorToken; {
		token := z.Token()
		if token.Type == xhtml.StartTagToken && (token.Data == "style" || token.Data == "script" && !slices.ContainsFunc(token.Attr, func(a xhtml.Attribute) bool { return a.Key == "src" })) {
			return token.String()
		}
		for _, a := range token.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				return token.String()
			}
		}
	}
	return ""
}

// TestLinksLead follows every link within the site once.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	b := open(t, 24)
	seen := map[string]bool{}
	hrefs := regexp.MustCompile(`href="(/[^"]*)"`)
	for _, target := range b.every() {
		for _, m := range hrefs.FindAllStringSubmatch(b.page(target), -1) {
			href, _, _ := strings.Cut(html.UnescapeString(m[1]), "#")
			if seen[href] || strings.HasPrefix(href, "/api/v1/reports/") {
				continue
			}
			seen[href] = true
			if status, _, text := b.get(href); status != http.StatusOK {
				t.Errorf("%s links to %s: %d %.100s", target, href, status, text)
			}
		}
	}
	if len(seen) < 200 {
		t.Errorf("only %d links followed", len(seen))
	}
}

func TestPagingShowsEveryRowOnce(t *testing.T) {
	t.Parallel()
	b := open(t, 130)
	rows := map[string]int{}
	row := regexp.MustCompile(`<a class="row" href="([^"]*)"`)
	next := regexp.MustCompile(`<a href="([^"]*)" rel="next">`)
	for target := "/images?scope=stored"; target != ""; {
		text := b.page(target)
		found := row.FindAllStringSubmatch(text, -1)
		if len(found) > list.PageSize {
			t.Errorf("%s has %d rows", target, len(found))
		}
		for _, m := range found {
			rows[m[1]]++
		}
		target = ""
		if m := next.FindStringSubmatch(text); m != nil {
			target = html.UnescapeString(m[1])
		}
	}
	if want := len(b.world.Engine.View().Rows()); len(rows) != want {
		t.Errorf("%d different rows, want %d", len(rows), want)
	}
	for href, n := range rows {
		if n != 1 {
			t.Errorf("%s stands %d times", href, n)
		}
	}
}

// TestGreenNeedsCoverage looks at what is said when nothing was found: only whole coverage may be called green.
func TestGreenNeedsCoverage(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	w.Advise(plimsoll.Advisory{ID: "GHSA-aaaa-bbbb-cccc", Modified: posturetest.Start, Affected: []plimsoll.Affected{{
		Ecosystem: "npm", Package: "other", Ranges: []plimsoll.Range{{Type: "SEMVER", Events: []plimsoll.Event{{Introduced: "0"}}}},
	}}})
	sound := plimsoll.Package{Name: "lodash", Version: "4.17.21", Ecosystem: "npm", PURL: "pkg:npm/lodash@4.17.21", Path: "app/package-lock.json"}
	w.Put("harbor", "shop/orders", w.Image("1", sound))
	w.Fold()
	b := browse(t, w)
	if text := b.page("/"); !strings.Contains(text, `class="good"`) || !strings.Contains(text, "above the line") {
		t.Error("whole coverage and no finding is not shown as good")
	}
	w.Put("harbor", "shop/orders", plimsoll.Ref{Tag: "2", Digest: posturetest.Digest("two"), Read: plimsoll.Failed("blob answers 404"), Observed: 99, Moved: w.At})
	w.Fold()
	for _, target := range []string{"/", "/advisories", "/findings", "/coverage"} {
		if text := b.page(target); strings.Contains(text, `class="good"`) {
			t.Errorf("%s is green though one image was not read", target)
		}
	}
	if text := b.page("/findings"); !strings.Contains(text, "None found in what was read") {
		t.Error("an empty list does not say that it is only of what was read")
	}
	if text := b.page("/images"); !strings.Contains(text, "not read") {
		t.Error("an unread image shows a count")
	}
}

// TestBeforeTheFirstFold shows pages that say that they know nothing.
func TestBeforeTheFirstFold(t *testing.T) {
	t.Parallel()
	s := New(Config{
		View: func() *posture.View { return nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Reports: func(context.Context) ([]report.Manifest, error) { return nil, errors.New("bucket <does> not answer") },
	})
	mux := http.NewServeMux()
	s.Register(mux)
	b := &browser{t: t, mux: mux}
	for _, target := range []string{"/", "/images", "/findings", "/advisories", "/coverage", "/reports", "/search?q=x", "/find?package=x&range=*"} {
		if text := b.page(target); !strings.Contains(text, "Nothing is known yet, and nothing is said") {
			t.Errorf("%s does not say that nothing is known", target)
		}
	}
	if text := b.page("/reports"); !strings.Contains(text, "bucket &lt;does&gt; not answer") {
		t.Error("a part that failed does not show its error in place")
	}
	for target, want := range map[string]int{"/image/harbor/x:1": 503, "/advisory/CVE-1": 503, "/nothing": 404, "/assets/none.css": 404} {
		if status, _, _ := b.get(target); status != want {
			t.Errorf("%s: %d, want %d", target, status, want)
		}
	}
}

// TestCatchingUp: while the history of findings is being read, each page says what is not known yet.
func TestCatchingUp(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 3)
	for _, catching := range []bool{true, false} {
		s := New(Config{View: w.Engine.View, CatchingUp: func() bool { return catching }, Registries: w.Registries, Now: w.Now, Log: slog.New(slog.DiscardHandler)})
		b := &browser{t: t, mux: http.NewServeMux()}
		s.Register(b.mux)
		if text := b.page("/"); strings.Contains(text, "what is overdue or new is not known yet") != catching {
			t.Errorf("catching up %t: the overview says otherwise", catching)
		}
		if text := b.page("/"); catching == strings.Contains(text, "no finding is beyond its deadline") {
			t.Errorf("catching up %t: the overview's tile says otherwise", catching)
		}
		if text := b.page("/images"); strings.Contains(text, notCaughtUp) != catching {
			t.Errorf("catching up %t: the list of images says otherwise", catching)
		}
	}
}

func TestFaultyURLsSayWhat(t *testing.T) {
	t.Parallel()
	b := open(t, 6)
	for target, want := range map[string]int{
		"/images?verdict=great": 400, "/images?colour=red": 400, "/images?cursor=%25": 400, "/image/harbor/none:1": 404,
		"/advisory/CVE-1-1": 404, "/search?q=" + strings.Repeat("x", 400): 400,
		"/compare?image=harbor/none:1": 404, "/compare?image=harbor/debian:12&with=none": 404, "/compare?image=harbor/debian:12&colour=red": 400,
		"/find?package=x&range=%3C": 400, "/find?range=*": 400, "/find?package=x&range=*&colour=red": 400, "/find?package=x&range=*&cursor=%25": 400,
	} {
		if status, _, text := b.get(target); status != want || !strings.Contains(text, "<h1") {
			t.Errorf("%s: %d, want %d as a page", target, status, want)
		}
	}
}

func TestEventTextKnowsEveryKind(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, kind := range []plimsoll.ChangeKind{
		plimsoll.ChangeTag, plimsoll.ChangeGone, plimsoll.ChangeInventory, plimsoll.ChangeCoverage, plimsoll.ChangeSweep, plimsoll.ChangeScope,
		plimsoll.ChangeGeneration, plimsoll.ChangePolicy, plimsoll.ChangeReport, plimsoll.ChangeCommand,
	} {
		text := history.EventText(posture.Event{Change: plimsoll.Change{Kind: kind, Subject: "s", Text: "t"}})
		if text == "" || seen[text] {
			t.Errorf("%s: %q", kind, text)
		}
		seen[text] = true
	}
}

func TestLayerWidths(t *testing.T) {
	t.Parallel()
	for _, sizes := range [][]int64{{}, {0, 0}, {1}, {1, 1 << 40}, {-5, 3}, make([]int64, 127), make([]int64, 2000)} {
		var layers []plimsoll.InventoryLayer
		for _, n := range sizes {
			layers = append(layers, plimsoll.InventoryLayer{Size: n})
		}
		var sum int64
		for _, w := range layerWidths(layers) {
			if w < 0 {
				t.Errorf("%v: width %d", sizes, w)
			}
			sum += w
		}
		if sum > 10_000 {
			t.Errorf("%d layers: widths add up to %d", len(sizes), sum)
		}
	}
}

// TestTokens holds the colours and sizes to those whose contrast was computed.
func TestTokens(t *testing.T) {
	t.Parallel()
	css, err := assets.ReadFile("assets/plimsoll.css")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"--ground: #ffffff", "--ink: #14212b", "--pass: #1a7f37", "--warn: #9a6700", "--fail: #b3261e", "--unknown: #57606a",
		"--ground: #0f171e", "--ink: #e6edf3", "--pass: #3fb950", "--warn: #d29922", "--fail: #f47067", "--unknown: #8b98a5",
		"--critical: #6f0f1b", "--high: #b3261e", "--medium: #f0a58f", "--low: #f9ddd3", "14px/20px",
	}
	lines := bufio.NewScanner(strings.NewReader(string(css)))
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
	}
	for _, token := range want {
		if !slices.ContainsFunc(all, func(l string) bool { return strings.Contains(l, token) }) {
			t.Errorf("the style sheet lacks %s", token)
		}
	}
}
