package posture

import (
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Bounds of what the posture remembers.
const (
	maxSweeps = 90   // of one registry: a quarter of nightly ones
	maxEvents = 1000 // what happened lately: more than a page shows
	// spareIndexes is how many digests of indexes are remembered beyond twice the tags before those without a tag go.
	spareIndexes = 1000
)

// refKey names one tag.
type refKey struct{ registry, repository, tag string }

// tag is one tag with the inventories that its rows may show, and those rows as they stand.
type tag struct {
	key     refKey
	ref     plimsoll.Ref
	slots   []*slot
	rows    []*Row
	dirty   bool      // its rows are to be formed again
	gone    bool      // it is no tag any more
	expires time.Time // when its rows stop being active; zero when that is not waited for
}

// state is what the engine has folded. Only the engine's one writer touches it; views get copies or immutable parts.
//
// What depends on what, and so what is formed again when something changes:
//
//	package ─ layers' lists ─ images ┐
//	ecosystem ─ sets of them ─ images ┴ slots ─ tags ─ rows ─ counts
type state struct {
	tags     map[refKey]*tag
	slots    map[wanted]*slot
	any      map[*slot]bool // those of any recipe
	failed   map[*slot]bool // those without an image
	pending  []*slot        // to be read
	behind   map[plimsoll.Digest]map[*tag]bool
	indexes  map[plimsoll.Digest][]plimsoll.Digest // images of digests that were read complete, where they are not the digest itself
	sought   map[plimsoll.Digest]bool              // digests whose images were looked for in the log
	recipes  []plimsoll.Recipe                     // that have inventories, the newest first
	stored   map[plimsoll.Recipe]bool              // recipes that the bucket has inventories of
	known    *interner
	standing *standing
	shelf    *shelf
	stacks   *stacks
	sets     map[string]*foundIn
	newLists []*layerList
	numbered *numbered
	findings findings
	names    *nameIndex

	sweeps    map[string][]plimsoll.Sweep // by registry, newest first
	compared  map[string]string           // by registry: the slot whose counts were compared
	counted   map[string]*tagCounts       // by registry
	positions map[string]int64
	began     map[string]time.Time // by stream: the time of its first batch
	oldest    time.Time            // of the generations that are kept
	firsts    map[string]time.Time // by registry: when its oldest tag was first seen
	streams   map[string]bool
	folded    map[string]bool // registries whose tags were read
	listed    time.Time       // when streams was last asked for
	stuck     map[string]error
	faults    map[string]string  // by what could not be read
	events    map[string][]Event // by stream, of its last batches, oldest first

	dirty      []*tag
	cut        []*Row // rows of the last view that do not stand any more
	rows       []*Row // of the last view, in order; never changed in place
	tally      *tally
	aging      expiries
	ending     []ending // packages whose last day with fixes is known
	do         *deltas
	clock      time.Time                     // of the last view
	ecosystems map[string]plimsoll.Knowledge // as rows have it
	fresh      map[string]freshness          // by registry: as rows have it
}

func (e *Engine) newState() *state {
	return &state{
		do:   &e.do,
		tags: map[refKey]*tag{}, slots: map[wanted]*slot{}, any: map[*slot]bool{}, failed: map[*slot]bool{},
		behind: map[plimsoll.Digest]map[*tag]bool{}, indexes: map[plimsoll.Digest][]plimsoll.Digest{}, stored: map[plimsoll.Recipe]bool{}, sought: map[plimsoll.Digest]bool{},
		known: newInterner(), standing: newStanding(), shelf: newShelf(), stacks: newStacks(), sets: map[string]*foundIn{}, numbered: newNumbered(), names: newNameIndex(),
		sweeps: map[string][]plimsoll.Sweep{}, compared: map[string]string{}, counted: map[string]*tagCounts{}, positions: map[string]int64{}, began: map[string]time.Time{}, firsts: map[string]time.Time{},
		streams: map[string]bool{}, folded: map[string]bool{}, stuck: map[string]error{}, faults: map[string]string{}, events: map[string][]Event{},
		tally: newTally(), ecosystems: map[string]plimsoll.Knowledge{}, fresh: map[string]freshness{},
	}
}

// set takes a tag's new state.
func (s *state) set(k refKey, r plimsoll.Ref) {
	r = s.known.ref(r)
	t := s.tags[k]
	if t == nil {
		k = refKey{s.known.string(k.registry), s.known.string(k.repository), k.tag}
		t = &tag{key: k}
		s.tags[k] = t
	} else {
		s.count(t, -1)
		s.unfollow(t)
	}
	t.ref = r
	if was, ok := s.firsts[k.registry]; !r.First.IsZero() && (!ok || r.First.Before(was)) {
		s.firsts[k.registry] = r.First
	}
	s.count(t, 1)
	s.learn(r)
	s.do.former(s, t.key, r.Former)
	s.ask(t)
	s.touch(t)
}

// drop takes a tag away.
func (s *state) drop(k refKey) {
	t := s.tags[k]
	if t == nil {
		return
	}
	s.count(t, -1)
	s.unfollow(t)
	delete(s.tags, k)
	s.do.former(s, k, nil)
	t.gone = true
	for _, x := range t.slots {
		s.release(x, t)
	}
	t.slots = nil
	s.touch(t)
}

// touch marks a tag's rows to be formed again.
func (s *state) touch(t *tag) {
	if !t.dirty {
		t.dirty = true
		s.dirty = append(s.dirty, t)
	}
}

// ask holds the inventories that the tag's rows may show and lets go of others.
func (s *state) ask(t *tag) {
	before := t.slots
	wants := s.want(t.ref)
	t.slots = make([]*slot, 0, len(wants))
	for _, w := range wants {
		t.slots = append(t.slots, s.hold(w, t))
	}
	for _, x := range before {
		s.release(x, t)
	}
	if d := t.ref.LastGood; d != "" && (d != t.ref.Digest || len(images(t.ref)) == 0) && !settled(t.ref) {
		if s.behind[d] == nil {
			s.behind[d] = map[*tag]bool{}
		}
		s.behind[d][t] = true
	}
}

// unfollow ends the tag's interest in the images of its last good digest.
func (s *state) unfollow(t *tag) {
	if all := s.behind[t.ref.LastGood]; all != nil {
		if delete(all, t); len(all) == 0 {
			delete(s.behind, t.ref.LastGood)
		}
	}
}

// learn remembers the images behind a digest that was read complete; tags whose last good one it is may show them now.
func (s *state) learn(r plimsoll.Ref) {
	if r.Read.State != plimsoll.ReadComplete {
		return
	}
	var digests []plimsoll.Digest
	for _, p := range images(r) {
		digests = append(digests, p.Digest)
	}
	if len(digests) == 0 || len(digests) == 1 && digests[0] == r.Digest || slices.Equal(s.indexes[r.Digest], digests) {
		return
	}
	if len(s.indexes) > 2*len(s.tags)+spareIndexes {
		s.forgetIndexes()
	}
	s.indexes[r.Digest] = digests
	s.do.index(s, r.Digest)
}

// reask lets tags ask for the images of their last good digest, which were just learned.
func (s *state) reask(d plimsoll.Digest) {
	for t := range s.behind[d] {
		s.ask(t)
		s.touch(t)
	}
}

// forgetIndexes drops what no tag names any more.
func (s *state) forgetIndexes() {
	named := map[plimsoll.Digest]bool{}
	for _, t := range s.tags {
		named[t.ref.Digest], named[t.ref.LastGood] = true, true
	}
	for d := range s.indexes {
		if !named[d] {
			delete(s.indexes, d)
		}
	}
}

// remember adds what a batch says; of each stream the last batches stay. The slices are never changed in place, because views
// share them.
func (s *state) remember(stream string, sequence int64, events ...Event) {
	all := append(slices.Clip(s.events[stream]), events...)
	first, _ := slices.BinarySearchFunc(all, sequence-recentBatches+1, func(e Event, n int64) int { return int(e.sequence - n) })
	s.events[stream] = all[max(first, len(all)-maxEvents):]
}

// sweep takes a sweep's new state.
func (s *state) sweep(x plimsoll.Sweep) {
	all := slices.DeleteFunc(slices.Clone(s.sweeps[x.Registry]), func(o plimsoll.Sweep) bool { return o.Slot == x.Slot })
	i, _ := slices.BinarySearchFunc(all, x, func(a, b plimsoll.Sweep) int { return -compareSlots(a, b) })
	all = slices.Insert(all, i, x)
	s.sweeps[x.Registry] = all[:min(len(all), maxSweeps)]
}

// compareSlots orders sweeps by time: slots are times written so that they sort.
func compareSlots(a, b plimsoll.Sweep) int {
	switch {
	case a.Slot < b.Slot:
		return -1
	case a.Slot > b.Slot:
		return 1
	}
	return 0
}

// newest is the registry's newest sweep.
func (s *state) newest(registry string) *plimsoll.Sweep {
	if all := s.sweeps[registry]; len(all) > 0 {
		return &all[0]
	}
	return nil
}

// lastComplete is when the registry was last listed as a whole; zero for never.
func (s *state) lastComplete(registry string) (last time.Time) {
	for _, x := range s.sweeps[registry] {
		if x.Listed.After(last) {
			last = x.Listed
		}
	}
	return last
}

// fault notes what could not be read; nil takes the note away.
func (s *state) fault(what string, err error) {
	if err == nil {
		delete(s.faults, what)
		return
	}
	s.faults[what] = err.Error()
}

// tagCounts are a registry's tags by read state, as a sweep counts them.
type tagCounts struct{ complete, notApplicable, partial, failed, waiting int }

// count adds a tag to its registry's counts, or takes it off.
func (s *state) count(t *tag, by int) {
	n := s.counted[t.key.registry]
	if n == nil {
		n = &tagCounts{}
		s.counted[t.key.registry] = n
	}
	switch t.ref.Read.State {
	case plimsoll.ReadComplete:
		n.complete += by
	case plimsoll.ReadNotApplicable:
		n.notApplicable += by
	case plimsoll.ReadPartial:
		n.partial += by
	case plimsoll.ReadWaiting:
		n.waiting += by
	default:
		n.failed += by
	}
}
