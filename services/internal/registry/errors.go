package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/plimsoll/plimsoll"
)

// where is a URL as errors and logs may show it: without query, user information and fragment, since those may be secrets.
func where(u *url.URL) string {
	if u == nil {
		return "?"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// redactText is where for a text that may be no URL.
func redactText(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return where(u)
	}
	s, _, _ = strings.Cut(s, "?")
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	return s
}

// fault is an error of this package: what failed, where, why, and, where we know, what to do about it.
type fault struct {
	what, at string
	kind     error // a sentinel of package plimsoll; nil when the cause is one
	cause    error // nil when status says it all
	fix      string
}

func (f *fault) Error() string {
	if f.fix == "" {
		return f.what + ": " + f.detail()
	}
	return f.what + ": " + f.detail() + "; " + f.fix
}

// detail is the error without what was wanted and what to do.
func (f *fault) detail() string {
	s := f.at
	if f.kind != nil {
		s += ": " + f.kind.Error()
	}
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

func (f *fault) Unwrap() []error { return []error{f.kind, f.cause} }

// wireFault makes an error of a request that got no answer. http.Client's own error holds the whole URL, signatures of a
// redirect included, so only its cause and the redacted URL are kept.
func wireFault(ctx context.Context, what string, u *url.URL, err error) error {
	f := &fault{what: what, at: where(u), cause: err}
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		f.at, f.cause = redactText(ue.URL), ue.Err
	}
	if ctx.Err() != nil {
		f.cause = context.Cause(ctx)
		return f
	}
	f.fix = advice(f.cause)
	for _, known := range []error{plimsoll.ErrDenied, plimsoll.ErrInvalid, plimsoll.ErrLimit} {
		if errors.Is(err, known) {
			return f
		}
	}
	f.kind = plimsoll.ErrUnavailable
	return f
}

// lasting tells whether a wire fault will be there on the next try too: wrong certificates and refusals of ours.
func lasting(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.Is(err, plimsoll.ErrDenied), errors.Is(err, plimsoll.ErrInvalid), errors.Is(err, plimsoll.ErrLimit):
		return true
	case errors.As(err, &verification), errors.As(err, &record):
		return true
	case errors.As(err, &dns):
		return dns.IsNotFound
	}
	return isPlainAnswer(err)
}

// statusFault makes an error of an answer that is none of those wanted; it reads and closes the body. The sentinel follows
// the status.
func (c *Client) statusFault(what string, resp *http.Response) error {
	defer drain(resp.Body)
	said, fix := c.said(resp)
	f := &fault{what: what, at: where(resp.Request.URL), kind: plimsoll.ErrInvalid, cause: &status{resp.StatusCode, said}, fix: fix}
	switch s := resp.StatusCode; {
	case s == http.StatusNotFound:
		f.kind = plimsoll.ErrNotFound
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		f.kind, f.fix = plimsoll.ErrDenied, c.credentialsFix()
	case s == http.StatusTooManyRequests:
		f.kind, f.fix = plimsoll.ErrUnavailable, "the registry throttles: lower concurrency or requests_per_second"
	case retryable(s):
		f.kind = plimsoll.ErrUnavailable
	}
	return f
}

// status is an answer's status and what the registry said with it.
type status struct {
	code int
	said string
}

func (s *status) Error() string {
	if s.said == "" {
		return fmt.Sprintf("HTTP %d", s.code)
	}
	return fmt.Sprintf("HTTP %d (%s)", s.code, s.said)
}

// said is the registry's own word on a failure, cleaned for a line of text, and advice where the answer shows that it is not
// a registry's, or not one of this scheme.
func (c *Client) said(resp *http.Response) (said, fix string) {
	b, err := io.ReadAll(io.LimitReader(resp.Body, c.lim.fault))
	if err != nil || len(b) == 0 {
		return "", ""
	}
	var reply struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(b, &reply) == nil && len(reply.Errors) > 0 {
		return clean(reply.Errors[0].Code + ": " + reply.Errors[0].Message), ""
	}
	if said := vendorSaid(b); said != "" {
		return said, ""
	}
	if c.base.Scheme == "http" && resp.StatusCode == http.StatusBadRequest && strings.Contains(string(b), "HTTPS") {
		return "it speaks HTTPS", fixScheme("https")
	}
	if isHTML(resp.Header, b) {
		return "an HTML page", fixNoRegistry
	}
	return "", ""
}

// vendorSaid finds the word on a failure in a vendor's own form: GitLab and Docker Hub write one text in one of these fields.
func vendorSaid(b []byte) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return ""
	}
	for _, name := range []string{"message", "error_description", "error", "detail"} {
		var text string
		if json.Unmarshal(fields[name], &text) == nil && text != "" {
			return clean(text)
		}
	}
	return ""
}

// cleanLength is how much of a foreign text goes into an error.
const cleanLength = 200

// clean makes a foreign text fit for one line: no control characters, bounded.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return ' '
		}
		return r
	}, s[:min(len(s), cleanLength)])
	return strings.TrimSpace(s)
}

func isHTML(h http.Header, body []byte) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/html") || strings.HasPrefix(http.DetectContentType(body), "text/html")
}

// drainLimit is how much of an unwanted body is read so that its connection can be used again.
const drainLimit = 64 << 10

func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, drainLimit)
	_ = body.Close()
}
