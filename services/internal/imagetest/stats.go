package imagetest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"sync"
)

// Stats are what a [Registry] has served since it was made or since ResetStats.
type Stats struct {
	Requests map[string]int   // by method and kind: "HEAD manifest", "GET blob", "GET tags", "GET catalog", "GET ping" …
	Blobs    map[string]int64 // bytes of bodies sent, by blob digest
}

// Total is the number of requests.
func (s Stats) Total() (n int) {
	for _, c := range s.Requests {
		n += c
	}
	return n
}

// BlobBytes is the sum over all blobs.
func (s Stats) BlobBytes() (n int64) {
	for _, c := range s.Blobs {
		n += c
	}
	return n
}

// Stats returns a copy.
func (r *Registry) Stats() Stats {
	r.count.mu.Lock()
	defer r.count.mu.Unlock()
	return Stats{Requests: maps.Clone(r.count.requests), Blobs: maps.Clone(r.count.blobs)}
}

// ResetStats sets all counters to zero.
func (r *Registry) ResetStats() {
	r.count.mu.Lock()
	defer r.count.mu.Unlock()
	r.count.requests, r.count.blobs = nil, nil
}

type counters struct {
	mu       sync.Mutex
	requests map[string]int
	blobs    map[string]int64
}

func (c *counters) request(rt route, method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		c.requests = map[string]int{}
	}
	c.requests[method+" "+rt.kind]++
}

func (c *counters) blobBytes(digest string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blobs == nil {
		c.blobs = map[string]int64{}
	}
	c.blobs[digest] += int64(n)
}

// countingWriter reports the bytes of a body. Unwrap lets handlers in front of the registry flush and hijack.
type countingWriter struct {
	http.ResponseWriter
	add func(n int)
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.add(n)
	return n, err
}

func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type countingReader struct {
	io.ReadCloser
	n int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.n += int64(n)
	return n, err
}

func newReader(b []byte) *bytes.Reader { return bytes.NewReader(b) }
