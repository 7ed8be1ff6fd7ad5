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
	// exportFrom is when the file of a day (UTC) may be written: the night's sweeps, at 01:00 by default, are then in it.
	exportFrom = 6 * time.Hour
	// exportEvery is how often it is looked whether today's is there; a reporter that was just started reads for a while first.
	exportEvery = 10 * time.Minute
)

// exporter keeps the posture of each day as Parquet.
type exporter struct {
	store  *blob.Store
	view   func() *posture.View
	folder string // for a file that is being made; empty: the system's temporary one
	parts  *parts
	log    *slog.Logger
	done   string // the last day whose file is known to be there
}

// run writes each day's file, until ctx ends.
func (e *exporter) run(ctx context.Context, now func() time.Time) {
	clock := time.NewTicker(exportEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
			e.turn(ctx, now())
		}
	}
}

// turn writes today's file once the night is over, and removes what is too old. A posture without images is not ready: nothing
// was found yet.
func (e *exporter) turn(ctx context.Context, now time.Time) {
	day, v := now.UTC().Format(time.DateOnly), e.view()
	if e.done == day || now.Sub(now.UTC().Truncate(24*time.Hour)) < exportFrom || v == nil || len(v.Rows()) == 0 {
		return
	}
	written, err := export.Day(ctx, e.store, v, now, e.folder, version())
	if err == nil {
		_, err = export.Tidy(ctx, e.store, now)
	}
	if ctx.Err() != nil {
		return
	}
	if e.parts.set(partExports, err) && err != nil {
		e.log.Warn("the day is not exported", "day", day, "error", err)
	}
	if err != nil {
		return
	}
	e.done = day
	if written {
		e.log.Info("the day is exported", "day", day, "images", len(v.Rows()))
	}
}
