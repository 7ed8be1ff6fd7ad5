package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/plimsoll/plimsoll"
)

// catalogScope is what listing all repositories needs (token specification, "Resource class").
const catalogScope = "registry:catalog:*"

func pullScope(repository string) string { return "repository:" + repository + ":pull" }

// authorizer makes Authorization headers: what the registry asks for decides how. It learns that from the first 401; with
// credentials at hand it asks before, because some registries show a shorter catalog to strangers instead of a 401.
type authorizer struct {
	c    *Client
	http *http.Client // for realms: redirects stay on the realm's own origin

	probe chan struct{} // 1: held by the one who asks the registry

	mu      sync.Mutex
	probed  bool
	asked   challenge // scheme "" while the registry asked for nothing
	headers map[string]*header
}

// header is one scope's Authorization; lock is held by the one who renews it.
type header struct {
	lock  chan struct{}
	value string
	until time.Time
}

func newAuthorizer(c *Client, transport http.RoundTripper) *authorizer {
	return &authorizer{
		c:       c,
		http:    &http.Client{Transport: transport, CheckRedirect: checkRealmRedirect},
		probe:   make(chan struct{}, 1),
		headers: map[string]*header{},
	}
}

// authorization is the header for a scope; empty when the registry asked for none so far.
func (a *authorizer) authorization(ctx context.Context, scope string) (string, error) {
	if err := a.ready(ctx); err != nil {
		return "", err
	}
	asked := a.challenge()
	if asked.scheme == "" {
		return "", nil
	}
	return a.header(ctx, asked, scope, "")
}

// renew answers a 401: the header that was refused is made anew, by the challenge that came with it. It is empty when the
// registry asks for nothing that we can give.
func (a *authorizer) renew(ctx context.Context, scope, refused string, h http.Header) (string, error) {
	asked, ok := challengeOf(h)
	if !ok {
		return "", nil
	}
	a.mu.Lock()
	a.asked, a.probed = asked, true
	a.mu.Unlock()
	return a.header(ctx, asked, scope, refused)
}

func (a *authorizer) challenge() challenge {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// ready asks the registry once, by GET /v2/, what it wants, if we have credentials at all.
func (a *authorizer) ready(ctx context.Context) error {
	a.mu.Lock()
	probed := a.probed
	a.mu.Unlock()
	if probed {
		return nil
	}
	if err := take(ctx, a.probe); err != nil {
		return err
	}
	defer func() { <-a.probe }()
	a.mu.Lock()
	probed = a.probed
	a.mu.Unlock()
	if probed {
		return nil
	}
	return a.ask(ctx)
}

func (a *authorizer) ask(ctx context.Context) error {
	credentials, err := a.c.credentials(ctx)
	if err != nil {
		return err
	}
	var asked challenge
	if credentials != (authn.AuthConfig{}) {
		resp, err := a.c.ask(ctx, call{what: "ping", method: http.MethodGet, path: "/v2/"}, "")
		if err != nil {
			return err
		}
		drain(resp.Body)
		if retryable(resp.StatusCode) {
			return nil // the request itself meets the same and knows what to do
		}
		if resp.StatusCode == http.StatusUnauthorized && origin(resp.Request.URL) == origin(&a.c.base) {
			asked, _ = challengeOf(resp.Header)
		}
	}
	a.mu.Lock()
	a.asked, a.probed = asked, true
	a.mu.Unlock()
	return nil
}

func take(ctx context.Context, lock chan struct{}) error {
	select {
	case lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// header gives the scope's header, making it when there is none, when it has run out, or when it is the refused one.
func (a *authorizer) header(ctx context.Context, asked challenge, scope, refused string) (string, error) {
	if asked.scheme == "basic" {
		scope = "basic" // one header for everything
	}
	h := a.slot(scope)
	if err := take(ctx, h.lock); err != nil {
		return "", err
	}
	defer func() { <-h.lock }()
	now := time.Now()
	a.mu.Lock()
	value, until := h.value, h.until
	a.mu.Unlock()
	if value != "" && value != refused && now.Before(until) {
		return value, nil
	}
	value, life, err := a.make(ctx, asked, scope)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	h.value, h.until = value, now.Add(life)
	a.mu.Unlock()
	return value, nil
}

// slot finds or makes the place of a scope's header. Of too many, those that ran out go, then any.
func (a *authorizer) slot(scope string) *header {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.headers[scope]; h != nil {
		return h
	}
	if len(a.headers) >= maxTokens {
		now := time.Now()
		for s, h := range a.headers {
			if now.After(h.until) {
				delete(a.headers, s)
			}
		}
		for s := range a.headers {
			if len(a.headers) < maxTokens {
				break
			}
			delete(a.headers, s)
		}
	}
	h := &header{lock: make(chan struct{}, 1)}
	a.headers[scope] = h
	return h
}

func (a *authorizer) make(ctx context.Context, asked challenge, scope string) (string, time.Duration, error) {
	credentials, err := a.c.credentials(ctx)
	if err != nil {
		return "", 0, err
	}
	if asked.scheme == "basic" {
		return basicHeader(credentials), a.c.lim.basicLife, nil
	}
	if credentials.RegistryToken != "" {
		return "Bearer " + credentials.RegistryToken, a.c.lim.basicLife, nil
	}
	realm, err := a.checkRealm(asked.realm)
	if err != nil {
		return "", 0, err
	}
	reply, err := a.exchange(ctx, realm, asked.service, scope, credentials)
	if err != nil {
		return "", 0, err
	}
	return "Bearer " + reply.token(), a.life(reply.ExpiresIn), nil
}

// life clamps expires_in, whose absence means a minute, and leaves a margin. issued_at is not looked at: only our own clock
// measures, from the moment of the request.
func (a *authorizer) life(expiresIn float64) time.Duration {
	lim := a.c.lim
	life := lim.tokenLifeMin
	if expiresIn >= lim.tokenLifeMax.Seconds() {
		life = lim.tokenLifeMax
	} else if expiresIn > lim.tokenLifeMin.Seconds() {
		life = time.Duration(expiresIn * float64(time.Second))
	}
	return life - min(lim.tokenMargin, life/2)
}

// checkRealm says whether a realm may be asked for a token at all: by https, or by http where the registry itself is http.
// Its address is checked when the connection is made, like every other.
func (a *authorizer) checkRealm(text string) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) {
		return nil, fmt.Errorf("%w: the registry's token realm %.200q %s; no credentials were sent", plimsoll.ErrDenied, redactText(text), why)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return refuse("is no URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("has a scheme other than https")
	case u.Scheme == "http" && a.c.base.Scheme == "https":
		return refuse("is http although the registry is https")
	case u.User != nil:
		return refuse("holds credentials")
	}
	return u, nil
}

// checkRealmRedirect keeps a token request, which carries credentials, on the realm's own origin.
func checkRealmRedirect(req *http.Request, via []*http.Request) error {
	if err := checkHop(req, via); err != nil {
		return err
	}
	if origin(req.URL) != origin(via[0].URL) {
		return fmt.Errorf("%w: the token realm redirects to another host, %s", plimsoll.ErrDenied, clean(req.URL.Host))
	}
	return nil
}

// tokenReply is the token specification's; some registries use the one name, some the other.
type tokenReply struct {
	Token       string  `json:"token"`
	AccessToken string  `json:"access_token"`
	ExpiresIn   float64 `json:"expires_in"`
}

func (r tokenReply) token() string {
	if r.Token != "" {
		return r.Token
	}
	return r.AccessToken
}

// exchange asks the realm once for a token: by GET with Basic, or by POST where the credentials are an identity token. Trying
// again is left to the request that needs the token.
func (a *authorizer) exchange(ctx context.Context, realm *url.URL, service, scope string, credentials authn.AuthConfig) (tokenReply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.c.lim.documentTime, errDocumentTime)
	defer cancel()
	req, err := a.tokenRequest(ctx, realm, service, scope, credentials)
	if err != nil {
		return tokenReply{}, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return tokenReply{}, wireFault(ctx, "token", realm, err)
	}
	if resp.StatusCode != http.StatusOK {
		return tokenReply{}, a.refused(resp)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, a.c.lim.token+1))
	if err != nil {
		return tokenReply{}, wireFault(ctx, "token", realm, err)
	}
	return a.decodeToken(b, realm)
}

