package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/reporter/internal/exchange"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/inuse"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// sweeps is an orchestrator that remembers what it was asked.
type sweeps struct {
	running map[string]bool
	asked   []string
}

func (s *sweeps) Start(_ context.Context, registry, actor string) (bool, error) {
	s.asked = append(s.asked, "start "+registry+" by "+actor)
	joined := s.running[registry]
	s.running[registry] = true
	return joined, nil
}

func (s *sweeps) Cancel(_ context.Context, registry, actor string) error {
	s.asked = append(s.asked, "cancel "+registry+" by "+actor)
	if !s.running[registry] {
		return fmt.Errorf("sweep: %w", plimsoll.ErrNotFound)
	}
	return nil
}

func (s *sweeps) Progress(_ context.Context, registry string) (plimsoll.Sweep, error) {
	if !s.running[registry] {
		return plimsoll.Sweep{}, fmt.Errorf("sweep: %w", plimsoll.ErrNotFound)
	}
	return plimsoll.Sweep{Registry: registry, State: plimsoll.SweepRunning, Slot: "20261125T120000Z", Started: posturetest.Start}, nil
}

func (s *sweeps) Plan(_ context.Context, registry, actor string) (bool, error) {
	s.asked = append(s.asked, "plan "+registry+" by "+actor)
	return false, nil
}

func (s *sweeps) Planned(_ context.Context, registry string) (plimsoll.SweepPlan, bool, error) {
	if registry != "harbor" {
		return plimsoll.SweepPlan{}, false, fmt.Errorf("plan: %w", plimsoll.ErrNotFound)
	}
	return plimsoll.SweepPlan{
		Registry: registry, Made: posturetest.Start, Tags: 3, Platforms: map[string]int{"linux/amd64": 2},
		LeftOut: []plimsoll.Omission{{Reason: "no image: attestation", Count: 1, Of: "manifests", Example: "shop/web:1"}},
	}, false, nil
}

func (s *sweeps) Retry(_ context.Context, registry, cause, actor string) (plimsoll.Retry, bool, error) {
	s.asked = append(s.asked, "retry "+registry+" "+cause+" by "+actor)
	return plimsoll.Retry{Tags: 2, Requests: 1}, true, nil
}

// surroundings are those of a harbor with a schedule and a hook, and one request that failed for good.
func surroundings() list.Around {
	next, pushes := posturetest.Start.Add(24*time.Hour), 3
	return list.Around{
		Registries: map[string]list.RegistryAround{"harbor": {Next: &next, Events: &plimsoll.PushCount{Received: 7, Missed: 1}, Pushes: &pushes}},
		Letters: list.DeadLetters{Total: 1, Recent: []list.DeadLetter{{
			Registry: "harbor", Repository: "shop/web", Tags: []string{"1.0"}, Lane: "push", Reason: "no worker", Failed: posturetest.Start, Deliveries: 6, Trace: "t",
		}}},
	}
}

type feed struct {
	actor    string
	accepted bool
}

func (f *feed) Add(_ context.Context, actor string, file []byte) ([]string, string, error) {
	f.actor = actor
	if string(file) != "a record" {
		return nil, "", fmt.Errorf("%w: %s", plimsoll.ErrInvalid, file)
	}
	return []string{"PLIM-1"}, "2026-11-25T120000Z", nil
}

func (f *feed) Update(_ context.Context, actor string, accept bool) (string, bool, error) {
	f.actor = actor
	f.accepted = accept
	return "2026-11-25T120000Z", true, nil
}

// site is a server over a world, with an operator's and a viewer's token.
type site struct {
	*httptest.Server
	t        *testing.T
	api      *Server
	world    *posturetest.World
	sweeps   *sweeps
	feed     *feed
	operator string
	viewer   string
}

