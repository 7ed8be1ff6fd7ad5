package reporter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// feed keeps the posture's advisories at the state of their source: by a ticker, and when somebody asks.
type feed struct {
	store  *blob.Store
	engine *posture.Engine
	parts  *parts
	log    *slog.Logger
	now    func() time.Time

	mu      sync.Mutex // one look at a time
	updater *advisory.Updater
	inForce string
}

// openFeed finds the source. One that cannot be used is no reason not to start: what the bucket has is shown, and the
// part says why it does not move on.
func openFeed(c Config, store *blob.Store, engine *posture.Engine, p *parts) *feed {
	f := &feed{store: store, engine: engine, parts: p, log: c.Log, now: time.Now}
	var source advisory.Source
	var err error
	switch {
	case c.Advisories != "":
		source, err = advisory.Open(c.Advisories, advisory.WebOptions{UserAgent: userAgent()})
	case c.AdvisorySet != nil:
		source = advisory.Files("built-in set", c.AdvisorySet)
	default:
		err = fmt.Errorf("%w: none is configured; set reporter.advisories to a folder or URL in osv.dev's layout", plimsoll.ErrNotFound)
	}
	if err != nil {
		p.set(partFeed, err)
		if c.Advisories == "" {
			c.Log.Info("no advisory source is configured")
			return f
		}
		c.Log.Error("no advisory source", "error", err)
		return f
	}
	f.updater = advisory.NewUpdater(store, source, advisory.Options{Log: c.Log})
	return f
}

// restore puts the bucket's newest generation in force before the first fold, so that it needs to match once only.
func (f *feed) restore(ctx context.Context) {
	x, err := advisory.Latest(ctx, f.store)
	if err != nil {
		f.log.Error("newest generation of advisories cannot be read", "error", err)
	}
	f.use(x)
}

func (f *feed) use(x *advisory.Index) {
	f.engine.SetGeneration(x)
	f.inForce = x.Generation().ID
}

// look reads the source once and puts what it says in force. What could not be read stands in the generation's feeds, in
// the error and in the part's state.
func (f *feed) look(ctx context.Context) (generation string, changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.updater == nil {
		return f.inForce, false, f.parts.get(partFeed)
	}
	x, changed, err := f.updater.Update(ctx)
	if ctx.Err() != nil {
		return f.inForce, false, context.Cause(ctx)
	}
	f.use(x)
	if f.parts.set(partFeed, err) && err != nil {
		f.log.Error("advisories cannot be read", "error", err)
	}
	return f.inForce, changed, err
}

// Update is look on somebody's word, which goes into the change log (api.Feed).
func (f *feed) Update(ctx context.Context, actor string) (string, bool, error) {
	if err := note(ctx, f.store, f.now(), actor, plimsoll.StreamAdvisories, "advisories update"); err != nil {
		return "", false, err
	}
	return f.look(ctx)
}

// poll looks every so often until ctx ends; at once too, unless that was done.
func (f *feed) poll(ctx context.Context, every time.Duration, atOnce bool) {
	if atOnce {
		_, _, _ = f.look(ctx)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_, _, _ = f.look(ctx) // the part's state and the feeds themselves say what failed
		}
	}
}

// note writes into the change log that somebody asked for something.
func note(ctx context.Context, store *blob.Store, now time.Time, actor, subject, what string) error {
	change := plimsoll.Change{Kind: plimsoll.ChangeCommand, Subject: subject, Text: what}
	if _, err := store.Append(ctx, plimsoll.StreamDecisions, actor, now, []plimsoll.Change{change}); err != nil {
		return fmt.Errorf("change log: %s: %w", what, err)
	}
	return nil
}
