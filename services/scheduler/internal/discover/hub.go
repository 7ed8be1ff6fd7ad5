package discover

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// hubURL is where Docker Hub's own API is; its registry has none that lists.
const hubURL = "https://hub.docker.com"

// hub is Docker Hub, by the Docker Hub API of docs.docker.com/reference/api/hub: namespaces, their repositories, and tags with digests.
// It counts requests a minute, apart from pulls; none of these is a pull.
type hub struct {
	c          *registry.Client
	api        *registry.API
	namespaces []string
}

func newHub(c *registry.Client, conf plimsoll.Registry) (vendor, error) {
	if err := needNamespaces(conf, "namespaces of Docker Hub"); err != nil {
		return nil, err
	}
	api, err := c.API(cmp.Or(conf.APIURL, hubURL), hubLogin)
	if err != nil {
		return nil, err
	}
	return &hub{c: c, api: api, namespaces: conf.Namespaces}, nil
}

// hubLife is how long a bearer token is used that does not say when it ends.
const hubLife = 5 * time.Minute

// hubLogin exchanges user name and access token for a bearer token. Without credentials only what is public is listed.
func hubLogin(ctx context.Context, a *registry.API, c registry.Credentials) (http.Header, time.Duration, error) {
	if c.Username == "" || c.Password == "" {
		return nil, 0, nil
	}
	body, err := json.Marshal(map[string]string{"identifier": c.Username, "secret": c.Password})
	if err != nil {
		return nil, 0, fmt.Errorf("log in to Docker Hub: %w", err)
	}
	reply, err := a.Post(ctx, "log in to Docker Hub", "/v2/auth/token", body)
	if err != nil {
		return nil, 0, err
	}
	token, err := decodeHubToken(reply.Body)
	if err != nil {
		return nil, 0, err
	}
	return http.Header{"Authorization": {"Bearer " + token}}, tokenLife(token, time.Now()), nil
}

// decodeHubToken reads the reply to a login. Its errors do not quote it: it is a secret.
func decodeHubToken(b []byte) (string, error) {
	var reply struct {
		AccessToken string `json:"access_token"`
		Token       string `json:"token"`
	}
	err := json.Unmarshal(b, &reply)
	token := cmp.Or(reply.AccessToken, reply.Token)
	if err != nil || token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("log in to Docker Hub: %w reply: it holds no token", plimsoll.ErrInvalid)
	}
	return token, nil
}

// tokenLife reads how long a JSON web token may be used (RFC 7519, "exp"). It is not verified: it is ours to show, not to trust.
func tokenLife(token string, now time.Time) time.Duration {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return hubLife
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Exp < 1 || claims.Exp > 1e11 {
		return hubLife
	}
	return max(time.Unix(int64(claims.Exp), 0).Sub(now), time.Second)
}

func (h *hub) repositories(ctx context.Context, cursor string, n int) (Page, error) {
	return walk(ctx, h.namespaces, cursor, n, func(ctx context.Context, namespace, at string) ([]string, string, error) {
		what := "repositories of " + namespace
		names, next, err := hubPage(ctx, h.api, what, "/v2/namespaces/"+url.PathEscape(namespace)+"/repositories", at, decodeHubRepositories)
		for i := range names {
			names[i] = namespace + "/" + names[i]
		}
		return names, next, err
	})
}

func (h *hub) tags(ctx context.Context, repository, cursor string) ([]Tag, string, error) {
	namespace, name, ok := strings.Cut(repository, "/")
	if !ok {
		namespace, name = "library", repository
	}
	path := "/v2/namespaces/" + url.PathEscape(namespace) + "/repositories/" + url.PathEscape(name) + "/tags"
	var tags []Tag
	_, next, err := hubPage(ctx, h.api, "tags of "+repository, path, cursor, func(b []byte) ([]string, bool, error) {
		page, more, err := decodeHubTags(b)
		tags = page
		return tagNames(page), more, err
	})
	return tags, next, err
}

// hubPage asks for one numbered page.
func hubPage(ctx context.Context, api *registry.API, what, path, cursor string, decode func([]byte) ([]string, bool, error)) ([]string, string, error) {
	at, err := place(cursor)
	if err != nil {
		return nil, "", err
	}
	reply, err := api.Get(ctx, what, path, url.Values{"page": {strconv.Itoa(at.page)}, "page_size": {strconv.Itoa(pageSize)}})
	if err != nil {
		return nil, "", err
	}
	names, more, err := decode(reply.Body)
	if err != nil {
		return nil, "", malformed(what, err)
	}
	next, err := at.after(what, names, more)
	return names, next, err
}

// decodeHubRepositories reads a page of repositories; more says that a next one follows.
func decodeHubRepositories(b []byte) (names []string, more bool, err error) {
	var page struct {
		Next    *string `json:"next"`
		Results *[]struct {
			Name string `json:"name"`
		} `json:"results"`
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, false, err
	}
	if page.Results == nil {
		return nil, false, errNoResults
	}
	for _, r := range *page.Results {
		names = append(names, r.Name)
	}
	return names, page.Next != nil && *page.Next != "", nil
}

// decodeHubTags reads a page of tags. Old tags have no digest of their own.
func decodeHubTags(b []byte) (tags []Tag, more bool, err error) {
	var page struct {
		Next    *string `json:"next"`
		Results *[]struct {
			Name        string    `json:"name"`
			Digest      string    `json:"digest"`
			LastPushed  timestamp `json:"tag_last_pushed"`
			LastUpdated timestamp `json:"last_updated"`
		} `json:"results"`
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, false, err
	}
	if page.Results == nil {
		return nil, false, errNoResults
	}
	for _, r := range *page.Results {
		pushed := r.LastPushed.Time
		if pushed.IsZero() {
			pushed = r.LastUpdated.Time
		}
		tags = append(tags, Tag{Name: r.Name, Digest: digestOf(r.Digest), Pushed: pushed})
	}
	return tags, page.Next != nil && *page.Next != "", nil
}

// account asks for a token afresh: Docker Hub says whether an access token works, not until when.
func (h *hub) account(ctx context.Context, _ time.Time) (plimsoll.Credential, error) {
	return notTold(ctx, h.c)
}
