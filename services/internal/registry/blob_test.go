package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// read reads a whole blob and checks it against the layer when it ends well.
func (f *fixture) read(t *testing.T, c *Client, size int64) error {
	t.Helper()
	r, err := c.Blob(t.Context(), repository, f.digest(), size)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	got, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(got, f.layer.Bytes) {
		t.Errorf("read %d bytes that differ from the %d of the layer", len(got), len(f.layer.Bytes))
	}
	return err
}

func (f *fixture) size() int64 { return int64(len(f.layer.Bytes)) }

func TestBlob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var counted atomic.Int64
	c, err := New(f.conf, Options{Bytes: func(n int) { counted.Add(int64(n)) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{f.size(), -1} {
		counted.Store(0)
		if err := f.read(t, c, size); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		if counted.Load() != f.size() {
			t.Errorf("size %d: %d bytes counted, want %d", size, counted.Load(), f.size())
		}
	}
	wantError(t, f.read(t, c, f.size()+1), plimsoll.ErrIntegrity, "manifest states")
	wantError(t, f.read(t, c, f.size()-1), plimsoll.ErrIntegrity, "manifest states")
	_, err = c.Blob(t.Context(), repository, plimsoll.DigestOf([]byte("none")), 1)
	wantError(t, err, plimsoll.ErrNotFound, "BLOB_UNKNOWN")
	_, err = c.Blob(t.Context(), repository, "sha256:short", 1)
	wantError(t, err, plimsoll.ErrInvalid)
}

// TestBlobResume cuts the connection at random bytes, again and again, with and without ranges.
func TestBlobResume(t *testing.T) {
	t.Parallel()
	for _, noRange := range []bool{false, true} {
		t.Run(fmt.Sprintf("noRange=%v", noRange), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if noRange {
				f.withoutRange(t)
			}
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			for range 20 {
				at := random.Int64N(f.size())
				f.Intercept(imagetest.Cut(1+random.IntN(3), at))
				if err := f.read(t, f.client(t, quick()), f.size()); err != nil {
					t.Errorf("cut at %d: %v", at, err)
				}
			}
		})
	}
}

// withoutRange replaces the fixture's registry by one that answers every ranged read with the whole blob.
func (f *fixture) withoutRange(t *testing.T) {
	t.Helper()
	r := imagetest.NewRegistry(imagetest.RegistryOptions{NoRange: true})
	t.Cleanup(r.Close)
	if err := r.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f.Registry, f.conf.URL = r, r.URL()
	f.push(t, repository, tag)
}

// TestBlobReadsNothingTwice is about F16: what was handed out is not fetched again.
func TestBlobReadsNothingTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ranges []string
	cut := imagetest.Cut(1, 100_000)
	f.Intercept(func(next http.Handler) http.Handler {
		next = cut(next)
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			ranges = append(ranges, req.Header.Get("Range"))
			next.ServeHTTP(w, req)
		})
	})
	if err := f.read(t, f.client(t, quick()), f.size()); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("bytes=100000-%d", f.size()-1)
	if len(ranges) != 2 || ranges[0] != "" || ranges[1] != want {
		t.Errorf("ranges %q, want none and then %q", ranges, want)
	}
}

func TestBlobEndsBeforeItsSize(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Intercept(imagetest.Cut(1000, 10))
	err := f.read(t, f.client(t, quick()), f.size())
	wantError(t, err, plimsoll.ErrUnavailable, "at byte", "tries")
	if n := f.Stats().Requests["GET blob"]; n > 10 {
		t.Errorf("%d requests for a blob that never comes", n)
	}
}

// TestBlobRangeAnswers bends the answers to ranged requests.
func TestBlobRangeAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	digest, body := f.digest(), f.layer.Bytes
	const cut = 1000
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		kind   error
	}{
		{"wrong offset", func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
		}, plimsoll.ErrInvalid},
		{"wrong total", func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", cut, len(body)-1, len(body)+7))
			w.WriteHeader(http.StatusPartialContent)
		}, plimsoll.ErrIntegrity},
		{"no Content-Range", func(w http.ResponseWriter) { w.WriteHeader(http.StatusPartialContent) }, plimsoll.ErrInvalid},
		{"unsatisfiable", func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", cut))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}, plimsoll.ErrIntegrity},
		{"gone", func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, plimsoll.ErrNotFound},
		{"denied", func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, plimsoll.ErrDenied},
		{"range refused", func(w http.ResponseWriter) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				requests++
				if req.Header.Get("Range") != "" {
					c.answer(w)
					return
				}
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				if requests > 1 {
					_, _ = w.Write(body)
					return
				}
				_, _ = w.Write(body[:cut])
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}))
			defer s.Close()
			r, err := clientFor(t, s.URL, quick()).Blob(t.Context(), repository, digest, f.size())
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if c.kind != nil {
				wantError(t, err, c.kind)
			} else if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes, error %v", len(got), err)
			}
		})
	}
}

