package report

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

var errKilled = errors.New("killed")

// killing is a way to a bucket that kills whoever writes through it: after a number of writes, each of which reaches the bucket.
type killing struct {
	c      blob.Config
	writes atomic.Int64
	after  int64 // the write after which kill is called
	kill   func()
}

func killer(t *testing.T, to blob.Config) *killing {
	t.Helper()
	k := &killing{c: to}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", to.Endpoint
		r.Out.Host = r.In.Host // which was signed
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			proxy.ServeHTTP(w, r)
			return
		}
		n := k.writes.Add(1)
		if n > k.after {
			return // it is dead: the bytes never came
		}
		proxy.ServeHTTP(w, r)
		if n == k.after {
			k.kill()
		}
	}))
	t.Cleanup(s.Close)
	k.c.Endpoint = s.Listener.Addr().String()
	return k
}

// TestKilledAtEachWrite kills the reporter after each write that a report takes, from none to all of them. The next one makes the
// report whole, of what the first had written; there is one manifest, and the change log says so once.
func TestKilledAtEachWrite(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 20)
	zone := writer(t, w).zone
	period := LastWeek(w.At.In(zone)).Name
	for after := int64(0); ; after++ {
		k := killer(t, w.Bucket)
		ctx, kill := context.WithCancelCause(t.Context())
		k.after, k.kill = after, func() { kill(errKilled) }
		if after == 0 {
			kill(errKilled)
		}
		store, err := blob.Open(t.Context(), k.c)
		if err != nil {
			t.Fatal(err)
		}
		dying := writer(t, w)
		dying.Store = store
		_, made, err := dying.Make(ctx, period, time.Time{})
		store.Close()
		w.At = w.At.Add(2 * announceAfter)
		heir := writer(t, w)
		m, again, herr := heir.Make(t.Context(), period, time.Time{})
		if herr != nil {
			t.Fatalf("%s, killed after %d writes: %v", period, after, herr)
		}
		if n := announced(t, w.Store, period); n != 1 {
			t.Errorf("%s, killed after %d writes: announced %d times", period, after, n)
		}
		for _, f := range m.Files {
			if _, b, err := heir.Read(t.Context(), period, f.Name); err != nil || plimsoll.DigestOf(b) != f.Digest {
				t.Errorf("%s, killed after %d writes: %s: %v", period, after, f.Name, err)
			}
		}
		if made && again {
			t.Errorf("%s, killed after %d writes: made twice", period, after)
		}
		if err == nil {
			if after < int64(len(m.Files))+1 {
				t.Errorf("a report of %d files took %d writes: were they seen?", len(m.Files), after)
			}
			return
		}
		week, err := ParseWeek(period, zone)
		if err != nil {
			t.Fatal(err)
		}
		period = LastWeek(week.From).Name
	}
}
