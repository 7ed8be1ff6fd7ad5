package lineage

import (
	"slices"
	"sync"
)

// Lineage is one state of a [Tree]; it never changes. Positions mean what they meant when it was frozen.
type Lineage struct {
	parent []Node
	depth  []uint16
	ends   []int32 // images whose uppermost layer stands here

	once sync.Once
	base []Node // of every position; made when it is first asked, which only readers do
}

// Empty is the lineage of no image.
func Empty() *Lineage { return &Lineage{parent: []Node{Nowhere}, depth: []uint16{0}, ends: []int32{0}} }

// Len bounds positions: each is below it.
func (l *Lineage) Len() int { return len(l.parent) }

// Depth is how many layers stand up to and at n.
func (l *Lineage) Depth(n Node) int { return int(l.depth[n]) }

// Base is the direct base of what stands at n: the known image with the longest list of layers that is a proper prefix of
// n's. Nowhere when none is known.
func (l *Lineage) Base(n Node) Node {
	l.once.Do(l.findBases)
	return l.base[n]
}

// findBases finds the direct base of every position. A position may have a higher number than those on top of it.
func (l *Lineage) findBases() {
	const unknown Node = -1
	l.base = make([]Node, len(l.parent))
	for i := range l.base {
		l.base[i] = unknown
	}
	l.base[Nowhere] = Nowhere
	var path []Node
	for i := range l.base {
		n := Node(i)
		for path = path[:0]; l.base[n] == unknown; n = l.parent[n] {
			path = append(path, n)
		}
		for _, above := range slices.Backward(path) {
			if l.base[above] = l.base[n]; l.ends[n] > 0 {
				l.base[above] = n
			}
			n = above
		}
	}
}

// Below is the direct base of an image at p. Of one that is not known whole it is the uppermost image within the known
// layers; whether another stands between is not known.
func (l *Lineage) Below(p Place) Node {
	if !p.Whole && p.Node != Nowhere && l.ends[p.Node] > 0 {
		return p.Node
	}
	return l.Base(p.Node)
}

// Bases are the bases of an image at p, the lowest first; the last is its direct base.
func (l *Lineage) Bases(p Place) []Node {
	var out []Node
	for n := l.Below(p); n != Nowhere; n = l.Base(n) {
		out = append(out, n)
	}
	slices.Reverse(out)
	return out
}

// Above reports whether n stands on base, or is it.
func (l *Lineage) Above(n, base Node) bool {
	for n != Nowhere && l.depth[n] > l.depth[base] {
		n = l.parent[n]
	}
	return n == base && base != Nowhere
}
