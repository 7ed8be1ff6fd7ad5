package posture

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// publish forms what changed again and makes the next view of it. What did not change is not looked at, but for one copy of
// the list of rows.
func (e *Engine) publish() {
	s := e.state
	e.matchNew(s)
	e.age(s)
	e.formDirty(s)
	e.trials = e.trials.trialsOf(teller{e.matcher, e.cfg.EndOfLife, s.clock})
	v := &View{
		at: s.clock, ended: s.ended(), position: maps.Clone(s.positions), policy: e.cfg.Policy, matcher: e.matcher,
		found: s.findings.share(), rows: s.rows, places: s.tally.places.share(), flawed: s.tally.rows.share(),
		lists: s.shelf.count, stacks: s.stacks.all.share(), cfg: &e.cfg, inUse: e.inUse, clock: e.cfg.Clock, events: s.allEvents(), faults: s.allFaults(), gaps: s.gaps(),
		lineage: s.standing.tree.Freeze(), former: s.standing.formerNames(), trials: e.trials, rebuilds: map[string][2][]Action{},
	}
	if e.cfg.Owners.configured() {
		v.unowned = s.unowned()
	}
	v.summary = s.tally.summary(s.numbered.words)
	v.summary.At, v.summary.Generation, v.summary.Policy = v.at, v.Generation().ID, e.cfg.Policy.Name
	v.registries = e.registries(s)
	v.losses = s.losses()
	e.view.Store(v)
	e.waiting.Lock()
	close(e.changed)
	e.changed = make(chan struct{})
	e.waiting.Unlock()
}

// share is the present state for readers.
func (f *findings) share() findings {
	return findings{by: f.by.share(), hits: f.hits.share(), packages: f.packages, texts: f.texts}
}

// formDirty forms the rows of tags that something happened to, and puts them where the old ones were.
func (e *Engine) formDirty(s *state) {
	var unjudged []*image
	for _, t := range s.dirty {
		for _, x := range t.slots {
			if x.image != nil && x.image.opinion == nil {
				x.image.opinion = forming
				unjudged = append(unjudged, x.image)
			}
		}
	}
	e.judgeAll(s, unjudged)
	var added []*Row
	for _, t := range s.dirty {
		s.withdraw(t)
		t.dirty = false
		if t.gone {
			continue
		}
		t.rows = e.form(s, t)
		for _, r := range t.rows {
			r.ranks = [...]int{verdictRank(r), -r.Exploited, -r.Counts[plimsoll.SeverityCritical], -r.Counts[plimsoll.SeverityHigh]}
			e.do.enter(s, r)
		}
		added = append(added, t.rows...)
		e.expect(s, t)
	}
	s.dirty = nil
	s.rows = merge(s.rows, s.cut, added)
	s.cut = nil
}

// withdraw takes a tag's rows out of the counts; it must come before what was found of their packages changes.
func (s *state) withdraw(t *tag) {
	for _, r := range t.rows {
		s.do.leave(s, r)
	}
	s.cut = append(s.cut, t.rows...)
	t.rows = nil
}

func (s *state) enter(r *Row) { s.tally.add(r, &s.findings, 1) }

func (s *state) leave(r *Row) { s.tally.add(r, &s.findings, -1) }

// merge is the sorted rows without some and with others. None of the given slices of rows that stand is changed.
func merge(rows, cut, added []*Row) []*Row {
	if len(cut) == 0 && len(added) == 0 {
		return rows
	}
	slices.SortFunc(added, compareRows)
	gone := make([]int, 0, len(cut))
	for _, r := range cut {
		at, _ := slices.BinarySearchFunc(rows, r, compareRows)
		for rows[at] != r { // rows that nothing tells apart
			at++
		}
		gone = append(gone, at)
	}
	slices.Sort(gone)
	out := make([]*Row, 0, len(rows)-len(cut)+len(added))
	from := 0
	until := func(end int) {
		for len(gone) > 0 && gone[0] < end {
			out = append(out, rows[from:gone[0]]...)
			from, gone = gone[0]+1, gone[1:]
		}
		if from < end {
			out = append(out, rows[from:end]...)
			from = end
		}
	}
	at := 0
	for _, r := range added {
		n, _ := slices.BinarySearchFunc(rows[at:], r, compareRows)
		at += n
		until(at)
		out = append(out, r)
	}
	until(len(rows))
	return out
}

// verdictRank puts rows without a verdict last.
func verdictRank(r *Row) int {
	if r.Verdict.State == "" {
		return plimsoll.VerdictPass.Rank() + 1
	}
	return r.Verdict.State.Rank()
}

func compareRows(a, b *Row) int {
	if a.ranks != b.ranks {
		return slices.Compare(a.ranks[:], b.ranks[:])
	}
	return CompareReferences(a, b)
}

// CompareReferences orders rows by reference and platform. Each step is taken only when the one before found no difference: lists
// of a million rows are sorted by it.
func CompareReferences(a, b *Row) int {
	if c := strings.Compare(a.Reference.Registry, b.Reference.Registry); c != 0 {
		return c
	}
	if c := strings.Compare(a.Reference.Repository, b.Reference.Repository); c != 0 {
		return c
	}
	if c := strings.Compare(a.Reference.Tag, b.Reference.Tag); c != 0 {
		return c
	}
	if a.Platform != b.Platform {
		if c := strings.Compare(a.Platform.String(), b.Platform.String()); c != 0 {
			return c
		}
	}
	return strings.Compare(string(a.Digest), string(b.Digest))
}

func (s *state) allFaults() []string {
	out := slices.Collect(maps.Values(s.faults))
	for stream, err := range s.stuck {
		out = append(out, fmt.Sprintf("change log of %s: %v", stream, err))
	}
	slices.Sort(out)
	return out
}

// allEvents are the last events of all streams, the newest first.
func (s *state) allEvents() []Event {
	var out []Event
	for _, events := range s.events {
		out = append(out, events...)
	}
	slices.SortFunc(out, func(a, b Event) int {
		return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.Stream, b.Stream), cmp.Compare(b.sequence, a.sequence), cmp.Compare(b.index, a.index))
	})
	return out[:min(len(out), maxEvents)]
}

// registries are the configured registries and those that the bucket knows.
func (e *Engine) registries(s *state) []Registry {
	var out []Registry
	for _, id := range e.known(s) {
		x := Registry{ID: id, Read: maps.Clone(s.tally.registries[id]), Sweep: s.newest(id), Recent: slices.Clone(s.sweeps[id]), LastComplete: s.lastComplete(id)}
		if x.Read == nil {
			x.Read = map[plimsoll.ReadState]int{}
		}
		if x.Sweep != nil {
			newest := *x.Sweep
			x.Sweep = &newest
		}
		out = append(out, x)
	}
	return out
}

// known are the ids of the configured registries and of those that tags or sweeps tell of, sorted.
func (e *Engine) known(s *state) []string {
	ids := map[string]bool{}
	for _, r := range e.cfg.Registries {
		ids[r.ID] = true
	}
	tags := func(id string) bool {
		n := s.counted[id]
		return n != nil && *n != tagCounts{}
	}
	for _, told := range []iter.Seq[string]{maps.Keys(s.folded), maps.Keys(s.sweeps)} {
		for id := range told {
			// One that is not configured and holds nothing was forgotten: its nights stay, for past moments.
			if !e.unconfigured(id) || tags(id) {
				ids[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
