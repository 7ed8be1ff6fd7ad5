package history

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// keepClosed is how long a finding that is gone is remembered: as long as generations are, so that a year's reports and their
// proofs can be told.
const keepClosed = 400 * 24 * time.Hour

// Tracker keeps every finding of every repository over time: a fold over the posture's views, each of which shows what one or
// a few changes have made of it. It is a [posture.Clock]. Its methods are safe for concurrent use; one at a time observes.
type Tracker struct {
	mu    sync.RWMutex
	repos map[repoKey]*repo
	seen  *posture.View // the last one observed; nil after a start
	at    time.Time     // of the last one
	dirty map[repoKey]bool
	head  head
	saved head
	// The objects that the last head written names, when all of them were written again, and when those that none names were
	// deleted.
	shards                map[int]string
	refreshed, sweptStore time.Time
	swept                 time.Time     // when findings that are gone for long were dropped
	epoch                 atomic.Uint64 // the last one given to a repository
}

// repoKey names a repository.
type repoKey struct{ registry, repository string }

// repo is what is known of one repository.
type repo struct {
	entries []entry // sorted by package and id
	seats   []seat  // the rows of the last view, sorted by what they show
	epoch   uint64  // see [Tracker.Epoch]
}

// seat is a row with the image that it shows; nil when nothing was read.
type seat struct {
	row   *posture.Row
	stand *Stand
}

// head is how far the tracker has come.
type head struct {
	Positions  map[string]int64 `json:"positions"`
	Generation string           `json:"generation"`
	Time       time.Time        `json:"time"`
	Begun      time.Time        `json:"begun,omitzero"` // the moment of the first view observed
}

func (h head) equal(o head) bool {
	return h.Begun.Equal(o.Begun) && maps.Equal(h.Positions, o.Positions) && h.Generation == o.Generation && h.Time.Equal(o.Time)
}

// NewTracker is a tracker that has seen nothing.
func NewTracker() *Tracker { return &Tracker{repos: map[repoKey]*repo{}, dirty: map[repoKey]bool{}} }

// First implements [posture.Clock].
func (t *Tracker) First(registry, repository string, f *plimsoll.Finding, at time.Time) (time.Time, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r := t.repos[repoKey{registry, repository}]
	if r == nil {
		return time.Time{}, false
	}
	if i, ok := slices.BinarySearchFunc(r.entries, entry{pkg: f.Package, id: f.ID}, compareEntries); ok {
		return r.entries[i].firstAt(at)
	}
	all := r.of(f.Package)
	i := slices.IndexFunc(all, func(e entry) bool { return e.related(f) })
	if i < 0 {
		return time.Time{}, false
	}
	return all[i].firstAt(at)
}

// Epoch implements [posture.Clock].
func (t *Tracker) Epoch(registry, repository string) uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if r := t.repos[repoKey{registry, repository}]; r != nil {
		return r.epoch
	}
	return 0
}

// Latest implements [posture.Clock].
func (t *Tracker) Latest() uint64 { return t.epoch.Load() }

// Began implements [posture.Clock].
func (t *Tracker) Began() time.Time {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.head.Begun
}

// of are the entries of a package, to be read or changed in place.
func (r *repo) of(pkg string) []entry {
	i := r.first(pkg)
	n, _ := slices.BinarySearchFunc(r.entries[i:], pkg, func(e entry, pkg string) int {
		if e.pkg == pkg {
			return -1
		}
		return 1
	})
	return r.entries[i : i+n]
}

// first is the place of the first entry of a package.
func (r *repo) first(pkg string) int {
	i, _ := slices.BinarySearchFunc(r.entries, pkg, func(e entry, pkg string) int { return strings.Compare(e.pkg, pkg) })
	return i
}

// All gives all findings, those that are gone with them, sorted by registry, repository, package and id. They are copies;
// what changes meanwhile shows in the repositories that are still to come.
func (t *Tracker) All() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		for _, k := range t.keys() {
			for _, f := range t.findings(k) {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// keys are the repositories, sorted.
func (t *Tracker) keys() []repoKey {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.SortedFunc(maps.Keys(t.repos), compareKeys)
}

func compareKeys(a, b repoKey) int {
	return cmp.Or(strings.Compare(a.registry, b.registry), strings.Compare(a.repository, b.repository))
}

func (t *Tracker) findings(k repoKey) (out []*Finding) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for i := range t.repos[k].entries {
		out = append(out, t.repos[k].entries[i].finding(k))
	}
	return out
}

// Observe takes in a view that came after the last one observed. What opens or closes in it does so at the time of its newest
// event: a change of the log, its generation of advisories, or the end of life of what an image is built on.
func (t *Tracker) Observe(v *posture.View) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v == t.seen {
		return
	}
	at := newest(v)
	if at.Before(t.at) {
		at = t.at
	}
	gone, came := posture.Difference(t.seen, v)
	for k, c := range t.byRepository(gone, came) {
		t.look(v, k, c, at)
	}
	t.seen, t.at = v, at
	begun := t.head.Begun
	if t.head.Time.IsZero() {
		begun = v.At()
	}
	t.head = head{v.Position(), v.Generation().ID, at, begun}
	if at.Sub(t.swept) > 24*time.Hour {
		t.forget(at)
		t.swept = at
	}
}

// newest is when the newest of what a view shows happened.
func newest(v *posture.View) time.Time {
	at := v.Generation().Created
	if e := v.Events(1); len(e) > 0 && e[0].Time.After(at) {
		at = e[0].Time
	}
	if ended := v.Ended(); ended.After(at) {
		at = ended
	}
	return at.UTC()
}

// change is what became of the rows of a repository between two views.
type change struct{ gone, came []*posture.Row }

// byRepository groups rows. After a start all repositories that are known are among them.
func (t *Tracker) byRepository(gone, came []*posture.Row) map[repoKey]*change {
	out := map[repoKey]*change{}
	of := func(k repoKey) *change {
		if out[k] == nil {
			out[k] = &change{}
		}
		return out[k]
	}
	if t.seen == nil {
		for k := range t.repos {
			of(k)
		}
	}
	for _, r := range gone {
		c := of(keyOf(r))
		c.gone = append(c.gone, r)
	}
	for _, r := range came {
		c := of(keyOf(r))
		c.came = append(c.came, r)
	}
	return out
}

func keyOf(r *posture.Row) repoKey { return repoKey{r.Reference.Registry, r.Reference.Repository} }

// forget drops findings that went away long ago.
func (t *Tracker) forget(now time.Time) {
	for k, r := range t.repos {
		n := len(r.entries)
		r.entries = slices.DeleteFunc(r.entries, func(e entry) bool { return !e.open() && now.Sub(e.more.closed.Time) > keepClosed })
		if len(r.entries) < n {
			t.dirty[k] = true
		}
	}
}
