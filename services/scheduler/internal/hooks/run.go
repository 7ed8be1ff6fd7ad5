package hooks

import (
	"context"
	"time"
)

const (
	// keepEvery is how often counts are stored: what a page may lag behind, and what a crash may lose.
	keepEvery = 30 * time.Second
	// keepTimeout bounds the last time, when the scheduler stops.
	keepTimeout = 5 * time.Second
)

// Run compares events with what is known of their tags, and stores the counts every half minute and at the end, until ctx is
// done.
func (h *Handler) Run(ctx context.Context) {
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	for {
		select {
		case a := <-h.late:
			h.compare(ctx, a)
		case <-t.C:
			h.store(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
			h.store(last)
			cancel()
			return
		}
	}
}

func (h *Handler) store(ctx context.Context) {
	if err := h.keep(ctx); err != nil {
		h.Log.Warn("counts of push events are not stored yet", "error", err)
	}
}
