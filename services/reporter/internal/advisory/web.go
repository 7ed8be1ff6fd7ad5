package advisory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

// WebOptions say how a URL is asked; the zero value is fine.
type WebOptions struct {
	Client    *http.Client     // default: one with time-outs and the proxy of the environment
	UserAgent string           // default "plimsoll"
	BundleKey string           // file with the public key for a bundle
	Now       func() time.Time // default time.Now
}

const (
	// headerTimeout bounds the wait for an answer to begin, fetchTimeout one whole zip: 300 MB at 0.5 MB/s.
	headerTimeout = 30 * time.Second
	fetchTimeout  = 10 * time.Minute
	// maxStamp bounds a validator header, in bytes: longer ones are not kept, and the zip is fetched again.
	maxStamp = 256
	// maxModified bounds modified_id.csv, in bytes: npm's 250,000 lines have 14 MB.
	maxModified = 128 << 20
	// maxWait is the longest Retry-After that a look waits out, once; a server that asks for more is left alone until then, at
	// most maxRest: a mistaken date must not silence a feed for a year.
	maxWait = 10 * time.Second
	maxRest = 6 * time.Hour
)

// Web is a source behind a URL. Feeds that did not change since the last answer (ETag, Last-Modified) are not fetched again,
// and of those that changed a little only the records that did ([Incremental]).
func Web(base string, o WebOptions) (Source, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("advisories: %w URL; write http(s)://host/path without user, query or fragment", plimsoll.ErrInvalid)
	}
	if o.Client == nil {
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.ResponseHeaderTimeout = headerTimeout
		o.Client = &http.Client{Transport: tr}
	}
	if o.UserAgent == "" {
		o.UserAgent = "plimsoll"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &web{base: strings.TrimSuffix(u.String(), "/"), o: o}, nil
}

type web struct {
	base string
	o    WebOptions

	mu   sync.Mutex
	rest time.Time // not before this is the server asked again
}

func (w *web) Name() string { return w.base }

func (w *web) Ecosystems(ctx context.Context) ([]string, error) {
	answer, err := w.get(ctx, ecosystemsTxt, maxList, Stamp{})
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	names := feedNames(strings.Split(string(answer.Bytes), "\n"))
	if len(names) == 0 {
		return nil, fmt.Errorf("advisories %s: %w: its ecosystems.txt names none", w.base, plimsoll.ErrInvalid)
	}
	return names, nil
}

func (w *web) Zip(ctx context.Context, ecosystem string, have Stamp) (Answer, error) {
	return w.get(ctx, url.PathEscape(ecosystem)+"/"+allZip, MaxZip, have)
}

func (w *web) Modified(ctx context.Context, ecosystem string, have Stamp) (Answer, error) {
	return w.get(ctx, url.PathEscape(ecosystem)+"/"+modifiedCSV, maxModified, have)
}

func (w *web) Record(ctx context.Context, ecosystem, id string) ([]byte, error) {
	answer, err := w.get(ctx, url.PathEscape(ecosystem)+"/"+url.PathEscape(id)+".json", MaxRecord, Stamp{})
	return answer.Bytes, err
}

// get fetches one path below the base. A server that asks for patience gets a little of it.
func (w *web) get(ctx context.Context, path string, limit int64, have Stamp) (Answer, error) {
	at := w.base + "/" + path
	if until := w.resting(); !until.IsZero() {
		return Answer{}, fmt.Errorf("%s: %w: the server asked not to be asked before %s", at, plimsoll.ErrUnavailable, until.UTC().Format(time.RFC3339))
	}
	answer, wait, err := w.try(ctx, at, limit, have)
	if wait == nil || *wait > maxWait {
		return answer, err
	}
	timer := time.NewTimer(*wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	case <-timer.C:
	}
	answer, _, err = w.try(ctx, at, limit, have)
	return answer, err
}

func (w *web) resting() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.o.Now().Before(w.rest) {
		return w.rest
	}
	return time.Time{}
}

// try sends one request; wait is what the server asked for with Retry-After, nil when it asked for nothing.
func (w *web) try(ctx context.Context, at string, limit int64, have Stamp) (answer Answer, wait *time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return Answer{}, nil, fmt.Errorf("%w URL: %w", plimsoll.ErrInvalid, err)
	}
	req.Header.Set("User-Agent", w.o.UserAgent)
	if have.ETag != "" {
		req.Header.Set("If-None-Match", have.ETag)
	}
	if have.Changed != "" {
		req.Header.Set("If-Modified-Since", have.Changed)
	}
	resp, err := w.o.Client.Do(req)
	if err != nil {
		return Answer{}, nil, fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && have != Stamp{}:
		return Answer{Stamp: have, Unchanged: true}, nil, nil
	case resp.StatusCode != http.StatusOK:
		return Answer{}, w.retryAfter(resp), statusError(at, resp.StatusCode)
	}
	b, err := readAll(resp.Body, at, limit)
	if err == nil && resp.ContentLength >= 0 && int64(len(b)) != resp.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		if !errors.Is(err, plimsoll.ErrLimit) {
			err = fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
		}
		return Answer{}, nil, err
	}
	return Answer{Bytes: b, Stamp: Stamp{short(resp.Header.Get("ETag")), short(resp.Header.Get("Last-Modified"))}}, nil, nil
}

// retryAfter is how long a busy server wants to be left alone (RFC 9110, section 10.2.3); a long time is kept in mind for
// every later request.
func (w *web) retryAfter(resp *http.Response) *time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return nil
	}
	var wait time.Duration
	header := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 {
		wait = time.Duration(min(seconds, int(maxRest.Seconds()))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = max(0, at.Sub(w.o.Now()))
	} else {
		return nil
	}
	if wait > maxWait {
		w.mu.Lock()
		w.rest = w.o.Now().Add(min(wait, maxRest))
		w.mu.Unlock()
	}
	return &wait
}
func statusError(at string, status int) error {
	kind := plimsoll.ErrUnavailable
	switch {
	case status == http.StatusNotFound || status == http.StatusGone:
		kind = plimsoll.ErrNotFound
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		kind = plimsoll.ErrDenied
	}
	return fmt.Errorf("%s: %w: the server answers %d %s", at, kind, status, http.StatusText(status))
}

func short(header string) string {
	if len(header) > maxStamp {
		return ""
	}
	return header
}
