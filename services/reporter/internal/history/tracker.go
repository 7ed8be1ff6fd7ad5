package history

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
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
	swept time.Time // when findings that are gone for long were dropped
}

// repoKey names a repository.
type repoKey struct{ registry, repository string }

// repo is what is known of one repository.
type repo struct {
	findings map[string][]*Finding // by package
	rows     map[*posture.Row]bool // that stand in the last view
}

// head is how far the tracker has come.
type head struct {
	Positions  map[string]int64 `json:"positions"`
	Generation string           `json:"generation"`
	Time       time.Time        `json:"time"`
}

func (h head) equal(o head) bool {
	return maps.Equal(h.Positions, o.Positions) && h.Generation == o.Generation && h.Time.Equal(o.Time)
}

// NewTracker is a tracker that has seen nothing.
func NewTracker() *Tracker { return &Tracker{repos: map[repoKey]*repo{}, dirty: map[repoKey]bool{}} }

// First implements [posture.Clock].
func (t *Tracker) First(registry, repository string, f *plimsoll.Finding, at time.Time) (time.Time, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if x := t.find(repoKey{registry, repository}, f); x != nil {
		return x.FirstAt(at)
	}
	return time.Time{}, false
}

// find is a finding by its package and any of its names.
func (t *Tracker) find(k repoKey, f *plimsoll.Finding) *Finding {
	r := t.repos[k]
	if r == nil {
		return nil
	}
	all := r.findings[f.Package]
	for _, x := range all {
		if x.ID == f.ID {
			return x
		}
	}
	for _, x := range all {
		if slices.Contains(x.Aliases, f.ID) || slices.Contains(f.Aliases, x.ID) {
			return x
		}
	}
	return nil
}

// All are all findings, those that are gone with them, sorted by registry, repository, package and id. They are copies.
func (t *Tracker) All() []Finding {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Finding
	for _, r := range t.repos {
		for _, all := range r.findings {
			for _, f := range all {
				out = append(out, f.clone())
			}
		}
	}
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Registry, b.Registry), strings.Compare(a.Repository, b.Repository), strings.Compare(a.Package, b.Package), strings.Compare(a.ID, b.ID))
	})
	return out
}

