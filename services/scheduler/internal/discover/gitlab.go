package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// gitlab is GitLab's registry: its repositories come from GitLab's own API (v4), a group's with those of its subgroups, and the
// tags from the registry itself, ten times as many a request. Neither tells digests in bulk.
type gitlab struct {
	c          *registry.Client
	api        *registry.API
	namespaces []string
}

func newGitLab(c *registry.Client, conf plimsoll.Registry) (vendor, error) {
	if err := needNamespaces(conf, "groups and projects of GitLab"); err != nil {
		return nil, err
	}
	if conf.APIURL == "" && len(conf.Namespaces) > 0 {
		return nil, fmt.Errorf("kind %s: %w: write where GitLab itself is under api_url, as https://gitlab.example.com", conf.Kind, plimsoll.ErrInvalid)
	}
	api, err := c.API(conf.APIURL, gitlabLogin)
	if err != nil {
		return nil, err
	}
	return &gitlab{c: c, api: api, namespaces: conf.Namespaces}, nil
}

// gitlabLogin sends the access token, which is the registry's password too.
func gitlabLogin(_ context.Context, _ *registry.API, c registry.Credentials) (http.Header, time.Duration, error) {
	if c.Password == "" {
		return nil, 0, nil
	}
	return http.Header{"Private-Token": {c.Password}}, 0, nil
}

func (g *gitlab) repositories(ctx context.Context, cursor string, n int) (Page, error) {
	return walk(ctx, g.namespaces, cursor, n, g.namespace)
}

// namespace lists one group, or one project where no group has that name; the cursor of a later page says which it was.
func (g *gitlab) namespace(ctx context.Context, namespace, at string) ([]string, string, error) {
	kind, page, _ := strings.Cut(at, ":")
	if kind != "" {
		return g.page(ctx, kind, namespace, page)
	}
	names, next, err := g.page(ctx, "groups", namespace, "")
	if errors.Is(err, plimsoll.ErrNotFound) && strings.Contains(namespace, "/") {
		return g.page(ctx, "projects", namespace, "")
	}
	return names, next, err
}

func (g *gitlab) page(ctx context.Context, kind, namespace, cursor string) ([]string, string, error) {
	at, err := place(cursor)
	if err != nil {
		return nil, "", err
	}
	what := "repositories of " + namespace
	reply, err := g.api.Get(ctx, what, "/api/v4/"+kind+"/"+url.PathEscape(namespace)+"/registry/repositories",
		url.Values{"page": {strconv.Itoa(at.page)}, "per_page": {strconv.Itoa(pageSize)}})
	if err != nil {
		return nil, "", err
	}
	names, err := decodeGitLab(reply.Body)
	if err != nil {
		return nil, "", malformed(what, err)
	}
	next, err := at.after(what, names, gitlabMore(reply.Header, len(names)))
	if next != "" {
		next = kind + ":" + next
	}
	return names, next, err
}

// gitlabMore says whether a page is followed by another one. A full page is, where a proxy has dropped GitLab's headers.
func gitlabMore(h http.Header, n int) bool {
	if h.Get("X-Page") != "" {
		return h.Get("X-Next-Page") != ""
	}
	return n >= pageSize
}

// decodeGitLab reads a page of repositories; their path is the name in the registry.
func decodeGitLab(b []byte) (names []string, err error) {
	var page []struct {
		Path string `json:"path"`
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, err
	}
	if page == nil {
		return nil, errNoResults
	}
	for _, p := range page {
		names = append(names, p.Path)
	}
	return names, nil
}

func (g *gitlab) tags(ctx context.Context, repository, cursor string) ([]Tag, string, error) {
	return plainTags(ctx, g.c, repository, cursor)
}

// account asks GitLab about the token that the request carries: personal, group and project access tokens have an end, deploy
// tokens cannot ask.
func (g *gitlab) account(ctx context.Context, now time.Time) (plimsoll.Credential, error) {
	c, err := notTold(ctx, g.c)
	if err != nil || len(g.namespaces) == 0 {
		return c, err
	}
	reply, err := g.api.Get(ctx, "access token", "/api/v4/personal_access_tokens/self", nil)
	if err != nil {
		return c, nil // it works, which is all we may know
	}
	token, err := decodeGitLabToken(reply.Body)
	switch {
	case err != nil:
		return c, nil
	case token.Revoked || !token.Active:
		return plimsoll.Credential{}, fmt.Errorf("access token %.80q: %w: it is revoked or has ended", token.Name, plimsoll.ErrDenied)
	case token.ExpiresAt == "":
		return plimsoll.Credential{State: plimsoll.CredentialGood, Detail: c.Detail + ", which does not end"}, nil
	}
	end, err := time.Parse(time.DateOnly, token.ExpiresAt)
	if err != nil {
		return c, nil
	}
	return plimsoll.NewCredential("", c.Detail, end, now), nil // it ends when that day begins, UTC
}

// gitlabToken is an access token's own description.
type gitlabToken struct {
	Name      string `json:"name"`
	Revoked   bool   `json:"revoked"`
	Active    bool   `json:"active"`
	ExpiresAt string `json:"expires_at"` // a day; empty: never
}

func decodeGitLabToken(b []byte) (t gitlabToken, err error) {
	err = json.Unmarshal(b, &t)
	return t, err
}
