package blob

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll"
)

const (
	// maxRuns bounds the runs of schedulers that one day's counts hold: one that starts anew every minute, all day.
	maxRuns = 1440
	// keptEvents is how long the counts of a day are kept: a year, and the month in which somebody looks back at it.
	keptEvents = 400 * 24 * time.Hour
)

// KeepPushEvents stores what one run of a scheduler has counted of a registry's push events in one day (of UTC), over what that run
// stored of that day before; other runs' counts stay. It may be repeated. ErrLimit is returned for one run too many in a day.
// The first one of a day also deletes the days that are too old.
func (s *Store) KeepPushEvents(ctx context.Context, registry string, day time.Time, run string, share plimsoll.PushShare) error {
	key := PushEventsKey(registry, day)
	for try := range maxMerges {
		first, err := s.keepShare(ctx, key, registry, day, run, share)
		switch {
		case errors.Is(err, ErrExists): // another run was faster
			if err := pause(ctx, try); err != nil {
				return fmt.Errorf("count push events of %s: %w", registry, err)
			}
			continue
		case err == nil && first:
			err = s.dropPushEvents(ctx, registry, day.Add(-keptEvents))
		}
		if err != nil {
			return fmt.Errorf("count push events of %s: %w", registry, err)
		}
		return nil
	}
	return fmt.Errorf("count push events of %s: %w: others were faster %d times", registry, plimsoll.ErrUnavailable, maxMerges)
}

// keepShare reads the day, puts the share in and writes it, if nobody else did meanwhile; first says that the day was new.
func (s *Store) keepShare(ctx context.Context, key, registry string, day time.Time, run string, share plimsoll.PushShare) (first bool, err error) {
	events, etag, err := readJSON[plimsoll.PushEvents](ctx, s, key)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return false, err
	}
	events.Registry, events.Day = registry, day.UTC().Format(time.DateOnly)
	if events.Shares == nil {
		events.Shares = map[string]plimsoll.PushShare{}
	}
	if _, known := events.Shares[run]; !known && len(events.Shares) >= maxRuns {
		return false, fmt.Errorf("%w: %d runs of schedulers in one day", plimsoll.ErrLimit, maxRuns)
	}
	events.Shares[run] = share
	b, err := encodeJSON(events)
	if err != nil {
		return false, err
	}
	return etag == "", s.Replace(ctx, key, b, etag)
}

// dropPushEvents deletes the days before one.
func (s *Store) dropPushEvents(ctx context.Context, registry string, before time.Time) error {
	oldest := PushEventsKey(registry, before)
	for e, err := range s.List(ctx, pushEventsPrefix(registry), "") {
		if err != nil {
			return fmt.Errorf("find old days: %w", err)
		}
		if e.Key >= oldest {
			return nil
		}
		if err := s.Delete(ctx, e.Key); err != nil {
			return fmt.Errorf("delete an old day: %w", err)
		}
	}
	return nil
}

// PushEvents adds up a registry's push events of the last hours, each hour of the clock whole: 24 hours until 15:20 begin at
// 16:00 of the day before. Schedulers write what they count every half minute; days without an event have no object. Of a
// registry that nobody set hooks up for, or that is not known, all counts are zero.
//
// It reads one small object a day that the hours touch: 2 for 24 hours.
func (s *Store) PushEvents(ctx context.Context, registry string, until time.Time, hours int) (plimsoll.PushCount, error) {
	var total plimsoll.PushCount
	last := until.UTC().Truncate(time.Hour)
	first := last.Add(-time.Duration(hours-1) * time.Hour)
	for day := first.Truncate(24 * time.Hour); !day.After(last); day = day.Add(24 * time.Hour) {
		events, err := ReadJSON[plimsoll.PushEvents](ctx, s, PushEventsKey(registry, day))
		if errors.Is(err, plimsoll.ErrNotFound) {
			continue
		}
		if err != nil {
			return total, fmt.Errorf("read push events of %s: %w", registry, err)
		}
		for _, share := range events.Shares {
			for hour, count := range share {
				if at := day.Add(time.Duration(hour) * time.Hour); !at.Before(first) && !at.After(last) {
					total = total.Plus(count)
				}
			}
		}
	}
	return total, nil
}
