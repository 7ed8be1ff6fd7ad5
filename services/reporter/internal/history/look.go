package history

import (
	"cmp"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// look compares a repository with what is known of it. What the rows that came or went show is looked at, and what images of
// their tags held: nothing else can have opened or closed, save where one of these is another's former name.
type look struct {
	t    *Tracker
	v    *posture.View
	key  repoKey
	repo *repo
	at   time.Time

	all   bool            // after a start: everything is looked at
	tags  map[string]bool // of the rows that came or went
	gone  map[*Stand]bool // images that no row shows any more, unless one that came does
	shown map[flaw]*shown // what rows that came show

	stood   []stood       // what stands, and has been looked at
	pending []pending     // what no row shows any more
	fresh   []entry       // what is new; joins the entries at the end
	dead    map[flaw]bool // was taken over by another one
	lists   map[listKey][][]*Stand
	losses  map[list][]*Stand
	turns   map[[2]list]turn
	unheld  map[flaw]int                          // places of entries that nothing shows; made when first asked
	news    map[flaw]int                          // places in fresh by each of their names
	said    map[*Stand]map[flaw]*plimsoll.Finding // what images say; made when first asked

	changed bool // something has to be written
	clocks  bool // a clock that was known began at another time
}

// list is a list of images by where it stands in memory: entries share them.
type list struct {
	at **Stand
	n  int
}

func listOf(stands []*Stand) list {
	if len(stands) == 0 {
		return list{}
	}
	return list{&stands[0], len(stands)}
}

// shown is one finding of the rows that came.
type shown struct {
	finding *plimsoll.Finding // as the first of the images has it
	stands  []*Stand
	known   bool // an entry has its name
}

// stood is an entry that rows show; its place in entries, or below zero in fresh.
type stood struct {
	at      int
	finding *plimsoll.Finding
}

// turn is what becomes of a list of images when others come: those that show an entry now, and those that did; lost are those
// of them that cannot be told.
type turn struct{ now, left, lost []*Stand }

// pending is an entry that was shown until now, by its place, with the images that did.
type pending struct {
	at   int
	left []*Stand
}

// listKey finds lists of images that may be equal.
type listKey struct {
	first, last *Stand
	n           int
}

// look takes in what became of a repository's rows.
func (t *Tracker) look(v *posture.View, k repoKey, c *change, at time.Time) {
	r := t.repos[k]
	if r == nil {
		r = &repo{}
		t.repos[k] = r
	}
	l := &look{
		t: t, v: v, key: k, repo: r, at: at, all: t.seen == nil, tags: map[string]bool{}, gone: map[*Stand]bool{}, shown: map[flaw]*shown{},
		dead: map[flaw]bool{}, lists: map[listKey][][]*Stand{}, losses: map[list][]*Stand{}, turns: map[[2]list]turn{}, news: map[flaw]int{},
		said: map[*Stand]map[flaw]*plimsoll.Finding{},
	}
	l.sit(c)
	for i := range r.entries {
		e := &r.entries[i]
		if s := l.shown[flaw{e.id, e.pkg}]; s != nil || l.touches(e) {
			l.restand(i, e, s)
		}
	}
	l.appear()
	for _, s := range l.stood {
		l.takeOver(l.entry(s.at), s.finding)
	}
	for _, p := range l.pending {
		if e := &r.entries[p.at]; !l.dead[flaw{e.id, e.pkg}] && !l.renamed(p.at) {
			l.vanish(e, p.left)
		}
	}
	l.join()
	if l.changed {
		t.dirty[k] = true
	}
	if l.clocks {
		r.epoch = t.epoch.Add(1)
	}
}

// sit brings the repository's rows up to date and notes what came and went.
func (l *look) sit(c *change) {
	r := l.repo
	known := map[Stand]*Stand{}
	went := make(map[*posture.Row]bool, len(c.gone))
	for _, row := range c.gone {
		went[row], l.tags[row.Reference.Tag] = true, true
	}
	for _, row := range c.came {
		l.tags[row.Reference.Tag] = true
	}
	if l.all {
		visited := map[list]bool{}
		for i := range r.entries {
			for _, all := range [][]*Stand{r.entries[i].stands, r.entries[i].rest().lost} {
				if visited[listOf(all)] {
					continue
				}
				visited[listOf(all)] = true
				for _, s := range all {
					known[*s], l.gone[s] = s, true
				}
			}
		}
	}
	for _, s := range r.seats {
		if s.stand == nil || !l.tags[s.row.Reference.Tag] {
			continue
		}
		known[*s.stand] = s.stand
		if went[s.row] {
			l.gone[s.stand] = true
		}
	}
	r.seats = slices.DeleteFunc(r.seats, func(s seat) bool { return went[s.row] })
	for _, s := range r.seats {
		delete(l.gone, s.stand) // another row shows it too
	}
	slices.SortFunc(c.came, compareByTag)
	for _, row := range c.came {
		s := seat{row: row}
		if recipe, digest, _, ok := row.Reading(); ok {
			stand := Stand{row.Reference.Tag, row.Platform.String(), digest, recipe}
			if s.stand = known[stand]; s.stand == nil {
				s.stand = &stand
				known[stand] = s.stand
			}
			l.show(s)
		}
		r.seats = append(r.seats, s)
	}
	slices.SortStableFunc(r.seats, func(a, b seat) int { return compareByTag(a.row, b.row) })
}

func compareByTag(a, b *posture.Row) int {
	if c := cmp.Compare(a.Reference.Tag, b.Reference.Tag); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Platform.String(), b.Platform.String()), cmp.Compare(a.Digest, b.Digest))
}

