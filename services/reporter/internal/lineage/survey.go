package lineage

import (
	"iter"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// Source tells what numbers stand for.
type Source interface {
	// Package is a package and what was found about it. Nobody changes the findings.
	Package(n int32) (plimsoll.Package, []plimsoll.Finding)
	// Path is where a package was found.
	Path(n int32) string
}

// Held is one package where it stands: package and path by number.
type Held struct{ Package, Path, Layer int32 }

// Ground is a base that images of a survey stand on.
type Ground struct {
	Below  int // index of its direct base, -1 where none is known
	Layers int // how many it has
	// Newer are the packages about which something was found in the image that the base's tag holds now. Nil: it is not known, or
	// has not moved on; an image without findings is empty and not nil.
	Newer []Held
}

// Stock is one image of a survey, as a list has it.
type Stock struct {
	Ground int            // index of its direct base, -1 where none is known
	Held   iter.Seq[Held] // its packages about which something was found
	// Own are all its packages of the layers from one on, sound ones too, and those that these layers took away: what a newer base
	// holds at the same path under the same name does not come back. Asked only where a newer base is known.
	Own func(from int) iter.Seq[Owned]
}

// Owned is a package that a layer brought or took away.
type Owned struct {
	Name        string
	Path, Layer int32
}

// Survey tries actions over images. [Survey.Actions] says what each would remove by itself; [Survey.Take] does one of them,
// so that the next answers stand on top of it. Numbers are exact: the findings that are left are those that a match of what
// the images then hold would give. What many images hold in the layers of their bases is tried once for all of them.
type Survey struct {
	trier   *Trier
	source  Source
	known   []number // packages of the source; none where it was not asked yet
	grounds []Ground
	newer   [][]spot             // by ground: what its newer image holds
	names   []map[ownKey][]int32 // by ground: where in newer a name stands at a path
	stocks  []stock
	same    map[uint64][]int32 // stocks by a hash of what their bases hold
	topics  []topic
	topicOf map[topicKey]int32
	id      int   // of the trier's surveys
	places  []int // by package, how many
	scratch []spot
}

// stock are images whose bases hold the same.
type stock struct {
	rows   int
	ground int32
	floor  int32  // the lowest ground that can still be acted on: what stands below was replaced as a whole
	spots  []spot // in the layers of the direct base
	keeps  []override
	owns   []own
}

// own is what one image of a stock holds above its base; images without findings there are not listed.
type own struct{ spots []spot }

// override are positions in a ground's newer packages that do not come back, because an upper layer decides about them.
type override struct {
	ground    int32
	positions []int32
}

type ownKey struct {
	name string
	path int32
}

// spot is one package of an image about which something was found.
type spot struct {
	pkg         number
	path, layer int32
}

// NewSurvey takes in what images hold. What the trier knows already is not tried again.
func NewSurvey(t *Trier, source Source, grounds []Ground, stocks iter.Seq[Stock]) *Survey {
	t.surveys++
	s := &Survey{
		id: t.surveys, trier: t, source: source, grounds: grounds, topicOf: map[topicKey]int32{}, same: map[uint64][]int32{},
	}
	for _, g := range grounds {
		var newer []spot
		names := map[ownKey][]int32{}
		for i, h := range g.Newer {
			x := s.spot(h)
			x.layer = int32(g.Layers) - 1 // whatever layer it stands in there: it is the ground's
			newer = append(newer, x)
			k := ownKey{t.packages[x.pkg].Name, h.Path}
			names[k] = append(names[k], int32(i))
		}
		s.newer, s.names = append(s.newer, newer), append(s.names, names)
	}
	for x := range stocks {
		s.stock(x)
	}
	return s
}

func (s *Survey) spot(h Held) spot {
	for int(h.Package) >= len(s.known) {
		s.known = append(s.known, none)
	}
	if s.known[h.Package] == none {
		s.known[h.Package] = s.trier.add(s.source.Package(h.Package))
	}
	return spot{s.known[h.Package], h.Path, h.Layer}
}

// stock takes an image in: as one more of a stock whose bases hold the same, else as a new one.
func (s *Survey) stock(x Stock) {
	st := stock{rows: 1, ground: int32(x.Ground), floor: -1}
	for g := x.Ground; g >= 0; g = s.grounds[g].Below {
		st.floor = int32(g)
		if len(s.names[g]) > 0 {
			if at := s.overrides(g, x.Own(s.grounds[g].Layers)); len(at) > 0 {
				st.keeps = append(st.keeps, override{int32(g), at})
			}
		}
	}
	layers := 0
	if x.Ground >= 0 {
		layers = s.grounds[x.Ground].Layers
	}
	var mine []spot
	s.scratch = s.scratch[:0]
	sum := uint64(x.Ground)
	for h := range x.Held {
		at := s.spot(h)
		if int(h.Layer) >= layers {
			mine = append(mine, at)
			continue
		}
		s.scratch = append(s.scratch, at)
		sum = mix(mix(sum, uint64(at.pkg)<<32|uint64(uint32(at.path))), uint64(at.layer))
	}
	to := s.find(sum, &st)
	if len(mine) > 0 {
		to.owns = append(to.owns, own{mine})
	}
}

// find is the stock of what was gathered in scratch, with one row more.
func (s *Survey) find(sum uint64, st *stock) *stock {
	for _, i := range s.same[sum] {
		if o := &s.stocks[i]; o.ground == st.ground && slices.Equal(o.spots, s.scratch) && slices.EqualFunc(o.keeps, st.keeps, sameOverride) {
			o.rows++
			return o
		}
	}
	st.spots = slices.Clone(s.scratch)
	s.same[sum] = append(s.same[sum], int32(len(s.stocks)))
	s.stocks = append(s.stocks, *st)
	return &s.stocks[len(s.stocks)-1]
}

// mix folds a number into a hash; equal sums are compared in full (multiplier of MurmurHash3's finaliser, 64 bits).
func mix(sum, x uint64) uint64 {
	sum = (sum ^ x) * 0xff51afd7ed558ccd
	return sum ^ sum>>33
}

func sameOverride(a, b override) bool {
	return a.ground == b.ground && slices.Equal(a.positions, b.positions)
}

// overrides are the positions in a ground's newer packages that upper layers decide about.
func (s *Survey) overrides(ground int, own iter.Seq[Owned]) (out []int32) {
	for o := range own {
		out = append(out, s.names[ground][ownKey{o.Name, o.Path}]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// after is what comes in place of the layers of a ground when its newer image is built on.
func (s *Survey) after(st *stock, ground int) []spot {
	for _, k := range st.keeps {
		if int(k.ground) != ground {
			continue
		}
		var out []spot
		for i, x := range s.newer[ground] {
			if _, kept := slices.BinarySearch(k.positions, int32(i)); !kept {
				out = append(out, x)
			}
		}
		return out
	}
	return s.newer[ground]
}

// chain are the grounds of an image that can still be acted on, the direct base first.
func (s *Survey) chain(st *stock, into []int32) []int32 {
	into = into[:0]
	for g := st.ground; g >= 0; g = int32(s.grounds[g].Below) {
		into = append(into, g)
		if g == st.floor {
			break
		}
	}
	return into
}

// Counts are the findings of all images as they stand.
func (s *Survey) Counts() (c Counts) {
	for i := range s.stocks {
		c = c.plus(s.whole(&s.stocks[i], s.count(s.stocks[i].spots)))
	}
	return c
}

// whole are the findings of all images of a stock, of which base stand in the bases of each.
func (s *Survey) whole(st *stock, base Counts) Counts {
	c := base.times(st.rows)
	for _, o := range st.owns {
		c = c.plus(s.count(o.spots))
	}
	return c
}

func (s *Survey) count(spots []spot) (c Counts) {
	for _, x := range spots {
		c = c.plus(s.trier.packages[x.pkg].counts)
	}
	return c
}

// Actions are all that would lower the number of findings, what removes most first: critical ones, then all.
func (s *Survey) Actions() []Action {
	s.choose()
	rebuilt, newer, updated := make([]tally, len(s.grounds)), make([]tally, len(s.grounds)), make([]tally, len(s.topics))
	on := make([]tally, len(s.grounds)) // all that stands on a ground, whether it changes or not
	var chain []int32
	for i := range s.stocks {
		st := &s.stocks[i]
		base := s.count(st.spots)
		all := part{id: 2*i + 1, rows: st.rows, whole: s.whole(st, base)}
		chain = s.chain(st, chain)
		for _, x := range st.spots {
			p := &s.trier.packages[x.pkg]
			if p.os && p.best != none {
				for _, g := range chain {
					if int(x.layer) < s.grounds[g].Layers {
						rebuilt[g].add(all, s.trier.gain(x.pkg, p.best).times(st.rows), x.path)
					}
				}
			}
			if p.target != none {
				updated[p.topic].add(all, s.trier.gain(x.pkg, p.target).times(st.rows), x.path)
			}
		}
		for _, g := range chain {
			on[g].images, on[g].of = on[g].images+all.rows, on[g].of.plus(all.whole)
			if s.grounds[g].Newer != nil {
				newer[g].add(all, s.replaced(st, int(g)).times(st.rows), 0)
			}
		}
		s.updateOwn(st, base, all, updated)
	}
	var out []Action
	for i := range s.grounds {
		rebuilt[i].images, rebuilt[i].of, newer[i].images, newer[i].of = on[i].images, on[i].of, on[i].images, on[i].of
		out = append(out, rebuilt[i].action(Action{Kind: RebuildBase, Base: i}), newer[i].action(Action{Kind: BuildOnNewer, Base: i}))
	}
	for i := range s.topics {
		a := updated[i].action(s.describe(&s.topics[i]))
		if a.Images > 0 && !updated[i].paths {
			a.Path = s.source.Path(updated[i].path)
		}
		out = append(out, a)
	}
	out = slices.DeleteFunc(out, func(a Action) bool { return a.Removes.All <= 0 || a.Removes.Critical < 0 })
	slices.SortFunc(out, compareActions)
	return out
}

// updateOwn counts what updates change above the bases of a stock. An image that an update changes below too is counted
// there.
func (s *Survey) updateOwn(st *stock, base Counts, all part, updated []tally) {
	for j, o := range st.owns {
		one := part{id: all.id + 1, nth: j, rows: 1, whole: base.plus(s.count(o.spots))}
		for _, x := range o.spots {
			p := &s.trier.packages[x.pkg]
			if p.target == none {
				continue
			}
			u := &updated[p.topic]
			if gain := s.trier.gain(x.pkg, p.target); u.last == all.id {
				u.add(part{id: all.id}, gain, x.path)
			} else {
				u.add(one, gain, x.path)
			}
		}
	}
}

// replaced is what building on the newer image of a ground removes.
func (s *Survey) replaced(st *stock, ground int) (c Counts) {
	for _, x := range st.spots {
		if int(x.layer) < s.grounds[ground].Layers {
			c = c.plus(s.trier.packages[x.pkg].counts)
		}
	}
	return c.minus(s.count(s.after(st, ground)))
}

// Take does an action that Actions gave last. An update is done wherever the package stands, in newer images of bases too.
func (s *Survey) Take(a Action) {
	update := func(x spot) number {
		if p := &s.trier.packages[x.pkg]; p.Ecosystem == a.Ecosystem && p.name == a.Package && p.target != none {
			return p.target
		}
		return x.pkg
	}
	rebuild := func(x spot) number {
		if p := &s.trier.packages[x.pkg]; int(x.layer) < s.grounds[a.Base].Layers && p.os && p.best != none {
			return p.best
		}
		return x.pkg
	}
	if a.Kind == Update {
		for _, newer := range s.newer {
			for i := range newer {
				newer[i].pkg = update(newer[i])
			}
		}
	}
	var chain []int32
	for i := range s.stocks {
		st := &s.stocks[i]
		chain = s.chain(st, chain)
		switch {
		case a.Kind == Update:
			st.spots = s.change(st.spots, update)
			for j := range st.owns {
				st.owns[j].spots = s.change(st.owns[j].spots, update)
			}
		case !slices.Contains(chain, int32(a.Base)):
		case a.Kind == RebuildBase:
			st.spots = s.change(st.spots, rebuild)
		default:
			kept := slices.DeleteFunc(slices.Clone(st.spots), func(x spot) bool { return int(x.layer) < s.grounds[a.Base].Layers })
			kept = append(kept, s.after(st, a.Base)...)
			st.spots, st.floor = kept, int32(a.Base)
		}
	}
}

// change puts other packages in the place of some; those without findings need not be looked at any more.
func (s *Survey) change(spots []spot, to func(spot) number) []spot {
	if !slices.ContainsFunc(spots, func(x spot) bool { return to(x) != x.pkg }) {
		return spots
	}
	out := make([]spot, 0, len(spots))
	for _, x := range spots {
		if x.pkg = to(x); s.trier.packages[x.pkg].counts.All > 0 {
			out = append(out, x)
		}
	}
	return out
}

// First are at most n actions, each the one that removes most once those before it are done.
func (s *Survey) First(n int) (out []Action) {
	for len(out) < n {
		all := s.Actions()
		if len(all) == 0 {
			return out
		}
		out = append(out, all[0])
		s.Take(all[0])
	}
	return out
}

// tally is the effect of one action while it is counted.
type tally struct {
	removes, of Counts
	images      int
	packages    int
	path        int32 // of the first place
	paths       bool  // there are several
	last, nth   int   // the part counted last
}

// part are images that are counted together.
type part struct {
	id, nth int // tell parts apart; ids start at 1
	rows    int
	whole   Counts // findings of all of them
}

// add counts a package that changes in the images of a part; all of a part come one after the other. One whose findings stay
// as many is not counted.
func (t *tally) add(p part, gain Counts, path int32) {
	if gain == (Counts{}) {
		return
	}
	if t.images == 0 {
		t.path = path
	}
	if t.last != p.id || t.nth != p.nth {
		t.last, t.nth = p.id, p.nth
		t.images += p.rows
		t.of = t.of.plus(p.whole)
	}
	t.paths = t.paths || t.path != path
	t.removes = t.removes.plus(gain)
	t.packages++
}

func (t *tally) action(a Action) Action {
	a.Removes, a.Of, a.Images, a.Packages = t.removes, t.of, t.images, t.packages
	return a
}
