package lineage

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Image is what lineage needs to know of an image.
type Image struct {
	Platform plimsoll.Platform
	Layers   []Layer // lowest first
}

// Layer is one layer by what it holds uncompressed. DiffID is the one that we computed; it is empty while the layer is not
// read, and then nothing is known of what stands on it.
type Layer struct {
	DiffID plimsoll.DiffID
	Empty  bool // it holds no entry
}

// Node is a position: one layer on top of those below it, on one platform. Images whose layers are the same share one.
// Nowhere is the position below the lowest layer, or of an image of which no layer is known.
type Node int32

// Nowhere is no position.
const Nowhere Node = 0

// Place is where an image stands in a [Tree]. Whole is false while an upper layer is not known: the image stands on the
// known ones then, and nobody's base is found above them.
type Place struct {
	Node  Node
	Whole bool
}

// content is a diff ID as bytes.
type content [sha256.Size]byte

// Tree holds the layers of all known images as a trie, incrementally: adding or removing an image costs its own layers,
// whatever is known besides; 60 bytes a layer position, which images share. It is for one writer; [Tree.Freeze] gives readers their own state.
type Tree struct {
	seed   maphash.Seed
	index  []Node                     // open addressing, linear probing; Nowhere is a free slot. Its length is a power of two
	layers []content                  // by position: the layer that stands there
	held   []int32                    // by position: images that end there, and positions above it that something holds
	free   []Node                     // positions to be used again; their depth is 0
	dead   int                        // positions that nothing holds
	roots  map[plimsoll.Platform]Node // the position below the lowest layer
	now    *Lineage
	shared bool // now was given out: it is copied before it changes
}

// NewTree is an empty tree.
func NewTree() *Tree {
	return &Tree{
		seed: maphash.MakeSeed(), index: make([]Node, 64), layers: make([]content, 1), held: make([]int32, 1), now: Empty(),
		roots: map[plimsoll.Platform]Node{},
	}
}

// Add takes an image in and says where it stands. The same image may be added several times, and is removed as often.
func (t *Tree) Add(im Image) Place {
	t.own()
	at, whole, holds := t.root(im.Platform), true, false
	for _, l := range im.Layers {
		c, ok := contentOf(l.DiffID)
		if !ok {
			whole = false
			break
		}
		at = t.position(at, c)
		holds = holds || !l.Empty
	}
	if t.now.depth[at] == 0 {
		at = Nowhere
	}
	p := Place{Node: at, Whole: whole && holds}
	if at == Nowhere {
		return p
	}
	if p.Whole {
		t.now.ends[at]++
	}
	for n := at; n != Nowhere; n = t.now.parent[n] {
		if t.held[n]++; t.held[n] > 1 {
			break
		}
		t.dead--
	}
	return p
}

// Remove takes an image out that stands at p.
func (t *Tree) Remove(p Place) {
	if p.Node == Nowhere {
		return
	}
	t.own()
	if p.Whole {
		t.now.ends[p.Node]--
	}
	for n := p.Node; n != Nowhere; n = t.now.parent[n] {
		if t.held[n]--; t.held[n] > 0 {
			break
		}
		t.dead++
	}
	if t.dead > 64 && t.dead > len(t.layers)/4 {
		t.purge()
	}
}

// Freeze is the tree as it stands, for readers. It is the same one until an image comes or goes.
func (t *Tree) Freeze() *Lineage {
	t.shared = true
	return t.now
}

// Len is how many positions there are.
func (t *Tree) Len() int { return len(t.layers) - 1 - len(t.roots) - len(t.free) - t.dead }

// own makes the present state one that may change. What readers hold stays: 10 bytes a position are copied, once after
// each Freeze.
func (t *Tree) own() {
	if !t.shared {
		return
	}
	t.now = &Lineage{parent: slices.Clone(t.now.parent), depth: slices.Clone(t.now.depth), ends: slices.Clone(t.now.ends)}
	t.shared = false
}

// Top is the layer that stands at n, and the position below it; Nowhere below the lowest layer.
func (t *Tree) Top(n Node) (below Node, layer plimsoll.DiffID) {
	if below = t.now.parent[n]; t.now.depth[below] == 0 {
		below = Nowhere
	}
	return below, plimsoll.DiffID("sha256:" + hex.EncodeToString(t.layers[n][:]))
}

// contentOf is a diff ID as bytes; false when it is none of ours.
func contentOf(d plimsoll.DiffID) (c content, ok bool) {
	digits, ok := strings.CutPrefix(string(d), "sha256:")
	if !ok || len(digits) != hex.EncodedLen(len(c)) {
		return c, false
	}
	_, err := hex.Decode(c[:], []byte(digits))
	return c, err == nil
}

// root is the position below the lowest layer of a platform. It stays for good: there are few.
func (t *Tree) root(p plimsoll.Platform) Node {
	n, ok := t.roots[p]
	if !ok {
		n = t.place(Nowhere, content{})
		t.now.depth[n], t.held[n] = 0, 1
		t.roots[p] = n
	}
	return n
}

// position finds the position of a layer on top of below, or makes it; it is dead until something holds it.
func (t *Tree) position(below Node, c content) Node {
	slot := t.slot(below, c)
	if n := t.index[slot]; n != Nowhere {
		return n
	}
	n := t.place(below, c)
	t.index[slot] = n
	t.dead++
	if live := len(t.layers) - len(t.free); live*5 > len(t.index)*4 {
		t.reindex(2 * len(t.index))
	}
	return n
}

// slot is where a position stands in the index, or where it would.
func (t *Tree) slot(below Node, c content) int {
	mask := len(t.index) - 1
	at := int(maphash.Comparable(t.seed, layerOn{below, c})) & mask
	for n := t.index[at]; n != Nowhere && (t.now.parent[n] != below || t.layers[n] != c); n = t.index[at] {
		at = (at + 1) & mask
	}
	return at
}

// layerOn is what a position is found by.
type layerOn struct {
	below Node
	layer content
}

// place makes a position.
func (t *Tree) place(below Node, c content) (n Node) {
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
	} else {
		n = Node(len(t.layers))
		t.layers, t.held = append(t.layers, content{}), append(t.held, 0)
		t.now.parent, t.now.depth, t.now.ends = append(t.now.parent, 0), append(t.now.depth, 0), append(t.now.ends, 0)
	}
	t.layers[n], t.now.parent[n], t.now.depth[n] = c, below, t.now.depth[below]+1
	return n
}

// purge forgets dead positions. A dead one holds no living one above it, so all of them go at once.
func (t *Tree) purge() {
	for i := range t.layers {
		if n := Node(i); t.held[n] == 0 && t.now.depth[n] > 0 {
			t.now.depth[n] = 0
			t.free = append(t.free, n)
		}
	}
	t.dead = 0
	t.reindex(len(t.index))
}

// reindex makes the index anew, with room for size positions.
func (t *Tree) reindex(size int) {
	t.index = make([]Node, size)
	for i := range t.layers {
		if n := Node(i); t.now.depth[n] > 0 {
			t.index[t.slot(t.now.parent[n], t.layers[n])] = n
		}
	}
}