// show notes the findings of a row that came.
func (l *look) show(s seat) {
	for f := range l.v.Of(s.row) {
		id := flaw{f.ID, f.Package}
		x := l.shown[id]
		if x == nil {
			x = &shown{finding: f}
			l.shown[id] = x
		}
		if n := len(x.stands); n == 0 || x.stands[n-1] != s.stand {
			x.stands = append(x.stands, s.stand)
		}
	}
}

// touches reports whether an entry may have lost an image, or an image that could not be looked at can be now.
func (l *look) touches(e *entry) bool {
	return l.all || len(l.lost(e.stands)) > 0 || e.more != nil && slices.ContainsFunc(e.more.lost, func(s *Stand) bool { return l.tags[s.Tag] })
}

// lost are those of a list that are gone.
func (l *look) lost(stands []*Stand) []*Stand {
	at := listOf(stands)
	out, ok := l.losses[at]
	if !ok {
		for _, s := range stands {
			if l.gone[s] {
				out = append(out, s)
			}
		}
		l.losses[at] = out
	}
	return out
}

// restand finds out which images show an entry now. s is what the rows that came show of it, nil when they don't.
func (l *look) restand(at int, e *entry, s *shown) {
	var came []*Stand
	if s != nil {
		s.known, came = true, s.stands
	}
	x := turn{now: e.stands}
	if !slices.Equal(l.lost(e.stands), came) { // else the same images show it again
		x = l.turn(e.stands, came)
	}
	now := x.now
	if len(now) == 0 {
		if e.stands = nil; e.open() {
			l.pending = append(l.pending, pending{at, x.left})
		}
		return
	}
	var f *plimsoll.Finding // what the first image says of it: names and severity are its
	switch {
	case s != nil && now[0] == s.stands[0]:
		f = s.finding
	case !e.held() || now[0] != e.stands[0]:
		f = l.find(now[0], flaw{e.id, e.pkg})
	}
	was := *e
	l.stand(e, f, now, x.lost)
	if !e.same(was) {
		l.changed = true
	}
	if f != nil {
		l.stood = append(l.stood, stood{at, f})
	}
}

// turn is what becomes of a list when others come; found once for all entries that share both.
func (l *look) turn(stands, came []*Stand) turn {
	if len(came) > 0 {
		came = l.share(came)
	}
	k := [2]list{listOf(stands), listOf(came)}
	x, ok := l.turns[k]
	if ok {
		return x
	}
	back := make(map[*Stand]bool, len(came))
	for _, s := range came {
		back[s] = true
	}
	now := slices.DeleteFunc(slices.Concat(stands, came), func(s *Stand) bool { return l.gone[s] && !back[s] })
	slices.SortFunc(now, func(a, b *Stand) int { return compareStands(*a, *b) })
	if now = slices.Compact(now); len(now) > 0 {
		x.now = l.share(now)
	}
	x.left = slices.DeleteFunc(slices.Clone(l.lost(stands)), func(s *Stand) bool { return back[s] })
	_, x.lost = l.judge(x.left, nil)
	l.turns[k] = x
	return x
}

