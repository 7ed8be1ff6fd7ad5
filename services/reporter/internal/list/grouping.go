package list

import (
	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// grouping finds the group of each finding. Images share their findings, so the group of one is looked for once and then
// known by its address: a list over all images costs one short look-up a place.
type grouping[G any] struct {
	find  func(*plimsoll.Finding, posture.Spot) *G
	known map[*plimsoll.Finding]*G
	last  map[*G]*posture.Row
}

// of is the group of a finding, and whether it is the first of that group in this row. Rows come one after the other.
func (g *grouping[G]) of(r *posture.Row, x *plimsoll.Finding, at posture.Spot) (group *G, first bool) {
	if g.known == nil {
		g.known, g.last = map[*plimsoll.Finding]*G{}, map[*G]*posture.Row{}
	}
	group, ok := g.known[x]
	if !ok {
		group = g.find(x, at)
		g.known[x] = group
	}
	if first = g.last[group] != r; first {
		g.last[group] = r
	}
	return group, first
}
