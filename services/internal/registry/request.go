package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

// call is one request of the API.
type call struct {
	what   string // for errors: "tags of team/app"
	method string
	path   string
	query  string
	scope  string // of the token
	header http.Header
	gated  bool // counts towards concurrency and requests a second
	api    *API // whose request it is, with an escaped path; nil: the registry's own
	body   []byte
}

func (c *Client) url(k call) *url.URL {
	u := c.base
	u.Path, u.RawQuery = k.path, k.query
	if k.api != nil {
		u.Scheme, u.Host, u.RawPath = k.api.base.Scheme, k.api.base.Host, k.path
		if plain, err := url.PathUnescape(k.path); err == nil {
			u.Path = plain
		}
	}
	return &u
}

// send makes the request until it gets an answer that is not "later", within the limits. The answer has any other status;
// its body is the caller's to close.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	failures, throttles := 0, 0
	for {
		resp, err := c.try(ctx, k)
		if err != nil {
			failures++
			if ctx.Err() != nil || lasting(err) || failures >= c.lim.tries {
				return nil, err
			}
			if err := idle(ctx, backoff(c.lim.backoff, c.lim.backoffMax, failures-1)); err != nil {
				return nil, fmt.Errorf("%s: %w", k.what, err)
			}
			continue
		}
		if !retryable(resp.StatusCode) {
			return resp, nil
		}
		if c.later(resp, throttles) {
			throttles++
		} else {
			failures++
		}
		if failures >= c.lim.tries || throttles >= c.lim.throttleTries {
			return nil, c.statusFault(k.what, resp)
		}
		drain(resp.Body)
		if err := c.between(ctx, failures); err != nil {
			return nil, fmt.Errorf("%s: %s: HTTP %d: %w", k.what, where(c.url(k)), resp.StatusCode, err)
		}
	}
}

// later notes a throttling answer: 429, or a 5xx that names a time. All requests to this registry then wait.
func (c *Client) later(resp *http.Response, throttles int) bool {
	wait, ok := retryAfter(resp.Header, time.Now(), c.lim.retryAfterMax)
	if resp.StatusCode == http.StatusTooManyRequests {
		c.throttled.Add(1)
	} else if !ok {
		return false
	}
	if !ok {
		wait = backoff(c.lim.throttle, c.lim.throttleMax, throttles)
	}
	begins, longer := c.pause.extend(time.Now().Add(wait))
	c.waited.Add(int64(longer))
	c.opts.Metrics.waited(c.conf.ID, longer)
	if begins {
		c.opts.Log.Warn("registry throttles", "registry", c.conf.ID, "status", resp.StatusCode, "wait", wait)
	}
	return true
}

func (c *Client) between(ctx context.Context, failures int) error {
	if err := c.pause.wait(ctx); err != nil {
		return err
	}
	if failures == 0 {
		return nil
	}
	return idle(ctx, backoff(c.lim.backoff, c.lim.backoffMax, failures-1))
}

// try makes the request once; a 401 makes it get new authorization and ask a second time.
func (c *Client) try(ctx context.Context, k call) (*http.Response, error) {
	if k.api != nil {
		return k.api.try(ctx, k)
	}
	authorization, err := c.auth.authorization(ctx, k.scope)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.what, err)
	}
	resp, err := c.ask(ctx, k, authorization)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || origin(resp.Request.URL) != origin(&c.base) {
		return resp, err
	}
	renewed, err := c.auth.renew(ctx, k.scope, authorization, resp.Header)
	if err != nil {
		drain(resp.Body)
		return nil, fmt.Errorf("%s: %w", k.what, err)
	}
	if renewed == "" || renewed == authorization {
		return resp, nil
	}
	drain(resp.Body)
	return c.ask(ctx, k, renewed)
}

// ask puts one request on the wire, after the registry's pause and, where gated, at the configured pace.
func (c *Client) ask(ctx context.Context, k call, authorization string) (*http.Response, error) {
	u := c.url(k)
	if err := c.pause.wait(ctx); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", k.what, where(u), err)
	}
	if k.gated {
		if err := c.keepPace(ctx); err != nil {
			return nil, fmt.Errorf("%s: %s: %w: requests_per_second leaves no time: %w", k.what, where(u), plimsoll.ErrUnavailable, err)
		}
	}
	req := (&http.Request{Method: k.method, URL: u, Header: http.Header{"User-Agent": {c.opts.UserAgent}}}).WithContext(ctx)
	for name, values := range k.header {
		req.Header[name] = values
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if k.body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(k.body)), int64(len(k.body))
	}
	return c.do(ctx, k, req)
}

// do is one request on the wire, until the head of its answer.
func (c *Client) do(ctx context.Context, k call, req *http.Request) (resp *http.Response, err error) {
	_, span := trace.Start(ctx, "registry "+k.method, trace.Client, "server.address", req.URL.Host, "url.path", req.URL.Path)
	defer func() { span.End(err) }()
	resp, err = c.http.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			c.opts.Metrics.answered(c.conf.ID, 0)
		}
		return nil, wireFault(ctx, k.what, req.URL, err)
	}
	c.opts.Metrics.answered(c.conf.ID, resp.StatusCode)
	span.Set("http.response.status_code", strconv.Itoa(resp.StatusCode))
	c.noteCertificate(resp)
	return resp, nil
}

// document is a small reply, read whole.
type document struct {
	header http.Header
	url    *url.URL // that answered, after redirects
	body   []byte
}

// fetch reads a whole reply of at most limit bytes; other statuses than 200 are errors. A body that breaks off is asked for
// again like a request that failed.
func (c *Client) fetch(ctx context.Context, k call, limit int64) (document, error) {
	if k.gated {
		leave, err := c.enter(ctx)
		if err != nil {
			return document{}, fmt.Errorf("%s: %w", k.what, err)
		}
		defer leave()
	}
	for try := 0; ; try++ {
		d, err := c.fetchOnce(ctx, k, limit)
		if !errors.As(err, new(*broken)) || try+1 >= c.lim.tries || ctx.Err() != nil {
			return d, err
		}
		if err := sleep(ctx, backoff(c.lim.backoff, c.lim.backoffMax, try)); err != nil {
			return document{}, fmt.Errorf("%s: %w", k.what, err)
		}
	}
}

func (c *Client) fetchOnce(ctx context.Context, k call, limit int64) (document, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, err := c.send(ctx, k)
	if err != nil {
		return document{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return document{}, c.statusFault(k.what, resp)
	}
	defer func() { _ = resp.Body.Close() }()
	// Only the body is timed here: its request may have waited for a throttled registry.
	timer := time.AfterFunc(c.lim.documentTime, func() { cancel(errDocumentTime) })
	defer timer.Stop()
	d := document{header: resp.Header, url: resp.Request.URL}
	if d.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1)); err != nil {
		return document{}, &broken{wireFault(ctx, k.what, d.url, err)}
	}
	if int64(len(d.body)) > limit {
		return document{}, fmt.Errorf("%s: %s: %w: more than %d bytes", k.what, where(d.url), plimsoll.ErrLimit, limit)
	}
	return d, nil
}

// errDocumentTime is why a document's body was given up.
var errDocumentTime = fmt.Errorf("%w: slow: the body took too long", plimsoll.ErrUnavailable)

// broken is the error of a body that ended early: worth another try where the request itself had none of its own.
type broken struct{ error }

func (b *broken) Unwrap() error { return b.error }
