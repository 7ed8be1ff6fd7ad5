package assemble

import (
	"slices"

	"github.com/plimsoll/plimsoll"
)

// layerFacts are one layer's facts by both analysers. A nil part could not be had; missing says why.
type layerFacts struct {
	tree, packages *plimsoll.Facts
	missing        map[string]plimsoll.Coverage // by analyser
	cost           int                          // bytes, about
}

func (l *layerFacts) whole() bool { return len(l.missing) == 0 }

// layerState is what an inventory tells of one layer.
type layerState struct {
	digest   plimsoll.Digest
	diffID   plimsoll.DiffID
	size     int64
	inflated int64
	entries  int
	read     map[string]plimsoll.Coverage // by analyser, of the bytes alone
	fault    string                       // what the overlay left out
}

// file is one file that a reader saw: it holds packages, or it names the distribution.
type file struct {
	layer   int
	source  *plimsoll.PackageSource // nil for a release file
	release *plimsoll.OSRelease     // nil for a package file
	names   []string                // real paths; several for hard links
	until   int                     // layer that removed or replaced it; 0: it is there
}

// isDatabase tells files whose every version lists all packages again.
func (f *file) isDatabase() bool {
	return f.source != nil && (f.source.Database || f.source.Extractor == hiddenLock)
}

// state is the merge of a chain of layers. It is immutable: the next layer makes a new one.
type state struct {
	root   *node
	layers []layerState
	files  []*file
	cost   int // nodes that this layer made, packages it brought
}

// next applies one layer. A layer whose tree is missing changes nothing, and its packages are not placed.
func (s *state) next(digest plimsoll.Digest, size int64, l *layerFacts) *state {
	out := &state{layers: append(slices.Clip(s.layers), describe(digest, size, l)), files: slices.Clip(s.files), root: s.root}
	if l.tree == nil || l.tree.Tree == nil {
		out.cost = 1
		return out
	}
	index := len(s.layers)
	entries := l.tree.Tree.Entries
	o := newOverlay(s.root, entries)
	known := out.bring(index, l.packages)
	for _, e := range entries {
		real, n := o.apply(e)
		if n == nil {
			continue
		}
		switch id := known[e.Path]; {
		case e.Type == plimsoll.EntryFile && id > 0:
			n.file = id
			out.files[id-1].names = []string{real}
		case e.Type == plimsoll.EntryHardlink && n.file > 0:
			out.name(n.file, real)
		case e.Type == plimsoll.EntryHardlink && id > 0:
			dir, base := split(real)
			at(o.root, dir).kids[base] = &node{kind: n.kind, file: id, by: o}
			out.files[id-1].names = []string{real}
		}
	}
	out.root = o.root
	out.layers[index].fault = o.fault()
	out.settle(index)
	out.cost = 1 + o.made + len(known)
	return out
}

func describe(digest plimsoll.Digest, size int64, l *layerFacts) layerState {
	d := layerState{digest: digest, size: size, read: map[string]plimsoll.Coverage{}}
	for name, f := range map[string]*plimsoll.Facts{plimsoll.AnalyzerTree: l.tree, plimsoll.AnalyzerPackages: l.packages} {
		if f == nil {
			d.read[name] = l.missing[name]
			continue
		}
		d.read[name], d.diffID, d.size, d.inflated = f.Read, f.DiffID, f.Size, f.Inflated
	}
	if l.tree != nil && l.tree.Tree != nil {
		d.entries = len(l.tree.Tree.Entries)
	}
	return d
}

// bring adds the files that readers saw in a layer, and gives their numbers by the path that the tar has. Of two entries with
// the same path the last one is what stays.
func (s *state) bring(index int, facts *plimsoll.Facts) map[string]int {
	known := map[string]int{}
	if facts == nil || facts.Packages == nil {
		return known
	}
	for i := range facts.Packages.Sources {
		src := &facts.Packages.Sources[i]
		s.files = append(s.files, &file{layer: index, source: src})
		known[src.Path] = len(s.files)
	}
	for path, r := range facts.Packages.Releases {
		s.files = append(s.files, &file{layer: index, release: &r})
		known[path] = len(s.files)
	}
	return known
}

// name adds a second name to a file, of this layer or an earlier one.
func (s *state) name(id int, real string) {
	f := *s.files[id-1]
	f.names = append(slices.Clip(f.names), real)
	s.own(id, &f)
}

// own replaces a file in a list that earlier states share.
func (s *state) own(id int, f *file) {
	s.files = slices.Clone(s.files)
	s.files[id-1] = f
}

// settle notes which databases this layer removed or replaced. Other files need no history: they are there or not.
func (s *state) settle(index int) {
	for i, f := range s.files {
		if f.until == 0 && f.layer < index && f.isDatabase() && !s.visible(i+1) {
			gone := *f
			gone.until = index
			s.own(i+1, &gone)
		}
	}
}

// visible tells whether a file is still there under any of its names.
func (s *state) visible(id int) bool {
	for _, name := range s.files[id-1].names {
		if n := at(s.root, name); n != nil && n.file == id {
			return true
		}
	}
	return false
}
