package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// answers is a server that gives fixed answers, by path.
func answers(t *testing.T, by map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := by[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = `{"error":"there is no such image"}`
		}
		if status, rest, found := strings.Cut(body, " "); found && status == "400" {
			w.WriteHeader(http.StatusBadRequest)
			body = rest
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// run is the command line with a server: its exit code, output and errors.
func run(t *testing.T, s *httptest.Server, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(append([]string{"--server", s.URL}, args...), strings.NewReader(""), &o, &e)
	for line := range strings.SplitSeq(o.String(), "\n") {
		if slices.Contains(args, formatJSON) {
			break // for machines
		}
		if n := utf8.RuneCountInString(line); n > text.Columns && !strings.Contains(line, s.URL) {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	return code, o.String(), e.String()
}

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	reason  = "3.0.15-1~deb12u1 < fixed 3.0.16-1~deb12u1"
)

var explainedAnswer = `{"reference":"registry.corp.example/shop/` + strings.Repeat("long-", 20) + `orders:2.3","digest":"` + digestA + `","platform":"linux/amd64","generation":"2026-11-25T011500Z","in_use":{"last":"2026-11-24T23:59:00Z","sources":{"east":"2026-11-24T23:59:00Z","a\u001b[31m":"2026-11-01T00:00:00Z"}},
	"flaw":"CVE-2024-5535","aliases":["DEBIAN-CVE-2024-5535"],"verdict":"affected","reason":"libssl3: ` + reason + `","places":[{
	"name":"libssl3","version":"3.0.15-1~deb12u1","source":"openssl","ecosystem":"Debian:12","path":"var/lib/dpkg/status","layer":0,"layer_digest":"` + digestA + `",
	"instruction":"ADD rootfs.tar.xz /\u001b[31m","verdict":"affected","reason":"` + reason + `",
	"finding":{"id":"CVE-2024-5535","severity":"high","score":7.5,"fixed":"3.0.16-1~deb12u1"},
	"evidence":[{"record":"DEBIAN-CVE-2024-5535","feed":"Debian","checked":"2026-11-25T01:15:00Z","published":"2024-06-27T00:00:00Z","package":"openssl","versions":">=0,<3.0.16-1~deb12u1",
	"comparer":"dpkg","asked_name":"openssl","asked_version":"3.0.15-1~deb12u1","verdict":"affected","reason":"` + reason + `"}],
	"severities":[{"source":"DEBIAN-CVE-2024-5535","by":"CVSS_V3","severity":"high","score":7.5,"vector":"CVSS:3.1/AV:N","counts":true}],
	"enrichment":{"kev":{"added":"2024-07-01T00:00:00Z","ransomware":false},"epss":{"score":0.125,"percentile":0.9,"date":"2026-11-24T00:00:00Z"}}}]}`

// TestExplainCommand: the answer first, then the evidence; the exit code says it too.
func TestExplainCommand(t *testing.T) {
	t.Parallel()
	s := answers(t, map[string]string{
		"/api/v1/gate": `{"images":[{"digest":"` + digestA + `","platform":"linux/amd64"}]}`,
		"/api/v1/images/" + digestA + "/explain/CVE-2024-5535": explainedAnswer,
		"/api/v1/images/" + digestA + "/explain/CVE-2024-0001": `{"reference":"a/b:1","platform":"linux/amd64","flaw":"CVE-2024-0001","verdict":"not affected","reason":"package absent: the image holds none of x (npm)"}`,
		"/api/v1/images/" + digestA + "/explain/CVE-2024-0002": `{"reference":"a/b:1","platform":"linux/amd64","flaw":"CVE-2024-0002","verdict":"unknown","reason":"no advisory data for CentOS:7"}`,
	})
	code, out, _ := run(t, s, "explain", "registry.corp.example/shop/orders:2.3", "CVE-2024-5535")
	for _, want := range []string{
		"AFFECTED  CVE-2024-5535", reason, "also known as DEBIAN-CVE-2024-5535", "libssl3 3.0.15-1~deb12u1 (source openssl)", "high 7.5", "var/lib/dpkg/status",
		"ADD rootfs.tar.xz /", "ordered as dpkg does", ">=0,<3.0.16-1~deb12u1", "published 27 Jun 2024", "last seen in use 24 Nov 2026 23:59 UTC, by a", ", east", "CVSS:3.1/AV:N", "known since 1 Jul 2024 (KEV), EPSS 12.5 % within 30 days", "exit 1: affected",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != exitFailed || strings.Contains(out, "\x1b") || strings.Index(out, "AFFECTED") > strings.Index(out, "PACKAGE") {
		t.Errorf("exit %d, or an escape of the image's, or the answer is not first:\n%s", code, out)
	}
	for id, want := range map[string]int{"CVE-2024-0001": 0, "CVE-2024-0002": exitShort} {
		code, out, _ := run(t, s, "explain", digestA, id)
		if !strings.Contains(out, "in use     not known: nobody told") {
			t.Errorf("%s: of use nothing is said:\n%s", id, out)
		}
		if code != want {
			t.Errorf("%s: exit %d, want %d:\n%s", id, code, want, out)
		}
	}
	code, out, _ = run(t, s, "explain", digestA, "CVE-2024-5535", "--format", "json")
	if !json.Valid([]byte(out)) || code != exitFailed {
		t.Errorf("exit %d: no JSON:\n%s", code, out)
	}
	if code, _, errOut := run(t, s, "explain", digestA, "CVE-2024-5535", "--format", "xml"); code != exitUsage || !strings.Contains(errOut, "table or json") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

// TestExplainShortName: a repository and tag that one registry has are enough.
func TestExplainShortName(t *testing.T) {
	t.Parallel()
	row := func(registry string) string {
		return `{"repository":"shop/orders","registry":"` + registry + `","tag":"2.3","digest":"` + digestA + `","platform":"linux/amd64"}`
	}
	explained := map[string]string{"/api/v1/images/" + digestA + "/explain/CVE-2024-5535": explainedAnswer}
	two, none := map[string]string{}, map[string]string{}
	for path, body := range explained {
		two[path], none[path] = body, body
	}
	explained["/api/v1/images"] = `{"items":[` + row("harbor") + `]}`
	two["/api/v1/images"] = `{"items":[` + row("harbor") + `,` + row("onprem") + `]}`
	none["/api/v1/images"] = `{"items":[]}`
	if code, out, errOut := run(t, answers(t, explained), "explain", "shop/orders:2.3", "CVE-2024-5535"); code != exitFailed {
		t.Errorf("in one registry: exit %d: %s%s", code, out, errOut)
	}
	if code, _, errOut := run(t, answers(t, two), "explain", "shop/orders:2.3", "CVE-2024-5535"); code != exitUsage || !strings.Contains(errOut, "2 registries") {
		t.Errorf("in two registries: exit %d: %s", code, errOut)
	}
	if code, _, errOut := run(t, answers(t, none), "explain", "shop/orders:2.3", "CVE-2024-5535"); code != exitUsage || !strings.Contains(errOut, "no such image") {
		t.Errorf("nowhere: exit %d: %s", code, errOut)
	}
}

// TestFindCommand: counts first, owners, then images; an owner that nobody named is said to be so.
func TestFindCommand(t *testing.T) {
	t.Parallel()
	s := answers(t, map[string]string{"/api/v1/find": `{"package":"openssl","range":"<3.0.16","ecosystem":"Debian:12","link":"/find?package=openssl&range=%3C3.0.16","stored":1204,
		"affected":31,"unknown":4,"fixed":112,"owners":[{"owner":"shop","affected":21,"unknown":0,"fixed":3},{"owner":"","affected":10,"unknown":4,"fixed":109}],
		"items":[{"reference":"registry.corp.example/shop/` + strings.Repeat("long-", 20) + `orders:2.3","platform":"linux/arm64","status":"affected","owner":"shop","packages":[{"name":"libssl3","version":"3.0.15-1"},{"name":"openssl","version":"3.0.15-1"}]},
		{"reference":"registry.corp.example/legacy/report:7","status":"unknown","reason":"not read: failed: blob answers 404 ` + strings.Repeat("x", 80) + `"}],"total":147,"next":"abc"}`})
	code, out, _ := run(t, s, "find", "openssl", "<3.0.16", "--ecosystem", "Debian:12")
	for _, want := range []string{
		"1,204 images looked at", "AFFECTED         31", "UNKNOWN           4", "FIXED           112", "owner not known", "libssl3 3.0.15-1 +1", "not read: failed",
		"145 more: --all, or --cursor abc", "the same later: " + s.URL + "/find?package=openssl", "exit 1: 31 images affected, 4 unknown",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != exitFailed {
		t.Errorf("exit %d, want %d", code, exitFailed)
	}
	if _, out, _ := run(t, s, "find", "openssl", "<3.0.16", "--format", "json"); !json.Valid([]byte(out)) || !strings.Contains(out, `"range": "<3.0.16"`) {
		t.Errorf("no JSON:\n%s", out)
	}
}

// TestFindFault: the mark of a fault stands under its place, as the server has it.
func TestFindFault(t *testing.T) {
	t.Parallel()
	s := answers(t, map[string]string{"/api/v1/find": `400 {"error":"range: column 3: want a version after <\n  < ,\n    ^"}`})
	code, _, errOut := run(t, s, "find", "openssl", "< ,")
	if code != exitUsage || errOut != "plimsoll: range: column 3: want a version after <\n  < ,\n    ^\n" {
		t.Errorf("exit %d: %q", code, errOut)
	}
}