func newSite(t *testing.T, tags int) *site {
	t.Helper()
	w := posturetest.New(t, tags)
	writer, err := report.New(report.Config{
		Store: w.Store, View: w.Engine.View, Registries: w.Registries, Organisation: "Corp", Generator: "plimsoll test", StaleAfter: 48 * time.Hour, Now: w.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, world: w, sweeps: &sweeps{running: map[string]bool{}}, feed: &feed{}}
	var lines [2]string
	s.operator, lines[0], err = access.New("anna", access.Operator)
	if err != nil {
		t.Fatal(err)
	}
	s.viewer, lines[1], err = access.New("vic", access.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte(strings.Join(lines[:], "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	keeper, err := access.NewKeeper(file, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.api = New(Config{
		View: w.Engine.View, Moved: history.NewMovements(w.Config()).Why, Timeline: history.NewTimelines(w.Config()).Of, Replay: history.NewReplays(w.Config()).At, Reports: writer, Sweeps: s.sweeps, Around: surroundings, Feed: s.feed, Uses: inuse.New(w.Store, w.Now, w.Engine.SetInUse), Registries: w.Registries, StaleAfter: 48 * time.Hour, Version: "test",
		Parts: func() map[string]string { return map[string]string{"nats": "ok"} }, Now: w.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	mux := http.NewServeMux()
	s.api.Register(mux, keeper.Require)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// call answers with status, header and body.
func (s *site) call(method, path, token, body string) (int, http.Header, []byte) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, resp.Header, b
}

// TestETag: an answer that has not changed is not sent again; one that has is.
func TestETag(t *testing.T) {
	t.Parallel()
	s := newSite(t, 40)
	ask := func(path, has string) (int, string, int) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if has != "" {
			r.Header.Set("If-None-Match", has)
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("ETag"), len(b)
	}
	for _, path := range []string{"/api/v1/images?scope=stored", "/api/v1/posture", "/api/v1/findings", "/api/v1/coverage"} {
		status, tag, _ := ask(path, "")
		if status != http.StatusOK || tag == "" {
			t.Fatalf("%s: %d, tag %q", path, status, tag)
		}
		for _, has := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			if status, again, n := ask(path, has); status != http.StatusNotModified || again != tag || n != 0 {
				t.Errorf("%s with %s: %d, tag %q, %d bytes; want 304 and no body", path, has, status, again, n)
			}
		}
		if status, _, n := ask(path, `"other"`); status != http.StatusOK || n == 0 {
			t.Errorf("%s with another tag: %d, %d bytes", path, status, n)
		}
	}
	if status, _, _ := ask("/api/v1/images/none", "*"); status == http.StatusNotModified {
		t.Error("an error is not modified")
	}
	_, tag, _ := ask("/api/v1/images?scope=stored", "")
	ref := s.world.Image("brand-new")
	s.world.Put("harbor", "shop/new", ref)
	if _, err := s.world.Engine.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, now, _ := ask("/api/v1/images?scope=stored", tag); status != http.StatusOK || now == tag {
		t.Errorf("after a push: %d, tag %s", status, now)
	}
}

func (s *site) get(path string) []byte {
	s.t.Helper()
	status, _, b := s.call("GET", path, "", "")
	if status != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, status, b)
	}
	return b
}

func decode[T any](t *testing.T, b []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %.300s", err, b)
	}
	return v
}

func TestListsPageThroughEveryRow(t *testing.T) {
	t.Parallel()
	s := newSite(t, 80)
	for _, path := range []string{"/api/v1/images?scope=stored", "/api/v1/findings?scope=stored", "/api/v1/findings/unique?", "/api/v1/advisories?", "/api/v1/repositories?scope=stored", "/api/v1/coverage/gaps?", "/api/v1/coverage/feeds?"} {
		var paged []string
		next, total := "", 0
		for {
			p := decode[page[json.RawMessage]](t, s.get(path+"&limit=7&cursor="+next))
			for _, item := range p.Items {
				paged = append(paged, string(item))
			}
			if next, total = p.Next, p.Total; next == "" {
				break
			}
		}
		var streamed []string
		for line := range strings.Lines(string(s.get(path + "&format=ndjson"))) {
			streamed = append(streamed, strings.TrimSpace(line))
		}
		if diff := cmp.Diff(streamed, paged); diff != "" || total != len(paged) || total == 0 {
			t.Errorf("%s: total %d, pages differ from the stream (-stream +pages):\n%s", path, total, diff)
		}
		rows, err := csv.NewReader(strings.NewReader(string(s.get(path + "&format=csv")))).ReadAll()
		if err != nil || len(rows) != total+1 {
			t.Errorf("%s: csv has %d rows, want %d and a head (%v)", path, len(rows), total, err)
		}
		for _, cell := range slices.Concat(rows...) {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("%s: csv cell %.40q starts a formula", path, cell)
			}
		}
	}
}

func TestFilterErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3)
	for path, want := range map[string]int{
		"/api/v1/images?colour=red":                        400,
		"/api/v1/images?verdict=great":                     400,
		"/api/v1/images?group=repository":                  400,
		"/api/v1/images?cursor=%25":                        400,
		"/api/v1/images?limit=0":                           400,
		"/api/v1/images?format=xml":                        400,
		"/api/v1/images?moved=7":                           400,
		"/api/v1/images/sha256:12":                         400,
		"/api/v1/images/" + string(plimsoll.DigestOf(nil)): 404,
		"/api/v1/advisories/CVE-1-1":                       404,
		"/api/v1/search":                                   400,
		"/api/v1/scan?registry=nobody":                     404,
		"/api/v1/scan?format=yaml":                         501,
		"/api/v1/gate?image=nobody/x:1":                    404,
		"/api/v1/reports/2026-W99/report.html":             400,
		"/api/v1/reports/2026-W40/report.html":             404,
		"/api/v1/sweeps?registry=nobody":                   404,
		"/api/v1/nothing":                                  404,
		"/api/v1/images?q=" + strings.Repeat("x", 301):     400,
	} {
		status, _, b := s.call("GET", path, "", "")
		if status != want || decode[map[string]string](t, b)["error"] == "" {
			t.Errorf("GET %.80s: %d %s, want %d with an error", path, status, b, want)
		}
	}
}

func TestChangingCallsNeedAnOperator(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/api/v1/sweeps", `{"registry":"harbor"}`, 202},
		{"/api/v1/sweeps", `{"registry":"harbor.corp.example"}`, 202},
		{"/api/v1/sweeps", `{"registry":"nobody"}`, 404},
		{"/api/v1/sweeps", `{"registri":"harbor"}`, 400},
		{"/api/v1/sweeps/cancel", `{"registry":"harbor"}`, 202},
		{"/api/v1/sweeps/cancel", `{"registry":"ecr-prod"}`, 404},
		{"/api/v1/sweeps/plan", `{"registry":"harbor"}`, 202},
		{"/api/v1/sweeps/plan", `{"registry":"nobody"}`, 404},
		{"/api/v1/sweeps/retry", `{"registry":"harbor","cause":"403"}`, 202},
		{"/api/v1/sweeps/retry", `{"registry":"nobody","cause":"403"}`, 404},
		{"/api/v1/advisories/update", ``, 200},
		{"/api/v1/advisories/update", `{"accept":true}`, 200},
		{"/api/v1/advisories/update", `{"accept":1}`, 400},
		{"/api/v1/advisories/own", `a record`, 200},
		{"/api/v1/advisories/own", `nonsense`, 400},
		{"/api/v1/reports", `{"period":"2026-W47"}`, 201},
		{"/api/v1/reports", ``, 200},
		{"/api/v1/reports", `{"period":"2026-W48"}`, 400},
	} {
		if status, _, _ := s.call("POST", c.path, "", c.body); status != http.StatusUnauthorized {
			t.Errorf("POST %s without token: %d", c.path, status)
		}
		if status, _, _ := s.call("POST", c.path, s.viewer, c.body); status != http.StatusForbidden {
			t.Errorf("POST %s by a viewer: %d", c.path, status)
		}
		if status, _, b := s.call("POST", c.path, s.operator, c.body); status != c.status {
			t.Errorf("POST %s %s: %d %s, want %d", c.path, c.body, status, b, c.status)
		}
	}
	want := []string{"start harbor by anna", "start harbor by anna", "cancel harbor by anna", "cancel ecr-prod by anna",
		"plan harbor by anna", "retry harbor 403 by anna"}
	if diff := cmp.Diff(want, s.sweeps.asked); diff != "" || s.feed.actor != "anna" {
		t.Errorf("asked (-want +got):\n%s feed by %q", diff, s.feed.actor)
	}
}

