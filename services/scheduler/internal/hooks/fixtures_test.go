package hooks

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

const theSecret = "s3cret-of-the-hook"

const fixtureDigest plimsoll.Digest = "sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf"

// at is how a reference at the fixtures' digest is written in tests.
const at = "@" + string(fixtureDigest)

// A sender makes a dialect's requests.
type sender struct {
	registry plimsoll.Registry
	header   map[string]string // that each message has
	// prove shows the secret, or signs with it.
	prove func(req *http.Request, body []byte, secret string)
	// known are a body that asks for one tag and what it asks for; unknown one of an event that nobody has heard of.
	known, asks, unknown string
	digestless           bool // payloads hold no digest
}

func authorization(req *http.Request, _ []byte, secret string) {
	req.Header.Set("Authorization", "Bearer "+secret)
}

func path(req *http.Request, _ []byte, secret string) { req.URL.Path += "/" + secret }

func signing(header, prefix string, kind func() hash.Hash) func(*http.Request, []byte, string) {
	return func(req *http.Request, body []byte, secret string) {
		mac := hmac.New(kind, []byte(secret))
		mac.Write(body)
		req.Header.Set(header, prefix+hex.EncodeToString(mac.Sum(nil)))
	}
}

// senders are all dialects, as their documentation has them send. The repository's words say where a sender's own begin.
func senders(t testing.TB) map[string]sender {
	t.Helper()
	load := func(name string) string { return fixture(t, name) }
	return map[string]sender{
		plimsoll.HookDistribution: {prove: authorization, known: load("distribution/push"), asks: "r/library/test:latest" + at, unknown: `{"events":[{"action":"sneeze"}]}`},
		plimsoll.HookHarbor:       {prove: authorization, known: load("harbor/push"), asks: "r/test-webhook/debian:latest" + at, unknown: `{"type":"SNEEZE"}`},
		plimsoll.HookDockerHub:    {prove: path, known: load("docker-hub/push"), asks: "r/svendowideit/testhook:latest", unknown: `{"repository":{"repo_name":"a/b"}}`, digestless: true},
		plimsoll.HookQuay:         {prove: path, known: load("quay/push-old"), asks: "r/mynamespace/repository:latest", unknown: load("quay/build"), digestless: true},
		plimsoll.HookGHCR: {prove: signing("X-Hub-Signature-256", "sha256=", sha256.New), header: map[string]string{"X-GitHub-Event": "package"},
			known: load("ghcr/package"), asks: "r/codertocat/hello-docker:latest" + at, unknown: `{"action":"sneezed","package":{"package_type":"container"}}`},
		plimsoll.HookACR: {prove: authorization, known: load("acr/push"), asks: "r/hello-world:v1" + at, unknown: `{"action":"sneeze"}`},
		plimsoll.HookECR: {registry: plimsoll.Registry{URL: "https://123456789012.dkr.ecr.us-west-2.amazonaws.com"},
			prove: func(req *http.Request, _ []byte, secret string) { req.Header.Set("X-Api-Key", secret) },
			known: load("ecr/push"), asks: "r/my-repository-name:latest" + at, unknown: load("ecr/scan")},
		plimsoll.HookGoogle: {registry: plimsoll.Registry{URL: "https://us-east1-docker.pkg.dev"}, // its proof is in token_test.go
			known: load("google/push"), asks: "r/my-project/my-repo/hello-world:1.1" + at, unknown: `{"action":"SNEEZE","tag":"us-east1-docker.pkg.dev/a/b:1"}`},
		plimsoll.HookZot: {prove: authorization, known: load("zot/push"), asks: "r/team/app:v1" + at, unknown: load("zot/created")},
		plimsoll.HookGitea: {prove: signing("X-Gitea-Signature", "", sha256.New), header: map[string]string{"X-Gitea-Event": "package"},
			known: load("gitea/push"), asks: "r/gitea/hello:1.0", unknown: `{"action":"sneezed","package":{"type":"container"}}`, digestless: true},
		plimsoll.HookArtifactory: {prove: signing("X-JFrog-Event-Auth", "", sha256.New), known: load("artifactory/push"), asks: "r/docker-local/team/app:latest" + at, unknown: `{"event_type":"sneezed"}`},
		plimsoll.HookNexus: {prove: signing("X-Nexus-Webhook-Signature", "", sha1.New), header: map[string]string{"X-Nexus-Webhook-Id": "rm:repository:component"},
			known: load("nexus/push"), asks: "r/docker-hosted/team/app:1.0", unknown: load("nexus/npm"), digestless: true},
	}
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eachDialect calls test with a world in which one registry, "r", speaks each dialect and has a secret.
func eachDialect(t *testing.T, test func(t *testing.T, w *world, s sender)) {
	all := senders(t)
	if diff := cmp.Diff(slices.Sorted(slices.Values(plimsoll.HookDialects)), slices.Sorted(maps.Keys(all))); diff != "" {
		t.Fatalf("dialects with a sender (-want +got):\n%s", diff)
	}
	for name, s := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(theSecret+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			r := s.registry
			r.ID, r.Hook.Dialect, r.Hook.SecretFile = "r", name, file
			local := false
			if s.prove == nil {
				r.Hook.SecretFile, local = "", true
				s.prove = func(*http.Request, []byte, string) {}
			}
			test(t, newWorld(local, r), s)
		})
	}
}

