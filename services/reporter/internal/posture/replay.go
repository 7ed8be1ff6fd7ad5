package posture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// Moment is the posture as it was knowable at one moment, and the configuration that was in force.
type Moment struct {
	At         time.Time
	View       *View
	Registries []plimsoll.Registry // without what is needed to reach them
	ActiveDays int
	StaleAfter time.Duration
}

// At recomputes what was knowable at a moment from what the bucket keeps: the change log up to it, inventories, the policy
// in force then, the generation of advisories in force then or, where that is not kept any more, the newest kept one before
// it. Nothing of the present goes into it; of cfg only the store, and the registries where the log is older than the record
// of settings. What is missing is said in the view's faults. A moment before the log began is [plimsoll.ErrNotFound], one
// that has not come yet [plimsoll.ErrInvalid].
func At(ctx context.Context, cfg Config, at time.Time) (*Moment, error) {
	w, err := NewWalker(ctx, cfg, at)
	if err != nil {
		return nil, fmt.Errorf("posture at %s: %w", at.UTC().Format(time.RFC3339), err)
	}
	defer w.Close()
	m, err := w.To(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("posture at %s: %w", at.UTC().Format(time.RFC3339), err)
	}
	return m, nil
}

// Walker goes through the change log in the order of time and forms the posture wherever it is asked to. It is used by one
// goroutine at a time.
type Walker struct {
	cfg   Config
	e     *Engine
	now   time.Time
	next  func() (plimsoll.ChangeBatch, error, bool)
	stop  func()
	ahead *plimsoll.ChangeBatch // read, and later than what was asked for

	began      time.Time // of the first batch
	generation string    // in force
	checks     []plimsoll.FeedCheck
	source     string // of the checks
	policy     plimsoll.Change
	settings   *plimsoll.Settings
	slots      map[string][]string // sweeps that ended, by registry, and are not read yet
	index      *advisory.Index
	formed     struct{ generation, policy string } // what the engine holds

	of  *refKey                // the only tag that it knows; nil: it knows all
	own []plimsoll.ChangeBatch // what concerns that tag
}

// NewWalker is a walker that stands before the first change. It reads no change that is later than until.
func NewWalker(ctx context.Context, cfg Config, until time.Time) (*Walker, error) {
	return newWalker(ctx, cfg, until, func(string) bool { return true })
}

// newWalker is a walker that reads the streams that are wanted.
func newWalker(ctx context.Context, cfg Config, until time.Time, wanted func(stream string) bool) (*Walker, error) {
	if now := New(cfg).cfg.Now(); until.After(now) {
		return nil, fmt.Errorf("%w: it is not over yet; now is %s", plimsoll.ErrInvalid, now.UTC().Format(time.RFC3339))
	}
	streams, err := cfg.Store.Streams(ctx)
	if err != nil {
		return nil, err
	}
	streams = slices.DeleteFunc(streams, func(stream string) bool { return !wanted(stream) })
	w := &Walker{slots: map[string][]string{}}
	cfg.Now = func() time.Time { return w.now }
	w.cfg, w.e = cfg, New(cfg)
	w.e.state.streams[plimsoll.StreamAdvisories], w.e.state.streams[plimsoll.StreamDecisions] = true, true
	w.next, w.stop = iter.Pull2(inTime(ctx, cfg.Store, streams, until, func(stream string, err error) { w.e.state.stuck[stream] = err }))
	return w, nil
}

// Close ends the reading of the log.
func (w *Walker) Close() { w.stop() }

// Next takes in one batch of changes and gives it; false at the end of what the walker may read.
func (w *Walker) Next(ctx context.Context) (plimsoll.ChangeBatch, bool, error) {
	b, ok, err := w.peek(ctx)
	if !ok || err != nil {
		return b, false, err
	}
	w.ahead = nil
	w.take(ctx, b)
	return b, true, nil
}

// peek is the next batch without taking it in.
func (w *Walker) peek(ctx context.Context) (plimsoll.ChangeBatch, bool, error) {
	if w.ahead == nil {
		b, err, ok := w.next()
		if ctx.Err() != nil {
			return b, false, context.Cause(ctx)
		}
		if !ok || err != nil {
			return b, false, err
		}
		w.ahead = &b
	}
	return *w.ahead, true, nil
}

// To takes in every change up to a moment and forms the posture at it.
func (w *Walker) To(ctx context.Context, at time.Time) (*Moment, error) {
	for {
		b, ok, err := w.peek(ctx)
		if err != nil {
			return nil, err
		}
		if !ok || b.Time.After(at) {
			break
		}
		w.ahead = nil
		w.take(ctx, b)
	}
	return w.Form(ctx, at)
}

// take takes in one batch without forming anything.
func (w *Walker) take(ctx context.Context, b plimsoll.ChangeBatch) {
	for _, c := range b.Changes {
		w.change(ctx, b, c)
	}
	w.finish(b)
}