func TestScanDocument(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60)
	first := s.get("/api/v1/scan")
	if second := s.get("/api/v1/scan"); string(first) != string(second) {
		t.Error("two documents of the same posture differ")
	}
	doc := decode[struct {
		Tool   exchange.Tool
		Data   exchange.Data
		Policy exchange.Policy
		Images []exchange.Image
	}](t, first)
	v := s.world.Engine.View()
	if doc.Data.Generation != v.Generation().ID || doc.Policy.Digest != v.Policy().Digest || doc.Tool.Name != "plimsoll" {
		t.Errorf("head: %+v %+v %+v", doc.Tool, doc.Data.Generation, doc.Policy)
	}
	if !slices.IsSortedFunc(doc.Images, func(a, b exchange.Image) int { return strings.Compare(a.Reference+a.Platform, b.Reference+b.Platform) }) {
		t.Error("images are not sorted")
	}
	if len(doc.Images) != len(v.Rows()) {
		t.Errorf("%d images, want %d", len(doc.Images), len(v.Rows()))
	}
	byRef := map[string]exchange.Image{}
	for _, im := range doc.Images {
		byRef[im.Reference+" "+im.Platform] = im
	}
	for _, r := range v.Rows() {
		host := "harbor.corp.example"
		if r.Reference.Registry == "ecr-prod" {
			host = "123.dkr.ecr.example"
		}
		im, ok := byRef[host+"/"+r.Reference.Repository+":"+r.Reference.Tag+" "+r.Platform.String()]
		if n := r.Content; len(im.Secrets) != n.Secrets+n.HiddenSecrets || len(im.Files) != n.Files || len(im.Hidden) != n.Removed {
			t.Errorf("%s: %d secrets, %d files, %d hidden packages, want %+v", list.Name(r), len(im.Secrets), len(im.Files), len(im.Hidden), n)
		}
		if !ok || len(im.Findings) != r.Findings || len(im.Packages) != r.Packages || im.Base == nil || im.Read == nil {
			t.Errorf("%s: %v, %d findings and %d packages, want %d and %d", list.Name(r), ok, len(im.Findings), len(im.Packages), r.Findings, r.Packages)
		}
	}
	one := decode[struct{ Images []exchange.Image }](t, s.get("/api/v1/scan?registry=harbor.corp.example&repository=shop/orders"))
	for _, im := range one.Images {
		if !strings.HasPrefix(im.Reference, "harbor.corp.example/shop/orders:") {
			t.Errorf("%s is not in the scope", im.Reference)
		}
	}
	if len(one.Images) == 0 {
		t.Error("no image in the scope")
	}
}

func TestExchangeForms(t *testing.T) {
	t.Parallel()
	s := newSite(t, 40)
	findings, packages, content := 0, 0, 0
	for _, r := range s.world.Engine.View().Rows() {
		findings += r.Findings
		packages += r.Packages
		content += r.Content.Secrets + r.Content.HiddenSecrets + r.Content.AlteredFiles + r.Content.UnownedSetUID
	}
	sarif := decode[struct {
		Version string
		Runs    []struct {
			Results     []struct{ RuleID, Level string }
			Invocations []struct{ ExecutionSuccessful bool }
		}
	}](t, s.get("/api/v1/scan?format=sarif"))
	if sarif.Version != "2.1.0" || len(sarif.Runs) != 1 || len(sarif.Runs[0].Results) != findings+content || content == 0 || sarif.Runs[0].Invocations[0].ExecutionSuccessful {
		t.Errorf("sarif: version %s, %d runs, want %d results and an execution that was not whole", sarif.Version, len(sarif.Runs), findings+content)
	}
	bom := decode[struct {
		SpecVersion     string
		Components      []struct{ Components []struct{ Name string } }
		Vulnerabilities []struct{ Affects []struct{ Ref string } }
	}](t, s.get("/api/v1/scan?format=cyclonedx"))
	held, affected := 0, 0
	for _, c := range bom.Components {
		held += len(c.Components)
	}
	for _, v := range bom.Vulnerabilities {
		affected += len(v.Affects)
	}
	if bom.SpecVersion != "1.6" || held != packages || affected != findings {
		t.Errorf("cyclonedx %s: %d packages and %d places, want %d and %d", bom.SpecVersion, held, affected, packages, findings)
	}
	spdx := decode[struct {
		SPDXVersion   string
		Packages      []struct{ Name string }
		Relationships []struct{ RelationshipType string }
	}](t, s.get("/api/v1/scan?format=spdx"))
	images := len(s.world.Engine.View().Rows())
	if spdx.SPDXVersion != "SPDX-2.3" || len(spdx.Packages) != packages+images || len(spdx.Relationships) != packages+images {
		t.Errorf("spdx %s: %d packages, %d relationships, want %d", spdx.SPDXVersion, len(spdx.Packages), len(spdx.Relationships), packages+images)
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60)
	v := s.world.Engine.View()
	seen := map[int]bool{}
	for _, r := range v.Rows() {
		g := decode[gateAnswer](t, s.get("/api/v1/gate?image="+list.Name(r)+"&platform="+r.Platform.String()))
		want := 0
		switch {
		case r.Verdict.State == plimsoll.VerdictFail:
			want = 1
		case r.Coverage.Short():
			want = 2
		}
		if seen[want] = true; g.Exit != want {
			t.Errorf("%s: exit %d, want %d (%s, %s)", list.Name(r), g.Exit, want, r.Verdict.State, r.Coverage.State)
		}
	}
	if len(seen) != 3 {
		t.Errorf("exit codes seen: %v, want all three", seen)
	}
	byHost := decode[gateAnswer](t, s.get("/api/v1/gate?image=harbor.corp.example/shop/orders:1.0.0"))
	if len(byHost.Images) != 2 {
		t.Errorf("shop/orders:1.0.0 has %d platforms, want 2", len(byHost.Images))
	}
}

