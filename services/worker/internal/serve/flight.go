package serve

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/plimsoll/plimsoll"
)

// outcome is what analysing one layer gave.
type outcome struct {
	read   plimsoll.Coverage
	reused bool // facts were there already
}

// flight is one layer being analysed; identical calls share it.
type flight struct {
	done   chan struct{} // closed when out and err are set
	out    outcome
	err    error
	bytes  atomic.Int64  // compressed bytes read so far
	urgent chan struct{} // closed when one of the callers is a push

	callers int // under flights.mu, as is pushed
	pushed  bool
	cancel  context.CancelCauseFunc
}

// flights joins identical calls. A flight ends when its work does, or when its last caller has left.
type flights struct {
	base context.Context // ends with the service; nolint:containedctx // flights outlive the call that started them
	wg   sync.WaitGroup

	mu  sync.Mutex
	all map[plimsoll.Digest]*flight
}

func newFlights(base context.Context) *flights {
	return &flights{base: base, all: map[plimsoll.Digest]*flight{}}
}

// join takes part in the flight of a layer, or starts one that runs work. leave must be called once.
func (fs *flights) join(layer plimsoll.Digest, push bool, work func(context.Context, *flight) (outcome, error)) (f *flight, joined bool, leave func()) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, joined = fs.all[layer]
	if !joined {
		f = fs.start(layer, work)
	}
	f.callers++
	if push && !f.pushed {
		f.pushed = true
		close(f.urgent)
	}
	return f, joined, sync.OnceFunc(func() { fs.leave(layer, f) })
}

func (fs *flights) start(layer plimsoll.Digest, work func(context.Context, *flight) (outcome, error)) *flight {
	ctx, cancel := context.WithCancelCause(fs.base)
	f := &flight{done: make(chan struct{}), urgent: make(chan struct{}), cancel: cancel}
	fs.all[layer] = f
	fs.wg.Go(func() {
		defer cancel(nil)
		out, err := guarded(ctx, f, work)
		fs.mu.Lock()
		if fs.all[layer] == f {
			delete(fs.all, layer)
		}
		fs.mu.Unlock()
		f.out, f.err = out, err
		close(f.done)
	})
	return f
}

// guarded turns a panic of the work into an error: one hostile layer must not end the worker.
func guarded(ctx context.Context, f *flight, work func(context.Context, *flight) (outcome, error)) (out outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return work(ctx, f)
}

// leave ends a flight that nobody waits for. It is taken out at once: who comes after it starts anew.
func (fs *flights) leave(layer plimsoll.Digest, f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.callers--; f.callers > 0 {
		return
	}
	f.cancel(context.Canceled)
	if fs.all[layer] == f {
		delete(fs.all, layer)
	}
}

// wait returns when no flight is left.
func (fs *flights) wait() { fs.wg.Wait() }
