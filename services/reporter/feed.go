package reporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
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
	checks  *history.FeedLog
	inForce string
	tidied  time.Time
}

// openFeed finds the source. One that cannot be used is no reason not to start: what the bucket has is shown, our own records
// are in force, and the part says why the rest does not move on.
func openFeed(c Config, store *blob.Store, engine *posture.Engine, p *parts) *feed {
	f := &feed{store: store, engine: engine, parts: p, log: c.Log, now: time.Now, checks: history.NewFeedLog(store)}
	source, err := c.advisorySource()
	if err != nil {
		p.set(partFeed, err)
		source = advisory.None(err)
		if c.Advisories == "" {
			c.Log.Info("no advisory source is configured")
		} else {
			c.Log.Error("no advisory source", "error", err)
		}
	}
	o := advisory.Options{Log: c.Log, Cache: advisory.Cache(c.Cache), AllowOlder: c.AllowOlder, Enrichment: c.enrichment()}
	f.updater = advisory.NewUpdater(store, source, o)
	return f
}

func (c Config) webOptions() advisory.WebOptions {
	return advisory.WebOptions{UserAgent: userAgent(), BundleKey: c.BundleKey}
}

func (c Config) advisorySource() (advisory.Source, error) {
	switch {
	case c.Advisories != "":
		return advisory.Open(c.Advisories, c.webOptions())
	case c.AdvisorySet != nil:
		return advisory.Files("built-in set", c.AdvisorySet), nil
	}
	return nil, fmt.Errorf("%w: none is configured; set reporter.advisories to a folder or URL in osv.dev's layout", plimsoll.ErrNotFound)
}

// enrichment are the feeds about exploitation that are configured apart from the advisories.
func (c Config) enrichment() map[enrich.Kind]func(context.Context, advisory.Stamp) (advisory.Answer, error) {
	out := map[enrich.Kind]func(context.Context, advisory.Stamp) (advisory.Answer, error){}
	for kind, at := range map[enrich.Kind]string{enrich.KEV: c.Enrichment.KEV, enrich.SSVC: c.Enrichment.SSVC, enrich.EPSS: c.Enrichment.EPSS} {
		if at == "" {
			continue
		}
		ask, err := advisory.At(at, c.webOptions())
		if err != nil {
			ask = func(context.Context, advisory.Stamp) (advisory.Answer, error) { return advisory.Answer{}, err }
		}
		out[kind] = ask
	}
	return out
}

// restore puts the bucket's newest generation in force before the first fold, so that it needs to match once only.
func (f *feed) restore(ctx context.Context) {
	x, err := f.updater.Last(ctx)
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
func (f *feed) look(ctx context.Context, update func(context.Context) (*advisory.Index, bool, error)) (generation string, changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, changed, err := update(ctx)
	if ctx.Err() != nil {
		return f.inForce, false, context.Cause(ctx)
	}
	f.use(x)
	err = errors.Join(err, f.checks.Checked(ctx, f.now(), x.Generation()))
	if f.parts.set(partFeed, err) && err != nil {
		f.log.Error("advisories cannot be read", "error", err)
	}
	return f.inForce, changed, err
}

// Update is a look on somebody's word, which goes into the change log (api.Feed). With accept it takes feeds that the guard
// stopped.
func (f *feed) Update(ctx context.Context, actor string, accept bool) (string, bool, error) {
	what, update := "advisories update", f.updater.Update
	if accept {
		what, update = "advisories update --accept", f.updater.Accept
	}
	if err := note(ctx, f.store, f.now(), actor, plimsoll.StreamAdvisories, what); err != nil {
		return "", false, err
	}
	return f.look(ctx, update)
}

// Add keeps our own records and puts them in force (api.Feed). What is wrong with feeds beside them is no fault of theirs.
func (f *feed) Add(ctx context.Context, actor string, file []byte) (ids []string, generation string, err error) {
	if ids, err = addOwn(ctx, f.store, file, actor, f.now()); err != nil {
		return nil, "", err
	}
	generation, _, err = f.look(ctx, f.updater.Own)
	return ids, generation, err
}

// poll looks every so often until ctx ends; at once too, unless that was done.
func (f *feed) poll(ctx context.Context, every time.Duration, atOnce bool) {
	if atOnce {
		f.turn(ctx)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.turn(ctx)
		}
	}
}

// tidyEvery is how often generations that nobody can ask for any more are removed.
const tidyEvery = 24 * time.Hour

// turn is one look of the ticker; the part's state and the feeds themselves say what failed.
func (f *feed) turn(ctx context.Context) {
	_, _, _ = f.look(ctx, f.updater.Update)
	if now := f.now(); now.Sub(f.tidied) >= tidyEvery {
		f.tidied = now
		f.tidy(ctx, now)
	}
}

func (f *feed) tidy(ctx context.Context, now time.Time) {
	named, err := report.Generations(ctx, f.store)
	n := 0
	if err == nil {
		n, err = advisory.Tidy(ctx, f.store, named, now)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		f.log.Warn("old generations of advisories are not removed", "error", err)
	case n > 0:
		f.log.Info("old generations of advisories are removed", "objects", n)
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