// send posts a body as the sender would.
func (w *world) send(t *testing.T, s sender, body, secret string) int {
	t.Helper()
	req := request(t, "/hooks/r", body)
	for name, value := range s.header {
		req.Header.Set(name, value)
	}
	s.prove(req, []byte(body), secret)
	return w.serve(req).Code
}

// Every fixture asks for what it says, in every dialect and form.
func TestFixtures(t *testing.T) {
	t.Parallel()
	ref := func(tag string) []plimsoll.Ref {
		return []plimsoll.Ref{{Tag: tag, Digest: fixtureDigest}, {Tag: "other", Digest: digestB}}
	}
	tests := []struct {
		file   string
		header []string
		hook   plimsoll.Hook
		url    string
		refs   []plimsoll.Ref
		asks   []string
		reply  string
	}{
		{file: "distribution/push", asks: []string{"r/library/test:latest" + at}},
		{file: "distribution/delete", refs: ref("v1"), asks: []string{"r/library/test:v1"}},
		{file: "harbor/push", asks: []string{"r/test-webhook/debian:latest" + at}},
		{file: "harbor/delete", refs: ref("latest"), asks: []string{"r/test-webhook/debian:latest"}},
		{file: "harbor/push-by-digest"},
		{file: "harbor/pull"},
		{file: "harbor/cloudevent", header: []string{"Content-Type", "application/cloudevents+json"}, asks: []string{"r/library/busybox:v1" + at}},
		{file: "docker-hub/push", asks: []string{"r/svendowideit/testhook:latest"}},
		{file: "quay/push", asks: []string{"r/mynamespace/repository:latest", "r/mynamespace/repository:v2"}},
		{file: "quay/push-old", asks: []string{"r/mynamespace/repository:latest"}},
		{file: "quay/build"},
		{file: "ghcr/package", header: []string{"X-GitHub-Event", "package"}, asks: []string{"r/codertocat/hello-docker:latest" + at}},
		{file: "ghcr/registry-package", header: []string{"X-GitHub-Event", "registry_package"}, asks: []string{"r/codertocat/hello-docker:v2" + at}},
		{file: "ghcr/untagged", header: []string{"X-GitHub-Event", "package"}},
		{file: "ghcr/npm", header: []string{"X-GitHub-Event", "package"}},
		{file: "ghcr/ping", header: []string{"X-GitHub-Event", "ping"}},
		{file: "acr/push", asks: []string{"r/hello-world:v1" + at}},
		{file: "acr/delete", refs: ref("v1"), asks: []string{"r/hello-world:v1"}},
		{file: "acr/ping"},
		{file: "acr/chart"},
		{file: "acr/grid", refs: ref("v0"), asks: []string{"r/aci-helloworld:v1" + at, "r/aci-helloworld:v0"}},
		{file: "acr/grid-cloudevent", header: []string{"Content-Type", "application/cloudevents+json; charset=utf-8"}, asks: []string{"r/aci-helloworld:v1" + at}},
		{file: "acr/validation", header: []string{"Aeg-Event-Type", "SubscriptionValidation"}, reply: `{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}`},
		{file: "ecr/push", url: "https://123456789012.dkr.ecr.us-west-2.amazonaws.com", asks: []string{"r/my-repository-name:latest" + at}},
		{file: "ecr/push", url: "https://ecr-proxy.corp.example", asks: []string{"r/my-repository-name:latest" + at}},
		{file: "ecr/push", url: "https://999999999999.dkr.ecr.us-west-2.amazonaws.com"},
		{file: "ecr/push", url: "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com"},
		{file: "ecr/delete", url: "https://123456789012.dkr.ecr.us-west-2.amazonaws.com", refs: ref("latest"), asks: []string{"r/my-repository-name:latest"}},
		{file: "ecr/scan"},
		{file: "google/push", url: "https://us-east1-docker.pkg.dev", asks: []string{"r/my-project/my-repo/hello-world:1.1" + at}},
		{file: "google/push", url: "https://europe-docker.pkg.dev"},
		{file: "google/upload", url: "https://us-east1-docker.pkg.dev"},
		{file: "google/delete", url: "https://us-east1-docker.pkg.dev", refs: ref("1.1"), asks: []string{"r/my-project/my-repo/hello-world:1.1"}},
		{file: "google/delete-digest", url: "https://us-east1-docker.pkg.dev", refs: ref("1.2"), asks: []string{"r/my-project/my-repo/hello-world:1.2"}},
		{file: "zot/push", header: []string{"Content-Type", "application/cloudevents+json"}, asks: []string{"r/team/app:v1" + at}},
		{file: "zot/binary", header: []string{"Ce-Type", "zotregistry.image.updated", "Ce-Id", "1", "Ce-Specversion", "1.0", "Ce-Source", "zotregistry.dev"}, asks: []string{"r/team/app:v2" + at}},
		{file: "zot/delete", refs: ref("v1"), asks: []string{"r/team/app:v1"}},
		{file: "zot/created"},
		{file: "gitea/push", header: []string{"X-Gitea-Event", "package"}, asks: []string{"r/gitea/hello:1.0"}},
		{file: "gitea/push", header: []string{"X-Forgejo-Event", "package"}, asks: []string{"r/gitea/hello:1.0"}},
		{file: "gitea/push", header: []string{"X-Gitea-Event", "push"}},
		{file: "gitea/delete", header: []string{"X-Gitea-Event", "package"}, refs: ref("1.0"), asks: []string{"r/gitea/hello:1.0"}},
		{file: "gitea/npm", header: []string{"X-Gitea-Event", "package"}},
		{file: "artifactory/push", asks: []string{"r/docker-local/team/app:latest" + at}},
		{file: "artifactory/push", hook: plimsoll.Hook{Repository: "docker-local"}, asks: []string{"r/team/app:latest" + at}},
		{file: "artifactory/push", hook: plimsoll.Hook{Repository: "docker-prod"}},
		{file: "artifactory/push-flat", asks: []string{"r/docker-remote-cache/library/ubuntu:latest" + at}},
		{file: "artifactory/delete", refs: ref("v1"), asks: []string{"r/docker-local/app:v1"}},
		{file: "artifactory/artifact"},
		{file: "nexus/push", header: []string{"X-Nexus-Webhook-Id", "rm:repository:component"}, asks: []string{"r/docker-hosted/team/app:1.0"}},
		{file: "nexus/push", header: []string{"X-Nexus-Webhook-Id", "rm:repository:component"}, hook: plimsoll.Hook{Repository: "docker-hosted"}, asks: []string{"r/team/app:1.0"}},
		{file: "nexus/push", header: []string{"X-Nexus-Webhook-Id", "rm:repository:asset"}},
		{file: "nexus/delete", header: []string{"X-Nexus-Webhook-Id", "rm:repository:component"}, refs: ref("1.0"), asks: []string{"r/docker-hosted/team/app:1.0"}},
		{file: "nexus/npm", header: []string{"X-Nexus-Webhook-Id", "rm:repository:component"}},
	}
	used := map[string]bool{}
	for _, test := range tests {
		used[filepath.FromSlash(test.file)+".json"] = true
		r := plimsoll.Registry{ID: "r", URL: test.url, Hook: test.hook}
		r.Hook.Dialect = filepath.Dir(test.file)
		w := newWorld(true, r)
		w.refs = test.refs
		rec := w.post(t, "/hooks/r", fixture(t, test.file), append([]string{"Content-Type", "application/json; charset=utf-8"}, test.header...)...)
		want := http.StatusAccepted
		if test.reply != "" {
			want = http.StatusOK
		}
		if rec.Code != want || test.reply != "" && rec.Body.String() != test.reply {
			t.Errorf("%s: status %d %s, want %d %s", test.file, rec.Code, rec.Body, want, test.reply)
		}
		if diff := cmp.Diff(test.asks, w.asked()); diff != "" {
			t.Errorf("%s at %s: asked (-want +got):\n%s", test.file, test.url, diff)
		}
		for _, r := range w.requests {
			for _, target := range r.GetTargets() {
				if target.GetObserved() != 0 {
					t.Errorf("%s: a hint counts as an observation of ours: its digest would be believed", test.file)
				}
			}
		}
		if refused := w.counted("r", refused); refused != 0 {
			t.Errorf("%s: %v refused", test.file, refused)
		}
	}
	for _, file := range every(t) {
		if !used[file] {
			t.Errorf("testdata/%s is in no test", file)
		}
	}
}