// change takes in one change of a batch.
func (w *Walker) change(ctx context.Context, b plimsoll.ChangeBatch, c plimsoll.Change) {
	if w.began.IsZero() {
		w.began = b.Time
	}
	w.now = b.Time
	switch c.Kind {
	case plimsoll.ChangeGeneration:
		w.generation, w.checks = c.Subject, nil
	case plimsoll.ChangeFeeds:
		w.checks, w.source = c.Feeds, c.Text
		if w.generation == "" {
			w.generation = c.Subject
		}
	case plimsoll.ChangePolicy:
		w.policy = c
	case plimsoll.ChangeScope:
		if c.Settings != nil {
			w.settings = c.Settings
		}
	case plimsoll.ChangeSweep:
		w.slots[b.Stream] = append(w.slots[b.Stream], c.Subject)
		w.slots[b.Stream] = w.slots[b.Stream][max(0, len(w.slots[b.Stream])-maxSweeps):]
		w.e.state.folded[b.Stream] = true
	default:
		w.e.apply(ctx, w.e.state, b.Stream, c, map[string]string{})
	}
}

// finish notes that a batch was taken in whole.
func (w *Walker) finish(b plimsoll.ChangeBatch) {
	w.e.state.remember(b.Stream, b.Sequence, eventsOf(b)...)
	w.e.state.positions[b.Stream] = b.Sequence
	if b.Sequence == 1 {
		w.e.state.began[b.Stream] = b.Time
	}
	w.e.state.streams[b.Stream] = true
}

// Form forms the posture at a moment from what was taken in. It must not be before the last change.
func (w *Walker) Form(ctx context.Context, at time.Time) (*Moment, error) {
	w.now = at
	s := w.e.state
	if w.began.IsZero() {
		return nil, fmt.Errorf("%w: the change log begins later; nothing was known then", plimsoll.ErrNotFound)
	}
	w.configure(s)
	if err := w.judgeBy(ctx); err != nil {
		return nil, err
	}
	if err := w.advise(ctx); err != nil {
		return nil, err
	}
	for registry, slots := range w.slots {
		for _, slot := range slots {
			w.e.readSweep(ctx, s, registry, slot)
		}
	}
	s.orderRecipes()
	clear(w.slots)
	if err := w.e.load(ctx, s); err != nil {
		return nil, err
	}
	w.lost(s)
	w.e.publish()
	return &Moment{At: at, View: w.e.View(), Registries: w.e.cfg.Registries, ActiveDays: w.e.cfg.ActiveDays, StaleAfter: w.e.cfg.StaleAfter}, nil
}

// faultSettings names the note that the settings of then are not known.
const faultSettings = "settings"

// configure puts the settings of then in force. A log that is older than their record lacks them.
func (w *Walker) configure(s *state) {
	delete(s.faults, faultSettings)
	if w.settings == nil {
		s.faults[faultSettings] = "which registries were configured then was not recorded yet: today's are shown"
		return
	}
	var all []plimsoll.Registry
	for _, r := range w.settings.Registries {
		all = append(all, r.Registry())
		if _, ok := s.positions[r.ID]; !ok {
			s.positions[r.ID] = 0
		}
	}
	for _, stream := range []string{plimsoll.StreamAdvisories, plimsoll.StreamDecisions} {
		if _, ok := s.positions[stream]; !ok {
			s.positions[stream] = 0
		}
	}
	w.e.cfg.Registries = all
	w.e.cfg.ActiveDays = w.settings.ActiveDays
	w.e.cfg.StaleAfter = time.Duration(w.settings.StaleSeconds) * time.Second
}

// judgeBy puts the policy of then in force.
func (w *Walker) judgeBy(ctx context.Context) error {
	digest := plimsoll.Digest(w.policy.Subject)
	if digest == "" {
		return fmt.Errorf("%w: no policy was recorded yet; the change log begins %s", plimsoll.ErrNotFound, w.began.UTC().Format(time.RFC3339))
	}
	if w.formed.policy == string(digest) {
		return nil
	}
	name, _, _ := strings.Cut(w.policy.Text, " ")
	p, err := blob.ReadJSON[plimsoll.Policy](ctx, w.cfg.Store, blob.PrefixPolicy+name+"/"+digest.Hex())
	if err == nil && p.Digest != digest {
		err = fmt.Errorf("%w: it calls itself %s", plimsoll.ErrIntegrity, p.Digest)
	}
	if err != nil {
		return fmt.Errorf("policy %s in force then: %w", w.policy.Text, err)
	}
	w.formed.policy = string(digest)
	w.e.SetPolicy(p)
	return nil
}

// Kept reports whether the posture formed last was by the advisories that were in force then; false where these are no longer
// kept and older ones stand in for them.
func (w *Walker) Kept() bool { return w.index == nil || w.index.Generation().ID == w.generation }

// faultGeneration names the note that another generation stands in for the one of then.
const faultGeneration = "generation"

