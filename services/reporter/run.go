// Package reporter keeps the posture, the fold of the bucket into verdicts, and shows it: pages, API, weekly reports.
//
// It serves what it knows while the engines around it are away: NATS brings hints alone, Temporal starts sweeps and weekly
// reports. Both are tried again in the background, and /readyz says what is missing.
package reporter

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/internal/admin"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/trace/otlp"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/api"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/inuse"
	"github.com/plimsoll/plimsoll/services/reporter/internal/pages"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// Run is the reporter, until ctx is done (nil) or it cannot go on (why).
func Run(ctx context.Context, c Config) error {
	c = c.withDefaults()
	rules, err := c.policy()
	if err != nil {
		return err
	}
	owners, err := c.owners()
	if err != nil {
		return err
	}
	ends, err := eol.Open(c.EndOfLife)
	if err != nil {
		return fmt.Errorf("reporter.end_of_life: %w", err)
	}
	if err := access.CheckListen(c.Listen, c.TokensFile); err != nil {
		return err
	}
	keeper, err := access.NewKeeper(c.TokensFile, c.exposed(), c.Log)
	if err != nil {
		return err
	}
	tracer, sendSpans := otlp.Open(ctx, "plimsoll-reporter", c.Log)
	defer sendSpans()
	store, err := blob.Open(ctx, c.Bucket)
	if err != nil {
		return fmt.Errorf("reporter: %w", err)
	}
	defer store.Close()
	if err := store.SelfTest(ctx); err != nil {
		return fmt.Errorf("reporter: test the bucket: %w", err)
	}
	store.TellClock(c.Log)
	if err := store.CheckWhole(ctx); err != nil {
		return fmt.Errorf("reporter: %w", err)
	}

	state := newParts(partPosture, partHistory, partFeed, partNATS, partTemporal)
	findings := history.NewTracker()
	pushes := newPushes(tracer, c.Log)
	conf := posture.Config{
		Store: store, Registries: c.Registries, ActiveDays: c.ActiveDays, StaleAfter: c.StaleAfter, Policy: rules, Owners: owners,
		EndOfLife: ends, Clock: findings, Pushed: pushes.shown, Cache: advisory.Cache(c.Cache), Log: c.Log,
	}
	engine, past := posture.New(conf), newPast(conf, findings)
	advisories := openFeed(c, store, engine, state)
	uses := inuse.New(store, time.Now, engine.SetInUse)
	writer, err := report.New(report.Config{
		Store: store, View: engine.View, Registries: c.Registries, Organisation: c.Organisation, Zone: c.ReportZone,
		History: findings.All, Moved: past.movements.Why,
		Generator: "plimsoll " + version(), StaleAfter: c.StaleAfter, Now: time.Now,
	})
	if err != nil {
		return err
	}
	temporal, err := openOrchestrator(c.Temporal, store, state, c.Log)
	if err != nil {
		return err
	}
	defer temporal.client.Close()
	nc, hints, err := hear(c.NATS, state, c.Log)
	if err != nil {
		return err
	}
	defer nc.Close()
	about := &around{registries: c.Registries, store: store, temporal: temporal, nats: nc, log: c.Log}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait() // before the connections above are closed
	defer stop()

	bound, served, err := admin.Serve(ctx, c.Listen, c.handler(keeper, state, engine, past, findings, writer, temporal, advisories, uses, about, pushes.seconds), c.Log)
	if err != nil {
		return err
	}
	if err := begin(ctx, c, engine, advisories, state); err != nil {
		stop()
		return orNil(ctx, err, served())
	}
	running.Go(func() { follow(ctx, engine, hints, state, c.Log) })
	running.Go(func() { uses.Run(ctx, func(err error) { state.set(partUses, err) }) })
	running.Go(func() { keepSnapshots(ctx, engine, c.Log) })
	running.Go(func() {
		(&daily{store: store, view: engine.View, folder: c.Cache, parts: state, log: c.Log}).run(ctx, time.Now)
	})
	running.Go(func() { findings.Run(ctx, conf, engine, func() { state.set(partHistory, nil) }, c.Log) })
	running.Go(func() { past.movements.Run(ctx, time.Now, c.Log) })
	running.Go(func() { past.timelines.Run(ctx, time.Now, c.Log) })
	running.Go(func() { past.days.Run(ctx, time.Now, c.Log) })
	running.Go(func() { advisories.poll(ctx, c.Poll, !c.FeedFirst) })
	running.Go(func() { about.run(ctx) })
	running.Go(func() { temporal.host(ctx, c, writer) })
	running.Go(func() {
		recordPolicy(ctx, store, rules, history.SettingsOf(c.Registries, c.ActiveDays, c.StaleAfter), state, c.Log)
	})
	c.Log.Info("reporter is ready", "http", bound, "images", len(engine.View().Rows()), "generation", engine.View().Generation().ID)
	c.Ready(Addresses{HTTP: bound})
	return served()
}

