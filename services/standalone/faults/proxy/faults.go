package proxy

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A Match chooses requests.
type Match = func(*http.Request) bool

// Struck counts how often a fault struck.
type Struck struct{ n atomic.Int64 }

// Add counts one more.
func (s *Struck) Add() { s.n.Add(1) }

// Count is the number so far.
func (s *Struck) Count() int64 { return s.n.Load() }

// AnswerWith answers matching requests with a status and headers in the server's place while budget lasts (negative: for
// ever). The body is what an S3 server or a registry would say, which is to say something.
func AnswerWith(s *Struck, budget int64, match Match, status int, header http.Header, body string) Fault {
	left := newBudget(budget)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !match(r) || !left.take() {
				next.ServeHTTP(w, r)
				return
			}
			s.Add()
			for name, values := range header {
				w.Header()[name] = values
			}
			w.WriteHeader(status)
			if r.Method != http.MethodHead {
				_, _ = w.Write([]byte(body))
			}
		})
	}
}

// LoseAnswer passes matching requests on and breaks the connection in place of the answer: the server has done what was
// asked, and the client cannot know.
func LoseAnswer(s *Struck, budget int64, match Match) Fault {
	left := newBudget(budget)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !match(r) || !left.take() {
				next.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(&nowhere{header: http.Header{}}, r)
			s.Add()
			panic(http.ErrAbortHandler)
		})
	}
}

// Drop breaks the connection of matching requests before they reach the server.
func Drop(s *Struck, budget int64, match Match) Fault {
	left := newBudget(budget)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) && left.take() {
				s.Add()
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Slow makes matching requests wait before they reach the server.
func Slow(s *Struck, budget int64, match Match, d time.Duration) Fault {
	left := newBudget(budget)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) && left.take() {
				s.Add()
				t := time.NewTimer(d)
				defer t.Stop()
				select {
				case <-t.C:
				case <-r.Context().Done():
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// A Gate holds answers in the middle: the fault that it gives lets the first bytes of a matching answer through and holds the
// rest until Open or until the client is gone.
type Gate struct {
	match   Match
	after   int64
	Struck  Struck
	Reached chan *http.Request // each request that is held, as it begins to be; has room for many
	open    chan struct{}
	once    sync.Once
	left    *budget
}

// NewGate holds up to budget matching answers (negative: all) after so many bytes.
func NewGate(budget int64, after int64, match Match) *Gate {
	return &Gate{match: match, after: after, Reached: make(chan *http.Request, 1024), open: make(chan struct{}), left: newBudget(budget)}
}

// Open lets everything through, now and later.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }

// Fault is the gate as a fault.
func (g *Gate) Fault(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.match(r) || !g.left.take() {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&gated{ResponseWriter: w, gate: g, request: r, left: g.after}, r)
	})
}

type gated struct {
	http.ResponseWriter
	gate    *Gate
	request *http.Request
	left    int64
	held    bool
}

func (w *gated) Write(b []byte) (int, error) {
	if w.held || int64(len(b)) <= w.left {
		w.left -= int64(len(b))
		return w.ResponseWriter.Write(b)
	}
	n, err := w.ResponseWriter.Write(b[:w.left])
	if err != nil {
		return n, err
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	w.held = true
	w.gate.Struck.Add()
	select {
	case w.gate.Reached <- w.request:
	default:
	}
	select {
	case <-w.gate.open:
	case <-w.request.Context().Done():
		return n, w.request.Context().Err()
	}
	m, err := w.ResponseWriter.Write(b[n:])
	return n + m, err
}

func (w *gated) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// nowhere is an answer that nobody gets.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// budget is how often something may still happen.
type budget struct {
	unbounded bool
	n         atomic.Int64
}

func newBudget(n int64) *budget {
	b := &budget{unbounded: n < 0}
	b.n.Store(n)
	return b
}

func (b *budget) take() bool { return b.unbounded || b.n.Add(-1) >= 0 }
