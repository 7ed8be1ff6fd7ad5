package assemble

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// node is one entry of a merged tree. A node is immutable once the layer that made it is applied; a later layer copies it
// before it changes it.
type node struct {
	kind plimsoll.EntryType // file, folder, symlink or device
	link string             // target of a symlink, as written
	file int                // 1 + index of the file in state.files; 0: no reader saw it
	kids map[string]*node   // of a folder
	by   *overlay           // the overlay that may still change it
}

func (n *node) isDir() bool { return n != nil && n.kind == plimsoll.EntryDir }

func (n *node) child(name string) *node {
	if !n.isDir() {
		return nil
	}
	return n.kids[name]
}

// maxLinks is where following symlinks stops: Linux's own bound (path_resolution(7)).
const maxLinks = 40

// Faults of entries that containerd's apply would refuse a layer for. Here the entry is left out, and the tree is partial.
var (
	errLinks    = errors.New("too many levels of symbolic links")
	errNotDir   = errors.New("entry below a file")
	errHardlink = errors.New("hard link to something that is no file")
)

// place is where a path leads: the names of the real folders above it, and the node of the last of them (nil when missing).
type place struct {
	names []string
	nodes []*node // nodes[i] is the folder that names[:i] leads to; nodes[0] is the root
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

func (p *place) path() string { return strings.Join(p.names, "/") }

// resolve follows dir through the tree at root: symlinks are taken relative to where they stand, absolute ones and ".." never
// lead above the root, what is missing is taken as written.
func resolve(root *node, dir string) (place, error) {
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
		if links++; links > maxLinks {
			return place{}, errLinks
		}
		if strings.HasPrefix(n.link, "/") {
			p.reset()
		}
		todo = append(todo, n.link)
	}
	return p, nil
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
	p, err := resolve(root, path)
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
	faults   map[string]int      // entries left out, by reason

	// Layers list a folder's entries one after another, so the last folder is kept until something moves under it.
	lastDir  string
	lastPath place
	lastOK   bool
}

// newOverlay starts on the tree at root, which stays as it is. A nil root is an empty image.
func newOverlay(root *node, entries []plimsoll.TreeEntry) *overlay {
	o := &overlay{faults: map[string]int{}}
	if root == nil {
		root = &node{kind: plimsoll.EntryDir, kids: map[string]*node{}, by: o}
	}
	o.root = root
	for _, e := range entries {
		if e.Type == plimsoll.EntryOpaque {
			o.unpacked = map[string]struct{}{}
			break
		}
	}
	return o
}

// apply puts one entry in place. It gives the real path and the node of a file or hard link, for its caller to mark.
func (o *overlay) apply(e plimsoll.TreeEntry) (string, *node) {
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
	real := base
	if len(p.names) > 0 {
		real = p.path() + "/" + base
	}
	if o.unpacked != nil {
		o.unpacked[real] = struct{}{}
	}
	return real, o.put(parent, base, e)
}

// put replaces what stands at a name, except that a folder keeps its content when the layer has a folder too.
func (o *overlay) put(parent *node, base string, e plimsoll.TreeEntry) *node {
	old := parent.kids[base]
	if e.Type == plimsoll.EntryDir && old.isDir() {
		return nil
	}
	n := &node{kind: e.Type, link: e.Link, by: o}
	if e.Type == plimsoll.EntryHardlink {
		// The old entry goes first, as on a disk: a link to itself finds nothing.
		o.remove(parent, base)
		target := o.target(e.Link)
		if target == nil || target.isDir() {
			o.fail(errHardlink)
			return nil
		}
		n = target
	}
	if e.Type == plimsoll.EntryDir {
		n.kids = map[string]*node{}
	}
	if old.isDir() || old != nil && old.kind == plimsoll.EntrySymlink || n.kind == plimsoll.EntrySymlink {
		o.lastOK = false
	}
	parent.kids[base] = n
	o.made++
	return n
}

// target is what a hard link points at: symlinks above it are followed, the last name is not.
func (o *overlay) target(link string) *node {
	dir, base := split(link)
	p, err := resolve(o.root, dir)
	if err != nil {
		return nil
	}
	return p.top().child(base)
}

func (o *overlay) remove(parent *node, base string) {
	old, ok := parent.kids[base]
	if !ok {
		return
	}
	if old.isDir() || old.kind == plimsoll.EntrySymlink {
		o.lastOK = false
	}
	delete(parent.kids, base)
}

// parent is the folder of that path, real and ready to be changed; missing ones are made.
func (o *overlay) parent(dir string) (place, error) {
	if o.lastOK && dir == o.lastDir {
		return o.lastPath, nil
	}
	p, err := resolve(o.root, dir)
	if err != nil {
		return place{}, err
	}
	if err := o.own(&p); err != nil {
		return place{}, err
	}
	o.lastDir, o.lastPath, o.lastOK = dir, p, true
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
		c := &node{kind: plimsoll.EntryDir, by: o}
		if n != nil {
			c.kids = maps.Clone(n.kids)
			o.made += len(c.kids)
		}
		if c.kids == nil {
			c.kids = map[string]*node{}
		}
		o.made++
		if p.nodes[i] = c; i == 0 {
			o.root = c
		} else {
			p.nodes[i-1].kids[p.names[i-1]] = c
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
	o.lastOK = false
	type folder struct {
		n    *node
		path string
	}
	for todo := []folder{{p.top(), p.path()}}; len(todo) > 0; {
		f := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for name, kid := range f.n.kids {
			path := name
			if f.path != "" {
				path = f.path + "/" + name
			}
			if _, ours := o.unpacked[path]; !ours {
				delete(f.n.kids, name)
				continue
			}
			if kid.isDir() {
				if kid.by != o {
					kid = o.copyDir(kid)
					f.n.kids[name] = kid
				}
				todo = append(todo, folder{kid, path})
			}
		}
	}
}

func (o *overlay) copyDir(n *node) *node {
	o.made += 1 + len(n.kids)
	return &node{kind: plimsoll.EntryDir, by: o, kids: maps.Clone(n.kids)}
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
