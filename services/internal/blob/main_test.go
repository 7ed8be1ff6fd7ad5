package blob_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
)

// bucket is a real S3 server's, shared by all tests; each test keeps to names of its own.
var bucket blob.Config

func TestMain(m *testing.M) { os.Exit(blobtest.Main(m, &bucket)) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, c blob.Config) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var names sync.Map // testing.TB → string

// name is a registry id that only this run of this test uses.
func name(t testing.TB) string {
	n, _ := names.LoadOrStore(t, "t"+strings.ToLower(rand.Text()))
	return n.(string)
}

// proxy stands between client and server, counts requests, and lets a test spoil them.
type proxy struct {
	blob.Config // of the bucket as seen through it
	requests    atomic.Int64
	// spoil may answer (or break) a request itself; true: it did.
	spoil func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{Config: bucket}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: bucket.Endpoint})
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		if p.spoil == nil || !p.spoil(w, r, forward) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	p.Endpoint = strings.TrimPrefix(srv.URL, "http://")
	return p
}

// loseAnswer does the request and breaks the connection before it is answered.
func loseAnswer(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

func slowDown(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprint(w, `<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>reduce your request rate</Message></Error>`)
}

func cancelled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