// advise puts the advisories of then in force, as their feeds were last looked at then.
func (w *Walker) advise(ctx context.Context) error {
	s := w.e.state
	if w.index == nil || w.formed.generation != w.generation {
		delete(s.faults, faultGeneration)
		x, err := w.kept(ctx, w.generation)
		if err != nil {
			return err
		}
		if got := x.Generation().ID; got != w.generation {
			s.faults[faultGeneration] = fmt.Sprintf("advisories of generation %s were in force then and are no longer kept: those of %s are used", w.generation, cmp.Or(got, "none"))
		}
		w.index, w.formed.generation = x, w.generation
	}
	x := w.index
	if w.checks != nil {
		x = x.With(checked(x.Generation(), w.checks, w.source))
	}
	w.e.SetGeneration(x)
	return nil
}

// kept is a generation, or the newest that is kept of those before it.
func (w *Walker) kept(ctx context.Context, id string) (*advisory.Index, error) {
	if id == "" {
		return advisory.Empty(), nil
	}
	x, err := advisory.Near(ctx, w.cfg.Store, w.cfg.Cache, id, w.index)
	if err == nil || !errors.Is(err, plimsoll.ErrNotFound) {
		return x, err
	}
	before := ""
	for entry, lerr := range w.cfg.Store.List(ctx, blob.PrefixGenerations, "") {
		if lerr != nil {
			return nil, fmt.Errorf("list generations: %w", lerr)
		}
		if other := strings.TrimPrefix(entry.Key, blob.PrefixGenerations); other < id {
			before = max(before, other)
		}
	}
	if before == "" {
		return nil, fmt.Errorf("advisories in force then: %w", err)
	}
	return advisory.Near(ctx, w.cfg.Store, w.cfg.Cache, before, w.index)
}

// checked is a generation's manifest with what a later look at its feeds has said.
func checked(g plimsoll.Generation, checks []plimsoll.FeedCheck, source string) plimsoll.Generation {
	type name struct {
		kind      plimsoll.FeedKind
		ecosystem string
	}
	was := map[name]plimsoll.Feed{{plimsoll.FeedOfOwn, g.Own.Ecosystem}: g.Own}
	for _, f := range g.Feeds {
		was[name{plimsoll.FeedOfEcosystem, f.Ecosystem}] = f
	}
	for _, f := range g.Enrichment {
		was[name{plimsoll.FeedOfEnrichment, f.Ecosystem}] = f
	}
	g.Feeds, g.Enrichment = nil, nil
	for _, c := range checks {
		f := was[name{c.Kind, c.Ecosystem}]
		f.Ecosystem, f.Checked, f.Error = c.Ecosystem, c.Checked, c.Error
		switch c.Kind {
		case plimsoll.FeedOfOwn:
			g.Own = f
		case plimsoll.FeedOfEnrichment:
			g.Enrichment = append(g.Enrichment, f)
		default:
			g.Feeds = append(g.Feeds, f)
		}
	}
	g.Source = cmp.Or(source, g.Source)
	return g
}

// faultInventories names the note that inventories of then are gone.
const faultInventories = "inventories"

// lost notes how many inventories that were shown then are not kept: those read in part are dropped when the whole one stands.
func (w *Walker) lost(s *state) {
	delete(s.faults, faultInventories)
	n := 0
	for x := range s.failed {
		if x.want.recipe != "" {
			n++
		}
	}
	if n > 0 {
		s.faults[faultInventories] = fmt.Sprintf("%d inventories that stood then are no longer kept (of images read in part, until they were read whole)", n)
	}
}

// inTime gives the batches of some streams in the order of their times, each stream in its own order. One whose clock went
// back counts as of the time before it. A stream that cannot be read on is told to stuck, and the others go on.
func inTime(ctx context.Context, store *blob.Store, streams []string, until time.Time, stuck func(string, error)) iter.Seq2[plimsoll.ChangeBatch, error] {
	return func(yield func(plimsoll.ChangeBatch, error) bool) {
		heads := map[string]plimsoll.ChangeBatch{}
		pulls := map[string]func() (plimsoll.ChangeBatch, error, bool){}
		advance := func(stream string) {
			last := heads[stream].Time
			delete(heads, stream)
			b, err, ok := pulls[stream]()
			if err != nil {
				stuck(stream, err)
				return
			}
			if b.Time.Before(last) {
				b.Time = last
			}
			if ok && !b.Time.After(until) {
				heads[stream] = b
			}
		}
		for _, stream := range streams {
			next, stop := iter.Pull2(store.Changes(ctx, stream, 0))
			defer stop()
			pulls[stream] = next
			advance(stream)
		}
		for len(heads) > 0 {
			first := slices.MinFunc(slices.Collect(maps.Keys(heads)), func(a, b string) int {
				return cmp.Or(heads[a].Time.Compare(heads[b].Time), strings.Compare(a, b))
			})
			if !yield(heads[first], nil) {
				return
			}
			advance(first)
		}
		if ctx.Err() != nil {
			yield(plimsoll.ChangeBatch{}, context.Cause(ctx))
		}
	}
}
