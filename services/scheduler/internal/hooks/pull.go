package hooks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// A source is where a cloud keeps push events until they are fetched. Whoever may write there is believed as one who knows the
// secret is.
type source interface {
	// fetch waits some time for events and returns at most n of them. The error wraps ErrLimit when they have more bytes
	// than may be held.
	fetch(ctx context.Context, n int) ([]waiting, error)
	// done takes events out of the source; those that are left come again.
	done(ctx context.Context, receipts []string) error
}

// waiting is one event of a source, in the form in which the registry's dialect reads it.
type waiting struct {
	receipt string
	body    []byte
}

const (
	// pullAtOnce is how many events one call fetches: the most that SQS gives.
	pullAtOnce = 10
	// maxPulled bounds one reply, in bytes. One message of Pub/Sub has up to 10 MB, in base64; those of SQS fit ten times. Where more
	// wait, they are fetched one by one.
	maxPulled = 16 << 20
	// pullTimeout bounds one call that waits for events: SQS waits 20 s when told to, Pub/Sub up to 90 s.
	pullTimeout = 2 * time.Minute
	// doneTimeout bounds the call that takes events out, also when the scheduler stops.
	doneTimeout = 10 * time.Second
	// firstPullPause doubles to lastPullPause while a source, or our own queue, is away.
	firstPullPause = time.Second
	lastPullPause  = time.Minute
	// idlePause is how long a source that has nothing and does not wait is left alone.
	idlePause = time.Second
)

// sourceOf is the source that a registry is configured with; nil for none.
func sourceOf(r plimsoll.Registry) source {
	switch {
	case r.Hook.SQSQueue != "":
		return newSQS(r.Hook.SQSQueue, registry.NewCloud(r.Proxy), os.Getenv)
	case r.Hook.Subscription != "":
		return newPubSub(r.Hook.Subscription, registry.NewCloud(r.Proxy), os.Getenv)
	}
	return nil
}

// Pull fetches the events of all registries with a source, until ctx is done. Of several schedulers one gets each event.
func (h *Handler) Pull(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, r := range h.Registries {
		if from := sourceOf(r); from != nil {
			all.Go(func() { h.pull(ctx, r, from) })
		}
	}
}

// pull fetches again and again. What fails is tried again, ever more slowly.
func (h *Handler) pull(ctx context.Context, r plimsoll.Registry, from source) {
	n, pause := pullAtOnce, time.Duration(0)
	for ctx.Err() == nil {
		began := time.Now()
		got, err := h.pullOnce(ctx, r, from, n)
		n = pullAtOnce
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if errors.Is(err, plimsoll.ErrLimit) {
				n = 1
			}
			pause = min(max(2*pause, firstPullPause), lastPullPause)
			h.Log.Warn("push events cannot be taken from where they wait; tried again", "registry", r.ID, "in", pause, "error", err)
		case got == 0 && time.Since(began) < idlePause:
			pause = idlePause
		default:
			pause = 0
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// pullOnce fetches events, queues what they ask for, and takes those out of the source that the queue has, or that would be
// refused again; it returns how many were fetched. The error says why some are left, or why there are none.
func (h *Handler) pullOnce(ctx context.Context, r plimsoll.Registry, from source, n int) (int, error) {
	waits, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	all, err := from.fetch(waits, n)
	if err != nil {
		return 0, err
	}
	var receipts []string
	var left error
	for _, one := range all {
		if err := h.pulled(ctx, r, one.body); err != nil {
			left = err // the others may be about what can be told now
			continue
		}
		if one.receipt != "" {
			receipts = append(receipts, one.receipt)
		}
	}
	if len(receipts) > 0 {
		// Also when the scheduler stops: they are queued.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), doneTimeout)
		defer cancel()
		left = errors.Join(left, from.done(last, receipts))
	}
	return len(all), left
}

// pulled queues what one event asks for. One that would be refused again is counted and told, and is no error.
func (h *Handler) pulled(ctx context.Context, r plimsoll.Registry, body []byte) error {
	s, err := said{}, error(nil)
	if len(body) > maxBody {
		err = fmt.Errorf("notification: %w: more than %d bytes", plimsoll.ErrLimit, maxBody)
	} else {
		s, err = h.note(dialectOf(r), message{registry: r, body: body})
	}
	if err != nil {
		h.Log.Warn("notification is not taken", "registry", r.ID, "error", err)
		h.counts.add(r.ID, refused, 1)
		return nil
	}
	return h.queue(ctx, r, s.events)
}