// every is the fixtures' names under testdata.
func every(t testing.TB) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d fixtures: %v", len(files), err)
	}
	for _, f := range files {
		all = append(all, strings.TrimPrefix(f, "testdata"+string(filepath.Separator)))
	}
	return all
}

func TestProofs(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, w *world, s sender) {
		if code := w.send(t, s, s.known, theSecret); code != 202 {
			t.Errorf("the right secret: status %d, want 202", code)
		}
		if diff := cmp.Diff([]string{s.asks}, w.asked()); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if w.handler.Local {
			return // Google's proof has a test of its own
		}
		for _, wrong := range []string{"", "s3cret", theSecret + "x", theSecret[1:]} {
			if code := w.send(t, s, s.known, wrong); code != 401 {
				t.Errorf("the secret %q: status %d, want 401", wrong, code)
			}
		}
		none := s
		none.prove = func(*http.Request, []byte, string) {}
		if code := w.send(t, none, s.known, ""); code != 401 {
			t.Errorf("no proof: status %d, want 401", code)
		}
		// A signature belongs to its body.
		other := s
		other.prove = func(req *http.Request, _ []byte, secret string) { s.prove(req, []byte(s.known), secret) }
		d := dialectOf(w.handler.Registries["r"])
		if code := w.send(t, other, s.unknown, theSecret); d.signed != (code == 401) {
			t.Errorf("another body under the same proof: status %d", code)
		}
		if len(w.requests) != 1 || w.counted("r", refused) < 5 {
			t.Errorf("%d requests, %v refused, want 1 and 5 or more", len(w.requests), w.counted("r", refused))
		}
	})
}

