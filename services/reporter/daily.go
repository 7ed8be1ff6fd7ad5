package reporter

import (
	"context"
	"log/slog"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/export"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	// dailyFrom is when a day's work may be done (UTC): the night's sweeps, at 01:00 by default, are then in its export.
	dailyFrom = 6 * time.Hour
	// dailyEvery is how often it is looked whether it is done; a reporter that was just started reads for a while first.
	dailyEvery = 10 * time.Minute
)

// daily is what is done once a day: the posture is kept as Parquet, then old changes are merged.
type daily struct {
	store  *blob.Store
	view   func() *posture.View
	folder string // for a file that is being made; empty: the system's temporary one
	parts  *parts
	log    *slog.Logger

	exported, merged string // the last day for which each is known to be done
}

// run does each day's work, until ctx ends.
func (d *daily) run(ctx context.Context, now func() time.Time) {
	clock := time.NewTicker(dailyEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
			d.turn(ctx, now())
		}
	}
}

// turn does what is left to do today, once the night is over.
func (d *daily) turn(ctx context.Context, now time.Time) {
	if now.Sub(now.UTC().Truncate(24*time.Hour)) < dailyFrom {
		return
	}
	today := now.UTC().Format(time.DateOnly)
	if d.exported != today && d.export(ctx, now) {
		d.exported = today
	}
	if d.merged != today && d.merge(ctx, now) {
		d.merged = today
	}
}

// export writes today's file and removes what is too old. A posture without images is not ready: nothing was found yet.
func (d *daily) export(ctx context.Context, now time.Time) (done bool) {
	v := d.view()
	if v == nil || len(v.Rows()) == 0 {
		return false
	}
	written, err := export.Day(ctx, d.store, v, now, d.folder, version())
	if err == nil {
		_, err = export.Tidy(ctx, d.store, now)
	}
	if written {
		d.log.Info("the day is exported", "images", len(v.Rows()))
	}
	return d.ended(ctx, partExports, err)
}

// merge merges old changes.
func (d *daily) merge(ctx context.Context, now time.Time) (done bool) {
	n, err := d.store.Compact(ctx, now)
	if n > 0 {
		d.log.Info("old changes are merged", "batches", n)
	}
	return d.ended(ctx, partLog, err)
}

// ended notes how a part of the work ended.
func (d *daily) ended(ctx context.Context, part string, err error) (done bool) {
	if ctx.Err() != nil {
		return false
	}
	if d.parts.set(part, err) && err != nil {
		d.log.Warn("a part of the day's work is not done", "part", part, "error", err)
	}
	return err == nil
}
