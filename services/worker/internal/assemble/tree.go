package assemble

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// node is one entry of a merged tree. A node is immutable once the layer that made it is applied; a later layer copies it
// before it changes it.
type node struct {
	kind plimsoll.EntryType // file, folder, symlink or device
	link string             // target of a symlink, as written
	file int                // 1 + index of the file in state.files; 0: no analyser has anything to say of it
	by   *overlay           // the overlay that may still change it

	// What a folder holds: plain are the files of which only the name is known, kids everything else.
	kids  map[string]*node
	plain names
}

// plainFile stands for every such file.
var plainFile = &node{kind: plimsoll.EntryFile}

func newFolder(by *overlay) *node { return &node{kind: plimsoll.EntryDir, by: by} }

func (n *node) isDir() bool { return n != nil && n.kind == plimsoll.EntryDir }

func (n *node) child(name string) *node {
	if !n.isDir() {
		return nil
	}
	if kid := n.kids[name]; kid != nil {
		return kid
	}
	if n.plain.has(name) {
		return plainFile
	}
	return nil
}

// set puts a child in place of whatever has the name.
func (n *node) set(name string, kid *node) {
	if kid == plainFile {
		delete(n.kids, name)
		n.plain.add(name)
		return
	}
	n.plain.drop(name)
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	n.kids[strings.Clone(name)] = kid // name is part of a longer path
}

func (n *node) unset(name string) {
	delete(n.kids, name)
	n.plain.drop(name)
}

// size is the number of a folder's children.
func (n *node) size() int { return len(n.kids) + n.plain.len() }

// children gives a folder's children in no order; the one at hand may be unset.
func (n *node) children() iter.Seq2[string, *node] {
	return func(yield func(string, *node) bool) {
		for name, kid := range n.kids {
			if !yield(name, kid) {
				return
			}
		}
		for name := range n.plain.all() {
			if !yield(name, plainFile) {
				return
			}
		}
	}
}

// copyFolder makes a folder's copy that an overlay may change.
func copyFolder(n *node, by *overlay) *node {
	return &node{kind: plimsoll.EntryDir, by: by, kids: maps.Clone(n.kids), plain: n.plain.clone()}
}

// Where following symlinks stops.
const (
	maxLinks      = 40  // to open a path: Linux's own bound (path_resolution(7))
	maxApplyLinks = 255 // to place an entry: containerd's (continuity, fs.RootPath), which gives a layer up beyond
)

// maxPlaces bounds the folders that an overlay remembers: of more, a layer's order is no tree's.
const maxPlaces = 4096

// Faults of entries that containerd's apply would refuse a layer for. Here the entry is left out, and the tree is partial.
var (
	errLinks    = errors.New("too many levels of symbolic links")
	errNotDir   = errors.New("entry below a file")
	errHardlink = errors.New("hard link to something that is no file")
	// errDotted is no refusal: containerd joins a link's target as text, so that "a/../b" is "b" for it whatever a is, and the
	// kernel follows a first. The entry is placed as the kernel would, and the tree is partial.
	errDotted = errors.New("entry behind a symbolic link with a name before \"..\"")
)

// place is where a path leads: the names of the real folders above it, and the node of the last of them (nil when missing).
type place struct {
	names []string
	nodes []*node // nodes[i] is the folder that names[:i] leads to; nodes[0] is the root
	// dotted tells that a link on the way has a name before "..".
	dotted bool
}

func (p *place) top() *node { return p.nodes[len(p.nodes)-1] }

func (p *place) push(name string, n *node) {
	p.names, p.nodes = append(p.names, name), append(p.nodes, n)
}

func (p *place) pop() {
	if len(p.names) > 0 {
		p.names, p.nodes = p.names[:len(p.names)-1], p.nodes[:len(p.nodes)-1]
	}
}

func (p *place) reset() { p.names, p.nodes = p.names[:0], p.nodes[:1] }

// below is the path of a name in the folder.
func (p *place) below(base string) string {
	if len(p.names) == 0 {
		return base
	}
	return p.path() + "/" + base
}

func (p *place) path() string { return strings.Join(p.names, "/") }