// Besides the form that TestProofs tries, some senders have others.
func TestOtherProofs(t *testing.T) {
	t.Parallel()
	basic := base64.StdEncoding.EncodeToString([]byte(theSecret))
	spaced := fixture(t, "nexus/push")
	tests := []struct {
		name, dialect, header, value string
		hook                         plimsoll.Hook
		path                         string
		status                       int
	}{
		{name: "as it is", dialect: plimsoll.HookHarbor, header: "Authorization", value: theSecret, status: 202},
		{name: "basic", dialect: plimsoll.HookZot, header: "Authorization", value: "Basic " + basic, status: 202},
		{name: "a header of one's own", dialect: plimsoll.HookACR, hook: plimsoll.Hook{Header: "X-Hook"}, header: "X-Hook", value: theSecret, status: 202},
		{name: "the usual header in its place", dialect: plimsoll.HookACR, hook: plimsoll.Hook{Header: "X-Hook"}, header: "Authorization", value: theSecret, status: 401},
		{name: "Event Grid in the path", dialect: plimsoll.HookACR, path: "/" + theSecret, status: 202},
		{name: "Event Grid, wrong in the path, right in the header", dialect: plimsoll.HookACR, path: "/x", header: "Authorization", value: theSecret, status: 401},
		{name: "a path below for who has no use for it", dialect: plimsoll.HookHarbor, path: "/" + theSecret, status: 404},
		{name: "Artifactory's secret itself", dialect: plimsoll.HookArtifactory, header: "X-JFrog-Event-Auth", value: theSecret, status: 202},
		{name: "Forgejo", dialect: plimsoll.HookGitea, header: "X-Forgejo-Signature", value: signature(fixture(t, "gitea/push"), sha256.New), status: 202},
		{name: "Gitea in GitHub's form", dialect: plimsoll.HookGitea, header: "X-Hub-Signature-256", value: "sha256=" + signature(fixture(t, "gitea/push"), sha256.New), status: 202},
		{name: "GitHub without its prefix", dialect: plimsoll.HookGHCR, header: "X-Hub-Signature-256", value: signature(fixture(t, "ghcr/package"), sha256.New), status: 401},
		{name: "GitHub's older form", dialect: plimsoll.HookGHCR, header: "X-Hub-Signature", value: "sha1=" + signature(fixture(t, "ghcr/package"), sha1.New), status: 401},
		{name: "Nexus without white space", dialect: plimsoll.HookNexus, header: "X-Nexus-Webhook-Signature", value: signature(compact(spaced), sha1.New), status: 202},
		{name: "Docker Hub, in a header", dialect: plimsoll.HookDockerHub, header: "Authorization", value: theSecret, status: 401},
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(theSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		s := senders(t)[test.dialect]
		r := plimsoll.Registry{ID: "r", Hook: test.hook}
		r.Hook.Dialect, r.Hook.SecretFile = test.dialect, file
		w := newWorld(false, r)
		req := request(t, "/hooks/r"+test.path, s.known)
		for name, value := range s.header {
			req.Header.Set(name, value)
		}
		if test.header != "" {
			req.Header.Set(test.header, test.value)
		}
		if code := w.serve(req).Code; code != test.status {
			t.Errorf("%s: status %d, want %d", test.name, code, test.status)
		}
	}
}

func signature(body string, kind func() hash.Hash) string {
	mac := hmac.New(kind, []byte(theSecret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// H46, H49: what is hostile in every dialect.
func TestHostileMessages(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, w *world, s sender) {
		pad := `{"pad":"` + strings.Repeat("x", maxBody) + `"}`
		many := "[" + strings.Repeat(`{},`, 100_000) + "{}]"
		for _, test := range []struct {
			name, body string
			status     []int
		}{
			{"not JSON", `<html>`, []int{400}},
			{"empty", ``, []int{400}},
			{"a number", `7`, []int{400}},
			{"a list of all sorts", `[1,"a",null]`, []int{400}},
			{"null", `null`, []int{202, 400}},
			{"no fields", `{}`, []int{202, 400}},
			{"fields of the wrong kind", `{"events":7,"type":7,"repository":7,"action":7,"detail-type":7,"message":7,"event_type":7,"package":7,"component":7}`, []int{400}},
			{"an unknown event", s.unknown, []int{202}},
			{"more than 1 MiB", pad, []int{413}},
			{"100,000 events", many, []int{400, 413}},
			{"100,000 events in their envelope", `{"events":` + many + `}`, []int{202, 400, 413}},
		} {
			if code := w.send(t, s, test.body, theSecret); !slices.Contains(test.status, code) {
				t.Errorf("%s: status %d, want one of %v", test.name, code, test.status)
			}
		}
		for _, name := range []string{"../etc", "Team/App", "a//b", "a/ｂ", strings.Repeat("a", 300), "a\u0000b", "http://169.254.169.254/x"} {
			body := strings.NewReplacer("library/test", name, "test-webhook/debian", name, "svendowideit/testhook", name, "mynamespace/repository", name,
				"hello-docker", name, "hello-world", name, "my-repository-name", name, "team/app", name, `"hello"`, `"`+name+`"`, `"app"`, `"`+name+`"`).Replace(s.known)
			if s.registry.URL == "https://us-east1-docker.pkg.dev" {
				body = `{"action":"INSERT","tag":"us-east1-docker.pkg.dev/` + name + `:1"}`
			}
			folds := s.header["X-GitHub-Event"]+s.header["X-Gitea-Event"] != "" // what people write in any case
			if w.send(t, s, body, theSecret); len(w.requests) > 0 && !folds {
				t.Errorf("repository %q was taken: %v", name, w.asked())
			}
			for _, r := range w.requests {
				if err := plimsoll.CheckRepository(r.GetRepository()); err != nil {
					t.Error(err)
				}
			}
			w.requests = nil
		}
	})
}

// A forged digest goes into the queue as a hint (Observed is 0), and a scan asks the tag: see the test of the scan's Resolve, "its
// digest is only a hint". One that is no digest goes nowhere.
func TestForgedDigests(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, w *world, s sender) {
		if s.digestless {
			return
		}
		for _, forged := range []string{string(digestB), "sha256:short", "md5:" + fixtureDigest.Hex()} {
			w.requests = nil
			body := strings.ReplaceAll(s.known, fixtureDigest.Hex(), strings.TrimPrefix(forged, "sha256:"))
			body = strings.ReplaceAll(body, "sha256:md5:", "md5:")
			if s.registry.URL == "https://us-east1-docker.pkg.dev" {
				ref := "us-east1-docker.pkg.dev/my-project/my-repo/hello-world"
				body = `{"action":"INSERT","digest":"` + ref + "@" + forged + `","tag":"` + ref + `:1.1"}`
			}
			code := w.send(t, s, body, theSecret)
			if code != 202 {
				t.Errorf("digest %s: status %d, want 202", forged, code)
			}
			want := []string{strings.Replace(s.asks, string(fixtureDigest), forged, 1)}
			if forged != string(digestB) {
				want = nil
			}
			if diff := cmp.Diff(want, w.asked()); diff != "" {
				t.Errorf("digest %s: asked (-want +got):\n%s", forged, diff)
			}
			for _, r := range w.requests {
				if r.GetTargets()[0].GetObserved() != 0 || r.GetTargets()[0].GetTag() == "" {
					t.Errorf("a forged digest would be believed: %v", r)
				}
			}
		}
	})
}

// What is sent again is known again; where messages hold neither id nor time it is a new push.
func TestReplays(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, w *world, s sender) {
		for range 50 {
			if code := w.send(t, s, s.known, theSecret); code != 202 {
				t.Fatalf("status %d, want 202", code)
			}
		}
		want := 1
		if dialectOf(w.handler.Registries["r"]).undated {
			want = 50
		}
		if len(w.requests) != want || w.counted("r", duplicate) != float64(50-want) {
			t.Errorf("50 times the same: %d requests, %v duplicates, want %d", len(w.requests), w.counted("r", duplicate), want)
		}
		for _, r := range w.requests { // they share one workflow, so that they are coalesced
			if r.WorkflowID() != w.requests[0].WorkflowID() {
				t.Errorf("workflows %s and %s, want one", r.WorkflowID(), w.requests[0].WorkflowID())
			}
		}
	})
}

func compact(body string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(body)); err != nil {
		panic(err) // fixtures are JSON
	}
	return b.String()
}
