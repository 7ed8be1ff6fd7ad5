package posture

import (
	"iter"
	"sync"

	"github.com/plimsoll/plimsoll"
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

// Distinct is how many distinct findings there are: the numbers of spots are below it.
func (v *View) Distinct() int { return v.numbers()[v.found.by.len()] }

// numbers are the numbers of each package's first finding, and how many there are in all; counted when first asked.
func (v *View) numbers() []int {
	v.numbered.Do(func() {
		v.firsts = make([]int, v.found.by.len()+1)
		for pkg := range v.found.by.len() {
			v.firsts[pkg+1] = v.firsts[pkg] + len(v.found.by.at(int32(pkg)).findings)
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
	in   []bool // by stack
}

// Having finds the findings that meet a condition on the finding alone, which is asked once of each distinct one, and on the
// index of the layer where it stands; nil is no condition.
func (v *View) Having(cond func(*plimsoll.Finding) bool, layers func(int) bool) *Having {
	h := &Having{view: v, layers: layers}
	if cond == nil {
		return h
	}
	numbers := v.numbers()
	h.meets = make([]bool, v.Distinct())
	for pkg := range v.found.by.len() {
		f := v.found.by.at(int32(pkg))
		for i := range f.findings {
			h.meets[numbers[pkg]+i] = cond(&f.findings[i])
		}
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
	return h.in[r.image.stack]
}

func (h *Having) fill() {
	h.in = make([]bool, h.view.stacks.len())
	var room []hit
	for i := 1; i < len(h.in); i++ {
		x := h.view.stacks.at(int32(i))
		if h.in[i] = h.in[x.below]; !h.in[i] {
			room = h.of(x.segment, room[:0])
			h.in[i] = len(room) > 0
		}
	}
}

// Each gives those of a row, as [View.Each] does.
func (h *Having) Each(r *Row) iter.Seq2[*plimsoll.Finding, Spot] {
	return func(yield func(*plimsoll.Finding, Spot) bool) {
		if r == nil || r.image == nil {
			return
		}
		var room []hit
		for _, x := range r.image.segments {
			room = h.of(x, room[:0])
			for _, y := range room {
				if !yield(y.finding, h.view.spot(x, y)) {
					return
				}
			}
		}
	}
}

// hit is one finding in a segment.
type hit struct {
	finding      *plimsoll.Finding
	number, path int32
}

func (v *View) spot(x segment, y hit) Spot {
	return Spot{int(x.layer), v.found.texts[y.path], int(y.number)}
}

// of appends those of one segment. It stands in the innermost loop of every list: hence no iterators.
func (h *Having) of(x segment, out []hit) []hit {
	if x.list == nil || h.layers != nil && !h.layers(int(x.layer)) {
		return out
	}
	v, numbers := h.view, h.view.numbers()
	removed := x.removed
	for _, at := range v.found.hits.at(x.list.number) {
		for len(removed) > 0 && removed[0] < at {
			removed = removed[1:]
		}
		if len(removed) > 0 && removed[0] == at {
			continue
		}
		p := x.list.places[at]
		first, all := numbers[p.pkg], v.found.by.at(p.pkg).findings
		for i := range all {
			if h.meets == nil || h.meets[first+i] {
				out = append(out, hit{&all[i], int32(first + i), p.path})
			}
		}
	}
	return out
}

// Packages are the distinct packages that the posture has met, those of images that are gone now among them: each once,
// without where it stands.
func (v *View) Packages() iter.Seq[*plimsoll.Package] {
	return func(yield func(*plimsoll.Package) bool) {
		for i := range v.found.packages {
			if !yield(&v.found.packages[i]) {
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
		asked[i] = wanted(&v.found.packages[i])
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
