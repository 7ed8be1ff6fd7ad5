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
)

// refKey names one tag.
type refKey struct{ registry, repository, tag string }

// state is what the engine has folded. Only the engine's one writer touches it; views get copies or immutable parts.
type state struct {
	refs     map[refKey]plimsoll.Ref
	images   map[wanted]answered
	indexes  map[plimsoll.Digest][]plimsoll.RefPlatform // images of digests that were read complete
	recipes  []plimsoll.Recipe                          // that have inventories, the newest first
	packages *interner
	found    []found // by package number, of the present generation

	sweeps    map[string][]plimsoll.Sweep // by registry, newest first
	compared  map[string]string           // by registry: the slot whose counts were compared
	positions map[string]int64
	streams   map[string]bool
	folded    map[string]bool // registries whose tags were read
	listed    time.Time       // when streams was last asked for
	stuck     map[string]error
	faults    map[string]string // by what could not be read
	events    []Event           // oldest first

	rows     map[refKey][]*Row
	touched  map[refKey]bool // whose inventories are to be loaded
	dirty    map[refKey]bool // whose rows are to be formed
	verdicts map[*image]judged
	known    map[string]plimsoll.Knowledge // of every ecosystem, as rows have it
	stale    map[string]string             // by registry: why nothing of it is fresh
}

func newState() *state {
	return &state{
		refs: map[refKey]plimsoll.Ref{}, images: map[wanted]answered{}, indexes: map[plimsoll.Digest][]plimsoll.RefPlatform{}, packages: newInterner(),
		sweeps: map[string][]plimsoll.Sweep{}, compared: map[string]string{}, positions: map[string]int64{},
		streams: map[string]bool{}, folded: map[string]bool{}, stuck: map[string]error{}, faults: map[string]string{},
		rows: map[refKey][]*Row{}, touched: map[refKey]bool{}, dirty: map[refKey]bool{}, verdicts: map[*image]judged{},
		known: map[string]plimsoll.Knowledge{}, stale: map[string]string{},
	}
}

// set takes a tag's new state.
func (s *state) set(k refKey, r plimsoll.Ref) {
	s.learn(r)
	s.refs[k] = r
	s.dirty[k] = true
}

// drop takes a tag away.
func (s *state) drop(k refKey) {
	if _, ok := s.refs[k]; ok {
		delete(s.refs, k)
		s.dirty[k] = true
	}
}

// forget drops every opinion: another generation stands.
func (s *state) forget() {
	s.found = nil
	s.forgetVerdicts()
}

func (s *state) forgetVerdicts() {
	clear(s.verdicts)
	s.allDirty("")
}

// allDirty marks every row of a registry (of all when it is empty) to be formed again.
func (s *state) allDirty(registry string) {
	for k := range s.refs {
		if registry == "" || k.registry == registry {
			s.dirty[k] = true
		}
	}
}

// remember adds events; the oldest go. The slice is never changed in place, because views share it.
func (s *state) remember(events ...Event) {
	all := append(slices.Clip(s.events), events...)
	s.events = all[max(0, len(all)-maxEvents):]
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

// forgetImages drops inventories that no tag asks for any more. Packages stay numbered until the next fold: they are few,
// and numbers must not change under a view.
func (s *state) forgetImages() {
	asked := map[wanted]bool{}
	for _, r := range s.refs {
		for _, w := range s.want(r) {
			asked[w] = true
		}
	}
	for w, a := range s.images {
		if !asked[w] {
			delete(s.images, w)
			delete(s.verdicts, a.image)
		}
	}
	named := map[plimsoll.Digest]bool{}
	for _, r := range s.refs {
		named[r.Digest], named[r.LastGood] = true, true
	}
	for d := range s.indexes {
		if !named[d] {
			delete(s.indexes, d)
		}
	}
}

// fault notes what could not be read; nil takes the note away.
func (s *state) fault(what string, err error) {
	if err == nil {
		delete(s.faults, what)
		return
	}
	s.faults[what] = err.Error()
}
