package posture

import (
	"iter"
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
)

// place is one package and its file, both as numbers of the interner.
type place struct{ pkg, path int32 }

// layerList is what one layer brings to images: its packages in the order of inventories. Images that share a layer share
// its list, so that a million images over a few hundred bases hold little more than their own layers. Number, key and
// places never change; the rest is the writer's.
type layerList struct {
	number  int32
	key     string // of the layer; empty for a list that nobody else may share
	places  []place
	members members
}

// segment is one layer of an image: its list without what upper layers removed or replaced.
type segment struct {
	list    *layerList
	layer   int32   // index in the image, lowest 0
	removed []int32 // positions in the list, ascending
}

// members are the images that share something. Images that went are skipped and cleared away when they are many.
type members struct {
	images []*image
	gone   int
}

func (m *members) add(im *image) { m.images = append(m.images, im) }

// drop notes that an image of m went.
func (m *members) drop() {
	if m.gone++; m.gone*2 > len(m.images) {
		m.images = slices.DeleteFunc(m.images, func(im *image) bool { return im.gone })
		m.gone = 0
	}
}

func (m *members) empty() bool { return m.gone == len(m.images) }

// all gives the images that are still here.
func (m *members) all() iter.Seq[*image] {
	return func(yield func(*image) bool) {
		for _, im := range m.images {
			if !im.gone && !yield(im) {
				return
			}
		}
	}
}

// maxVariants is how many lists of one layer are kept apart for sharing: what a layer brings depends on the layers around
// it in rare cases alone.
const maxVariants = 4

// shelf holds the lists of all layers.
type shelf struct {
	byKey map[string][]*layerList
	byPkg table[[]*layerList] // by package number; lists that lost their images are skipped
	count int32               // lists ever made: their numbers are below
}

func newShelf() *shelf { return &shelf{byKey: map[string][]*layerList{}} }

// segment finds or makes the list of one layer of an image.
func (s *shelf) segment(key string, layer int32, places []place) segment {
	for _, l := range s.byKey[key] {
		if removed, ok := without(l.places, places); ok && len(removed)*4 <= len(l.places) {
			return segment{l, layer, removed}
		}
	}
	l := &layerList{number: s.count, key: key, places: slices.Clone(places)}
	s.count++
	s.place(l)
	return segment{list: l, layer: layer}
}

// place puts a list where others find it.
func (s *shelf) place(l *layerList) {
	if l.key != "" && len(s.byKey[l.key]) < maxVariants {
		s.byKey[l.key] = append(s.byKey[l.key], l)
	}
	for _, pkg := range l.distinct() {
		lists := s.byPkg.change(pkg)
		*lists = append(*lists, l)
	}
}

// without says which positions of all are left out in part; false when part is no subsequence of all.
func without(all, part []place) (removed []int32, ok bool) {
	if len(part) > len(all) {
		return nil, false
	}
	i := 0
	for at, p := range all {
		if i < len(part) && part[i] == p {
			i++
		} else {
			removed = append(removed, int32(at))
		}
	}
	return removed, i == len(part)
}

// distinct are the list's package numbers, each once.
func (l *layerList) distinct() []int32 {
	all := make([]int32, len(l.places))
	for i, p := range l.places {
		all[i] = p.pkg
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// release takes an image off the lists that it used.
func (s *shelf) release(im *image) {
	for _, x := range im.segments {
		x.list.members.drop()
		if !x.list.members.empty() {
			continue
		}
		if rest := slices.DeleteFunc(s.byKey[x.list.key], func(l *layerList) bool { return l == x.list }); len(rest) > 0 {
			s.byKey[x.list.key] = rest
		} else {
			delete(s.byKey, x.list.key)
		}
	}
}

// holding are the lists with a package, those alone that images use.
func (s *shelf) holding(pkg int32) []*layerList {
	if int(pkg) >= s.byPkg.len() {
		return nil
	}
	lists := s.byPkg.change(pkg)
	*lists = slices.DeleteFunc(*lists, func(l *layerList) bool { return l.members.empty() })
	return *lists
}

// divide makes an image's segments of the packages of its inventory, which stand in the inventory's order.
func (s *shelf) divide(inv *plimsoll.Inventory, known *interner) (out []segment) {
	byLayer := map[int32][]place{}
	var layers []int32
	if p, ok := eol.Distribution(inv); ok {
		layers = append(layers, int32(p.Layer))
		byLayer[int32(p.Layer)] = []place{{known.number(p), known.text(p.Path)}}
	}
	for i := range inv.Packages {
		p := &inv.Packages[i]
		layer := int32(p.Layer)
		if _, ok := byLayer[layer]; !ok {
			layers = append(layers, layer)
		}
		byLayer[layer] = append(byLayer[layer], place{known.number(*p), known.text(p.Path)})
	}
	slices.Sort(layers)
	for _, layer := range layers {
		key := "" // a layer that the inventory does not name is nobody's to share
		if layer >= 0 && int(layer) < len(inv.Layers) {
			key = string(inv.Layers[layer].Digest)
		}
		out = append(out, s.segment(key, layer, byLayer[layer]))
	}
	return out
}

// spots gives the positions among some of a segment's list, ascending, that the image still has.
func (x segment) spots(positions []int32) iter.Seq[place] {
	return func(yield func(place) bool) {
		removed := x.removed
		for _, at := range positions {
			for len(removed) > 0 && removed[0] < at {
				removed = removed[1:]
			}
			if len(removed) > 0 && removed[0] == at {
				continue
			}
			if !yield(x.list.places[at]) {
				return
			}
		}
	}
}
