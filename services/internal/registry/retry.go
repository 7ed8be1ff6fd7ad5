package registry

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

// retryable tells the statuses that may pass by themselves.
func retryable(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// pause holds back every request to a registry that said "later": one answer with Retry-After is enough for all of them.
type pause struct {
	mu    sync.Mutex
	until time.Time
}

// extend tells whether this begins a pause, and by how much it is longer now: of a pause that goes on, one word is enough.
func (p *pause) extend(until time.Time) (begins bool, longer time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.until
	if now := time.Now(); now.After(from) {
		begins, from = true, now
	}
	if longer = until.Sub(from); longer <= 0 {
		return begins, 0
	}
	p.until = until
	return begins, longer
}

// wait returns when the registry may be asked again. A pause that outlasts the context's deadline is an error at once: the
// caller can use the time better.
func (p *pause) wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		left := time.Until(p.until)
		p.mu.Unlock()
		if left <= 0 {
			return nil
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < left {
			return fmt.Errorf("%w: the registry asks to wait %s, longer than this request may take", plimsoll.ErrUnavailable, left.Round(time.Second))
		}
		if err := idle(ctx, left+spread(left)); err != nil {
			return err
		}
	}
}

// spread is a random delay after a pause, so that those who waited do not all start in the same instant.
func spread(d time.Duration) time.Duration {
	return rand.N(min(d/10, time.Second) + time.Millisecond)
}

// sleep waits, or returns the context's cause.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// backoff is first, doubled with each try, at most most, with half of it random.
func backoff(first, most time.Duration, try int) time.Duration {
	d := first << min(try, 30)
	if d > most || d <= 0 {
		d = most
	}
	return d/2 + rand.N(d/2+1)
}

// timestamps is where a number of seconds is no span but a moment since 1970, as Docker Hub's API writes it in X-Retry-After and
// at times in Retry-After: nobody asks to wait for thirty years.
const timestamps = 1_000_000_000

// retryAfter reads the header's two forms, seconds and HTTP-date (RFC 9110, section 10.2.3). A date is measured against the
// answer's own Date where there is one, so that clocks need not agree. ok is false when the header is absent or wrong.
func retryAfter(h http.Header, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	text := strings.TrimSpace(cmp.Or(h.Get("Retry-After"), h.Get("X-Retry-After")))
	if text == "" {
		return 0, false
	}
	if s, err := strconv.ParseInt(text, 10, 64); err == nil {
		if s >= timestamps {
			s = max(0, s-now.Unix())
		}
		if s < 0 {
			return 0, false
		}
		// Compared in seconds: a large number would overflow a Duration.
		if s > int64(most/time.Second) {
			return most, true
		}
		return min(time.Duration(s)*time.Second, most), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), most), true
}
