package advisory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// WebOptions say how a URL is asked; the zero value is fine.
type WebOptions struct {
	Client    *http.Client // default: one with time-outs and the proxy of the environment
	UserAgent string       // default "plimsoll"
}

const (
	// headerTimeout bounds the wait for an answer to begin, fetchTimeout one whole zip: 300 MB at 0.5 MB/s.
	headerTimeout = 30 * time.Second
	fetchTimeout  = 10 * time.Minute
	// maxStamp bounds a validator header, in bytes: longer ones are not kept, and the zip is fetched again.
	maxStamp = 256
)

// Web is a source behind a URL. Feeds that did not change since the last answer (ETag, Last-Modified) are not fetched again.
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
	return web{strings.TrimSuffix(u.String(), "/"), o}, nil
}

type web struct {
	base string
	o    WebOptions
}

func (w web) Name() string { return w.base }

func (w web) Ecosystems(ctx context.Context) ([]string, error) {
	answer, err := w.get(ctx, w.base+"/"+ecosystemsTxt, maxList, Stamp{})
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	names := feedNames(strings.Split(string(answer.Bytes), "\n"))
	if len(names) == 0 {
		return nil, fmt.Errorf("advisories %s: %w: its ecosystems.txt names none", w.base, plimsoll.ErrInvalid)
	}
	return names, nil
}

func (w web) Zip(ctx context.Context, ecosystem string, have Stamp) (Answer, error) {
	return w.get(ctx, w.base+"/"+url.PathEscape(ecosystem)+"/"+allZip, MaxZip, have)
}

func (w web) get(ctx context.Context, at string, limit int64, have Stamp) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return Answer{}, fmt.Errorf("%w URL: %w", plimsoll.ErrInvalid, err)
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
		return Answer{}, fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && have != Stamp{}:
		return Answer{Stamp: have, Unchanged: true}, nil
	case resp.StatusCode != http.StatusOK:
		return Answer{}, statusError(at, resp.StatusCode)
	}
	b, err := readAll(resp.Body, at, limit)
	if err == nil && resp.ContentLength >= 0 && int64(len(b)) != resp.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		if !errors.Is(err, plimsoll.ErrLimit) {
			err = fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
		}
		return Answer{}, err
	}
	return Answer{Bytes: b, Stamp: Stamp{short(resp.Header.Get("ETag")), short(resp.Header.Get("Last-Modified"))}}, nil
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
