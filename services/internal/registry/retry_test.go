package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

var quiet = log.New(io.Discard, "", 0)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		after, date string
		want        time.Duration
		ok          bool
	}{
		{"7", "", 7 * time.Second, true},
		{" 7 ", "", 7 * time.Second, true},
		{"0", "", 0, true},
		{"3600", "", time.Hour, true},
		{"99999999999999", "", time.Hour, true},
		{"-1", "", 0, false},
		{date(90 * time.Second), "", 90 * time.Second, true},
		{date(-90 * time.Second), "", 0, true},
		{date(48 * time.Hour), "", time.Hour, true},
		{date(90*time.Second + 24*time.Hour), date(24 * time.Hour), 90 * time.Second, true}, // their clock is a day ahead
		{"soon", "", 0, false},
		{"", "", 0, false},
		{"1e9", "", 0, false},
	} {
		h := http.Header{}
		h.Set("Retry-After", c.after)
		h.Set("Date", c.date)
		got, ok := retryAfter(h, now, time.Hour)
		if got != c.want || ok != c.ok {
			t.Errorf("Retry-After %q at Date %q: %s, %v; want %s, %v", c.after, c.date, got, ok, c.want, c.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 11:00:00 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}}
		if got, ok := retryAfter(h, time.Now(), time.Hour); got < 0 || got > time.Hour || !ok && got != 0 {
			t.Errorf("%q, %q: %s", after, date, got)
		}
	})
}

// TestPause runs on a clock of its own: an hour passes at once.
func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pause
		start := time.Now()
		if begins, longer := p.extend(start.Add(30 * time.Minute)); !begins || longer != 30*time.Minute {
			t.Errorf("begins %t, longer by %s", begins, longer)
		}
		if begins, longer := p.extend(start.Add(time.Hour)); begins || longer != 30*time.Minute {
			t.Errorf("begins %t, longer by %s", begins, longer)
		}
		if begins, longer := p.extend(start.Add(time.Minute)); begins || longer != 0 {
			t.Errorf("a shorter pause: begins %t, longer by %s, want no change", begins, longer)
		}
		var wait sync.WaitGroup
		for range 10 {
			wait.Go(func() {
				if err := p.wait(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took < time.Hour || took > time.Hour+3*time.Second {
					t.Errorf("waited %s", took)
				}
			})
		}
		wait.Wait()
		p.extend(time.Now().Add(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		wantError(t, p.wait(ctx), plimsoll.ErrUnavailable, "1h0m0s")
		if time.Since(begin) != 0 {
			t.Error("a pause that outlasts the deadline was waited for")
		}
		why := errors.New("stop")
		cancelled, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(why) })
		if err := p.wait(cancelled); !errors.Is(err, why) {
			t.Errorf("error %v, want the cause of the cancel", err)
		}
	})
}

// TestThrottled is F15: both forms of Retry-After, none, and 503 with it.
func TestThrottled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		waits  time.Duration
		counts int64
	}{
		{"seconds", 429, http.Header{"Retry-After": {"1"}}, time.Second, 1},
		{"no header", 429, nil, 0, 1},
		{"503 with seconds", 503, http.Header{"Retry-After": {"1"}}, time.Second, 0},
		{"503 without", 503, nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.Intercept(imagetest.Answer(1, c.status, c.header, nil))
			client := f.client(t, quick())
			start := time.Now()
			if _, err := client.Head(t.Context(), repository, tag); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took < c.waits {
				t.Errorf("waited %s, want at least %s", took, c.waits)
			}
			if n := client.Throttled(); n != c.counts {
				t.Errorf("throttled %d times, want %d", n, c.counts)
			}
			if w := client.Waited(); w < c.waits-100*time.Millisecond || w > c.waits+time.Second || (w == 0) == (c.counts == 1) && c.waits == 0 {
				t.Errorf("asked to wait %s, want about %s", w, c.waits)
			}
			if n := f.Stats().Total(); n != 2 {
				t.Errorf("%d requests, want 2", n)
			}
		})
	}
}

// TestThrottledDate has an HTTP-date a second ahead of the server's own clock, which is a day off.
func TestThrottledDate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	theirs := time.Now().Add(24 * time.Hour)
	f.Intercept(imagetest.Answer(1, 429, http.Header{"Retry-After": {theirs.Add(time.Second).UTC().Format(http.TimeFormat)}, "Date": {theirs.UTC().Format(http.TimeFormat)}}, nil))
	start := time.Now()
	if _, err := f.client(t, quick()).Head(t.Context(), repository, tag); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < time.Second || took > time.Minute {
		t.Errorf("waited %s, want about a second", took)
	}
}

