package hooks

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
)

// outcomes of events, as the metric names them.
const (
	received  = "received"
	queued    = "queued"
	duplicate = "duplicate"
	refused   = "refused"
	ignored   = "ignored"
	late      = "late"
	missed    = "missed"
)

// counts are what came of events: as a metric, and by the hour until they are kept in the bucket.
type counts struct {
	now    func() time.Time
	run    string // names this run's share
	events *prometheus.CounterVec

	mu   sync.Mutex
	days map[dayOf]*dayCounts
}

type dayOf struct {
	registry string
	day      time.Time // its midnight, UTC
}

type dayCounts struct {
	share plimsoll.PushShare
	kept  bool // what stands in the bucket is all of it
}

// runDigits is how much of a random name tells the runs of one day apart.
const runDigits = 12

func newCounts(now func() time.Time) *counts {
	return &counts{
		now: now, run: rand.Text()[:runDigits], days: map[dayOf]*dayCounts{},
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_hook_events_total",
			Help: "Events of push notifications: received, and of those queued, duplicate, refused, ignored or late; and missed: found by a listing alone.",
		}, []string{"registry", "outcome"}),
	}
}

// add counts n events of one outcome.
func (c *counts) add(registry, outcome string, n int) {
	if n <= 0 {
		return
	}
	c.events.WithLabelValues(registry, outcome).Add(float64(n))
	now := c.now().UTC()
	key := dayOf{registry, now.Truncate(24 * time.Hour)}
	c.mu.Lock()
	defer c.mu.Unlock()
	day := c.days[key]
	if day == nil {
		day = &dayCounts{share: plimsoll.PushShare{}}
		c.days[key] = day
	}
	hour := day.share[now.Hour()]
	day.share[now.Hour()] = hour.Plus(countOf(outcome, n))
	day.kept = false
}

// countOf is n events of an outcome. Ignored ones are kept as received alone: they say nothing about tags.
func countOf(outcome string, n int) (c plimsoll.PushCount) {
	switch outcome {
	case received:
		c.Received = n
	case queued:
		c.Queued = n
	case duplicate:
		c.Duplicate = n
	case refused:
		c.Refused = n
	case late:
		c.Late = n
	case missed:
		c.Missed = n
	}
	return c
}

// changed are the days whose counts do not stand in the bucket, copied.
func (c *counts) changed() map[dayOf]plimsoll.PushShare {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[dayOf]plimsoll.PushShare{}
	for key, day := range c.days {
		if !day.kept {
			all[key] = maps.Clone(day.share)
		}
	}
	return all
}

// stored notes that a day stands in the bucket as it was copied. Days that are over are then forgotten here.
func (c *counts) stored(key dayOf, share plimsoll.PushShare) {
	c.mu.Lock()
	defer c.mu.Unlock()
	day := c.days[key]
	if day == nil || !maps.Equal(day.share, share) {
		return // counted on meanwhile
	}
	day.kept = true
	if key.day.Before(c.now().UTC().Truncate(24 * time.Hour)) {
		delete(c.days, key)
	}
}

// keep stores what has changed. What cannot be stored is tried again next time; nothing is lost by it but at a crash.
func (h *Handler) keep(ctx context.Context) error {
	var all error
	for key, share := range h.counts.changed() {
		if err := h.Keep(ctx, key.registry, key.day, h.counts.run, share); err != nil {
			all = errors.Join(all, err)
			continue
		}
		h.counts.stored(key, share)
	}
	return all
}

// Missed counts tags of a registry that a listing found new or moved and that no event had announced.
func (h *Handler) Missed(registry string, n int) { h.counts.add(registry, missed, n) }
