package discover

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// each is every kind with its settings and a repository in it.
func each(t *testing.T) map[plimsoll.RegistryKind]struct {
	conf       plimsoll.Registry
	repository string
} {
	type one = struct {
		conf       plimsoll.Registry
		repository string
	}
	return map[plimsoll.RegistryKind]one{
		plimsoll.KindDistribution: {plimsoll.Registry{Kind: plimsoll.KindDistribution}, "team/app"},
		plimsoll.KindDockerHub:    {plimsoll.Registry{Kind: plimsoll.KindDockerHub, Namespaces: []string{"team"}}, "team/app"},
		plimsoll.KindGoogle:       {plimsoll.Registry{Kind: plimsoll.KindGoogle, Namespaces: []string{"p/r"}}, "p/r/app"},
		plimsoll.KindHarbor:       {plimsoll.Registry{Kind: plimsoll.KindHarbor, Namespaces: []string{"team"}}, "team/app"},
		plimsoll.KindGitLab:       {plimsoll.Registry{Kind: plimsoll.KindGitLab, Namespaces: []string{"team"}}, "team/app"},
	}
}

// listing says whether a listing of repositories is complete: the error, or that of the first part that is missed.
func listing(t *testing.T, s *Source) error {
	t.Helper()
	for cursor, pages := "", 0; pages < 300; pages++ {
		p, err := s.Repositories(t.Context(), cursor, 1000)
		if err == nil && len(p.Missed) > 0 {
			err = p.Missed[0].Err
		}
		if err != nil {
			return err
		}
		if cursor = p.Next; cursor == "" {
			return nil
		}
	}
	return errors.New("no end")
}

// TestEndless is H33 for each vendor: a server that gives the same page for ever, and one that says "more" on an empty page. The
// listing is not complete and says so, after few requests.
func TestEndless(t *testing.T) {
	t.Parallel()
	full := strings.Join(strings.Split(strings.Repeat("app ", 100), " ")[:100], `"},{"name":"`)
	for name, body := range map[string]string{"same": `{"name":"` + full + `"}`, "empty": ""} {
		for kind, one := range each(t) {
			if kind == plimsoll.KindGoogle && name == "empty" {
				continue // a folder without anything in it, which has an end
			}
			var asked atomic.Int64
			f := serve(t, func(_ *fake, w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				w.Header().Set("Link", "<"+r.URL.EscapedPath()+`?n=1000&last=x>; rel="next"`)
				w.Header().Set("X-Page", "1")
				w.Header().Set("X-Next-Page", "2")
				if kind == plimsoll.KindHarbor || kind == plimsoll.KindGitLab {
					_, _ = w.Write([]byte("[" + body + "]"))
					return
				}
				fmt.Fprintf(w, `{"name":"x","next":"http://127.0.0.1:1/","results":[%s],"repositories":["a"],"tags":["a"],"child":[]}`, body)
			})
			s := f.source(one.conf)
			err := listing(t, s)
			if kind == plimsoll.KindHarbor && name == "empty" {
				if err != nil {
					t.Errorf("an empty page is Harbor's last: %v", err)
				}
				continue
			}
			if !errors.Is(err, plimsoll.ErrInvalid) {
				t.Errorf("%s, %s: repositories: %v, want ErrInvalid", kind, name, err)
			}
			if _, err := allTags(t.Context(), s, one.repository); kind != plimsoll.KindHarbor && !errors.Is(err, plimsoll.ErrInvalid) {
				t.Errorf("%s, %s: tags: %v, want ErrInvalid", kind, name, err)
			}
			if n := asked.Load(); n > 12 {
				t.Errorf("%s, %s: %d requests", kind, name, n)
			}
		}
	}
}

