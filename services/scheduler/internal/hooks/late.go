package hooks

import (
	"context"
	"time"
)

// An arrival is a push event as it came, to be compared with what is known of its tag.
type arrival struct {
	registry string
	event
	when time.Time // when it came
}

// maxArrivals bounds the events that wait to be compared: lateness is a statistic, so what does not fit is not compared.
const maxArrivals = 4096

// arrived notes a push event for [Handler.compare]. One whose registry does not say when it happened cannot be late.
func (h *Handler) arrived(registry string, ev event) {
	if ev.gone || ev.at.IsZero() {
		return
	}
	select {
	case h.late <- arrival{registry, ev, h.Now()}:
	default:
	}
}

// compare counts an event as late when its tag was seen to move after what it tells of and before it came: a listing, or a
// later event, was faster. The scan that it leads to itself moves the tag after it came, so that the order of this and
// the scan does not matter.
func (h *Handler) compare(ctx context.Context, a arrival) {
	refs, err := h.Refs(ctx, a.registry, a.repository)
	if err != nil {
		h.Log.Debug("event is not compared", "registry", a.registry, "error", err)
		return
	}
	for _, ref := range refs {
		if ref.Tag == a.tag && ref.Moved.After(a.at) && ref.Moved.Before(a.when) {
			h.counts.add(a.registry, late, 1)
		}
	}
}
