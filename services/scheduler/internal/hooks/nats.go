package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plimsoll/plimsoll"
)

const (
	// listeners is the queue group: of all schedulers one gets each event.
	listeners = "plimsoll-hooks"
	// maxWaiting and maxWaitingBytes bound the events that wait here while our own queue is full or away. What comes beyond
	// them is dropped and counted as refused: the sender does not try again either way, and a sweep finds it.
	maxWaiting      = 16_384
	maxWaitingBytes = 64 << 20
	// listenPause is between two tries to queue one event.
	listenPause = 2 * time.Second
)

// Listen takes the events of all registries with a NATS subject, until ctx is done. Whoever may publish on the subject is
// believed as one who knows the secret is.
func (h *Handler) Listen(ctx context.Context, nc *nats.Conn) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, r := range h.Registries {
		if r.Hook.NATSSubject == "" {
			continue
		}
		sub, err := nc.QueueSubscribeSync(r.Hook.NATSSubject, listeners)
		if err == nil {
			err = sub.SetPendingLimits(maxWaiting, maxWaitingBytes)
		}
		if err != nil {
			return fmt.Errorf("subscribe to %s for %s: %w", r.Hook.NATSSubject, r.ID, err)
		}
		all.Go(func() { h.listen(ctx, sub, r) })
	}
	<-ctx.Done()
	return nil
}

// listen hands the messages of one subscription on, one after the other.
func (h *Handler) listen(ctx context.Context, sub *nats.Subscription, r plimsoll.Registry) {
	defer func() { _ = sub.Unsubscribe() }() // at a connection that is closed already it fails
	dropped := 0
	for ctx.Err() == nil {
		msg, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubscription) {
			return
		}
		if n, err := sub.Dropped(); err == nil && n > dropped {
			h.Log.Warn("push events are dropped: too many wait", "registry", r.ID, "dropped", n-dropped)
			h.counts.add(r.ID, refused, n-dropped)
			dropped = n
		}
		if err == nil {
			h.receive(ctx, msg, r)
		}
	}
}

// receive queues what one message says, again and again while the queue is full or away.
func (h *Handler) receive(ctx context.Context, msg *nats.Msg, r plimsoll.Registry) {
	m := message{registry: r, header: http.Header{}, body: msg.Data}
	for name, values := range msg.Header {
		for _, v := range values {
			m.header.Add(name, v)
		}
	}
	s, err := said{}, error(nil)
	if len(msg.Data) > maxBody {
		err = fmt.Errorf("notification: %w: more than %d bytes", plimsoll.ErrLimit, maxBody)
	} else {
		s, err = h.note(dialects[plimsoll.HookZot], m)
	}
	if err != nil {
		h.Log.Warn("notification is not taken", "registry", r.ID, "subject", msg.Subject, "error", err)
		h.counts.add(r.ID, refused, 1)
		return
	}
	for ctx.Err() == nil {
		if err = h.queue(ctx, r, s.events); err == nil {
			return
		}
		h.Log.Warn("push event waits for the queue", "registry", r.ID, "error", err)
		select {
		case <-time.After(listenPause):
		case <-ctx.Done():
		}
	}
}
