package discover

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
)

// newFakeHarbor is Harbor 2 with the project "shop", the empty one "void", and the proxy cache "hub". A request for a manifest
// by tag fails the test: a proxy cache would fetch.
func newFakeHarbor(t *testing.T, robots func() []map[string]any) *fake {
	projects := map[string][]string{"shop": append(numberedNames("shop/app", 130), "shop/team/deep/app"), "void": nil, "hub": {"hub/library/alpine"}}
	return serve(t, func(f *fake, w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if strings.HasPrefix(path, "/v2/") && path != "/v2/" {
			f.t.Errorf("Harbor was asked for %s %s", r.Method, path)
		}
		if user, password, _ := r.BasicAuth(); path != "/v2/" && (user != "robot$plimsoll" || password != "secret") {
			w.WriteHeader(http.StatusUnauthorized)
			reply(w, map[string]any{"errors": []any{map[string]string{"code": "UNAUTHORIZED", "message": "unauthorized"}}})
			return
		}
		switch rest, _ := strings.CutPrefix(path, "/api/v2.0"); {
		case path == "/v2/":
		case rest == "/projects":
			var found []map[string]any
			for _, name := range []string{"hub", "shop", "void"} {
				found = append(found, map[string]any{"name": name, "project_id": 7, "registry_id": map[bool]int{true: 3}[name == "hub"], "metadata": map[string]string{"public": "false"}})
			}
			harborPage(w, r, found)
		case rest == "/robots":
			reply(w, robots())
		case strings.HasSuffix(rest, "/repositories"):
			harborNames(w, r, projects[strings.Split(rest, "/")[2]])
		case strings.HasSuffix(rest, "/artifacts"):
			harborArtifacts(w, r, projects)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

func harborPage[T any](w http.ResponseWriter, r *http.Request, all []T) {
	part, number, more := page(r, all, "page", "page_size")
	w.Header().Set("X-Total-Count", fmt.Sprint(len(all)))
	if more {
		w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d&page_size=100>; rel="next"`, r.URL.EscapedPath(), number+1))
	}
	if part == nil {
		part = []T{}
	}
	reply(w, part)
}

func harborNames(w http.ResponseWriter, r *http.Request, names []string) {
	var found []map[string]any
	for _, n := range names {
		found = append(found, map[string]any{"name": n, "artifact_count": 2, "pull_count": 11, "update_time": "2026-11-20T08:00:00.000Z"})
	}
	harborPage(w, r, found)
}

// harborArtifacts knows a repository by its doubly escaped name alone, as Harbor does behind a proxy.
func harborArtifacts(w http.ResponseWriter, r *http.Request, projects map[string][]string) {
	parts := strings.Split(r.URL.EscapedPath(), "/") // "" api v2.0 projects P repositories R artifacts
	once, _ := url.PathUnescape(parts[6])
	name, _ := url.PathUnescape(once)
	if len(parts) != 8 || !slices.Contains(projects[parts[4]], parts[4]+"/"+name) || r.URL.Query().Get("q") != "tags=*" || r.URL.Query().Get("with_tag") != "true" {
		w.WriteHeader(http.StatusNotFound)
		reply(w, map[string]any{"errors": []any{map[string]string{"code": "NOT_FOUND", "message": "repository " + parts[6] + " not found"}}})
		return
	}
	var found []map[string]any
	for i := range 120 {
		a := map[string]any{"type": "IMAGE", "digest": string(digest(fmt.Sprint(name, i))), "push_time": "2026-11-20T08:00:00.000Z", "pull_time": "0001-01-01T00:00:00.000Z",
			"media_type": "application/vnd.oci.image.config.v1+json", "manifest_media_type": "application/vnd.oci.image.manifest.v1+json"}
		a["tags"] = []any{map[string]any{"name": fmt.Sprint("v", i), "push_time": "2026-11-20T08:00:00.000Z", "pull_time": "0001-01-01T00:00:00.000Z"}}
		if i == 0 {
			a["tags"] = append(a["tags"].([]any), map[string]any{"name": "latest"}) // two tags of one artifact; no time of its own
		}
		found = append(found, a)
	}
	harborPage(w, r, found)
}

func harborConf(t *testing.T, projects ...string) plimsoll.Registry {
	return plimsoll.Registry{Kind: plimsoll.KindHarbor, Namespaces: projects, Username: "robot$plimsoll", PasswordFile: secret(t, "secret")}
}

// TestHarbor lists projects, a proxy cache among them, and tags with digests, without one request for a manifest.
func TestHarbor(t *testing.T) {
	t.Parallel()
	f := newFakeHarbor(t, nil)
	names, missed := all(t, func() *Source { return f.source(harborConf(t)) }, 50)
	equal(t, "repositories", names, append(numberedNames("shop/app", 130), "shop/team/deep/app", "hub/library/alpine"))
	if len(missed) != 0 {
		t.Errorf("missed %v", missed)
	}
	for _, repository := range []string{"shop/team/deep/app", "hub/library/alpine"} {
		tags, err := allTags(t.Context(), f.source(harborConf(t)), repository)
		if err != nil || len(tags) != 121 {
			t.Fatalf("%s: %d tags, %v", repository, len(tags), err)
		}
		_, name, _ := strings.Cut(repository, "/")
		if want := (Tag{"latest", digest(name + "0"), pushed}); tags[1] != want {
			t.Errorf("%s: %+v, want %+v", repository, tags[1], want)
		}
	}
	if asked := f.requests("team%252Fdeep%252Fapp/artifacts"); len(asked) != 2 {
		t.Errorf("%d requests for the artifacts, want 2", len(asked))
	}
	if _, err := allTags(t.Context(), f.source(harborConf(t)), "shop/none"); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("unknown repository: %v", err)
	}
}

// TestHarborDenied is F19: a project that may not be read, and projects that may not be listed.
func TestHarborDenied(t *testing.T) {
	t.Parallel()
	f := newFakeHarbor(t, nil)
	f.deny("/api/v2.0/projects/shop/", http.StatusForbidden)
	names, missed := all(t, func() *Source { return f.source(harborConf(t)) }, 50)
	equal(t, "repositories", names, []string{"hub/library/alpine"})
	if len(missed) != 1 || missed[0].Name != "shop" || !errors.Is(missed[0].Err, plimsoll.ErrDenied) {
		t.Errorf("missed %+v, want shop: denied", missed)
	}
	g := newFakeHarbor(t, nil)
	g.first(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v2.0/projects" {
			w.WriteHeader(http.StatusForbidden)
		}
		return r.URL.Path == "/api/v2.0/projects"
	})
	if _, err := g.source(harborConf(t)).Repositories(t.Context(), "", 50); !errors.Is(err, plimsoll.ErrDenied) || !strings.Contains(err.Error(), "namespaces") {
		t.Errorf("projects that may not be listed: %v", err)
	}
	if names, _ := all(t, func() *Source { return g.source(harborConf(t, "hub")) }, 50); len(names) != 1 {
		t.Errorf("a given project: %v", names)
	}
}

// TestHarborRobot has what Harbor says of a robot account, and an account that may not see itself.
func TestHarborRobot(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		expires int64
		deny    bool
		want    plimsoll.CredentialState
	}{
		"for ever": {-1, false, plimsoll.CredentialGood}, "a month": {now.AddDate(0, 1, 0).Unix(), false, plimsoll.CredentialGood},
		"a week": {now.AddDate(0, 0, 7).Unix(), false, plimsoll.CredentialEnding}, "over": {now.Unix() - 5, false, plimsoll.CredentialEnded},
		"not seen": {0, true, plimsoll.CredentialNotTold},
	} {
		f := newFakeHarbor(t, func() []map[string]any {
			return []map[string]any{{"name": "robot$other", "expires_at": 1}, {"name": "robot$plimsoll", "expires_at": tt.expires, "level": "system"}}
		})
		if tt.deny {
			f.deny("/api/v2.0/robots", http.StatusForbidden)
		}
		got := f.source(harborConf(t)).Credentials(t.Context(), now)
		if len(got) != 1 || got[0].Kind != plimsoll.CredentialAccount || got[0].State != tt.want {
			t.Errorf("%s: %+v, want %s", name, got, tt.want)
		}
	}
}

// TestHarborBadDigest: an artifact without a digest must not end in a HEAD by tag.
func TestHarborBadDigest(t *testing.T) {
	t.Parallel()
	f := serve(t, func(_ *fake, w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"digest":"sha256:x","tags":[{"name":"1"}]}]`))
	})
	if tags, err := allTags(t.Context(), f.source(harborConf(t)), "shop/app"); !errors.Is(err, plimsoll.ErrInvalid) {
		t.Errorf("%v, %v; want ErrInvalid", tags, err)
	}
}

// TestHarborCheck has `registry check` list by the vendor's API, and read a manifest without a request by tag.
func TestHarborCheck(t *testing.T) {
	t.Parallel()
	f := newFakeHarbor(t, nil)
	s := f.source(harborConf(t))
	names, about, err := s.FirstRepositories(t.Context())
	if err != nil || len(names) != 101 || !strings.Contains(about, "listed as harbor: 101 repositories, more follow") {
		t.Errorf("%d, %q, %v", len(names), about, err)
	}
	tags, first, more, err := s.FirstTags(t.Context(), names[0])
	if err != nil || len(tags) != 101 || first == "" || !more {
		t.Errorf("%d tags, %q, %v, %v", len(tags), first, more, err)
	}
	f.deny("/api/v2.0/projects/shop/", http.StatusForbidden)
	if names, about, err := s.FirstRepositories(t.Context()); err != nil || len(names) != 1 || !strings.Contains(about, "1 parts cannot be listed") {
		t.Errorf("with a project denied: %v, %q, %v", names, about, err)
	}
	f.deny("/api/v2.0/projects/hub/", http.StatusForbidden)
	if _, _, err := s.FirstRepositories(t.Context()); !errors.Is(err, plimsoll.ErrDenied) {
		t.Errorf("with all denied: %v", err)
	}
}
