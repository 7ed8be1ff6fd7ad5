package discover

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
)

// newFakeGitLab has the group "shop" with 120 repositories and the project "team/tool" with one.
func newFakeGitLab(t *testing.T, token map[string]any) *fake {
	return serve(t, func(_ *fake, w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if strings.HasPrefix(path, "/api/") && r.Header.Get("Private-Token") != "glpat-1" {
			w.WriteHeader(http.StatusUnauthorized)
			reply(w, map[string]string{"message": "401 Unauthorized"})
			return
		}
		switch path {
		case "/v2/":
		case "/api/v4/groups/shop/registry/repositories":
			gitlabPage(w, r, append(numberedNames("shop/sub/app", 119), "shop/api/cache"))
		case "/api/v4/projects/team%2Ftool/registry/repositories":
			gitlabPage(w, r, []string{"team/tool"})
		case "/api/v4/personal_access_tokens/self":
			reply(w, token)
		case "/v2/shop/api/cache/tags/list":
			reply(w, map[string]any{"name": "shop/api/cache", "tags": []string{"latest"}})
		default:
			w.WriteHeader(http.StatusNotFound)
			reply(w, map[string]string{"message": "404 Not Found"})
		}
	})
}

func gitlabPage(w http.ResponseWriter, r *http.Request, paths []string) {
	part, number, more := page(r, paths, "page", "per_page")
	found := []map[string]any{}
	for i, p := range part {
		found = append(found, map[string]any{"id": i, "name": "", "path": p, "project_id": 9, "location": "registry.example/" + p, "created_at": "2026-11-20T08:00:00.000Z"})
	}
	h := w.Header()
	h.Set("X-Page", fmt.Sprint(number))
	h.Set("X-Per-Page", "100")
	h.Set("X-Total", fmt.Sprint(len(paths)))
	h.Set("X-Next-Page", "")
	if more {
		h.Set("X-Next-Page", fmt.Sprint(number+1))
	}
	reply(w, found)
}

func gitlabConf(t *testing.T) plimsoll.Registry {
	return plimsoll.Registry{Kind: plimsoll.KindGitLab, Namespaces: []string{"team/tool", "shop", "gone/away"}, Username: "plimsoll", PasswordFile: secret(t, "glpat-1")}
}

// TestGitLab lists a group, a project and one that is neither; tags come from the registry.
func TestGitLab(t *testing.T) {
	t.Parallel()
	f := newFakeGitLab(t, nil)
	conf := gitlabConf(t)
	names, missed := all(t, func() *Source { return f.source(conf) }, 20)
	equal(t, "repositories", names, append(numberedNames("shop/sub/app", 119), "shop/api/cache", "team/tool"))
	if len(missed) != 1 || missed[0].Name != "gone/away" || !errors.Is(missed[0].Err, plimsoll.ErrNotFound) {
		t.Errorf("missed %+v, want gone/away", missed)
	}
	tags, err := allTags(t.Context(), f.source(conf), "shop/api/cache")
	if err != nil || len(tags) != 1 || tags[0] != (Tag{Name: "latest"}) {
		t.Errorf("tags %+v, %v", tags, err)
	}
	conf.PasswordFile = secret(t, "wrong")
	p, err := f.source(conf).Repositories(t.Context(), "", 20)
	if err != nil || len(p.Missed) != 3 || !errors.Is(p.Missed[0].Err, plimsoll.ErrDenied) || !strings.Contains(p.Missed[0].Err.Error(), "401 Unauthorized") {
		t.Errorf("wrong token: %+v, %v", p, err)
	}
}

// TestGitLabToken has what GitLab says of the token.
func TestGitLabToken(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		token map[string]any
		want  plimsoll.CredentialState
	}{
		"a year":     {map[string]any{"active": true, "expires_at": now.AddDate(1, 0, 0).Format(time.DateOnly)}, plimsoll.CredentialGood},
		"a week":     {map[string]any{"active": true, "expires_at": now.AddDate(0, 0, 7).Format(time.DateOnly)}, plimsoll.CredentialEnding},
		"for ever":   {map[string]any{"active": true, "expires_at": nil}, plimsoll.CredentialGood},
		"revoked":    {map[string]any{"active": false, "revoked": true}, plimsoll.CredentialRefused},
		"other form": {map[string]any{"active": "yes"}, plimsoll.CredentialNotTold},
	} {
		got := newFakeGitLab(t, tt.token).source(gitlabConf(t)).Credentials(t.Context(), now)
		if len(got) != 1 || got[0].State != tt.want {
			t.Errorf("%s: %+v, want %s", name, got, tt.want)
		}
	}
}