// stand brings an entry to what the first of the images that show it says; nil when it says what it did. left are images that
// showed it and do not any more; of those that are told no proof is wanted while it stands.
func (l *look) stand(e *entry, x *plimsoll.Finding, now, left []*Stand) {
	if x != nil {
		e.rename(x)
		e.severity = x.Severity
	}
	seen, first := e.seen(), e.first
	e.reopen(l.at)
	l.clocks = l.clocks || seen && !first.Equal(e.first)
	if !slices.Equal(e.stands, now) {
		e.stands = l.share(now)
	}
	if held := slices.Concat(left, e.rest().lost); len(held) > 0 {
		_, lost := l.judge(held, now)
		e.lose(lost)
	}
}

// share is a list that is equal, which another entry of this look has already if there is one: all findings of a base are
// held by the same images.
func (l *look) share(list []*Stand) []*Stand {
	k := listKey{list[0], list[len(list)-1], len(list)}
	for _, other := range l.lists[k] {
		if slices.Equal(other, list) {
			return other
		}
	}
	list = append(make([]*Stand, 0, len(list)), list...)
	l.lists[k] = append(l.lists[k], list)
	return list
}

// find is what an image says of a flaw; nil when it says nothing.
func (l *look) find(s *Stand, id flaw) *plimsoll.Finding {
	all, ok := l.said[s]
	if !ok {
		all = map[flaw]*plimsoll.Finding{}
		for _, x := range l.repo.seats {
			if x.stand != s {
				continue
			}
			for f := range l.v.Of(x.row) {
				if k := (flaw{f.ID, f.Package}); all[k] == nil {
					all[k] = f
				}
			}
		}
		l.said[s] = all
	}
	return all[id]
}

// entry is one by its place, below zero in what is new.
func (l *look) entry(at int) *entry {
	if at < 0 {
		return &l.fresh[-at-1]
	}
	return &l.repo.entries[at]
}

// appear notes the findings whose names no entry has. Each goes on under one that it had: the entry follows a flaw that gets
// another name. One that was known as two becomes one, and of one that is two now both have its clock.
func (l *look) appear() {
	var ids []flaw
	for id, s := range l.shown {
		if !s.known {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b flaw) int { return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.id, b.id)) })
	for _, id := range ids {
		s := l.shown[id]
		at, other := l.related(id.pkg, s.finding)
		if other == nil || other.held() {
			e := entry{pkg: id.pkg}
			if other != nil {
				e.first = other.first // it stands under its own name too
			}
			l.fresh = append(l.fresh, e)
			at = -len(l.fresh)
			for _, name := range append([]string{id.id}, s.finding.Aliases...) {
				if k := (flaw{name, id.pkg}); l.news[k] == 0 {
					l.news[k] = at
				}
			}
		}
		var left []*Stand
		if i := slices.IndexFunc(l.pending, func(p pending) bool { return p.at == at }); i >= 0 {
			left = l.pending[i].left
			l.pending = slices.Delete(l.pending, i, i+1)
		}
		l.stand(l.entry(at), s.finding, s.stands, left)
		l.changed = true
		l.stood = append(l.stood, stood{at, s.finding})
	}
}

// related is the entry of a package under which a flaw is known by another name.
func (l *look) related(pkg string, x *plimsoll.Finding) (at int, _ *entry) {
	first := l.repo.first(pkg)
	for i := range l.repo.of(pkg) {
		if e := &l.repo.entries[first+i]; e.related(x) {
			return first + i, e
		}
	}
	for _, name := range append([]string{x.ID}, x.Aliases...) {
		if at := l.news[flaw{name, pkg}]; at != 0 {
			return at, l.entry(at)
		}
	}
	return 0, nil
}

// takeOver takes in what was known under names that are a standing flaw's now.
func (l *look) takeOver(e *entry, x *plimsoll.Finding) {
	if len(x.Aliases) == 0 {
		return
	}
	if l.unheld == nil {
		l.unheld = map[flaw]int{}
		for i := range l.repo.entries {
			if o := &l.repo.entries[i]; !o.held() {
				l.unheld[flaw{o.id, o.pkg}] = i
			}
		}
	}
	for _, name := range x.Aliases {
		if at, ok := l.unheld[flaw{name, e.pkg}]; ok && e != &l.repo.entries[at] {
			l.absorb(e, at)
		}
	}
}

