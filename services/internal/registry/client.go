package registry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/gate"
)

// Options are what a Client's owner gives besides the registry's configuration. The zero value is usable.
type Options struct {
	Log       *slog.Logger // default: discard
	UserAgent string       // default "plimsoll"
	Metrics   *Metrics     // default: some that nobody sees
	// Bytes is called with the number of blob bytes each read brought over the wire, also those read a second time.
	Bytes func(n int)
}

// Client reads one registry. It is safe for use by many goroutines and keeps connections, tokens and the memory of being
// throttled: make one a registry and process.
type Client struct {
	conf  plimsoll.Registry
	base  url.URL // scheme and host
	opts  Options
	lim   limits
	guard *guard
	proxy proxyFunc // nil: none
	http  *http.Client
	auth  *authorizer
	cloud *cloud

	slots     *gate.Gate    // discovery requests at once
	pace      *rate.Limiter // discovery requests a second
	ordinary  chan struct{} // of those that are not urgent one at a time waits for the pace
	pause     pause
	throttled atomic.Int64
	waited    atomic.Int64 // nanoseconds
	chains    chains
	notAfter  atomic.Int64 // end of the certificate that the registry showed last, seconds since 1970; 0: none yet
}

// Descriptor is what a reference points at.
type Descriptor struct {
	Digest    plimsoll.Digest
	MediaType string // of the reply, without parameters; empty when the registry gave none
	Size      int64  // bytes; -1 when the registry gave none
}

// New makes a client. Nothing is sent. Errors are faults of the configuration (ErrInvalid): a URL of the wrong form, an
// unreadable certificate, a network that is none.
func New(r plimsoll.Registry, o Options) (*Client, error) { return newClient(r, o, defaultLimits) }

func newClient(r plimsoll.Registry, o Options, lim limits) (*Client, error) {
	base, err := parseBase(r.URL)
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", r.ID, err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.UserAgent == "" {
		o.UserAgent = "plimsoll"
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	if o.Bytes == nil {
		o.Bytes = func(int) {}
	}
	c := &Client{conf: r, base: base, opts: o, lim: lim}
	if c.guard, err = newGuard(base, r.AllowNetworks, lim.dial); err != nil {
		return nil, fmt.Errorf("registry %s: %w", r.ID, err)
	}
	if r.Address != "" {
		if c.guard.at, err = netip.ParseAddrPort(r.Address); err != nil {
			return nil, fmt.Errorf("registry %s: address: %w: %w", r.ID, plimsoll.ErrInvalid, err)
		}
	}
	if c.proxy, err = proxyFor(r.Proxy, c.guard); err != nil {
		return nil, fmt.Errorf("registry %s: %w", r.ID, err)
	}
	transport, err := newTransport(r, base, c.guard, c.proxy, lim)
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", r.ID, err)
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: c.checkRedirect}
	c.auth = newAuthorizer(c, transport)
	c.cloud = newCloud(base.Hostname(), r.Proxy)
	concurrency := r.Concurrency
	if concurrency <= 0 {
		concurrency = defaultConcurrency
	}
	c.slots, c.ordinary = gate.New(concurrency), make(chan struct{}, 1)
	c.pace = newPace(r.RequestsPerSecond)
	return c, nil
}

// Registry is the configuration that the client was made with.
func (c *Client) Registry() plimsoll.Registry { return c.conf }

// Throttled is how many answers since New were 429.
func (c *Client) Throttled() int64 { return c.throttled.Load() }

// Waited is for how long the registry has asked since New to be sent nothing, by 429 or Retry-After.
func (c *Client) Waited() time.Duration { return time.Duration(c.waited.Load()) }

// Ping asks whether the registry takes the credentials, by GET /v2/: ErrDenied when it does not.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.fetch(ctx, call{what: "ping", method: http.MethodGet, path: "/v2/", scope: c.ownScope(), gated: true}, c.lim.fault)
	return err
}

// ownScope is of a token that any account of this registry can have: of what the configuration wants read.
func (c *Client) ownScope() string {
	if len(c.conf.Repositories) > 0 {
		return pullScope(c.conf.Repositories[0])
	}
	return catalogScope
}

// Close drops the unused connections. Requests under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// enter takes one of the discovery slots; leave gives it back. What is marked by [gate.WithUrgent] passes by the rest.
func (c *Client) enter(ctx context.Context) (leave func(), err error) {
	return c.slots.Enter(ctx, gate.UrgentIn(ctx))
}

// keepPace waits for the configured pace. Each that waits has the next moment to itself, so what is not urgent stands in line before.
func (c *Client) keepPace(ctx context.Context) error {
	if c.pace.Limit() == rate.Inf {
		return nil
	}
	if gate.UrgentIn(ctx) == nil {
		select {
		case c.ordinary <- struct{}{}:
			defer func() { <-c.ordinary }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return c.pace.Wait(ctx)
}

func newPace(perSecond float64) *rate.Limiter {
	if perSecond <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
}

// hubHosts are the names people write for Docker Hub; only the last serves the API.
var hubHosts = map[string]string{"docker.io": hubAPI, "index.docker.io": hubAPI, "registry.hub.docker.com": hubAPI}

const hubAPI = "registry-1.docker.io"

// parseBase reads a registry's url.
func parseBase(s string) (url.URL, error) {
	u, err := parseAddress(s)
	if api, ok := hubHosts[u.Host]; ok {
		u.Host = api
	}
	return u, err
}

// parseAddress reads https://host[:port] or http://host[:port].
func parseAddress(s string) (url.URL, error) {
	fault := func(why string) (url.URL, error) {
		return url.URL{}, fmt.Errorf("%w url %.200q: %s; write https://host[:port]", plimsoll.ErrInvalid, redactText(s), why)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fault("it is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return fault("it has no http:// or https://")
	case u.User != nil:
		return fault("credentials belong into username and password_file")
	case u.Hostname() == "":
		return fault("it has no host")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fault("only scheme and host are meant; repository names stand under repositories")
	}
	return url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// origin is scheme, host and port with the scheme's default port filled in: what two URLs must share for credentials to go to
// both.
func origin(u *url.URL) string {
	return u.Scheme + "://" + hostPort(u)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