// resolve follows dir through the tree at root: symlinks are taken relative to where they stand, absolute ones and ".." never
// lead above the root, what is missing is taken as written.
func resolve(root *node, dir string, most int) (place, error) {
	p := place{nodes: make([]*node, 1, 16)}
	p.nodes[0] = root
	todo := []string{dir} // paths still to follow, the next one last
	for links := 0; len(todo) > 0; {
		name, rest, more := strings.Cut(todo[len(todo)-1], "/")
		todo = todo[:len(todo)-1]
		if more {
			todo = append(todo, rest)
		}
		switch name {
		case "", ".":
			continue
		case "..":
			p.pop()
			continue
		}
		n := p.top().child(name)
		if n == nil || n.kind != plimsoll.EntrySymlink {
			p.push(name, n)
			continue
		}
		if links++; links > most {
			return place{}, errLinks
		}
		if strings.HasPrefix(n.link, "/") {
			p.reset()
		}
		todo = append(todo, n.link)
		p.dotted = p.dotted || isDotted(n.link)
	}
	return p, nil
}

// isDotted tells a path that goes down and then up again.
func isDotted(path string) bool {
	down := false
	for name := range strings.SplitSeq(path, "/") {
		switch name {
		case "", ".":
		case "..":
			if down {
				return true
			}
		default:
			down = true
		}
	}
	return false
}

// at is the node that a real path (without symlinks) leads to, nil when there is none.
func at(root *node, path string) *node {
	n := root
	for path != "" && n != nil {
		var name string
		name, path, _ = strings.Cut(path, "/")
		n = n.child(name)
	}
	return n
}

// follow is the node that a path leads to with all symlinks followed, and its real path; nil when there is none.
func follow(root *node, path string) (*node, string) {
	p, err := resolve(root, path, maxLinks)
	if err != nil {
		return nil, ""
	}
	return p.top(), p.path()
}

// overlay applies one layer to a tree.
type overlay struct {
	root     *node
	made     int                 // nodes made or copied: what the layer costs
	unpacked map[string]struct{} // real paths that the layer wrote; only kept when an opaque mark needs them
	marked   map[string]struct{} // real paths of folders whose opaque mark was met
	faults   map[string]int      // entries left out, by reason
	dropped  []int               // files (numbers in state.files) that lost a name

	// places are folders that were looked up, until a folder or link moves: layers list few folders many times.
	places map[string]place
}

// newOverlay starts on the tree at root, which stays as it is. A nil root is an empty image.
func newOverlay(root *node, layer *plimsoll.TreeFacts) *overlay {
	o := &overlay{faults: map[string]int{}, places: map[string]place{}}
	if root == nil {
		root = newFolder(o)
	}
	o.root = root
	for e := range layer.Entries.All() {
		if e.Type == plimsoll.EntryOpaque {
			o.unpacked = map[string]struct{}{}
			break
		}
	}
	return o
}

// apply puts one entry in place. file is the number of the file that analysers saw, 0 when they have nothing to say of it. It
// gives the real path and the node of a file or hard link.
func (o *overlay) apply(e plimsoll.TreeEntry, file int) (string, *node) {
	dir, base := split(e.Path)
	if e.Type == plimsoll.EntryOpaque {
		// The mark stands within the folder that it hides the content of.
		o.opaque(e.Path)
		return "", nil
	}
	p, err := o.parent(dir)
	if err != nil {
		o.fail(err)
		return "", nil
	}
	parent := p.top()
	if e.Type == plimsoll.EntryWhiteout {
		o.remove(parent, base)
		return "", nil
	}
	if o.unpacked != nil {
		o.unpacked[p.below(base)] = struct{}{}
	}
	n := o.put(parent, base, e, file)
	if n == nil || n.file == 0 {
		return "", n // nobody asks for its path
	}
	return p.below(base), n
}

// put replaces what stands at a name, except that a folder keeps its content when the layer has a folder too.
func (o *overlay) put(parent *node, base string, e plimsoll.TreeEntry, file int) *node {
	old := parent.child(base)
	if e.Type == plimsoll.EntryDir && old.isDir() {
		return nil
	}
	n := plainFile
	if e.Type != plimsoll.EntryFile || file > 0 {
		n = &node{kind: e.Type, link: e.Link, file: file, by: o}
	}
	if e.Type == plimsoll.EntryHardlink {
		// The old entry goes first, as on a disk: a link to itself finds nothing.
		o.remove(parent, base)
		target := o.target(e.Link)
		if target == nil || target.isDir() {
			o.fail(errHardlink)
			return nil
		}
		n = target
		if target.file == 0 && file > 0 {
			n = &node{kind: target.kind, link: target.link, file: file, by: o} // known by this name alone
		}
	}
	if old.isDir() || old != nil && old.kind == plimsoll.EntrySymlink || n.kind == plimsoll.EntrySymlink {
		clear(o.places)
	}
	if old != nil {
		o.drop(old)
	}
	parent.set(base, n)
	o.made++
	return n
}

