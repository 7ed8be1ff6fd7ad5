package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// maxMoments is how many past moments are held: each is as large as the present one, and people compare two or three.
const maxMoments = 4

// Replays recomputes past moments and holds the last few. It is safe for concurrent use; one moment is computed at a time,
// because each costs as much as a start.
type Replays struct {
	cfg posture.Config

	working sync.Mutex // one computes
	mu      sync.Mutex
	held    []*posture.Moment // the latest used last
}

// NewReplays is an empty cache of moments that are made from cfg's bucket.
func NewReplays(cfg posture.Config) *Replays { return &Replays{cfg: cfg} }

// At is the posture as it was knowable at a moment (see [posture.At]).
func (r *Replays) At(ctx context.Context, at time.Time) (*posture.Moment, error) {
	at = at.UTC().Truncate(time.Second)
	if m := r.find(at); m != nil {
		return m, nil
	}
	r.working.Lock()
	defer r.working.Unlock()
	if m := r.find(at); m != nil {
		return m, nil
	}
	m, err := posture.At(ctx, r.cfg, at)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = append(r.held[max(0, len(r.held)-maxMoments+1):], m)
	return m, nil
}

func (r *Replays) find(at time.Time) *posture.Moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.held, func(m *posture.Moment) bool { return m.At.Equal(at) })
	if i < 0 {
		return nil
	}
	m := r.held[i]
	r.held = append(slices.Delete(r.held, i, i+1), m)
	return m
}

// ParseMoment reads a moment as people write it: a date (its first instant in UTC) or a time as RFC 3339 has it, with or
// without seconds and zone.
func ParseMoment(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("at %.40q: %w: want a date like 2026-10-01, or a time like 2026-10-01T08:30:00Z", text, plimsoll.ErrInvalid)
}
