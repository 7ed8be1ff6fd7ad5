package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// progress is one line at the bottom of a terminal; elsewhere it writes nothing.
type progress struct {
	w    io.Writer
	on   bool
	mu   sync.Mutex
	last string
}

func newProgress(w io.Writer) *progress { return &progress{w: w, on: text.Terminal(w)} }

func (p *progress) show(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on && line != p.last {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		p.last = line
	}
}

func (p *progress) clear() { p.show("") }

func (p *progress) started(part string) { p.show("starting: " + part) }

// follow asks for the sweep's state twice a second until the returned function is called.
func (p *progress) follow(ctx context.Context, ask func(context.Context) (plimsoll.Sweep, error)) (stop func()) {
	if !p.on {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The error is the end of ctx: a failed question is asked again.
		_ = every(ctx, 500*time.Millisecond, func() (bool, error) {
			if s, err := ask(ctx); err == nil {
				c := s.Counts
				p.show(fmt.Sprintf("listed %s · unchanged %s · to read %s", text.Plural(c.Listed, "image"), text.Count(c.Unchanged), text.Count(c.Enqueued)))
			}
			return false, nil
		})
	}()
	return func() { cancel(); <-done }
}
