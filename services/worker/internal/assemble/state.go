package assemble

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/plimsoll/plimsoll"
)

// layerFacts are one layer's facts by analyser. Those that could not be had are missing; missing says why.
type layerFacts struct {
	facts   map[string]*plimsoll.Facts
	missing map[string]plimsoll.Coverage
	cost    int // bytes, about
}

func (l *layerFacts) whole() bool { return len(l.missing) == 0 }

// tree is nil when it is not known.
func (l *layerFacts) tree() *plimsoll.TreeFacts {
	if f := l.facts[plimsoll.AnalyzerTree]; f != nil {
		return f.Tree
	}
	return nil
}

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

// file is one file that an analyser had something to say of.
type file struct {
	layer   int
	source  *plimsoll.PackageSource // packages that it holds; nil: none
	release *plimsoll.OSRelease     // the distribution that it names
	entry   *plimsoll.FileEntry     // its kind, rights and sums
	list    *plimsoll.FileList      // which files packages own
	secrets *plimsoll.SecretFile
	names   []string                 // real paths; several for hard links
	gone    bool                     // it is not there any more:
	until   int                      // the layer that removed or replaced it
	by      int                      // the layer that made this value, and may change it while it is applied
	placing *atomic.Pointer[placing] // of a database, shared by the values that stand for the same file
}

// isDatabase tells files whose every version lists all packages again.
func (f *file) isDatabase() bool {
	return f.source != nil && (f.source.Database || f.source.Extractor == hiddenLock)
}

// there tells whether a file can be opened in the merged tree. One that could not be placed never was there.
func (f *file) there() bool { return !f.gone && len(f.names) > 0 }

// state is the merge of a chain of layers. It is immutable: the next layer makes a new one.
type state struct {
	root   *node
	layers []layerState
	files  []*file
	shared bool // files is that of an earlier state
	cost   int  // nodes that this layer made, packages it brought
}

// next applies one layer. A layer whose tree is missing changes nothing, and what it holds is not placed.
func (s *state) next(digest plimsoll.Digest, size int64, l *layerFacts) *state {
	out := &state{layers: append(slices.Clip(s.layers), describe(digest, size, l)), files: slices.Clip(s.files), shared: true, root: s.root}
	tree := l.tree()
	if tree == nil {
		out.cost = 1
		return out
	}
	index := len(s.layers)
	o := newOverlay(s.root, tree)
	known := out.bring(index, l)
	number := 0
	for e := range tree.Entries.All() {
		id := known[number]
		number++
		if real, n := o.apply(e, id); n != nil && n.file > 0 {
			out.name(index, n.file, real)
		}
	}
	out.root = o.root
	out.layers[index].fault = o.fault()
	out.settle(index, o.dropped)
	out.cost = 1 + o.made + len(known)
	return out
}

func describe(digest plimsoll.Digest, size int64, l *layerFacts) layerState {
	d := layerState{digest: digest, size: size, read: maps.Clone(l.missing)}
	if d.read == nil {
		d.read = map[string]plimsoll.Coverage{}
	}
	for name, f := range l.facts {
		d.read[name], d.diffID, d.size, d.inflated = f.Read, f.DiffID, f.Size, f.Inflated
	}
	if tree := l.tree(); tree != nil {
		d.entries = tree.Count
	}
	return d
}

// bring adds the files that analysers have something to say of, and gives their numbers by that of their tree entry: of several
// entries with one path each is a file of its own, and the last one stays.
func (s *state) bring(index int, l *layerFacts) map[int]int {
	known := map[int]int{}
	of := func(entry int) *file {
		id, ok := known[entry]
		if !ok {
			s.files = append(s.files, &file{layer: index, by: index})
			id = len(s.files)
			known[entry] = id
		}
		return s.files[id-1]
	}
	if f := l.facts[plimsoll.AnalyzerPackages]; f != nil && f.Packages != nil {
		for i := range f.Packages.Sources {
			one := of(f.Packages.Sources[i].Entry)
			one.source, one.placing = &f.Packages.Sources[i], new(atomic.Pointer[placing])
		}
		for i := range f.Packages.Releases {
			of(f.Packages.Releases[i].Entry).release = &f.Packages.Releases[i].Release
		}
	}
	if f := l.facts[plimsoll.AnalyzerFiles]; f != nil && f.Files != nil {
		for i := range f.Files.Files {
			of(f.Files.Files[i].Entry).entry = &f.Files.Files[i]
		}
		for i := range f.Files.Lists {
			of(f.Files.Lists[i].Entry).list = &f.Files.Lists[i]
		}
	}
	if f := l.facts[plimsoll.AnalyzerSecrets]; f != nil && f.Secrets != nil {
		for i := range f.Secrets.Files {
			of(f.Secrets.Files[i].Entry).secrets = &f.Secrets.Files[i]
		}
	}
	return known
}

// name adds a second name to a file, of this layer or an earlier one.
func (s *state) name(index, id int, real string) {
	f := s.own(index, id)
	f.names = append(f.names, real)
}

// own is a file that the layer being applied may change: earlier states keep theirs.
func (s *state) own(index, id int) *file {
	f := s.files[id-1]
	if f.by == index {
		return f
	}
	if s.shared {
		s.files, s.shared = slices.Clone(s.files), false
	}
	mine := *f
	mine.by, mine.names = index, slices.Clip(f.names)
	s.files[id-1] = &mine
	return &mine
}

// settle notes which files this layer removed or replaced: of those that lost a name, the ones that have none left.
func (s *state) settle(index int, dropped []int) {
	slices.Sort(dropped)
	for _, id := range slices.Compact(dropped) {
		if f := s.files[id-1]; !f.gone && !s.named(id) {
			f = s.own(index, id)
			f.gone, f.until = true, index
		}
	}
}

// named tells whether a file still has any of its names.
func (s *state) named(id int) bool {
	for _, name := range s.files[id-1].names {
		if n := at(s.root, name); n != nil && n.file == id {
			return true
		}
	}
	return false
}