// TestBlobSlow is H35: stalls and crawls end in another connection, then in an error that says slow.
func TestBlobSlow(t *testing.T) {
	t.Parallel()
	lim := quick()
	lim.idle, lim.rateWindow, lim.rate = 100*time.Millisecond, 300*time.Millisecond, 1<<20
	for _, c := range []struct {
		name  string
		bad   int           // how many answers are bad
		pause time.Duration // between the bytes of a bad one; 0: it stalls for good
		kind  error
		word  string
	}{
		{"stalls once", 1, 0, nil, ""},
		{"stalls for ever", 100, 0, plimsoll.ErrUnavailable, "slow"},
		{"crawls once", 1, 5 * time.Millisecond, nil, ""},
		{"crawls for ever", 100, 5 * time.Millisecond, plimsoll.ErrUnavailable, "slow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var n atomic.Int64
			f.Intercept(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if n.Add(1) <= int64(c.bad) {
						w = &drip{ResponseWriter: w, ctx: req.Context(), pause: c.pause}
					}
					next.ServeHTTP(w, req)
				})
			})
			err := f.read(t, f.client(t, lim), f.size())
			if c.kind != nil {
				wantError(t, err, c.kind, c.word)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// drip gives half of a body's first piece at once and the rest a byte at a time, or not at all.
type drip struct {
	http.ResponseWriter
	ctx     context.Context
	pause   time.Duration
	started bool
}

func (d *drip) Write(b []byte) (n int, err error) {
	if !d.started {
		d.started = true
		if n, err = d.ResponseWriter.Write(b[:len(b)/2]); err != nil {
			return n, err
		}
	}
	for ; n < len(b); n++ {
		_ = http.NewResponseController(d.ResponseWriter).Flush()
		if d.pause == 0 {
			<-d.ctx.Done()
			return n, d.ctx.Err()
		}
		if err := sleep(d.ctx, d.pause); err != nil {
			return n, err
		}
		if _, err := d.ResponseWriter.Write(b[n : n+1]); err != nil {
			return n, err
		}
	}
	return n, nil
}

// TestSlowReader checks that time spent outside of Read does not count against the registry.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	var p pace
	lim := defaultLimits
	for range 100 { // ten minutes pass between reads, none inside
		if p.tooSlow(1<<10, time.Millisecond, lim) {
			t.Fatal("a slow reader makes the registry slow")
		}
	}
	if p.tooSlow(int(lim.rate)*60, 60*time.Second, lim) {
		t.Error("the minimum rate is too slow")
	}
	if !p.tooSlow(1000, 61*time.Second, lim) {
		t.Error("1000 bytes in a minute are not too slow")
	}
}

func TestBlobCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(&drip{ResponseWriter: w, ctx: req.Context()}, req)
		})
	})
	why := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	r, err := f.client(t, quick()).Blob(ctx, repository, f.digest(), f.size())
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	_, err = io.ReadAll(r)
	if !errors.Is(err, why) || errors.Is(err, plimsoll.ErrUnavailable) {
		t.Errorf("error %v, want the cause of the cancel alone", err)
	}
}

// TestBlobTokenExpiry lets the token end in the middle of a blob whose connection breaks then.
func TestBlobTokenExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := newAuth(t, authOptions{lives: 1})
	cut := imagetest.Cut(2, 100_000)
	f.Intercept(func(next http.Handler) http.Handler { return a.guard(cut(next)) })
	if err := f.read(t, f.client(t, quick(), a.credentials), f.size()); err != nil {
		t.Error(err)
	}
	if n := a.tokens.Load(); n < 2 {
		t.Errorf("%d tokens, want a new one for each connection", n)
	}
}

// TestBlobSignedURL redirects to a storage whose URL runs out: the registry is asked for a new one.
func TestBlobSignedURL(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var served atomic.Int64
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			t.Error("the storage was sent our Authorization")
		}
		if req.Header.Get("Referer") != "" {
			t.Error("the storage was sent a Referer")
		}
		switch n := served.Add(1); n {
		case 1:
			w.Header().Set("Content-Length", fmt.Sprint(f.size()))
			_, _ = w.Write(f.layer.Bytes[:5000])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusForbidden)
		default:
			http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(f.layer.Bytes))
		}
	}))
	defer storage.Close()
	a := newAuth(t, authOptions{})
	f.Intercept(func(next http.Handler) http.Handler { return a.guard(imagetest.Redirect(storage.URL)(next)) })
	if err := f.read(t, f.client(t, quick(), a.credentials), f.size()); err != nil {
		t.Error(err)
	}
}

func TestContentRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text               string
		first, last, total int64
		ok                 bool
	}{
		{"bytes 0-9/10", 0, 9, 10, true}, {"bytes 5-9/*", 5, 9, -1, true}, {"bytes 5-9", 0, 0, 0, false}, {"", 0, 0, 0, false},
		{"bytes -1-9/10", 0, 0, 0, false}, {"items 0-9/10", 0, 0, 0, false}, {"bytes 0-99999999999999999999/10", 0, 0, 0, false},
	} {
		first, last, total, err := parseContentRange(c.text)
		if (err == nil) != c.ok || c.ok && (first != c.first || last != c.last || total != c.total) {
			t.Errorf("%q: %d-%d/%d, %v", c.text, first, last, total, err)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-9/10")
	f.Add("bytes 5-9/*")
	f.Fuzz(func(t *testing.T, s string) {
		first, last, total, err := parseContentRange(s)
		if err == nil && (first < 0 || last < 0 || total < -1 || !strings.HasPrefix(s, "bytes ")) {
			t.Errorf("%q: %d-%d/%d", s, first, last, total)
		}
	})
}
