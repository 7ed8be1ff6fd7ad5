package imagetest

import (
	"net/http"
	"sync/atomic"
)

// A Fault bends a registry's answers; give it to [Registry.Intercept]. Faults that count are for one Intercept each.
type Fault = func(next http.Handler) http.Handler

// IsBlob tells whether a request reads a blob's bytes: what most faults are about.
func IsBlob(req *http.Request) bool {
	return req.Method == http.MethodGet && parseRoute(req).kind == kindBlob
}

// Cut breaks the connection of each of the next n blob reads after its first at bytes.
func Cut(n int, at int64) Fault {
	return bend(n, func(w http.ResponseWriter) http.ResponseWriter {
		return &cutWriter{ResponseWriter: w, left: at}
	})
}

// Flip changes one bit of the byte at an offset of each of the next n blob answers.
func Flip(n int, at int64) Fault {
	return bend(n, func(w http.ResponseWriter) http.ResponseWriter {
		return &flipWriter{ResponseWriter: w, left: at}
	})
}

// bend wraps the answers of the next n blob reads.
func bend(n int, wrap func(http.ResponseWriter) http.ResponseWriter) Fault {
	var left atomic.Int64
	left.Store(int64(n))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if IsBlob(req) && left.Add(-1) >= 0 {
				w = wrap(w)
			}
			next.ServeHTTP(w, req)
		})
	}
}

// Answer gives the next n requests that match (nil: all) a status and headers in place of what they ask for.
func Answer(n, status int, header http.Header, match func(*http.Request) bool) Fault {
	var left atomic.Int64
	left.Store(int64(n))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if (match != nil && !match(req)) || left.Add(-1) < 0 {
				next.ServeHTTP(w, req)
				return
			}
			for name, values := range header {
				w.Header()[name] = values
			}
			refuse(w, status, "FAULT", http.StatusText(status))
		})
	}
}

// Redirect sends blob reads elsewhere: base and the request's path.
func Redirect(base string) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if IsBlob(req) {
				http.Redirect(w, req, base+req.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			next.ServeHTTP(w, req)
		})
	}
}

type cutWriter struct {
	http.ResponseWriter
	left int64
}

func (c *cutWriter) Write(b []byte) (int, error) {
	if int64(len(b)) <= c.left {
		c.left -= int64(len(b))
		return c.ResponseWriter.Write(b)
	}
	_, _ = c.ResponseWriter.Write(b[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush() // else the bytes before the cut would stay in our own buffer
	panic(http.ErrAbortHandler)
}

type flipWriter struct {
	http.ResponseWriter
	left int64 // bytes until the one to change; negative: done
}

func (f *flipWriter) Write(b []byte) (int, error) {
	if f.left >= 0 && f.left < int64(len(b)) {
		changed := append([]byte(nil), b...)
		changed[f.left] ^= 1
		b = changed
	}
	f.left -= int64(len(b))
	return f.ResponseWriter.Write(b)
}
