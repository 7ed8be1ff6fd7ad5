package history

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	// maxTimelines is how many timelines are held: those of the images that people look at, a few kilobytes each.
	maxTimelines = 64
	// maxAsked is how many timelines wait to be found; who asks for more asks again.
	maxAsked = 16
	// timelineAge is how old a timeline of now may get while the image still says what it ends with: only what came and went
	// again since then can lack.
	timelineAge = time.Hour
	// timelinePatience is how long a page waits for a timeline: small logs are read in less.
	timelinePatience = 250 * time.Millisecond
)

// Timelines finds how tags stood over time and holds the last answers. It is safe for concurrent use; one is found at a time.
type Timelines struct {
	cfg posture.Config

	working sync.Mutex // one computes
	mu      sync.Mutex
	held    []heldTimeline           // the latest used last
	wanted  map[tagKey]chan struct{} // closed when that one of now was looked for
	asked   chan tagKey
}

// tagKey is one platform of a tag.
type tagKey struct {
	ref      plimsoll.Reference
	platform string
}

// heldTimeline is an answer, or why there is none.
type heldTimeline struct {
	key  tagKey
	to   time.Time
	line *Timeline
	err  error
}

// NewTimelines is an empty cache of answers that are made from cfg's bucket.
func NewTimelines(cfg posture.Config) *Timelines {
	return &Timelines{cfg: cfg, wanted: map[tagKey]chan struct{}{}, asked: make(chan tagKey, maxAsked)}
}

// tagOf is what a row's timeline is about.
func tagOf(r *posture.Row) tagKey {
	ref := r.Reference
	ref.Digest = ""
	return tagKey{ref, r.Platform.String()}
}

// Of is [TimelineOf] a row's tag and platform until a moment, to the second.
func (t *Timelines) Of(ctx context.Context, r *posture.Row, until time.Time) (*Timeline, error) {
	return t.of(ctx, tagOf(r), until.UTC().Truncate(time.Second))
}

func (t *Timelines) of(ctx context.Context, k tagKey, until time.Time) (*Timeline, error) {
	exact := func(x heldTimeline) bool { return x.key == k && x.to.Equal(until) && x.err == nil }
	if x, ok := t.find(exact); ok {
		return x.line, nil
	}
	t.working.Lock()
	defer t.working.Unlock()
	if x, ok := t.find(exact); ok {
		return x.line, nil
	}
	line, err := TimelineOf(ctx, t.cfg, k.ref, k.platform, until)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = append(t.held[max(0, len(t.held)-maxTimelines+1):], heldTimeline{k, until, line, err})
	return line, err
}

// find is the latest used answer that meets a condition.
func (t *Timelines) find(wanted func(heldTimeline) bool) (heldTimeline, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, x := range slices.Backward(t.held) {
		if wanted(x) {
			t.held = append(slices.Delete(t.held, i, i+1), x)
			return x, true
		}
	}
	return heldTimeline{}, false
}

// Recent is the timeline of a row as it stands now; nil while it is being found. It waits a moment at most: [Timelines.Run]
// finds it. An error is why it could not be found, lately.
func (t *Timelines) Recent(ctx context.Context, r *posture.Row, now time.Time) (*Timeline, error) {
	k, state := tagOf(r), StateOf(r)
	fresh := func(x heldTimeline) bool {
		return x.key == k && now.Sub(x.to) <= timelineAge && (x.err != nil || x.line.Last.same(state) && x.line.Last.Digest == state.Digest)
	}
	x, ok := t.find(fresh)
	if ok {
		return x.line, x.err
	}
	found := t.ask(k)
	if found == nil {
		return nil, nil
	}
	patience := time.NewTimer(timelinePatience)
	defer patience.Stop()
	select {
	case <-found:
	case <-patience.C:
	case <-ctx.Done():
	}
	x, _ = t.find(fresh)
	return x.line, x.err
}

// ask lets a timeline be found, and gives what is closed then; nil when enough is asked for already.
func (t *Timelines) ask(k tagKey) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.wanted[k]; found != nil {
		return found
	}
	select {
	case t.asked <- k:
		t.wanted[k] = make(chan struct{})
		return t.wanted[k]
	default:
		return nil
	}
}

// Run finds what [Timelines.Recent] is asked for, until ctx ends.
func (t *Timelines) Run(ctx context.Context, now func() time.Time, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case k := <-t.asked:
			if _, err := t.of(ctx, k, now().UTC().Truncate(time.Second)); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "it cannot be told how a tag stood over time", "image", k.ref.String(), "error", err)
			}
			t.mu.Lock()
			close(t.wanted[k])
			delete(t.wanted, k)
			t.mu.Unlock()
		}
	}
}
