package registry

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
)

// API is a vendor's own HTTP API beside that of the distribution specification. Its requests go through the registry's
// client: the same certificates, proxy and guard of addresses (its host must have an address of the registry's own class, or one
// of allow_networks), the same concurrency, pace, pauses and tries. Only the authorization is the vendor's.
type API struct {
	c     *Client
	base  url.URL
	login Login

	lock  chan struct{} // held by the one who logs in
	held  http.Header   // under lock
	until time.Time     // under lock
}

// Credentials are a user name and a password or token; both are empty where the configuration has none.
type Credentials struct{ Username, Password string }

// Login makes the headers that authorize requests to an API from the credentials as they are at this moment, and says how
// long they may be used: at most an hour, and one minute where it is zero. Without credentials it returns none.
type Login func(ctx context.Context, a *API, c Credentials) (headers http.Header, life time.Duration, err error)

// BasicLogin sends user name and password with each request.
func BasicLogin(_ context.Context, _ *API, c Credentials) (http.Header, time.Duration, error) {
	if c == (Credentials{}) {
		return nil, 0, nil
	}
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(c.Username, c.Password)
	return r.Header, 0, nil
}

// Reply is what an API answered with 200.
type Reply struct {
	Header http.Header
	Body   []byte
}

// API makes a client of a vendor's API at base (https://host[:port]); an empty base means the registry's own host.
func (c *Client) API(base string, login Login) (*API, error) {
	u := c.base
	if base != "" {
		var err error
		if u, err = parseAddress(base); err != nil {
			return nil, fmt.Errorf("registry %s: api_url: %w", c.conf.ID, err)
		}
	}
	return &API{c: c, base: u, login: login, lock: make(chan struct{}, 1)}, nil
}

// Get asks for one document. path is escaped as it stands on the wire. Statuses other than 200 are errors like those of the
// registry's own API.
func (a *API) Get(ctx context.Context, what, path string, query url.Values) (Reply, error) {
	d, err := a.c.fetch(ctx, call{what: what, method: http.MethodGet, api: a, path: path, query: query.Encode(),
		header: http.Header{"Accept": {"application/json"}}, gated: true}, a.c.lim.listing)
	if err != nil {
		return Reply{}, err
	}
	a.spent(d.header)
	return Reply{Header: d.header, Body: d.body}, nil
}

// Post sends a small JSON document, as a Login does: without authorization, and once.
func (a *API) Post(ctx context.Context, what, path string, body []byte) (Reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.c.lim.documentTime, errDocumentTime)
	defer cancel()
	k := call{what: what, method: http.MethodPost, api: a, path: path, body: body,
		header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}}
	resp, err := a.c.ask(ctx, k, "")
	if err != nil {
		return Reply{}, err
	}
	if resp.StatusCode != http.StatusOK {
		if retryable(resp.StatusCode) {
			a.c.later(resp, 0)
		}
		return Reply{}, a.c.statusFault(what, resp)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, a.c.lim.token+1))
	if err != nil {
		return Reply{}, wireFault(ctx, what, a.c.url(k), err)
	}
	if int64(len(b)) > a.c.lim.token {
		return Reply{}, fmt.Errorf("%s: %s: %w: a reply of more than %d bytes", what, where(a.c.url(k)), plimsoll.ErrLimit, a.c.lim.token)
	}
	return Reply{Header: resp.Header, Body: b}, nil
}

// spent holds requests back when a reply says that no further one is allowed before a time (GitHub's header names, which
// Docker Hub and others took over; seconds since 1970).
func (a *API) spent(h http.Header) {
	if h.Get("X-RateLimit-Remaining") != "0" {
		return
	}
	at, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return
	}
	now := time.Now()
	if wait := time.Unix(at, 0).Sub(now); wait > 0 {
		a.c.pause.extend(now.Add(min(wait, a.c.lim.retryAfterMax)))
	}
}

// try makes one request, after logging in where that is needed; a 401 makes it log in again and ask a second time.
func (a *API) try(ctx context.Context, k call) (*http.Response, error) {
	headers, err := a.headers(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.what, err)
	}
	resp, err := a.c.ask(ctx, with(k, headers), "")
	if err != nil || resp.StatusCode != http.StatusUnauthorized || headers == nil || origin(resp.Request.URL) != origin(&a.base) {
		return resp, err
	}
	renewed, err := a.headers(ctx, headers)
	if err != nil {
		drain(resp.Body)
		return nil, fmt.Errorf("%s: %w", k.what, err)
	}
	if same(renewed, headers) {
		return resp, nil
	}
	drain(resp.Body)
	return a.c.ask(ctx, with(k, renewed), "")
}

// headers authorize a request. Those that were refused are made anew from the credentials as they are now.
func (a *API) headers(ctx context.Context, refused http.Header) (http.Header, error) {
	if err := take(ctx, a.lock); err != nil {
		return nil, err
	}
	defer func() { <-a.lock }()
	now := time.Now()
	if a.held != nil && now.Before(a.until) && !same(a.held, refused) {
		return a.held, nil
	}
	found, err := a.c.credentials(ctx)
	if err != nil {
		return nil, err
	}
	user, password := userOf(found)
	headers, life, err := a.login(ctx, a, Credentials{user, password})
	if err != nil {
		return nil, err
	}
	life = min(cmp.Or(max(life, 0), a.c.lim.basicLife), a.c.lim.tokenLifeMax)
	a.held, a.until = headers, now.Add(life-min(a.c.lim.tokenMargin, life/2))
	return headers, nil
}

func with(k call, headers http.Header) call {
	h := k.header.Clone()
	for name, values := range headers {
		h[http.CanonicalHeaderKey(name)] = values
	}
	k.header = h
	return k
}

func same(a, b http.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if a.Get(name) != b.Get(name) {
			return false
		}
	}
	return true
}