// begin puts the newest generation in force, folds the bucket, and looks at the feed once where that is asked for.
func begin(ctx context.Context, c Config, engine *posture.Engine, advisories *feed, state *parts) error {
	advisories.restore(ctx)
	if c.FeedFirst {
		_, _, _ = advisories.look(ctx, advisories.updater.Update) // the part's state and the feeds themselves say what failed
	}
	return fold(ctx, engine, state, c.Log)
}

// orNil is the first error that is not the end of ctx, which ends a reporter well.
func orNil(ctx context.Context, all ...error) error {
	for _, err := range all {
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// ready says what is missing of what this process needs. What feeds and the bucket's own content lack is no reason to send
// people elsewhere: it stands on every page.
func ready(keeper *access.Keeper, state *parts, engine *posture.Engine) error {
	state.set(partTokens, keeper.Err())
	if engine.View() == nil {
		return state.err(partPosture)
	}
	return state.err(partNATS, partTemporal, partTokens)
}

// handler is every path of the reporter. Health is open to probes; all else goes by the tokens.
func (c Config) handler(keeper *access.Keeper, state *parts, engine *posture.Engine, past past, findings *history.Tracker, w *report.Writer, sweeps api.Sweeps, f api.Feed, uses api.InUse, about *around, more ...prometheus.Collector) http.Handler {
	metrics := admin.NewRegistry()
	metrics.MustRegister(gauges{engine.View, c.StaleAfter, about.now})
	metrics.MustRegister(append(about.store.Collectors(), more...)...)
	ops := admin.Handler(metrics, func() error { return ready(keeper, state, engine) })
	site := http.NewServeMux()
	pages.New(pages.Config{
		View: engine.View, Replay: past.replays.At, Moved: past.movements.Why, Lately: past.movements.Lately,
		Timeline: past.timelines.Of, RecentTimeline: past.timelines.Recent, Course: findings.Course, Days: past.days.Until, Registries: c.Registries,
		Reports: w.List, StaleAfter: c.StaleAfter, ActiveDays: c.ActiveDays, Now: time.Now, Log: c.Log,
		CatchingUp: func() bool { return state.get(partHistory) != nil }, Around: about.now,
	}).Register(site)
	root := http.NewServeMux()
	answers := api.New(api.Config{
		View: engine.View, Replay: past.replays.At, Moved: past.movements.Why, Timeline: past.timelines.Of, Reports: w, Sweeps: sweeps, Around: about.now, Feed: f, Uses: uses, Registries: c.Registries, StaleAfter: c.StaleAfter,
		Version: version(), Parts: state.words, Now: time.Now, Log: c.Log,
	})
	answers.Register(root, keeper.Require)
	metrics.MustRegister(answers.Collectors()...)
	root.Handle("GET /healthz", ops)
	root.Handle("GET /readyz", ops)
	root.Handle("GET /metrics", keeper.Require(access.Viewer, ops))
	root.Handle("/", keeper.Require(access.Viewer, site))
	return root
}

// past is what tells of other moments than now.
type past struct {
	replays   *history.Replays
	movements *history.Movements
	timelines *history.Timelines
	days      *history.Days
}

func newPast(c posture.Config, findings *history.Tracker) past {
	return past{history.NewReplays(c), history.NewMovements(c), history.NewTimelines(c), history.NewDays(c, findings, pages.Numbers)}
}
