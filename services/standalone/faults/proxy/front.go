package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

// A Fault bends what a [Front] passes on: it wraps the handler that does. services/internal/imagetest has some of this form
// (Answer, Cut, Flip), this package more.
type Fault = func(next http.Handler) http.Handler

// A Front is an HTTP server on an address of its own before another handler. It is safe for concurrent use. Close it.
type Front struct {
	next   http.Handler
	bent   atomic.Pointer[http.Handler]
	server *http.Server
	addr   string
	served chan struct{}

	mu    sync.Mutex
	tally Tally
}

// Tally is what a [Front] has served.
type Tally struct {
	Requests int
	Paths    map[string]int   // requests, by "METHOD path"
	Bytes    map[string]int64 // bytes that GETs were answered with, by path
	Answers  map[int]int      // by status; 0 for connections that broke
	Open     map[string]int   // requests in hand, by "METHOD path"
}

// NewFront serves next on a free port of loopback.
func NewFront(next http.Handler) (*Front, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a front: %w", err)
	}
	f := &Front{next: next, addr: l.Addr().String(), served: make(chan struct{}),
		tally: Tally{Paths: map[string]int{}, Bytes: map[string]int64{}, Answers: map[int]int{}, Open: map[string]int{}}}
	f.Bend(nil)
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		defer close(f.served)
		_ = f.server.Serve(l)
	}()
	return f, nil
}

// Address is host:port.
func (f *Front) Address() string { return f.addr }

// Bend puts a fault before the handler, in place of the one before; nil takes it away.
func (f *Front) Bend(fault Fault) {
	h := f.next
	if fault != nil {
		h = fault(h)
	}
	f.bent.Store(&h)
}

// Close ends the listener and its connections.
func (f *Front) Close() {
	_ = f.server.Close()
	<-f.served
}

// Tally returns a copy.
func (f *Front) Tally() Tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tally
	t.Paths, t.Bytes = maps.Clone(t.Paths), maps.Clone(t.Bytes)
	t.Answers, t.Open = maps.Clone(t.Answers), maps.Clone(t.Open)
	return t
}

// Count sums the requests whose "METHOD path" match.
func (t Tally) Count(match func(string) bool) (n int) {
	for key, c := range t.Paths {
		if match(key) {
			n += c
		}
	}
	return n
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.Path
	f.mu.Lock()
	f.tally.Requests++
	f.tally.Paths[key]++
	f.tally.Open[key]++
	f.mu.Unlock()
	c := &counter{ResponseWriter: w, front: f}
	if r.Method == http.MethodGet {
		c.path = r.URL.Path
	}
	defer func() {
		f.mu.Lock()
		if f.tally.Open[key]--; f.tally.Open[key] == 0 {
			delete(f.tally.Open, key)
		}
		f.tally.Answers[c.status]++
		f.mu.Unlock()
	}()
	(*f.bent.Load()).ServeHTTP(c, r)
	if c.status == 0 {
		c.status = http.StatusOK
	}
}

type counter struct {
	http.ResponseWriter
	front  *Front
	path   string // empty: bytes do not count
	status int
}

func (c *counter) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(b)
	if c.path != "" && c.status < http.StatusMultipleChoices { // an error's body is none
		c.front.mu.Lock()
		c.front.tally.Bytes[c.path] += int64(n)
		c.front.mu.Unlock()
	}
	return n, err
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Relay passes requests on to what target answers at the moment, a host:port, with the Host that the client wrote: S3's
// signatures cover it. A target that cannot be reached breaks the connection, as it would without a relay.
func Relay(target func() string) http.Handler {
	dial := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			to := target()
			if to == "" {
				return nil, errors.New("no target")
			}
			return dial.DialContext(ctx, "tcp", to)
		},
		DisableKeepAlives:  true, // the target may be another one next time
		DisableCompression: true,
	}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "relay", r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
}
