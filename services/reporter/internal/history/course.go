package history

import (
	"slices"
	"time"
)

// Point is how many findings of a flaw stood at a moment: each is one flaw in one package of one repository.
type Point struct {
	Time time.Time
	Open int
}

// maxPoints bounds a course: more than a chart can show apart.
const maxPoints = 90

// Course is how a flaw in some packages, under any of its names, has stood since it was first seen in a registry (all when
// empty) until a moment: points at equal distances of whole days, the last one at that moment. None when it was not seen.
func (t *Tracker) Course(registry string, packages, names []string, until time.Time) []Point {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []*Finding
	first := until
	for k, r := range t.repos {
		if registry != "" && k.registry != registry {
			continue
		}
		for _, pkg := range packages {
			for _, e := range r.of(pkg) {
				if !e.named(names) {
					continue
				}
				if f := e.finding(k); !f.Spans[0].First.After(until) {
					all = append(all, f)
					if f.Spans[0].First.Before(first) {
						first = f.Spans[0].First
					}
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	days := int(until.Sub(first)/day) + 1
	step := time.Duration((days+maxPoints-1)/maxPoints) * day
	var out []Point
	for at := until; !at.Before(first) && len(out) < maxPoints; at = at.Add(-step) {
		out = append(out, Point{Time: at})
	}
	slices.Reverse(out)
	for i := range out {
		for _, f := range all {
			if f.StoodAt(out[i].Time) {
				out[i].Open++
			}
		}
	}
	return out
}
