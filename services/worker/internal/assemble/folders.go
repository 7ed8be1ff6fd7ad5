package assemble

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// folders finds what the paths of package databases lead to. It follows symlinks as resolve does, but knows each folder and each
// link after the first time: databases name a hundred thousand paths, and a hostile one may lead each through many links.
type folders struct {
	root  *spot
	known map[string]*spot // by path as written; nil: there is no such folder
	links map[linkAt]led
	steps int // names looked up so far
	over  bool

	remember bool     // note the places looked at:
	looked   []uint64 // not in order, some several times
}

// maxSteps bounds the names looked up for one image; the largest image met needs about 100,000.
const maxSteps = 50_000_000

// maxLooked bounds the places that are noted; those of a large image's lists are some ten thousand.
const maxLooked = 1 << 20

// spot is a folder, its place, and the folder above it, which ".." needs.
type spot struct {
	n     *node
	place uint64
	up    *spot
}

// A place stands for a real path of the tree: equal paths have equal places, and hardly ever other ones.
const rootPlace = 0

// placeBelow is the place of a name in a folder.
func placeBelow(dir uint64, name string) uint64 {
	return bits.RotateLeft64(dir, 17)*0x9e3779b97f4a7c15 + maphash.String(seed, name)
}

// linkAt is a symlink in a folder. A hard link gives it a second place, from which it may lead elsewhere.
type linkAt struct{ link, dir *node }

// led is where a symlink leads, and how many links were followed.
type led struct {
	to    *spot
	links int
}

func newFolders() *folders {
	return &folders{known: map[string]*spot{}, links: map[linkAt]led{}}
}

// reset forgets all and starts over at a root.
func (f *folders) reset(root *node) {
	clear(f.known)
	clear(f.links)
	f.root, f.steps, f.over = &spot{n: root, place: rootPlace}, 0, false
	f.remember, f.looked = false, f.looked[:0]
}

// places gives all that was looked at, in order; nil when it was not noted, or is too much.
func (f *folders) places() []uint64 {
	if !f.remember {
		return nil
	}
	slices.Sort(f.looked)
	return append([]uint64{}, slices.Compact(f.looked)...)
}

// note remembers that a name was looked up in a folder, whether it is there or not.
func (f *folders) note(dir *spot, name string) {
	if !f.remember {
		return
	}
	if len(f.looked) == maxLooked {
		f.remember = false
		return
	}
	f.looked = append(f.looked, placeBelow(dir.place, name))
}

// file is the number of the file at path, 0 when there is none, or only a symlink.
func (f *folders) file(path []byte) int {
	slash := bytes.LastIndexByte(path, '/')
	dir, base := path[:max(slash, 0)], path[slash+1:]
	at, ok := f.known[string(dir)]
	if !ok {
		at, _ = f.walk(f.root, string(dir), 0)
		f.known[string(dir)] = at
	}
	if at == nil {
		return 0
	}
	f.note(at, string(base))
	if n := at.n.kids[string(base)]; n != nil && n.kind != plimsoll.EntrySymlink {
		return n.file
	}
	return 0
}

// walk goes down from a folder; nil when the path leads to no folder, or over more than maxLinks links. nested is how many links
// are being followed already.
func (f *folders) walk(from *spot, path string, nested int) (at *spot, links int) {
	at = from
	for name := range strings.SplitSeq(path, "/") {
		if f.steps++; f.steps > maxSteps {
			f.over = true
			return nil, 0
		}
		switch name {
		case "", ".":
			continue
		case "..":
			if at.up != nil {
				at = at.up
			}
			continue
		}
		f.note(at, name)
		n := at.n.child(name)
		switch {
		case n.isDir():
			at = &spot{n, placeBelow(at.place, name), at}
			continue
		case n == nil || n.kind != plimsoll.EntrySymlink:
			return nil, 0
		}
		next := f.follow(at, n, nested+1)
		if links += next.links; next.to == nil || links > maxLinks {
			return nil, 0
		}
		at = next.to
	}
	return at, links
}

// follow tells where a symlink leads.
func (f *folders) follow(dir *spot, n *node, nested int) led {
	key := linkAt{n, dir.n}
	if l, ok := f.links[key]; ok {
		return l
	}
	if nested > maxLinks {
		return led{} // a loop, or too deep from here: shorter ways may still come to it
	}
	from := dir
	if strings.HasPrefix(n.link, "/") {
		from = f.root
	}
	to, links := f.walk(from, n.link, nested)
	l := led{to, links + 1}
	if to != nil || nested == 1 {
		f.links[key] = l
	}
	return l
}
