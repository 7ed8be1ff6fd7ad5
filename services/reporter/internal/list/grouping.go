package list

import (
	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// grouping finds the group of each finding. Images share their findings, so the group of one is looked for once and then
// known by its number: a list over all images costs one step a place.
type grouping[G any] struct {
	find  func(*plimsoll.Finding, posture.Spot) *G
	known []*group[G] // by number of the finding
	own   map[*G]*group[G]
}

// group is one group and the row that it was last met in.
type group[G any] struct {
	of   *G
	last *posture.Row
}

// groupBy groups the findings of a view.
func groupBy[G any](v *posture.View, find func(*plimsoll.Finding, posture.Spot) *G) *grouping[G] {
	return &grouping[G]{find: find, known: make([]*group[G], v.Distinct()), own: map[*G]*group[G]{}}
}

// of is the group of a finding, and whether it is the first of that group in this row. Rows come one after the other.
func (g *grouping[G]) of(r *posture.Row, x *plimsoll.Finding, at posture.Spot) (of *G, first bool) {
	k := g.known[at.Number]
	if k == nil {
		of := g.find(x, at)
		if k = g.own[of]; k == nil {
			k = &group[G]{of: of}
			g.own[of] = k
		}
		g.known[at.Number] = k
	}
	first = k.last != r
	k.last = r
	return k.of, first
}
