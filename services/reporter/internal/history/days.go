package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	day = 24 * time.Hour
	// ChartDays is how many days a chart shows.
	ChartDays = 90
	// maxDays is how many days are kept: the 400 that generations are kept for, and those that a chart of the oldest of them shows.
	maxDays = 490
	// daysEvery is how often it is looked whether a day has begun.
	daysEvery = 10 * time.Minute
	// daySettles is how old a day is before it is made: what happened before it is in the change log by then.
	daySettles = 5 * time.Minute
	// dayShows is how old a day is before charts show it, so that a replay of its first minutes shows what was shown in them.
	dayShows = 30 * time.Minute
	// daysVersion is of the object's form; another one is built anew from the change log.
	daysVersion = 1
)

// Numbers are what the overview's tiles said at a moment. One is nil where it could not be told, which is no zero.
type Numbers struct {
	Urgent  *int `json:"urgent,omitempty"`  // active images that call for somebody now
	Overdue *int `json:"overdue,omitempty"` // active images with an overdue finding
	Fresh   *int `json:"fresh,omitempty"`   // distinct findings of active images that were first seen in the week before
	Short   *int `json:"short,omitempty"`   // stored images that are not covered
}

// Day is the numbers at the start of a day (UTC); all nil where they are not known.
type Day struct {
	Time    time.Time
	Numbers Numbers
}

// Days keeps the numbers of each day. A day's are those of a replay of its first instant, so that it is the same whenever it is
// made and whoever makes it, and once made it is kept: a generation that is gone later does not change it. Its methods are safe
// for concurrent use.
type Days struct {
	cfg     posture.Config
	tracker *Tracker // cfg's clock
	count   func(*posture.Moment) map[string]Numbers

	working sync.Mutex // one fills
	mu      sync.RWMutex
	loaded  bool
	days    map[int64]map[string]Numbers // by Unix time, then by registry
}

// storedDays is the object.
type storedDays struct {
	Version int         `json:"version"`
	Days    []storedDay `json:"days"` // oldest first
}

type storedDay struct {
	Time    time.Time          `json:"time"`
	Numbers map[string]Numbers `json:"numbers"` // by registry; empty: all
}

// NewDays has no day yet. count gives the numbers of a moment by registry, those of all under an empty name.
func NewDays(cfg posture.Config, tracker *Tracker, count func(*posture.Moment) map[string]Numbers) *Days {
	return &Days{cfg: cfg, tracker: tracker, count: count, days: map[int64]map[string]Numbers{}}
}

// Until gives the numbers of a registry (all when empty) at the start of each of the last [ChartDays] days that a chart shows at a
// moment, oldest first. Nil when none of them is known.
func (d *Days) Until(registry string, until time.Time) []Day {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out, known, last := make([]Day, ChartDays), false, midnight(until.Add(-dayShows))
	for i := range out {
		at := last.Add(-time.Duration(ChartDays-1-i) * day)
		n, ok := d.days[at.Unix()][registry]
		out[i], known = Day{at, n}, known || ok
	}
	if !known {
		return nil
	}
	return out
}

func midnight(t time.Time) time.Time { return t.UTC().Truncate(day) }

func (d *Days) has(at time.Time) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.days[at.Unix()] != nil
}

// Fill makes the days until a moment that are missing, from the change log, and writes them. A day before the log began stays
// missing. An error wraps [plimsoll.ErrUnavailable] while the tracker has not come that far.
func (d *Days) Fill(ctx context.Context, now time.Time) error {
	d.working.Lock()
	defer d.working.Unlock()
	last := midnight(now.Add(-daySettles))
	if err := d.load(ctx); err != nil || d.has(last) {
		return err
	}
	made, err := d.walk(ctx, last)
	if made > 0 {
		err = errors.Join(err, d.save(ctx))
	}
	if err != nil {
		return fmt.Errorf("numbers of the day: %w", err)
	}
	return nil
}

// walk makes the days that are missing until the last one. A day that cannot be told, because what was in force in it is lost,
// does not keep the others from being made; it is tried again with the next one.
func (d *Days) walk(ctx context.Context, last time.Time) (made int, faults error) {
	w, err := posture.NewWalker(ctx, d.cfg, last)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	for at := last.Add(-(ChartDays - 1) * day); !at.After(last); at = at.Add(day) {
		if d.has(at) {
			continue
		}
		m, err := w.To(ctx, at)
		if err == nil && !d.tracker.reached(m.View.Position()) {
			err = fmt.Errorf("%w: findings are not followed until %s yet", plimsoll.ErrUnavailable, at.Format(time.DateOnly))
		}
		switch {
		case errors.Is(err, plimsoll.ErrNotFound): // nothing was known yet
			continue
		case err != nil && (ctx.Err() != nil || errors.Is(err, plimsoll.ErrUnavailable)):
			return made, errors.Join(faults, err)
		case err != nil:
			faults = errors.Join(faults, err)
			continue
		}
		numbers := d.count(m)
		d.mu.Lock()
		d.days[at.Unix()] = numbers
		d.mu.Unlock()
		made++
	}
	return made, faults
}

// reached reports whether all changes up to some positions were observed: only then is it known when findings were first seen.
func (t *Tracker) reached(positions map[string]int64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for stream, n := range positions {
		if t.head.Positions[stream] < n {
			return false
		}
	}
	return true
}

// load takes what another run has written, once. It is derivable, so that what has another form counts as nothing.
func (d *Days) load(ctx context.Context) error {
	if d.loaded {
		return nil
	}
	stored, err := blob.ReadJSON[storedDays](ctx, d.cfg.Store, blob.DaysKey)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) && !errors.Is(err, plimsoll.ErrIntegrity) {
		return fmt.Errorf("numbers of the days before: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loaded = true
	if err != nil || stored.Version != daysVersion {
		return nil
	}
	for _, x := range stored.Days {
		d.days[x.Time.Unix()] = x.Numbers
	}
	return nil
}

// save writes the newest days.
func (d *Days) save(ctx context.Context) error {
	d.mu.Lock()
	all := slices.Sorted(maps.Keys(d.days))
	for _, at := range all[:max(0, len(all)-maxDays)] {
		delete(d.days, at)
	}
	out := storedDays{Version: daysVersion, Days: []storedDay{}}
	for _, at := range all[max(0, len(all)-maxDays):] {
		out.Days = append(out.Days, storedDay{time.Unix(at, 0).UTC(), d.days[at]})
	}
	d.mu.Unlock()
	return blob.PutJSON(ctx, d.cfg.Store, blob.DaysKey, out)
}

// Run shows what another run has written, and fills in each day once it has begun, until ctx ends.
func (d *Days) Run(ctx context.Context, now func() time.Time, log *slog.Logger) {
	tell := func(err error) {
		if err != nil && ctx.Err() == nil && !errors.Is(err, plimsoll.ErrUnavailable) {
			log.WarnContext(ctx, "the overview's numbers of some days are not known", "error", err)
		}
	}
	d.working.Lock()
	err := d.load(ctx)
	d.working.Unlock()
	tell(err)
	clock := time.NewTicker(daysEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
			tell(d.Fill(ctx, now()))
		}
	}
}