// TestNoRetryStorm throttles many requests at once: all wait for one pause, and each asks once more.
func TestNoRetryStorm(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const many = 30
	f.Intercept(imagetest.Answer(5, 429, http.Header{"Retry-After": {"1"}}, nil))
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.Concurrency = 5 })
	var wait sync.WaitGroup
	for range many {
		wait.Go(func() {
			if _, err := c.Head(t.Context(), repository, tag); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := f.Stats().Total(); n != many+5 {
		t.Errorf("%d requests for %d answers and 5 refusals", n, many)
	}
}

func TestThrottledForEver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Intercept(imagetest.Answer(1000, 429, nil, nil))
	_, err := f.client(t, quick()).Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrUnavailable, "429", "requests_per_second")
	f.Intercept(imagetest.Answer(1000, 429, http.Header{"Retry-After": {"3600"}}, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	start := time.Now()
	_, err = f.client(t, quick()).Head(ctx, repository, tag)
	wantError(t, err, plimsoll.ErrUnavailable, "429", "wait")
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %s to see that an hour is too long", took)
	}
}

// TestServerErrors is F16's burst of 5xx: a few are outlasted, many are not, and what cannot pass is not tried again.
func TestServerErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status, times, requests int
		kind                    error
	}{
		{500, 2, 3, nil}, {502, 3, 4, nil}, {504, 1, 2, nil}, {500, 1000, 4, plimsoll.ErrUnavailable},
		{403, 1000, 1, plimsoll.ErrDenied}, {404, 1000, 1, plimsoll.ErrNotFound}, {418, 1000, 1, plimsoll.ErrInvalid},
	} {
		t.Run(fmt.Sprintf("%d, %d times", c.status, c.times), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.Intercept(imagetest.Answer(c.times, c.status, nil, nil))
			_, _, err := f.client(t, quick()).Manifest(t.Context(), repository, tag)
			if c.kind != nil {
				wantError(t, err, c.kind, fmt.Sprint(c.status), f.URL()+"/v2/"+repository)
			} else if err != nil {
				t.Error(err)
			}
			if n := f.Stats().Total(); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
		})
	}
}

// TestUnreachable is "a registry that is down or is no registry": one clear line each.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	t.Cleanup(secure.Close)
	raw := imagetest.Must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = raw.Close() })
	lim := quick()
	lim.header, lim.tries = 100*time.Millisecond, 2
	for _, c := range []struct {
		name, url string
		kind      error
		words     []string
	}{
		{"refused", nobody, plimsoll.ErrUnavailable, []string{"nothing answers"}},
		{"unknown name", "http://registry.invalid", plimsoll.ErrUnavailable, []string{"registry.invalid", "host name"}},
		{"silent", "http://" + raw.Addr().String(), plimsoll.ErrUnavailable, []string{"in time"}},
		{"http written for https", "http://" + secure.Listener.Addr().String(), plimsoll.ErrInvalid, []string{"write https://"}},
		{"https written for http", "https://" + plain.Listener.Addr().String(), plimsoll.ErrUnavailable, []string{"write http://"}},
		{"html", documentServer(t, nil, "<html>hello</html>"), plimsoll.ErrInvalid, []string{"no registry"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := clientFor(t, c.url, lim)
			if c.name == "unknown name" {
				client.guard.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
					return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
				}
			}
			_, _, err := client.Manifest(t.Context(), repository, tag)
			wantError(t, err, c.kind, c.words...)
		})
	}
}

// TestSlowHeaders is H35's other half: headers that come a byte at a time, and too many of them (H36).
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	flood := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), "0123456789012345678901234567890123456789")
		}
	}))
	defer flood.Close()
	lim := quick()
	lim.tries = 1
	_, err := clientFor(t, flood.URL, lim).Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrUnavailable, "headers")

	l := imagetest.Must(net.Listen("tcp", "127.0.0.1:0"))
	var wait sync.WaitGroup
	wait.Go(func() { drizzle(t.Context(), l) })
	lim.header = 200 * time.Millisecond
	start := time.Now()
	_, err = clientFor(t, "http://"+l.Addr().String(), lim).Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrUnavailable, "in time")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("gave up after %s, want 200 ms", took)
	}
	_ = l.Close()
	wait.Wait()
}

// drizzle answers one connection with a byte of headers every 20 ms, until the other side has enough.
func drizzle(ctx context.Context, l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for _, b := range []byte("HTTP/1.1 200 OK\r\nX-Long: " + string(make([]byte, 4096))) {
		if sleep(ctx, 20*time.Millisecond) != nil {
			return
		}
		if _, err := conn.Write([]byte{b}); err != nil {
			return
		}
	}
}