func TestNothingIsSaidBeforeTheFirstFold(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.api.View = func() *posture.View { return nil }
	for _, r := range s.api.routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		path = strings.NewReplacer("{digest}", string(plimsoll.DigestOf(nil)), "{id...}", "CVE-1", "{period}", "2026-W40", "{file}", "report.html").Replace(path)
		if method != "GET" || strings.HasPrefix(path, "/api/v1/reports") || strings.HasSuffix(path, "/status") || strings.HasSuffix(path, ".yaml") ||
			path == "/api/v1/dead-letters" || path == "/api/v1/sweeps/plan" { // of the engines around, not of the posture
			continue
		}
		if status, _, b := s.call("GET", path+"?q=x", "", ""); status != http.StatusServiceUnavailable {
			t.Errorf("GET %s: %d %s", path, status, b)
		}
	}
	if got := decode[statusAnswer](t, s.get("/api/v1/status")); got.Ready {
		t.Error("status says ready")
	}
}

// TestContentLists: the lists of one image hold what its counts say, in every form, and a layer's part of it.
func TestContentLists(t *testing.T) {
	t.Parallel()
	s := newSite(t, 40)
	for _, path := range []string{"/secrets?secret=great", "/files?file=x", "/files?note=altered"} {
		if status, _, b := s.call("GET", "/api/v1/images/"+string(s.world.Engine.View().Rows()[0].Digest)+path, "", ""); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, status, b)
		}
	}
	row := s.world.Engine.View().Rows()[slices.IndexFunc(s.world.Engine.View().Rows(), func(r *posture.Row) bool { return r.Content.Secrets > 0 })]
	base := "/api/v1/images/" + string(row.Digest)
	if got := decode[imageAnswer](t, s.get(base)); got.Content != row.Content {
		t.Errorf("content %+v, want %+v", got.Content, row.Content)
	}
	for _, c := range []struct {
		path string
		want int
	}{
		{"/secrets", row.Content.Secrets + row.Content.HiddenSecrets}, {"/secrets?layer=-1", 1}, {"/secrets?layer=2", 2}, {"/secrets?layer=0", 0},
		{"/secrets?secret=visible", row.Content.Secrets}, {"/secrets?secret=hidden", row.Content.HiddenSecrets},
		{"/files?file=altered", row.Content.AlteredFiles}, {"/files?file=unowned+set-uid", row.Content.UnownedSetUID}, {"/files?file=unowned", row.Content.UnownedFiles},
		{"/files", row.Content.Files}, {"/files?layer=2", 3}, {"/hidden", row.Content.Removed}, {"/hidden?layer=1", 1},
	} {
		if got := decode[struct{ Total int }](t, s.get(base+c.path)); got.Total != c.want {
			t.Errorf("%s: %d rows, want %d", c.path, got.Total, c.want)
		}
		sep := "?"
		if strings.Contains(c.path, "?") {
			sep = "&"
		}
		if got := strings.Count(string(s.get(base+c.path+sep+"format=ndjson")), "\n"); got != c.want {
			t.Errorf("%s as NDJSON: %d rows, want %d", c.path, got, c.want)
		}
		records, err := csv.NewReader(bytes.NewReader(s.get(base + c.path + sep + "format=csv"))).ReadAll()
		if err != nil || len(records) != c.want+1 {
			t.Errorf("%s as CSV: %d records, %v; want %d", c.path, len(records), err, c.want+1)
		}
	}
}
