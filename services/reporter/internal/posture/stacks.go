package posture

import (
	"encoding/binary"
	"runtime"
	"slices"
	"sync"

	"github.com/plimsoll/plimsoll"
)

// stacks are the piles of segments that images are: each is one segment upon another stack, so that images with the same lower
// layers share the lower stacks, and what is counted of a hundred thousand images is counted of their few hundred bases and
// of their own layers. Numbers are never used again, and a stack's number is above that of the one below it; 0 is the empty one.
type stacks struct {
	all   table[stack]
	known map[stackKey]int32
	users []int32 // images and stacks upon it; the writer's
}

type stack struct {
	below   int32
	segment segment
}

// stackKey tells stacks apart.
type stackKey struct {
	below, list, layer int32
	removed            string
}

func newStacks() *stacks {
	s := &stacks{known: map[stackKey]int32{}, users: []int32{1}}
	s.all.grow(1)
	return s
}

func keyOf(below int32, x segment) stackKey {
	k := stackKey{below: below, list: x.list.number, layer: x.layer}
	if len(x.removed) > 0 {
		b := make([]byte, 0, 4*len(x.removed))
		for _, at := range x.removed {
			b = binary.LittleEndian.AppendUint32(b, uint32(at))
		}
		k.removed = string(b)
	}
	return k
}

// pile is the stack of some segments, the lowest first, which an image from then on uses.
func (s *stacks) pile(segments []segment) (top int32) {
	for _, x := range segments {
		k := keyOf(top, x)
		n, ok := s.known[k]
		if !ok {
			n = int32(s.all.len())
			s.all.set(n, stack{top, x})
			s.known[k], s.users = n, append(s.users, 0)
			s.users[top]++
		}
		top = n
	}
	s.users[top]++
	return top
}

// release ends an image's use of a stack; those that nothing uses any more go.
func (s *stacks) release(top int32) {
	for s.users[top]--; s.users[top] == 0; s.users[top]-- {
		x := s.all.at(top)
		delete(s.known, keyOf(x.below, x.segment))
		s.all.set(top, stack{}) // views keep what they share
		top = x.below
	}
}

// flat are the stacks of a view and the findings in their segments, in an order in which each stack comes after the one below it
// and before any other that stands on that: what is counted over all images goes through it from one end to the other. The
// place of the empty stack is 0.
type flat struct {
	at    []int32 // by number of the stack: its place
	below []int32 // by place: the place of the one below
	layer []int32 // by place
	first []int32 // by place: its first hit; one more at the end
	hits  []hit
}

// hit is one finding in a segment: its number, and the number of its path.
type hit struct{ number, path int32 }

// climb puts stacks in the order of [flat], their numbers by place.
func climb(all *table[stack]) []int32 {
	n := all.len()
	first := make([]int32, n+1) // of those that stand on one, in upon
	for i := 1; i < n; i++ {
		if x := all.at(int32(i)); x.segment.list != nil {
			first[x.below+1]++
		}
	}
	for i := range n {
		first[i+1] += first[i]
	}
	upon, next := make([]int32, first[n]), slices.Clone(first)
	for i := 1; i < n; i++ {
		if x := all.at(int32(i)); x.segment.list != nil {
			upon[next[x.below]] = int32(i)
			next[x.below]++
		}
	}
	out, open := make([]int32, 0, len(upon)+1), []int32{0}
	for len(open) > 0 {
		at := open[len(open)-1]
		open = append(open[:len(open)-1], upon[first[at]:first[at+1]]...)
		out = append(out, at)
	}
	return out
}

// flat makes the view's flat form, once and when first asked.
func (v *View) flat() *flat {
	v.flattening.Do(func() {
		order, numbers := climb(&v.stacks), v.numbers()
		f := &flat{at: make([]int32, v.stacks.len()), below: make([]int32, len(order)), layer: make([]int32, len(order)), first: make([]int32, len(order)+1)}
		for place, n := range order {
			x := v.stacks.at(n)
			f.at[n], f.below[place], f.layer[place] = int32(place), f.at[x.below], x.segment.layer
		}
		// Most of the time is waiting for memory, all over which findings stand: each processor waits for its part.
		parts := make([][]hit, min(runtime.GOMAXPROCS(0), len(order)))
		from := func(part int) int { return part * len(order) / len(parts) }
		var all sync.WaitGroup
		for part := range parts {
			all.Go(func() {
				for place := from(part); place < from(part+1); place++ {
					parts[part] = v.hitsOf(parts[part], v.stacks.at(order[place]).segment, numbers)
					f.first[place+1] = int32(len(parts[part]))
				}
			})
		}
		all.Wait()
		for part, hits := range parts {
			for place := from(part); place < from(part+1); place++ {
				f.first[place+1] += int32(len(f.hits))
			}
			f.hits = append(f.hits, hits...)
		}
		v.flattened = f
	})
	return v.flattened
}

