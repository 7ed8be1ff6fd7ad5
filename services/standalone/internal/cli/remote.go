package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const defaultServer = "http://127.0.0.1:8080"

// maxAnswer bounds what is read of an error answer.
const maxAnswer = 64 << 10

// remote asks a running Plimsoll.
type remote struct {
	server, token string
	at            string // the moment that reading calls are about; empty: now
	http          *http.Client
}

// past gives a reading command the flag --at.
func (a *app) past(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&a.at, "at", "", "answer as it was knowable at a moment: a date (its start in UTC), or a time as 2026-10-01T08:30:00Z (default: now)")
	return c
}

func (a *app) client() (*remote, error) {
	c := &remote{server: defaultServer, at: a.at, http: &http.Client{}}
	if a.server != "" {
		c.server = strings.TrimSuffix(a.server, "/")
	}
	if u, err := url.Parse(c.server); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, exit{exitUsage, fmt.Sprintf("--server %q: want http://host:port or https://host:port", a.server)}
	}
	if a.token != "" {
		raw, err := os.ReadFile(a.token)
		if err != nil {
			return nil, exit{exitUsage, fmt.Sprintf("--token-file: %v", err)}
		}
		c.token = strings.TrimSpace(string(raw))
	}
	return c, nil
}

// again are the flags that name the same Plimsoll in a command that is shown.
func (a *app) again() (flags string) {
	if a.server != "" {
		flags += " --server " + a.server
	}
	if a.token != "" && a.token != ownToken {
		flags += " --token-file " + a.token
	}
	return flags
}

// open sends a request and returns the body of a 2xx answer.
func (c *remote) open(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	target := c.server + path
	if c.at != "" && method == http.MethodGet {
		query = maps.Clone(query)
		if query == nil {
			query = url.Values{}
		}
		query.Set("at", c.at)
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, payload)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, exit{exitUsage, fmt.Sprintf("no Plimsoll answers at %s: start one with `plimsoll up`, or name it with --server", c.server)}
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.server, err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, c.fault(resp)
	}
	return resp.Body, nil
}

// statusError is an answer that is not 2xx; text is the server's own.
type statusError struct {
	code int
	text string
}

func (e statusError) Error() string { return e.text }

func (c *remote) fault(resp *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) //nolint:errcheck // what could be read is shown
	var said struct {
		Error string `json:"error"`
	}
	text := strings.TrimSpace(string(raw))
	if json.Unmarshal(raw, &said) == nil && said.Error != "" {
		text = said.Error
	}
	if resp.StatusCode == http.StatusUnauthorized && c.token == "" {
		text += " (give --token-file; the token that `plimsoll up` makes is admin.token in its data folder)"
	}
	return statusError{resp.StatusCode, fmt.Sprintf("%s answered %d: %s", c.server, resp.StatusCode, text)}
}

// get decodes the JSON answer into v.
func (c *remote) get(ctx context.Context, path string, query url.Values, v any) error {
	return c.call(ctx, http.MethodGet, path, query, nil, v)
}

func (c *remote) call(ctx context.Context, method, path string, query url.Values, body, v any) error {
	answer, err := c.open(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(answer).Decode(v); err != nil {
		return fmt.Errorf("%s %s: the answer is not what this version expects: %w", c.server, path, err)
	}
	return nil
}

// every calls f at once and then each interval until it says done, fails, or ctx ends.
func every(ctx context.Context, interval time.Duration, f func() (done bool, err error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
