package posture

import (
	"encoding/binary"

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

// climb is an order of stacks in which each comes after the one below it and before any other that stands on that.
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
	upon, next := make([]int32, first[n]), append([]int32(nil), first...)
	for i := 1; i < n; i++ {
		if x := all.at(int32(i)); x.segment.list != nil {
			upon[next[x.below]] = int32(i)
			next[x.below]++
		}
	}
	out, open := make([]int32, 0, len(upon)), []int32{0}
	for len(open) > 0 {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		if at > 0 {
			out = append(out, at)
		}
		open = append(open, upon[first[at]:first[at+1]]...)
	}
	return out
}

// climbed is the order of the view's stacks.
func (v *View) climbed() []int32 {
	v.climbing.Do(func() { v.order = climb(&v.stacks) })
	return v.order
}

// Reach is how far something reaches in some rows.
type Reach struct {
	Places int
	Rows   int // that have it in one place at least
}

// Count counts how far groups of findings reach in some rows, by the number that group gives to each finding; it is asked once
// of each distinct finding that stands in one of them, with one of its spots.
func (h *Having) Count(rows []*Row, group func(*plimsoll.Finding, Spot) int) []Reach {
	v := h.view
	weights := make([]int32, v.stacks.len())
	for _, r := range rows {
		if r.image != nil {
			weights[r.image.stack]++
		}
	}
	for i := len(weights) - 1; i > 0; i-- {
		if weights[i] > 0 {
			weights[v.stacks.at(int32(i)).below] += weights[i]
		}
	}
	c := counting{groups: make([]int32, v.Distinct())}
	var room []hit
	path := []step{{}} // of stacks, from the empty one
	for _, n := range v.climbed() {
		if weights[n] == 0 {
			continue
		}
		x := v.stacks.at(n)
		for path[len(path)-1].stack != x.below {
			c.forget(path[len(path)-1].met)
			path = path[:len(path)-1]
		}
		path = append(path, step{n, len(c.met)})
		room = h.of(x.segment, room[:0])
		for _, y := range room {
			g := c.groups[y.number]
			if g == 0 {
				g = int32(group(y.finding, v.spot(x.segment, y))) + 1
				c.groups[y.number] = g
				c.grow(int(g))
			}
			c.reach[g-1].Places += int(weights[n])
			if !c.here[g-1] {
				c.here[g-1], c.met = true, append(c.met, g-1)
				c.reach[g-1].Rows += int(weights[n])
			}
		}
	}
	return c.reach
}

// step is one stack of the path from the empty one to where the count is, and how many groups were met below it.
type step struct {
	stack int32
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

func (c *counting) forget(from int) {
	for _, g := range c.met[from:] {
		c.here[g] = false
	}
	c.met = c.met[:from]
}

// Sum adds up what weigh says of each finding of a row, for any number of rows: it is asked once of each distinct finding.
func (h *Having) Sum(weigh func(*plimsoll.Finding) [3]int32) func(*Row) [3]int32 {
	v := h.view
	type weight struct {
		known bool
		of    [3]int32
	}
	var room []hit
	weights, sums := make([]weight, v.Distinct()), make([][3]int32, v.stacks.len())
	for i := 1; i < len(sums); i++ {
		x := v.stacks.at(int32(i))
		sum := sums[x.below]
		room = h.of(x.segment, room[:0])
		for _, y := range room {
			w := &weights[y.number]
			if !w.known {
				*w = weight{true, weigh(y.finding)}
			}
			for k := range sum {
				sum[k] += w.of[k]
			}
		}
		sums[i] = sum
	}
	return func(r *Row) (sum [3]int32) {
		if r.image != nil {
			sum = sums[r.image.stack]
		}
		return sum
	}
}
