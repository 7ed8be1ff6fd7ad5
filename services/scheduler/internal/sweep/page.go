package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/workflows"
)

const (
	// repositoriesAPage is how many repositories one Page takes: few enough that a try lost to a crash costs little, many
	// enough that Temporal's round trip (100 ms) does not count.
	repositoriesAPage = 100
	// repositoriesAtOnce is how many of them are listed together and then written in one batch of the change log. The
	// registry's client bounds the requests in flight below that.
	repositoriesAtOnce = 20
	// beatEvery is how often a page tells that it lives; the contract asks for 10 s.
	beatEvery = 5 * time.Second
)

// Page does one page of a sweep; see workflows.Sweeper.
func (s *Sweeper) Page(ctx context.Context, in workflows.PageInput, resume string, beat func(string)) (workflows.PageResult, error) {
	r, err := s.registry(in.Registry)
	if err != nil {
		return workflows.PageResult{}, err
	}
	ctx, cancel := s.untilStopping(ctx)
	defer cancel()
	got, err := s.page(ctx, r, in, resume, beat)
	return got, orStopping(ctx, err)
}

func (s *Sweeper) page(ctx context.Context, r Registry, in workflows.PageInput, resume string, beat func(string)) (workflows.PageResult, error) {
	listed, err := s.repositories(ctx, r, in.Cursor)
	if err != nil {
		return workflows.PageResult{}, err
	}
	p := &pass{Sweeper: s, registry: r, in: in, began: slotTime(in.Slot)}
	if err := p.noteUnlisted(ctx, unlistedParts(listed.missed)); err != nil {
		return workflows.PageResult{}, err
	}
	reached, rest := resumed(resume, listed.names)
	stop := beating(ctx, beat, reached)
	defer stop()
	throttled, waited := r.Client.Throttled(), r.Client.Waited()
	for chunk := range slices.Chunk(rest, repositoriesAtOnce) {
		counts, err := p.chunk(ctx, chunk)
		if err != nil {
			return workflows.PageResult{}, fmt.Errorf("sweep %s of %s, repositories %s to %s: %w",
				in.Slot, in.Registry, chunk[0], chunk[len(chunk)-1], err)
		}
		counts.Throttled = int(r.Client.Throttled() - throttled)
		counts.Waited = (r.Client.Waited() - waited).Seconds()
		throttled, waited = r.Client.Throttled(), r.Client.Waited()
		if p.Missed != nil && counts.Missed > 0 {
			p.Missed(in.Registry, counts.Missed)
		}
		reached.advance(chunk[len(chunk)-1], len(chunk), counts)
	}
	// Counted here and not in the mark: each try of a page lists it again.
	counts := reached.Counts
	counts.LeftOut.Repositories += listed.leftOut
	return workflows.PageResult{Cursor: listed.next, Done: listed.next == "", Counts: counts, Repositories: reached.Repositories}, nil
}

// A pass is one page of one sweep of one registry.
type pass struct {
	*Sweeper
	registry Registry
	in       workflows.PageInput
	began    time.Time // of the sweep
	outages  outages
	// sweptBefore says that an earlier sweep ended; nil until that is asked.
	sweptBefore *bool
}

// chunk does a few repositories: lists them side by side, then writes what moved in one batch, then queues. The order
// matters: what a reader of the log or a scan sees next is in the bucket before.
func (p *pass) chunk(ctx context.Context, names []string) (plimsoll.SweepCount, error) {
	seen := make([]listing, len(names))
	err := sideBySide(ctx, len(names), len(names), func(ctx context.Context, i int) (err error) {
		seen[i], err = p.list(ctx, names[i])
		return err
	})
	if err != nil {
		return plimsoll.SweepCount{}, err
	}
	told := p.announced(ctx)
	found := make([]difference, len(names))
	err = sideBySide(ctx, len(names), storeAtOnce, func(ctx context.Context, i int) (err error) {
		found[i], err = p.compare(ctx, seen[i], told)
		return err
	})
	if err != nil {
		return plimsoll.SweepCount{}, err
	}
	if err := p.record(ctx, found); err != nil {
		return plimsoll.SweepCount{}, err
	}
	if err := p.noteUnlisted(ctx, seen); err != nil {
		return plimsoll.SweepCount{}, err
	}
	var total plimsoll.SweepCount
	for _, d := range found {
		requests, err := p.enqueue(ctx, d)
		if err != nil {
			return plimsoll.SweepCount{}, err
		}
		d.counts.Requests = requests
		total = sum(total, d.counts)
	}
	return total, nil
}

// mark is how far a page has come: the word that its heartbeats carry, so that another try does not count or queue twice.
type mark struct {
	After        string              `json:"after"` // the last repository done
	Counts       plimsoll.SweepCount `json:"counts"`
	Repositories int                 `json:"repositories"`

	mu sync.Mutex
}

func (m *mark) advance(after string, repositories int, counts plimsoll.SweepCount) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.After, m.Repositories, m.Counts = after, m.Repositories+repositories, sum(m.Counts, counts)
}

func (m *mark) word() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := json.Marshal(m)
	if err != nil {
		return "" // cannot happen: strings and numbers; a try then starts from the page's beginning
	}
	return string(b)
}

// resumed is where a page goes on: after the repository that a former try had done, or at its beginning when the registry
// does not list that repository on this page any more. Doing a repository twice is safe, only dearer.
func resumed(word string, names []string) (*mark, []string) {
	m := new(mark)
	if word == "" || json.Unmarshal([]byte(word), m) != nil {
		return new(mark), names
	}
	i := slices.Index(names, m.After)
	if i < 0 {
		return new(mark), names
	}
	return m, names[i+1:]
}

// sum adds what pages count; states of coverage are Finish's.
func sum(a, b plimsoll.SweepCount) plimsoll.SweepCount {
	a.Listed += b.Listed
	a.Unchanged += b.Unchanged
	a.Enqueued += b.Enqueued
	a.Requests += b.Requests
	a.Failed += b.Failed
	a.Gone += b.Gone
	a.Missed += b.Missed
	a.Throttled += b.Throttled
	a.Waited += b.Waited
	a.LeftOut = a.LeftOut.Plus(b.LeftOut)
	return a
}

// worder tells how far something has come.
type worder interface{ word() string }

// beating calls beat with w's word now and every few seconds, until the returned function is called.
func beating(ctx context.Context, beat func(string), w worder) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(beatEvery)
		defer t.Stop()
		for {
			beat(w.word())
			select {
			case <-t.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// sideBySide calls do for 0 … n-1, at most width at once, and waits for all. The first error cancels the others.
func sideBySide(ctx context.Context, n, width int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, max(1, width))
	var all sync.WaitGroup
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := do(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// slotLayout is how a sweep's slot writes its start.
const slotLayout = "20060102T150405Z"

// slotTime is a sweep's start; zero for a slot of another form.
func slotTime(slot string) time.Time {
	t, err := time.Parse(slotLayout, slot)
	if err != nil {
		return time.Time{}
	}
	return t
}