func (f *Finding) clone() Finding {
	out := *f
	out.Aliases, out.Stands, out.Spans, out.Away = slices.Clone(f.Aliases), slices.Clone(f.Stands), slices.Clone(f.Spans), slices.Clone(f.Away)
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
	for k := range t.changed(v) {
		t.look(v, k, at)
	}
	t.seen, t.at = v, at
	t.head = head{v.Position(), v.Generation().ID, at}
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

// changed are the repositories with rows that are not as they were in the last view; after a start, all.
func (t *Tracker) changed(v *posture.View) map[repoKey]bool {
	out := map[repoKey]bool{}
	if t.seen == nil {
		for k := range t.repos {
			out[k] = true
		}
	}
	gone, came := posture.Difference(t.seen, v)
	for _, r := range gone {
		k := keyOf(r)
		out[k] = true
		delete(t.repo(k).rows, r)
	}
	for _, r := range came {
		k := keyOf(r)
		out[k] = true
		t.repo(k).rows[r] = true
	}
	return out
}

func keyOf(r *posture.Row) repoKey { return repoKey{r.Reference.Registry, r.Reference.Repository} }

func (t *Tracker) repo(k repoKey) *repo {
	r := t.repos[k]
	if r == nil {
		r = &repo{findings: map[string][]*Finding{}, rows: map[*posture.Row]bool{}}
		t.repos[k] = r
	}
	return r
}

// held is one finding of a repository as a view shows it.
type held struct {
	finding *plimsoll.Finding
	stands  []Stand
}

// look compares a repository with what is known of it.
func (t *Tracker) look(v *posture.View, k repoKey, at time.Time) {
	r := t.repo(k)
	rows := slices.Collect(maps.Keys(r.rows))
	slices.SortFunc(rows, func(a, b *posture.Row) int {
		return cmp.Or(strings.Compare(a.Reference.Tag, b.Reference.Tag), strings.Compare(a.Platform.String(), b.Platform.String()))
	})
	now := map[flaw]*held{}
	for _, row := range rows {
		recipe, digest, _, ok := row.Reading()
		if !ok {
			continue
		}
		stand := Stand{row.Reference.Tag, row.Platform.String(), digest, recipe}
		for f := range v.Each(row) {
			id := flaw{f.ID, f.Package}
			x := now[id]
			if x == nil {
				x = &held{finding: f}
				now[id] = x
			}
			if n := len(x.stands); n == 0 || x.stands[n-1] != stand {
				x.stands = append(x.stands, stand)
			}
		}
	}
	t.appear(k, r, now, at)
	for pkg, all := range r.findings {
		for _, f := range all {
			if _, ok := now[flaw{f.ID, pkg}]; !ok && f.Open() && f.vanish(rows, at, v.Generation().ID) {
				t.dirty[k] = true
			}
		}
	}
}

// appear notes the findings that stand. Each goes on under its own name where it is known by it, else under one that it had:
// the entry follows a flaw that gets another name. One that was known as two becomes one, and of one that is two now both
// have its clock.
func (t *Tracker) appear(k repoKey, r *repo, now map[flaw]*held, at time.Time) {
	ids := slices.SortedFunc(maps.Keys(now), func(a, b flaw) int { return cmp.Or(strings.Compare(a.pkg, b.pkg), strings.Compare(a.id, b.id)) })
	var renamed []flaw
	for _, id := range ids {
		if i := slices.IndexFunc(r.findings[id.pkg], func(f *Finding) bool { return f.ID == id.id }); i >= 0 {
			t.stand(k, r, r.findings[id.pkg][i], now, id, at)
		} else {
			renamed = append(renamed, id)
		}
	}
	for _, id := range renamed {
		x := now[id].finding
		f := &Finding{Registry: k.registry, Repository: k.repository, Package: id.pkg}
		other := slices.IndexFunc(r.findings[id.pkg], func(o *Finding) bool { return o.related(x) })
		switch {
		case other < 0:
			r.findings[id.pkg] = append(r.findings[id.pkg], f)
		case now[flaw{r.findings[id.pkg][other].ID, id.pkg}] == nil:
			f = r.findings[id.pkg][other]
		default: // it stands under its own name too
			f.Spans = []Span{{First: r.findings[id.pkg][other].last().First}}
			r.findings[id.pkg] = append(r.findings[id.pkg], f)
		}
		t.stand(k, r, f, now, id, at)
	}
}

// related reports whether a flaw is known here under one of its names.
func (f *Finding) related(x *plimsoll.Finding) bool {
	return slices.Contains(f.Aliases, x.ID) || f.named(x.Aliases)
}

// stand brings one finding to what the view shows, and takes in what was known under names that are this flaw's now.
func (t *Tracker) stand(k repoKey, r *repo, f *Finding, now map[flaw]*held, id flaw, at time.Time) {
	x := now[id]
	was := f.clone()
	f.rename(x.finding)
	f.open(at)
	if len(x.finding.Aliases) > 0 {
		r.findings[id.pkg] = slices.DeleteFunc(r.findings[id.pkg], func(o *Finding) bool {
			if o == f || !slices.Contains(x.finding.Aliases, o.ID) || now[flaw{o.ID, id.pkg}] != nil {
				return false
			}
			f.absorb(o)
			t.dirty[k] = true
			return true
		})
	}
	f.Severity, f.Stands = x.finding.Severity, x.stands
	if !f.equal(&was) {
		t.dirty[k] = true
	}
}

func (f *Finding) equal(o *Finding) bool {
	return f.ID == o.ID && f.Severity == o.Severity && slices.Equal(f.Aliases, o.Aliases) && slices.Equal(f.Stands, o.Stands) && slices.Equal(f.Spans, o.Spans) && slices.Equal(f.Away, o.Away)
}

// vanish looks for the proof that a finding which the rows of its repository do not show any more is gone. Images that cannot
// be read prove nothing, and keep it open.
func (f *Finding) vanish(rows []*posture.Row, at time.Time, generation string) (changed bool) {
	var best *Closure
	var left []Stand
	for _, s := range f.Stands {
		c, told := s.gone(rows)
		if !told {
			left = append(left, s)
			continue
		}
		if best == nil || slices.Index(proofs, c.Proof) < slices.Index(proofs, best.Proof) {
			best = &c
		}
	}
	if len(left) > 0 || best == nil {
		changed = len(left) != len(f.Stands)
		f.Stands = left
		return changed
	}
	best.Time, best.Generation = at, generation
	f.last().Closed, f.Stands = best, nil
	return true
}

// gone says what became of an image that held the finding and does not any more; false where that cannot be told.
func (s Stand) gone(rows []*posture.Row) (_ Closure, told bool) {
	for _, r := range rows {
		if r.Reference.Tag != s.Tag {
			continue
		}
		if r.Behind != "" || r.Coverage.State != plimsoll.ReadComplete && r.Coverage.State != plimsoll.ReadStale && r.Coverage.State != plimsoll.ReadNotApplicable {
			return Closure{}, false
		}
	}
	for _, r := range rows {
		if r.Reference.Tag != s.Tag || r.Platform.String() != s.Platform {
			continue
		}
		recipe, digest, _, ok := r.Reading()
		switch {
		case !ok:
			return Closure{Proof: ProofTagGone, Tag: s.Tag}, true // it holds no image any more
		case digest != s.Digest:
			return Closure{Proof: ProofFixed, Tag: s.Tag, Digest: digest, Recipe: recipe}, true
		case recipe != s.Recipe:
			return Closure{Proof: ProofReading, Tag: s.Tag, Digest: digest, Recipe: recipe}, true
		}
		return Closure{Proof: ProofAdvisory, Tag: s.Tag, Digest: digest, Recipe: recipe}, true
	}
	return Closure{Proof: ProofTagGone, Tag: s.Tag}, true
}

// forget drops findings that went away long ago.
func (t *Tracker) forget(now time.Time) {
	for k, r := range t.repos {
		for pkg, all := range r.findings {
			kept := slices.DeleteFunc(all, func(f *Finding) bool { return !f.Open() && now.Sub(f.last().Closed.Time) > keepClosed })
			if len(kept) == len(all) {
				continue
			}
			t.dirty[k] = true
			if r.findings[pkg] = kept; len(kept) == 0 {
				delete(r.findings, pkg)
			}
		}
	}
}