// TestNonsense has answers that are none of the vendor's: never an empty listing.
func TestNonsense(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "null", "{}", "[1]", `"x"`, "<html>", `{"results":null}`, `{"results":{"name":1}}`, `[{"path":7,"name":{}}]`} {
		for kind, one := range each(t) {
			f := serve(t, func(_ *fake, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
			s := f.source(one.conf)
			if err := listing(t, s); err == nil {
				t.Errorf("%s takes %q for a complete listing of repositories", kind, body)
			}
			if _, err := allTags(t.Context(), s, one.repository); err == nil {
				t.Errorf("%s takes %q for a complete listing of tags", kind, body)
			}
		}
	}
}

// TestAway: a registry that does not answer is an error, so that the page is tried again; it is never a part that is missed.
func TestAway(t *testing.T) {
	t.Parallel()
	for kind, one := range each(t) {
		f := serve(t, func(_ *fake, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		p, err := f.source(one.conf).Repositories(t.Context(), "", 100)
		if !errors.Is(err, plimsoll.ErrUnavailable) || len(p.Missed) != 0 {
			t.Errorf("%s: %+v, %v; want ErrUnavailable", kind, p, err)
		}
	}
}

// TestRedirectKeepsSecrets is H31 for a vendor's API: what it is redirected to gets no credentials.
func TestRedirectKeepsSecrets(t *testing.T) {
	t.Parallel()
	var leaked atomic.Value
	other := serve(t, func(_ *fake, w http.ResponseWriter, r *http.Request) {
		leaked.Store(r.Header.Get("Private-Token") + r.Header.Get("Authorization"))
		_, _ = w.Write([]byte("[]"))
	})
	f := serve(t, func(_ *fake, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	for _, kind := range []plimsoll.RegistryKind{plimsoll.KindGitLab, plimsoll.KindHarbor} {
		conf := each(t)[kind].conf
		conf.Username, conf.PasswordFile = "u", secret(t, "pw")
		_ = listing(t, f.source(conf))
		if got := leaked.Load(); got != "" {
			t.Errorf("%s: another host got %q", kind, got)
		}
	}
}

// FuzzDecode has the decoders of all vendors read the same bytes: no panic, and no digest of the wrong form.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"next":"x","results":[{"name":"a","digest":"sha256:` + strings.Repeat("a", 64) + `","tag_last_pushed":"2026-11-20T08:00:00Z"}]}`,
		`[{"name":"a/b","path":"a/b","digest":"sha256:` + strings.Repeat("b", 64) + `","push_time":"x","tags":[{"name":"1","push_time":"2026-11-20T08:00:00Z"}],"expires_at":-1}]`,
		`{"child":["a"],"tags":["1"],"manifest":{"sha256:` + strings.Repeat("c", 64) + `":{"tag":["1"],"timeUploadedMs":"1763625600000"}}}`,
		`{"access_token":"a.eyJleHAiOjF9.c"}`, `{"active":true,"expires_at":"2026-12-01"}`, `null`, `[null]`, `{"results":[null]}`, `{"manifest":{"x":null}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		check := func(tags []Tag) {
			for _, tag := range Newest(tags, 1) {
				if tag.Digest != "" && !strings.HasPrefix(string(tag.Digest), "sha256:") {
					t.Fatalf("digest %q", tag.Digest)
				}
			}
		}
		if _, _, err := decodeHubRepositories(b); err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
		hubTags, _, _ := decodeHubTags(b)
		check(hubTags)
		if token, err := decodeHubToken(b); err == nil && tokenLife(token, pushed) <= 0 {
			t.Fatal("a token without life")
		}
		if list, err := decodeGoogle(b); err == nil {
			check(list.tags())
		}
		_, _ = decodeHarborNames(b)
		harborTags, _, err := decodeHarborArtifacts(b)
		check(harborTags)
		if err == nil {
			for _, tag := range harborTags {
				if tag.Digest == "" {
					t.Fatal("a tag of Harbor without a digest")
				}
			}
		}
		_, _ = decodeHarborRobots(b)
		_, _ = decodeGitLab(b)
		_, _ = decodeGitLabToken(b)
		if at, err := place(string(b)); err == nil && at.page < 1 {
			t.Fatal("a page before the first")
		}
	})
}