// drop notes the files of a node that goes, and of all below it.
func (o *overlay) drop(n *node) {
	for todo := []*node{n}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n.file > 0 {
			o.dropped = append(o.dropped, n.file)
		}
		for _, kid := range n.kids {
			if kid.file > 0 || len(kid.kids) > 0 {
				todo = append(todo, kid)
			}
		}
	}
}

// target is what a hard link points at: symlinks above it are followed, the last name is not.
func (o *overlay) target(link string) *node {
	dir, base := split(link)
	p, err := resolve(o.root, dir, maxApplyLinks)
	if err != nil {
		return nil
	}
	if p.dotted {
		o.fail(errDotted)
	}
	return p.top().child(base)
}

func (o *overlay) remove(parent *node, base string) {
	old := parent.child(base)
	if old == nil {
		return
	}
	if old.isDir() || old.kind == plimsoll.EntrySymlink {
		clear(o.places)
	}
	o.drop(old)
	parent.unset(base)
}

// parent is the folder of that path, real and ready to be changed; missing ones are made.
func (o *overlay) parent(dir string) (place, error) {
	if p, ok := o.places[dir]; ok {
		return p, nil
	}
	p, err := resolve(o.root, dir, maxApplyLinks)
	if err != nil {
		return place{}, err
	}
	if p.dotted {
		o.fail(errDotted)
	}
	if err := o.own(&p); err != nil {
		return place{}, err
	}
	if len(o.places) >= maxPlaces {
		clear(o.places)
	}
	o.places[dir] = p
	return p, nil
}

// own makes every folder of a place this overlay's own, by copying those of earlier layers and making those that are missing.
func (o *overlay) own(p *place) error {
	for i, n := range p.nodes {
		if n != nil && !n.isDir() {
			return errNotDir
		}
		if n != nil && n.by == o {
			continue
		}
		c := newFolder(o)
		if n != nil {
			c = copyFolder(n, o)
			o.made += c.size()
		}
		o.made++
		if p.nodes[i] = c; i == 0 {
			o.root = c
		} else {
			p.nodes[i-1].set(p.names[i-1], c)
		}
	}
	return nil
}

// opaque removes what earlier layers have in a folder. What this layer itself wrote stays, but only where the path of every
// folder above was written too: containerd looks at each path it meets on the way down.
func (o *overlay) opaque(dir string) {
	p, err := o.parent(dir)
	if err != nil {
		o.fail(err)
		return
	}
	if _, again := o.marked[p.path()]; again {
		return // what this layer made since the first mark stays, made by an entry of its own or not
	}
	if o.marked == nil {
		o.marked = map[string]struct{}{}
	}
	o.marked[p.path()] = struct{}{}
	clear(o.places)
	type folder struct {
		n    *node
		path string
	}
	for todo := []folder{{p.top(), p.path()}}; len(todo) > 0; {
		f := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for name, kid := range f.n.children() {
			path := name
			if f.path != "" {
				path = f.path + "/" + name
			}
			if _, ours := o.unpacked[path]; !ours {
				o.drop(kid)
				f.n.unset(name)
				continue
			}
			if kid.isDir() {
				if kid.by != o {
					o.made += 1 + kid.size()
					kid = copyFolder(kid, o)
					f.n.set(name, kid)
				}
				todo = append(todo, folder{kid, path})
			}
		}
	}
}

// fail counts an entry that is left out. One behind a loop of links is not missing: nothing could ever open it.
func (o *overlay) fail(err error) {
	if !errors.Is(err, errLinks) {
		o.faults[err.Error()]++
	}
}

// fault is the reason that most entries were left out for; empty when none was.
func (o *overlay) fault() string {
	worst := ""
	for why, n := range o.faults {
		if worst == "" || n > o.faults[worst] || n == o.faults[worst] && why < worst {
			worst = why
		}
	}
	if worst == "" {
		return ""
	}
	return fmt.Sprintf("%s (%d)", worst, o.faults[worst])
}

func split(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}
