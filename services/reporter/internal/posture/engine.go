package posture

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// Defaults of [Config].
const (
	DefaultActiveDays = 30
	DefaultStaleAfter = 48 * time.Hour
)

// Config is what an [Engine] needs.
type Config struct {
	Store      *blob.Store
	Registries []plimsoll.Registry
	ActiveDays int             // a tag that moved within is active; default [DefaultActiveDays]
	StaleAfter time.Duration   // a feed not checked for longer is stale; default [DefaultStaleAfter]
	Policy     plimsoll.Policy // what verdicts are formed by
	Owners     Owners          // whose images are whose; none by default
	// Inventory reads an inventory by its key; by default from the store.
	Inventory func(ctx context.Context, key string) (plimsoll.Inventory, error)
	Cache     advisory.Cache // where compiled generations are kept, for past moments
	EndOfLife *eol.Table     // when distributions and run-times stop getting fixes; nil: nothing is known of that
	Clock     Clock          // when findings were first seen; without one each is new
	// Pushed is told of a push once its verdict is shown; nil: nobody wants to know.
	Pushed func(Push)
	Log    *slog.Logger
	Now    func() time.Time // default time.Now
}

// Engine keeps the posture: a fold over the bucket, then over the change log. Its methods are safe for concurrent use; only
// one of Fold, Advance and SetGeneration works at a time.
type Engine struct {
	cfg Config

	do     deltas
	saving sync.Mutex       // one snapshot at a time
	saved  map[string]int64 // positions of the last snapshot; guarded by mu

	mu      sync.Mutex // one writer
	state   *state
	inUse   map[plimsoll.Digest]InUse
	matcher *match.Matcher
	trials  *trials // of matcher
	pushed  []Push  // whose verdicts the next view shows

	view    atomic.Pointer[View]
	waiting sync.Mutex
	changed chan struct{} // closed when the next view stands
}

// New is an engine that knows nothing yet: its view is nil until the first Fold.
func New(cfg Config) *Engine {
	if cfg.ActiveDays <= 0 {
		cfg.ActiveDays = DefaultActiveDays
	}
	if cfg.StaleAfter <= 0 {
		cfg.StaleAfter = DefaultStaleAfter
	}
	if cfg.Inventory == nil {
		cfg.Inventory = func(ctx context.Context, key string) (plimsoll.Inventory, error) {
			return blob.ReadJSON[plimsoll.Inventory](ctx, cfg.Store, key)
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	e := &Engine{cfg: cfg, matcher: match.New(advisory.Empty()), changed: make(chan struct{})}
	e.do = e.allDeltas()
	e.state = e.newState()
	return e
}

// View is the posture as it stands; nil before the first Fold has ended.
func (e *Engine) View() *View { return e.view.Load() }

// Changed is closed when a newer view stands than the one that View gave before the call.
func (e *Engine) Changed() <-chan struct{} {
	e.waiting.Lock()
	defer e.waiting.Unlock()
	return e.changed
}

// Wait returns when the view has folded in at least these positions, or with the context's error.
func (e *Engine) Wait(ctx context.Context, positions map[string]int64) error {
	for {
		next := e.Changed()
		if v := e.View(); v != nil && v.reached(positions) {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Fold reads everything again: the position of each change-log stream first, then tags, sweeps and inventories, then what
// the log says from those positions on. What could not be read is part of the view (see [View.Faults]) and of the error;
// the rest stands. Only a context that ended leaves the view as it was.
func (e *Engine) Fold(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fold(ctx)
}

// Advance reads what the change log holds after what is folded in, and forms again what time itself changes. It says
// whether a newer view stands. A gap in a stream stops that stream and is returned each time until it is mended.
func (e *Engine) Advance(ctx context.Context) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.view.Load() == nil {
		return false, errors.New("advance: the first fold has not ended")
	}
	return e.advance(ctx)
}

// SetGeneration puts other advisories in force. Only the packages that the difference can touch are matched again, and only
// the images that hold one with other findings are judged again. No layer and no inventory is read.
func (e *Engine) SetGeneration(x *advisory.Index) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id := x.Generation().ID; id != "" && id == e.matcher.Index().Generation().ID {
		e.do.recheck(x.Generation())
	} else {
		e.do.generation(match.New(x))
	}
	if e.view.Load() != nil {
		e.publish()
	}
}

// SetPolicy judges every image again by another policy.
func (e *Engine) SetPolicy(p plimsoll.Policy) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.do.policy(p)
	if e.view.Load() != nil {
		e.publish()
	}
}

// recheck takes what a generation in force says anew of its feeds.
func (e *Engine) recheck(g plimsoll.Generation) { e.matcher = e.matcher.With(g) }

// rejudge puts another policy in force.
func (e *Engine) rejudge(p plimsoll.Policy) {
	e.cfg.Policy = p
	for _, x := range e.state.slots {
		if x.image != nil {
			x.image.opinion = nil
		}
	}
	for _, t := range e.state.tags {
		e.state.touch(t)
	}
}
