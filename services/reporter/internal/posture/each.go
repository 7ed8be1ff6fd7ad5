package posture

import (
	"iter"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
)

// Spot is where in an image a finding stands.
type Spot struct {
	Layer int // index, lowest 0
	Path  string
	// Number tells the view's distinct findings apart: each package's flaw has one, from 0 to below [View.Distinct]. Lists over
	// all images count by it.
	Number int
}

// Each gives the findings of a row one by one, in no order that means anything, without making any: the findings are shared
// between all images that hold the same package, must not be changed, and lack Layer and Path, which the spot has. It is
// what lists over all images count with; [View.Findings] gives copies in order.
func (v *View) Each(r *Row) iter.Seq2[*plimsoll.Finding, Spot] { return (&Having{view: v}).Each(r) }

// Of gives the findings of one row, shared as those of [View.Each]. It prepares nothing, as Each does for the first list over
// all images: it is for a few rows of each view.
func (v *View) Of(r *Row) iter.Seq[*plimsoll.Finding] {
	return func(yield func(*plimsoll.Finding) bool) {
		if r == nil || r.image == nil {
			return
		}
		for _, x := range r.image.segments {
			for p := range x.spots(v.found.hits.at(x.list.number)) {
				all := v.found.by.at(p.pkg).findings
				for i := range all {
					if !yield(&all[i]) {
						return
					}
				}
			}
		}
	}
}

// Distinct is how many distinct findings there are: the numbers of spots are below it.
func (v *View) Distinct() int {
	v.numbers()
	return len(v.distinct)
}

// numbers are the numbers of each package's first finding; counted when first asked.
func (v *View) numbers() []int {
	v.numbered.Do(func() {
		v.firsts = make([]int, v.found.by.len())
		for pkg := range v.firsts {
			v.firsts[pkg] = len(v.distinct)
			all := v.found.by.at(int32(pkg)).findings
			for i := range all {
				v.distinct = append(v.distinct, &all[i])
			}
		}
	})
	return v.firsts
}

// Having are the findings that meet a condition; safe for concurrent readers.
type Having struct {
	view   *View
	meets  []bool         // by number; nil: all
	layers func(int) bool // nil: all

	once sync.Once
	in   []bool // by place of the stack
}

// Having finds the findings that meet a condition on the finding alone, which is asked once of each distinct one, and on the
// index of the layer where it stands; nil is no condition.
func (v *View) Having(cond func(*plimsoll.Finding) bool, layers func(int) bool) *Having {
	h := &Having{view: v, layers: layers}
	if cond == nil {
		return h
	}
	h.meets = make([]bool, v.Distinct())
	for n, x := range v.distinct {
		h.meets[n] = cond(x)
	}
	return h
}

// Numbers narrows it to findings whose numbers are wanted.
func (h *Having) Numbers(wanted func(number int) bool) *Having {
	out := &Having{view: h.view, meets: make([]bool, h.view.Distinct()), layers: h.layers}
	for n := range out.meets {
		out.meets[n] = wanted(n) && (h.meets == nil || h.meets[n])
	}
	return out
}

// In reports whether a row has such a finding.
func (h *Having) In(r *Row) bool {
	if r == nil || r.image == nil {
		return false
	}
	h.once.Do(h.fill)
	return h.in[h.view.flat().at[r.stack]]
}

func (h *Having) fill() {
	f := h.view.flat()
	h.in = make([]bool, len(f.below))
	for i := int32(1); int(i) < len(h.in); i++ {
		h.in[i] = h.in[f.below[i]] || h.holds(f, i)
	}
}

func (h *Having) holds(f *flat, place int32) bool {
	if h.layers != nil && !h.layers(int(f.layer[place])) {
		return false
	}
	all := f.of(place)
	if h.meets == nil {
		return len(all) > 0
	}
	for _, y := range all {
		if h.meets[y.number] {
			return true
		}
	}
	return false
}

// Each gives those of a row, as [View.Each] does.
func (h *Having) Each(r *Row) iter.Seq2[*plimsoll.Finding, Spot] {
	return func(yield func(*plimsoll.Finding, Spot) bool) {
		if r == nil || r.image == nil {
			return
		}
		v, f := h.view, h.view.flat()
		for place := f.at[r.stack]; place > 0; place = f.below[place] {
			if h.layers != nil && !h.layers(int(f.layer[place])) {
				continue
			}
			for _, y := range f.of(place) {
				if (h.meets == nil || h.meets[y.number]) && !yield(v.distinct[y.number], v.spot(f.layer[place], y)) {
					return
				}
			}
		}
	}
}

func (v *View) spot(layer int32, y hit) Spot {
	return Spot{int(layer), v.found.texts[y.path], int(y.number)}
}

// Packages are the distinct packages that the posture has met, those of images that are gone now among them: each once,
// without where it stands. Distributions are none.
func (v *View) Packages() iter.Seq[*plimsoll.Package] {
	return func(yield func(*plimsoll.Package) bool) {
		for i := range v.found.packages {
			if !eol.IsDistribution(&v.found.packages[i]) && !yield(&v.found.packages[i]) {
				return
			}
		}
	}
}

// Holders gives the rows that hold packages that are wanted, in the order of rows, with each place of these packages, whether
// or not anything was found about them. The question is asked once of each distinct package.
func (v *View) Holders(wanted func(*plimsoll.Package) bool) iter.Seq2[*Row, iter.Seq2[*plimsoll.Package, Spot]] {
	asked := make([]bool, len(v.found.packages))
	for i := range asked {
		asked[i] = !eol.IsDistribution(&v.found.packages[i]) && wanted(&v.found.packages[i])
	}
	inList := make([][]int32, v.lists) // positions by list; empty and not nil: none
	positions := func(l *layerList) []int32 {
		if inList[l.number] == nil {
			inList[l.number] = []int32{}
			for i, p := range l.places {
				if asked[p.pkg] {
					inList[l.number] = append(inList[l.number], int32(i))
				}
			}
		}
		return inList[l.number]
	}
	return func(yield func(*Row, iter.Seq2[*plimsoll.Package, Spot]) bool) {
		for _, r := range v.rows {
			if r.image == nil {
				continue
			}
			places := func(yield func(*plimsoll.Package, Spot) bool) {
				for _, x := range r.image.segments {
					for at := range x.spots(positions(x.list)) {
						if !yield(&v.found.packages[at.pkg], Spot{Layer: int(x.layer), Path: v.found.texts[at.path], Number: -1}) {
							return
						}
					}
				}
			}
			for range places {
				if !yield(r, places) {
					return
				}
				break
			}
		}
	}
}

// PackagesOf gives the packages that are installed in a row's image with their places, in no order that means anything. They
// are shared between all images that hold them, must not be changed, and lack Layer and Path, which the spot has.
func (v *View) PackagesOf(r *Row) iter.Seq2[*plimsoll.Package, Spot] {
	return func(yield func(*plimsoll.Package, Spot) bool) {
		if r == nil || r.image == nil {
			return
		}
		for _, x := range r.image.segments {
			for at := range x.all() {
				p := &v.found.packages[at.pkg]
				if !eol.IsDistribution(p) && !yield(p, Spot{Layer: int(x.layer), Path: v.found.texts[at.path], Number: -1}) {
					return
				}
			}
		}
	}
}
