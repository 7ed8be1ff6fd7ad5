package discover

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
)

// fakeHub is Docker Hub's API for namespaces "team" and "other". Bearer tokens are "<anything>.<claims>.<count>" and end as told.
type fakeHub struct {
	*fake
	password atomic.Value
	life     time.Duration
	logins   atomic.Int64
	valid    atomic.Value // the only token that is taken
}

func newFakeHub(t *testing.T) *fakeHub {
	h := &fakeHub{life: time.Hour}
	h.password.Store("dckr_pat_1")
	h.fake = serve(t, h.answer)
	return h
}

func (h *fakeHub) answer(_ *fake, w http.ResponseWriter, r *http.Request) {
	switch path := strings.Trim(r.URL.Path, "/"); {
	case path == "v2/auth/token" && r.Method == http.MethodPost:
		h.login(w, r)
	case r.URL.Path == "/v2/":
		w.WriteHeader(http.StatusOK)
	case r.Header.Get("Authorization") != "Bearer "+fmt.Sprint(h.valid.Load()):
		w.WriteHeader(http.StatusUnauthorized)
		reply(w, map[string]string{"message": "unauthorized"})
	case path == "v2/namespaces/team/repositories":
		h.repositories(w, r, numberedNames("app", 250))
	case path == "v2/namespaces/other/repositories":
		h.repositories(w, r, []string{"tool"})
	case path == "v2/namespaces/team/repositories/app0001/tags":
		h.tags(w, r, numberedNames("1.", 150))
	default:
		w.WriteHeader(http.StatusNotFound)
		reply(w, map[string]string{"message": "object not found"})
	}
}

func (h *fakeHub) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Identifier, Secret string }
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Identifier != "plimsoll" || in.Secret != h.password.Load() {
		w.WriteHeader(http.StatusUnauthorized)
		reply(w, map[string]string{"message": "incorrect authentication credentials"})
		return
	}
	claims, _ := json.Marshal(map[string]any{"exp": time.Now().Add(h.life).Unix()})
	token := fmt.Sprintf("e30.%s.%d", base64.RawURLEncoding.EncodeToString(claims), h.logins.Add(1))
	h.valid.Store(token)
	reply(w, map[string]string{"access_token": token})
}

func (h *fakeHub) repositories(w http.ResponseWriter, r *http.Request, names []string) {
	part, number, more := page(r, names, "page", "page_size")
	var results []map[string]any
	for _, name := range part {
		results = append(results, map[string]any{"name": name, "namespace": "team", "repository_type": "image", "is_private": true, "last_updated": "2026-11-20T08:00:00.123456Z"})
	}
	h.results(w, r, results, number, more, len(names))
}

func (h *fakeHub) tags(w http.ResponseWriter, r *http.Request, names []string) {
	part, number, more := page(r, names, "page", "page_size")
	var results []map[string]any
	for _, name := range part {
		results = append(results, map[string]any{"name": name, "digest": string(digest(name)), "media_type": "application/vnd.oci.image.index.v1+json",
			"last_updated": "2026-11-20T08:00:00Z", "tag_last_pushed": "2026-11-20T08:00:00Z", "tag_last_pulled": nil,
			"images": []any{map[string]any{"architecture": "amd64", "os": "linux", "digest": string(digest("child of " + name))}}})
	}
	if number == 1 && len(results) > 1 {
		delete(results[1], "digest") // tags of former years have none
		results[1]["tag_last_pushed"] = nil
	}
	h.results(w, r, results, number, more, len(names))
}

func (h *fakeHub) results(w http.ResponseWriter, r *http.Request, results any, number int, more bool, count int) {
	var next any
	if more {
		next = fmt.Sprintf("https://elsewhere.example%s?page=%d&page_size=100", r.URL.Path, number+1) // must not be followed
	}
	w.Header().Set("X-RateLimit-Limit", "600")
	w.Header().Set("X-RateLimit-Remaining", "599")
	reply(w, map[string]any{"count": count, "next": next, "previous": nil, "results": results})
}

func (h *fakeHub) conf(t *testing.T) plimsoll.Registry {
	return plimsoll.Registry{Kind: plimsoll.KindDockerHub, Namespaces: []string{"team", "other"}, Username: "plimsoll", PasswordFile: secret(t, "dckr_pat_1")}
}

// TestHub lists two namespaces and a repository with paging; tags come with digests and times.
func TestHub(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	conf := h.conf(t)
	names, missed := all(t, func() *Source { return h.source(conf) }, 100)
	want := []string{"other/tool"}
	for _, n := range numberedNames("app", 250) {
		want = append(want, "team/"+n)
	}
	equal(t, "repositories", names, want)
	if len(missed) != 0 {
		t.Errorf("missed %v", missed)
	}
	tags, err := allTags(t.Context(), h.source(conf), "team/app0001")
	if err != nil || len(tags) != 150 {
		t.Fatalf("%d tags, %v", len(tags), err)
	}
	if tags[0] != (Tag{"1.0000", digest("1.0000"), pushed}) || tags[1] != (Tag{"1.0001", "", pushed}) {
		t.Errorf("tags %+v", tags[:2])
	}
	if n := len(h.requests("/tags")); n != 2 {
		t.Errorf("%d requests for the tags, want 2", n)
	}
	if _, err := allTags(t.Context(), h.source(conf), "team/none"); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("unknown repository: %v", err)
	}
}

// TestHubLogin has a token that ends, one that is taken back, and a password that is changed while the listing runs (F36).
func TestHubLogin(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	conf := h.conf(t)
	s := h.source(conf)
	list := func() error {
		_, err := s.Repositories(t.Context(), "", 10)
		return err
	}
	for range 3 {
		if err := list(); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.logins.Load(); n != 1 {
		t.Errorf("%d logins for three listings, want 1", n)
	}
	h.valid.Store("another") // taken back
	h.password.Store("dckr_pat_2")
	if err := list(); !errors.Is(err, plimsoll.ErrDenied) || strings.Contains(err.Error(), "dckr_pat") {
		// walk tells namespaces apart, so the denial is in Missed
		p, _ := s.Repositories(t.Context(), "", 10)
		if len(p.Missed) != 2 || !errors.Is(p.Missed[0].Err, plimsoll.ErrDenied) || strings.Contains(p.Missed[0].Err.Error(), "dckr_pat") {
			t.Errorf("wrong password: %v, %+v", err, p)
		}
	}
	if err := os.WriteFile(conf.PasswordFile, []byte("dckr_pat_2"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := s.Repositories(t.Context(), "", 10)
	if err != nil || len(p.Missed) != 0 || len(p.Repositories) < 10 {
		t.Errorf("after the rotation: %v, %d repositories, missed %v", err, len(p.Repositories), p.Missed)
	}
}

// TestHubThrottles has the 429 of the API, whose X-Retry-After is a moment.
func TestHubThrottles(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	var refused atomic.Bool
	h.first(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/tags") || refused.Swap(true) {
			return false
		}
		w.Header().Set("X-Retry-After", fmt.Sprint(time.Now().Add(time.Second).Unix()))
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	s := h.source(h.conf(t))
	tags, err := allTags(t.Context(), s, "team/app0001")
	if err != nil || len(tags) != 150 || s.Throttled() != 1 {
		t.Errorf("%d tags, %v, throttled %d", len(tags), err, s.Throttled())
	}
}
