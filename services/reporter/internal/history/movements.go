package history

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	// maxMovements is how many answers are held: the overview's of each scope that people look at, and some between dates.
	maxMovements = 8
	// Lately is the time over which the overview says why the posture moved.
	Lately = 7 * 24 * time.Hour
	// latelyEvery is how old the overview's answer may get: it is about a week, and costs a walk through that week.
	latelyEvery = 10 * time.Minute
)

// Movements finds why the posture moved and holds the last answers. It is safe for concurrent use; one is found at a time.
type Movements struct {
	cfg posture.Config

	working sync.Mutex // one computes
	mu      sync.Mutex
	held    []*Moved          // the latest used last
	lately  map[string]*Moved // the overview's, by registry
	asked   chan string       // registries whose overview wants a newer answer
}

// NewMovements is an empty cache of answers that are made from cfg's bucket.
func NewMovements(cfg posture.Config) *Movements {
	return &Movements{cfg: cfg, lately: map[string]*Moved{}, asked: make(chan string, maxMovements)}
}

// Why is [Why], to the second.
func (m *Movements) Why(ctx context.Context, from, to time.Time, registry string) (*Moved, error) {
	from, to = from.UTC().Truncate(time.Second), to.UTC().Truncate(time.Second)
	if x := m.find(from, to, registry); x != nil {
		return x, nil
	}
	m.working.Lock()
	defer m.working.Unlock()
	if x := m.find(from, to, registry); x != nil {
		return x, nil
	}
	x, err := Why(ctx, m.cfg, from, to, registry)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = append(m.held[max(0, len(m.held)-maxMovements+1):], x)
	return x, nil
}

func (m *Movements) find(from, to time.Time, registry string) *Moved {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.held, func(x *Moved) bool { return x.From.Equal(from) && x.To.Equal(to) && x.Registry == registry })
	if i < 0 {
		return nil
	}
	x := m.held[i]
	m.held = append(slices.Delete(m.held, i, i+1), x)
	return x
}

// Lately is why the posture moved over the last days, as of some minutes ago; nil while it is being found for the first time.
// It never waits: [Movements.Run] finds it.
func (m *Movements) Lately(now time.Time, registry string) *Moved {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.lately[registry]
	if x == nil || now.Sub(x.To) > latelyEvery {
		select {
		case m.asked <- registry:
		default: // enough is asked for already
		}
	}
	return x
}

// Run finds what [Movements.Lately] is asked for, until ctx ends.
func (m *Movements) Run(ctx context.Context, now func() time.Time, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case registry := <-m.asked:
			if x := m.latest(registry); x != nil && now().Sub(x.To) <= latelyEvery {
				continue
			}
			to := now()
			x, err := m.Why(ctx, to.Add(-Lately), to, registry)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				log.WarnContext(ctx, "it cannot be told why the posture moved", "error", err)
				continue
			}
			m.mu.Lock()
			m.lately[registry] = x
			m.mu.Unlock()
		}
	}
}

func (m *Movements) latest(registry string) *Moved {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lately[registry]
}
