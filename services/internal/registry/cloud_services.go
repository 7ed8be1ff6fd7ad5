package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/plimsoll/plimsoll"
)

// Cloud calls services of a cloud beside its registries, such as the queues in which their events wait, as the identity that the
// cloud gives to this machine or workload: the one that its registries are read with. It is for one goroutine.
type Cloud struct {
	cloud *cloud
	calls *http.Client // without a time of its own: a call may wait for events

	amazon credentials.Value
	until  time.Time // of amazon
}

// NewCloud goes by a registry's proxy setting.
func NewCloud(proxy string) *Cloud {
	c := newCloud("", proxy)
	calls := *c.remote
	calls.Timeout = 0
	return &Cloud{cloud: c, calls: &calls}
}

var (
	errNoAmazon = errors.New("no AWS identity is found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod, task or machine a role")
	errNoGoogle = errors.New("no Google identity is found: set GOOGLE_APPLICATION_CREDENTIALS, or give the machine or workload a service account")
)

// Amazon makes one call, whose reply may have so many bytes. The error wraps ErrLimit where it has more, ErrDenied where the call is
// refused, and ErrUnavailable where a later one may do better.
func (c *Cloud) Amazon(ctx context.Context, call AmazonCall, in, out any, most int64) error {
	now := time.Now()
	if !now.Before(c.until) {
		id, err := c.cloud.amazonIdentity(call.Region)
		if errors.Is(err, errNoIdentity) {
			err = fmt.Errorf("%w: %w", plimsoll.ErrDenied, errNoAmazon)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", call.Target, err)
		}
		c.amazon, c.until = id, now.Add(identityLife)
		if last := id.Expiration.Add(-time.Minute); !id.Expiration.IsZero() && last.Before(c.until) {
			c.until = last
		}
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", call.Target, err)
	}
	req, err := call.request(string(body), c.amazon, now)
	if err != nil {
		return err
	}
	err = c.call(ctx, call.Target, req, out, most)
	if errors.Is(err, plimsoll.ErrDenied) {
		c.until = time.Time{} // another identity may be there by now
	}
	return err
}

// Google posts to one of Google's addresses, with the same limits and errors. The token is sent by https and to this machine alone:
// an emulator elsewhere is asked without.
func (c *Cloud) Google(ctx context.Context, target string, in, out any, most int64) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", redactText(target), err)
	}
	req, err := post(target, body)
	if err != nil {
		return err
	}
	if req.URL.Scheme == "https" || isLoopback(req.URL) {
		token, err := c.googleToken(ctx)
		switch {
		case err != nil:
			return err
		case token != "":
			req.Header.Set("Authorization", "Bearer "+token)
		case req.URL.Scheme == "https":
			return fmt.Errorf("%s: %w: %w", where(req.URL), plimsoll.ErrDenied, errNoGoogle)
		}
	}
	err = c.call(ctx, "Google", req, out, most)
	if errors.Is(err, plimsoll.ErrDenied) {
		c.cloud.until = time.Time{}
	}
	return err
}

// googleToken is empty where there is no identity.
func (c *Cloud) googleToken(ctx context.Context) (string, error) {
	c.cloud.provider = googleCloud
	found, err := c.cloud.credentials(ctx, nil)
	return found.Password, err
}

func isLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// errorWord is the form of the names that clouds give to errors. Nothing else of a refusal is told: it may quote the request.
var errorWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.#]{0,99}$`)

// wordIn is the name of the error in a refusal, with a space before it; empty where there is none.
func wordIn(body []byte) string {
	var refusal struct {
		Amazon string `json:"__type"`
		Google struct {
			Status string `json:"status"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &refusal) // what can be read of it
	for _, word := range []string{refusal.Amazon, refusal.Google.Status} {
		if errorWord.MatchString(word) {
			return " " + word
		}
	}
	return ""
}

func (c *Cloud) call(ctx context.Context, what string, req *http.Request, out any, most int64) error {
	resp, err := c.calls.Do(req.WithContext(ctx))
	if err != nil {
		return wireFault(ctx, what, req.URL, err)
	}
	defer drain(resp.Body)
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return wireFault(ctx, what, req.URL, err)
	case int64(len(body)) > most:
		return fmt.Errorf("%s: %s: %w: the reply has more than %d bytes", what, where(req.URL), plimsoll.ErrLimit, most)
	case retryable(resp.StatusCode):
		return fmt.Errorf("%s: %s: %w: HTTP %d%s", what, where(req.URL), plimsoll.ErrUnavailable, resp.StatusCode, wordIn(body))
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s: %w: HTTP %d%s", what, where(req.URL), plimsoll.ErrDenied, resp.StatusCode, wordIn(body))
	case out == nil:
		return nil
	case json.Unmarshal(body, out) != nil:
		return fmt.Errorf("%s: %s: %w reply", what, where(req.URL), plimsoll.ErrInvalid)
	}
	return nil
}

func post(target string, body []byte) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w address %.200q", plimsoll.ErrInvalid, redactText(target))
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}