// absorb takes an entry into another one, with the images of it that cannot be looked at.
func (l *look) absorb(e *entry, at int) {
	o := &l.repo.entries[at]
	id := flaw{o.id, o.pkg}
	if l.dead[id] {
		return
	}
	first := e.first
	e.absorb(o)
	held := e.rest().lost
	for _, p := range l.pending {
		if p.at == at {
			held = slices.Concat(held, p.left)
		}
	}
	_, lost := l.judge(held, e.stands)
	e.lose(lost)
	l.clocks = l.clocks || !first.Equal(e.first)
	l.dead[id], l.changed = true, true
}

// vanish looks for the proof that an entry which no row shows any more is gone. Images that cannot be looked at prove nothing,
// and keep it open.
func (l *look) vanish(e *entry, left []*Stand) {
	held := slices.Concat(left, e.rest().lost)
	best, lost := l.judge(held, nil)
	if len(lost) > 0 || best == nil {
		if len(left) > 0 || len(lost) < len(held) {
			e.lose(lost)
			l.changed = true
		}
		return
	}
	best.Time, best.Generation = l.at, l.v.Generation().ID
	e.close(*best)
	l.changed = true
}

// renamed lets a flaw that stands take over an entry of its own that nothing shows any more. Its rows did not change: the other
// one's were the last that had the name.
func (l *look) renamed(at int) bool {
	o := &l.repo.entries[at]
	all := l.repo.of(o.pkg)
	for i := range all {
		e := &all[i]
		if !e.held() || !slices.Contains(e.aliases, o.id) {
			continue
		}
		if x := l.find(e.stands[0], flaw{e.id, e.pkg}); x != nil && slices.Contains(x.Aliases, o.id) {
			l.absorb(e, at)
			return true
		}
	}
	return false
}

// judge says of images that held a finding and do not any more what became of them: the strongest proof that it is gone, and
// those that cannot be told. Those that show it again are neither: an image that was lost may come back as another pointer.
func (l *look) judge(held, now []*Stand) (best *Closure, lost []*Stand) {
	for _, s := range held {
		if slices.ContainsFunc(now, func(x *Stand) bool { return *x == *s }) {
			continue
		}
		c, told := l.became(*s)
		switch {
		case !told:
			lost = append(lost, s)
		case best == nil || slices.Index(proofs, c.Proof) < slices.Index(proofs, best.Proof):
			best = &c
		}
	}
	return best, lost
}

// became says what became of an image that held a finding and does not any more; false where that cannot be told.
func (l *look) became(s Stand) (_ Closure, told bool) {
	first, _ := slices.BinarySearchFunc(l.repo.seats, s.Tag, func(x seat, tag string) int { return cmp.Compare(x.row.Reference.Tag, tag) })
	var of []*posture.Row
	for _, x := range l.repo.seats[first:] {
		r := x.row
		if r.Reference.Tag != s.Tag {
			break
		}
		if r.Behind != "" || r.Coverage.State != plimsoll.ReadComplete && r.Coverage.State != plimsoll.ReadStale && r.Coverage.State != plimsoll.ReadNotApplicable {
			return Closure{}, false
		}
		if r.Platform.String() == s.Platform {
			of = append(of, r)
		}
	}
	if len(of) == 0 {
		return Closure{Proof: ProofTagGone, Tag: s.Tag}, true
	}
	at := slices.IndexFunc(of, func(r *posture.Row) bool { // a platform may have several images: Windows of several builds
		_, digest, _, ok := r.Reading()
		return ok && digest == s.Digest
	})
	recipe, digest, _, ok := of[max(0, at)].Reading()
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

// join puts the entries in order: new ones among them, without those that were taken over.
func (l *look) join() {
	r := l.repo
	if len(l.dead) > 0 {
		r.entries = slices.DeleteFunc(r.entries, func(e entry) bool { return l.dead[flaw{e.id, e.pkg}] && !e.held() })
	}
	if len(l.fresh) > 0 {
		all := make([]entry, 0, len(r.entries)+len(l.fresh))
		r.entries = append(append(all, r.entries...), l.fresh...)
	}
	if !slices.IsSortedFunc(r.entries, compareEntries) {
		slices.SortFunc(r.entries, compareEntries)
	}
}
