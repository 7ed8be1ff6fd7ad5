package posture

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

// publish forms what changed again and makes the next view of it. Its cost grows with the number of rows only by a sort and
// a count; packages are matched once each, images judged once each.
func (e *Engine) publish() {
	s, now := e.state, e.cfg.Now()
	e.age(s, now)
	e.matchNew(s)
	e.formDirty(s)
	v := &View{
		at: now, position: maps.Clone(s.positions), policy: e.cfg.Policy, matcher: e.matcher, found: s.found,
		rows: s.sorted(), store: e.cfg.Store, events: newestFirst(s.events), faults: s.allFaults(),
	}
	v.summary = e.summarise(v)
	v.gaps = s.gaps(v.rows)
	v.registries = e.registries(s, v.rows)
	e.view.Store(v)
	e.waiting.Lock()
	close(e.changed)
	e.changed = make(chan struct{})
	e.waiting.Unlock()
}

// age finds what time alone has changed: feeds and listings that got old.
func (e *Engine) age(s *state, now time.Time) {
	known := map[string]plimsoll.Knowledge{}
	for _, a := range s.images {
		if a.image == nil {
			continue
		}
		for _, eco := range a.image.ecosystems {
			if _, ok := known[eco]; !ok {
				known[eco] = e.matcher.Known(eco, now, e.cfg.StaleAfter)
			}
		}
	}
	for eco, k := range known {
		if was, ok := s.known[eco]; ok && was != k {
			s.forgetVerdicts()
			break
		}
	}
	s.known = known
	for _, r := range e.known(s) {
		why := e.staleListing(s, r, now)
		if s.stale[r] != why {
			s.stale[r] = why
			s.allDirty(r)
		}
	}
}

// sweepPeriod is how often a registry is swept by its default schedule.
const sweepPeriod = 24 * time.Hour

// staleListing says why nothing of a registry is fresh: it was listed once, and not within two sweep periods. Where sweeps
// are switched off nobody promised a listing.
func (e *Engine) staleListing(s *state, registry string, now time.Time) string {
	for _, r := range e.cfg.Registries {
		if r.ID == registry && r.Sweep.Cron == "off" {
			return ""
		}
	}
	last := s.lastComplete(registry)
	if last.IsZero() || now.Sub(last) <= 2*sweepPeriod {
		return ""
	}
	return "no complete listing since " + last.UTC().Format("2006-01-02 15:04")
}

// matchNew matches the packages that this generation was not asked about yet.
func (e *Engine) matchNew(s *state) {
	first := len(s.found)
	fresh := s.packages.packages[first:]
	if len(fresh) == 0 {
		return
	}
	out := make([]found, len(fresh))
	var pool sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(fresh))
	for w := range workers {
		pool.Go(func() {
			for i := w; i < len(fresh); i += workers {
				r := e.matcher.Package(fresh[i])
				out[i] = &r
			}
		})
	}
	pool.Wait()
	s.found = append(slices.Clip(s.found), out...)
}

func (e *Engine) formDirty(s *state) {
	for k := range s.dirty {
		if _, ok := s.refs[k]; ok {
			s.rows[k] = e.form(s, k)
		} else {
			delete(s.rows, k)
		}
	}
	clear(s.dirty)
	for _, rows := range s.rows {
		for i, r := range rows {
			if active := e.active(r.Moved); active != r.Active {
				aged := *r
				aged.Active = active
				rows[i] = &aged
			}
		}
	}
}

// verdictRank puts rows without a verdict last.
func verdictRank(r *Row) int {
	if r.Verdict.State == "" {
		return plimsoll.VerdictPass.Rank() + 1
	}
	return r.Verdict.State.Rank()
}

