package posture

import (
	"iter"

	"github.com/plimsoll/plimsoll"
)

// Spot is where in an image a finding stands.
type Spot struct {
	Layer int // index, lowest 0
	Path  string
}

// Each gives the findings of a row one by one, in no order that means anything, without making any: the findings are shared
// between all images that hold the same package, must not be changed, and lack Layer and Path, which the spot has. It is
// what lists over all images count with; [View.Findings] gives copies in order.
func (v *View) Each(r *Row) iter.Seq2[*plimsoll.Finding, Spot] {
	return func(yield func(*plimsoll.Finding, Spot) bool) {
		if r == nil || r.image == nil {
			return
		}
		for _, p := range r.image.places {
			all := v.found[p.pkg].Findings
			for i := range all {
				if !yield(&all[i], Spot{int(p.layer), p.path}) {
					return
				}
			}
		}
	}
}
