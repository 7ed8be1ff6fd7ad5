package list

import (
	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// selection is what a filter selects of a view: rows, and findings of them. Most filters ask the same of all rows' findings;
// narrow is what one asks of a row's findings besides: how long they stand, or in which link.
type selection struct {
	rows   []*posture.Row
	having *posture.Having
	narrow func(*posture.Row, findings) findings // nil: nothing
}

// found are the selected findings of a row.
func (s *selection) found(r *posture.Row) findings {
	found := s.having.Each(r)
	if s.narrow != nil {
		found = s.narrow(r, found)
	}
	return found
}

// reach groups the selected findings of all rows, and says how far each group reaches. The group of a distinct finding is
// looked for once, with one of its spots.
func reach[G comparable](s *selection, find func(*plimsoll.Finding, posture.Spot) G) map[G]posture.Reach {
	numbers := map[G]int{}
	var groups []G
	number := func(x *plimsoll.Finding, at posture.Spot) int {
		g := find(x, at)
		n, ok := numbers[g]
		if !ok {
			n = len(groups)
			numbers[g], groups = n, append(groups, g)
		}
		return n
	}
	var counts []posture.Reach
	if s.narrow == nil {
		counts = s.having.Count(s.rows, number)
	} else {
		counts = s.count(number)
	}
	out := make(map[G]posture.Reach, len(groups))
	for i, g := range groups {
		out[g] = counts[i]
	}
	return out
}

// count is [posture.Having.Count] for findings that are selected row by row.
func (s *selection) count(number func(*plimsoll.Finding, posture.Spot) int) (counts []posture.Reach) {
	groups := map[int]int{} // by number of the finding
	var last []*posture.Row // that had the group
	for _, r := range s.rows {
		for x, at := range s.found(r) {
			g, ok := groups[at.Number]
			if !ok {
				g = number(x, at)
				groups[at.Number] = g
			}
			for g >= len(counts) {
				counts, last = append(counts, posture.Reach{}), append(last, nil)
			}
			counts[g].Places++
			if last[g] != r {
				last[g] = r
				counts[g].Rows++
			}
		}
	}
	return counts
}