// refused makes an error of a realm's answer. Whatever it means, it never means that an image does not exist.
func (a *authorizer) refused(resp *http.Response) error {
	if retryable(resp.StatusCode) {
		a.c.later(resp, 0)
	}
	err := a.c.statusFault("token", resp)
	if f := (*fault)(nil); errors.As(err, &f) && f.kind != plimsoll.ErrUnavailable && f.kind != plimsoll.ErrDenied {
		f.kind, f.fix = plimsoll.ErrDenied, a.c.credentialsFix()
	}
	return err
}

func (a *authorizer) decodeToken(b []byte, realm *url.URL) (reply tokenReply, err error) {
	if int64(len(b)) > a.c.lim.token {
		return tokenReply{}, fmt.Errorf("token: %s: %w: a reply of more than %d bytes", where(realm), plimsoll.ErrLimit, a.c.lim.token)
	}
	// Errors of the decoder may quote the reply, and the reply is a secret.
	if json.Unmarshal(b, &reply) != nil || reply.token() == "" || strings.ContainsFunc(reply.token(), badTokenByte) {
		return tokenReply{}, fmt.Errorf("token: %s: %w reply: it holds no token", where(realm), plimsoll.ErrInvalid)
	}
	return reply, nil
}

func badTokenByte(r rune) bool { return r <= ' ' || r > '~' }

func (a *authorizer) tokenRequest(ctx context.Context, realm *url.URL, service, scope string, credentials authn.AuthConfig) (*http.Request, error) {
	if credentials.IdentityToken != "" {
		return a.refreshRequest(ctx, realm, service, scope, credentials)
	}
	u := *realm
	q := u.Query()
	if service != "" {
		q.Set("service", service)
	}
	q.Set("scope", scope)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("token: %s: %w: %w", where(realm), plimsoll.ErrInvalid, err)
	}
	req.Header.Set("User-Agent", a.c.opts.UserAgent)
	if basic := basicHeader(credentials); basic != "" {
		req.Header.Set("Authorization", basic)
	}
	return req, nil
}

// refreshRequest is the OAuth 2 form of the token request.
func (a *authorizer) refreshRequest(ctx context.Context, realm *url.URL, service, scope string, credentials authn.AuthConfig) (*http.Request, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {credentials.IdentityToken},
		"service": {service}, "scope": {scope}, "client_id": {"plimsoll"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("token: %s: %w: %w", where(realm), plimsoll.ErrInvalid, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", a.c.opts.UserAgent)
	return req, nil
}