func compareRows(a, b *Row) int {
	return cmp.Or(
		verdictRank(a)-verdictRank(b),
		b.Counts[plimsoll.SeverityCritical]-a.Counts[plimsoll.SeverityCritical],
		b.Counts[plimsoll.SeverityHigh]-a.Counts[plimsoll.SeverityHigh],
		strings.Compare(a.ref.registry, b.ref.registry),
		strings.Compare(a.ref.repository, b.ref.repository),
		strings.Compare(a.ref.tag, b.ref.tag),
		strings.Compare(a.Platform.String(), b.Platform.String()),
		strings.Compare(string(a.Digest), string(b.Digest)))
}

func (s *state) sorted() []*Row {
	all := make([]*Row, 0, len(s.rows))
	for _, rows := range s.rows {
		all = append(all, rows...)
	}
	slices.SortFunc(all, compareRows)
	return all
}

func (s *state) allFaults() []string {
	out := slices.Collect(maps.Values(s.faults))
	for stream, err := range s.stuck {
		out = append(out, fmt.Sprintf("change log of %s: %v", stream, err))
	}
	slices.Sort(out)
	return out
}

func newestFirst(events []Event) []Event {
	out := slices.Clone(events)
	slices.SortStableFunc(out, func(a, b Event) int {
		return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.Stream, b.Stream), cmp.Compare(b.sequence, a.sequence), cmp.Compare(b.index, a.index))
	})
	return out
}

// summarise counts rows and the findings of active ones.
func (e *Engine) summarise(v *View) plimsoll.Posture {
	p := plimsoll.Posture{
		At: v.at, Generation: v.Generation().ID, Policy: e.cfg.Policy.Name,
		Read: map[plimsoll.ReadState]int{}, Severity: map[plimsoll.Severity]plimsoll.Counted{},
	}
	places := make([]int, len(v.found)) // of each package, in active rows
	for _, r := range v.rows {
		p.Read[r.Coverage.State]++
		if r.Verdict.State != "" {
			count(&p.Stored, r.Verdict.State)
		}
		if !r.Active {
			continue
		}
		if r.Verdict.State != "" {
			count(&p.Active, r.Verdict.State)
		}
		if r.image != nil {
			for _, at := range r.image.places {
				places[at.pkg]++
			}
		}
	}
	countFindings(p.Severity, v.found, places)
	return p
}

func countFindings(out map[plimsoll.Severity]plimsoll.Counted, by []found, places []int) {
	type pair struct{ id, name string }
	unique := map[pair]plimsoll.Severity{}
	for pkg, n := range places {
		if n == 0 {
			continue
		}
		for i := range by[pkg].Findings {
			f := &by[pkg].Findings[i]
			c := out[f.Severity]
			c.Places += n
			out[f.Severity] = c
			k := pair{f.ID, f.Package}
			if was, ok := unique[k]; !ok || f.Severity.Rank() < was.Rank() {
				unique[k] = f.Severity
			}
		}
	}
	for _, severity := range unique {
		c := out[severity]
		c.Unique++
		out[severity] = c
	}
}

func count(v *plimsoll.Verdicts, state plimsoll.VerdictState) {
	switch state {
	case plimsoll.VerdictPass:
		v.Pass++
	case plimsoll.VerdictWarn:
		v.Warn++
	case plimsoll.VerdictFail:
		v.Fail++
	default:
		v.Unknown++
	}
}

// registries are the configured registries and those that the bucket knows.
func (e *Engine) registries(s *state, rows []*Row) []Registry {
	read := map[string]map[plimsoll.ReadState]int{}
	for _, r := range rows {
		if read[r.ref.registry] == nil {
			read[r.ref.registry] = map[plimsoll.ReadState]int{}
		}
		read[r.ref.registry][r.Coverage.State]++
	}
	var out []Registry
	for _, id := range e.known(s) {
		x := Registry{ID: id, Read: read[id], Sweep: s.newest(id), Recent: slices.Clone(s.sweeps[id]), LastComplete: s.lastComplete(id)}
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
	for id := range s.folded {
		ids[id] = true
	}
	for id := range s.sweeps {
		ids[id] = true
	}
	return slices.Sorted(maps.Keys(ids))
}
