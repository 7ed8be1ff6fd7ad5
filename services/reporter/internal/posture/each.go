package posture

import (
	"iter"
	"sync/atomic"

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
func (v *View) Each(r *Row) iter.Seq2[*plimsoll.Finding, Spot] {
	numbers := v.numbers()
	return func(yield func(*plimsoll.Finding, Spot) bool) {
		if r == nil || r.image == nil {
			return
		}
		for i := range r.image.segments {
			x := &r.image.segments[i]
			removed := x.removed
			for _, h := range v.flat(x.list, numbers) {
				for len(removed) > 0 && removed[0] < h.at {
					removed = removed[1:]
				}
				if len(removed) > 0 && removed[0] == h.at {
					continue
				}
				if !yield(h.finding, Spot{int(x.layer), v.found.texts[h.path], int(h.number)}) {
					return
				}
			}
		}
	}
}

// flatHit is one finding in a layer's list.
type flatHit struct {
	finding          *plimsoll.Finding
	number, at, path int32 // at is the position in the list
}

// flat are the findings of a layer's list, in a row: made when first asked, because lists over all images go through them
// once for each image that has the layer. Two that ask at once make the same.
func (v *View) flat(l *layerList, numbers []int) []flatHit {
	if have := v.flats[l.number].Load(); have != nil {
		return *have
	}
	out := []flatHit{}
	for _, at := range v.found.hits.at(l.number) {
		p := l.places[at]
		all := v.found.by.at(p.pkg).findings
		for i := range all {
			out = append(out, flatHit{&all[i], int32(numbers[p.pkg] + i), at, p.path})
		}
	}
	v.flats[l.number].Store(&out)
	return out
}

// Distinct is how many distinct findings there are: the numbers of spots are below it.
func (v *View) Distinct() int { return v.numbers()[v.found.by.len()] }

// numbers are the numbers of each package's first finding, and how many there are in all; counted when first asked.
func (v *View) numbers() []int {
	v.numbered.Do(func() {
		v.flats = make([]atomic.Pointer[[]flatHit], v.lists)
		v.firsts = make([]int, v.found.by.len()+1)
		for pkg := range v.found.by.len() {
			v.firsts[pkg+1] = v.firsts[pkg] + len(v.found.by.at(int32(pkg)).findings)
		}
	})
	return v.firsts
}

// Having are the findings that meet a condition. It is asked once of each distinct finding, and of each layer's list once,
// however many rows share them.
type Having struct {
	view  *View
	meets []bool // by number
	holds func(*Row) bool
}

// Having finds the findings that meet a condition on the finding alone.
func (v *View) Having(cond func(*plimsoll.Finding) bool) *Having {
	numbers := v.numbers()
	h := &Having{view: v, meets: make([]bool, v.Distinct())}
	holds := make([]bool, v.found.by.len())
	for pkg := range holds {
		f := v.found.by.at(int32(pkg))
		for i := range f.findings {
			if cond(&f.findings[i]) {
				h.meets[numbers[pkg]+i], holds[pkg] = true, true
			}
		}
	}
	h.holds = v.holding(func(pkg int32) bool { return holds[pkg] })
	return h
}

// HavingNumbers is [View.Having] by the numbers of findings.
func (v *View) HavingNumbers(wanted func(number int) bool) *Having {
	n := -1 // Having asks in the order of numbers
	return v.Having(func(*plimsoll.Finding) bool {
		n++
		return wanted(n)
	})
}

// In reports whether a row has such a finding. It must not be called by two at once.
func (h *Having) In(r *Row) bool { return h.holds(r) }

// Each gives those of a row, as [View.Each] does.
func (h *Having) Each(r *Row) iter.Seq2[*plimsoll.Finding, Spot] {
	return func(yield func(*plimsoll.Finding, Spot) bool) {
		for f, at := range h.view.Each(r) {
			if h.meets[at.Number] && !yield(f, at) {
				return
			}
		}
	}
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