// hitsOf appends the findings in a segment.
func (v *View) hitsOf(hits []hit, x segment, numbers []int) []hit {
	if x.list == nil {
		return hits
	}
	for p := range x.spots(v.found.hits.at(x.list.number)) {
		for i := range v.found.by.at(p.pkg).findings {
			hits = append(hits, hit{int32(numbers[p.pkg] + i), p.path})
		}
	}
	return hits
}

// of are the findings of the segment at a place.
func (f *flat) of(place int32) []hit { return f.hits[f.first[place]:f.first[place+1]] }

// Reach is how far something reaches in some rows.
type Reach struct {
	Places int
	Rows   int // that have it in one place at least
}

// Count counts how far groups of findings reach in some rows, by the number that group gives to each finding; it is asked once
// of each distinct finding that stands in one of them, with one of its spots.
func (h *Having) Count(rows []*Row, group func(*plimsoll.Finding, Spot) int) []Reach {
	v, f := h.view, h.view.flat()
	weights := make([]int32, len(f.below))
	for _, r := range rows {
		weights[f.at[r.stack]]++
	}
	for i := len(weights) - 1; i > 0; i-- {
		weights[f.below[i]] += weights[i]
	}
	c := counting{groups: make([]int32, v.Distinct())}
	path := []step{{}} // from the empty stack
	for i := int32(1); int(i) < len(weights); i++ {
		if weights[i] == 0 {
			continue
		}
		for path[len(path)-1].place != f.below[i] {
			c.forget(path[len(path)-1].met)
			path = path[:len(path)-1]
		}
		path = append(path, step{i, len(c.met)})
		if h.layers != nil && !h.layers(int(f.layer[i])) {
			continue
		}
		for _, y := range f.of(i) {
			if h.meets != nil && !h.meets[y.number] {
				continue
			}
			g := c.groups[y.number]
			if g == 0 {
				g = int32(group(v.distinct[y.number], v.spot(f.layer[i], y))) + 1
				c.groups[y.number] = g
				c.grow(int(g))
			}
			c.add(g-1, int(weights[i]))
		}
	}
	return c.reach
}

// step is one stack of the path from the empty one to where the count is, and how many groups were met below it.
type step struct {
	place int32
	met   int
}

type counting struct {
	groups []int32 // by number of the finding, from 1
	reach  []Reach
	here   []bool  // groups that stand in the path
	met    []int32 // the same, in the order of the path
}

func (c *counting) grow(n int) {
	for len(c.reach) < n {
		c.reach, c.here = append(c.reach, Reach{}), append(c.here, false)
	}
}

// add counts a finding of a group in so many rows.
func (c *counting) add(g int32, rows int) {
	c.reach[g].Places += rows
	if !c.here[g] {
		c.here[g], c.met = true, append(c.met, g)
		c.reach[g].Rows += rows
	}
}

func (c *counting) forget(from int) {
	for _, g := range c.met[from:] {
		c.here[g] = false
	}
	c.met = c.met[:from]
}

// Sums is how many numbers [Having.Sum] adds up at once.
const Sums = 4

// Sum adds up what weigh says of each finding of a row, for any number of rows: it is asked once of each distinct finding.
func (h *Having) Sum(weigh func(*plimsoll.Finding) [Sums]int32) func(*Row) [Sums]int32 {
	v, f := h.view, h.view.flat()
	weights := make([][Sums]int32, v.Distinct())
	for n, x := range v.distinct {
		if h.meets == nil || h.meets[n] {
			weights[n] = weigh(x)
		}
	}
	sums := make([][Sums]int32, len(f.below))
	for i := int32(1); int(i) < len(sums); i++ {
		sum := sums[f.below[i]]
		if h.layers == nil || h.layers(int(f.layer[i])) {
			for _, y := range f.of(i) {
				w := &weights[y.number]
				sum[0], sum[1], sum[2], sum[3] = sum[0]+w[0], sum[1]+w[1], sum[2]+w[2], sum[3]+w[3]
			}
		}
		sums[i] = sum
	}
	return func(r *Row) [Sums]int32 { return sums[f.at[r.stack]] }
}
