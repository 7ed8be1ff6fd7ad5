package assemble

import (
	"bytes"
	"encoding/hex"
	"path"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

// listReader reads the lists of files that packages own, as far as they can be read in the merged tree.
type listReader struct {
	s       *state
	folders *folders
	claims  []claim // by number of the file less one
	system  bool    // OS packages have lists
	dpkg    dpkgLists
}

// claim is what the owners of one file say.
type claim struct {
	claimed bool
	owner   string
	system  bool // the owner is an OS package
	config  bool // the file is meant to be changed
	// Of the sums that owners tell of this file, one is that of its content; one is not. With neither, it was not compared: we
	// have no sum of that kind, or the owners tell none, as after somebody removed dpkg's .md5sums. dpkg makes those that a package
	// lacks itself (dpkg 1.16.3, changelog), and the other databases have a sum for each file.
	same, differs bool
}

// dpkgLists is what dpkg spreads over several files.
type dpkgLists struct {
	listed     map[string]struct{} // keys of packages that have a .list
	sums       map[sumOf][]byte
	diversions map[string]plimsoll.Diversion
	config     map[int]struct{}
}

// sumOf names the sum that one dpkg package has for a file. The key is that of its lists: "libc6:amd64".
type sumOf struct {
	file int
	key  string
}

// spare are readers that are done with. Each needs about the same: what one is made of is used again.
var spare = sync.Pool{New: func() any {
	return &listReader{folders: newFolders(), dpkg: dpkgLists{sums: map[sumOf][]byte{}, diversions: map[string]plimsoll.Diversion{}, config: map[int]struct{}{}}}
}}

// maxSpare bounds what is kept for use again, in names; an image of a distribution has some ten thousand.
const maxSpare = 100_000

// done gives a reader back. Nothing that it told refers to it.
func (o *listReader) done() {
	if len(o.dpkg.sums)+len(o.folders.known)+len(o.folders.looked)+len(o.dpkg.diversions) > maxSpare {
		return
	}
	clear(o.dpkg.sums)
	clear(o.dpkg.diversions)
	clear(o.dpkg.config)
	o.s, o.claims, o.dpkg.listed, o.system = nil, nil, nil, false
	o.folders.reset(nil)
	spare.Put(o)
}

// read takes the lists. Those of OS packages come before those of languages: a file that both name is the OS package's.
// remember notes the places of the tree that they lead to.
func (o *listReader) read(s *state, remember bool) {
	o.s, o.claims, o.dpkg.listed = s, make([]claim, len(s.files)), map[string]struct{}{}
	o.folders.reset(s.root)
	o.folders.remember = remember
	for _, take := range []func(*plimsoll.FileList){o.prepare, o.dpkgSums, o.systemFiles, o.pythonFiles} {
		for _, f := range s.files {
			if f.list != nil && f.there() {
				take(f.list)
			}
		}
	}
}

// prepare takes what the other lists need.
func (o *listReader) prepare(l *plimsoll.FileList) {
	o.system = o.system || l.Format != plimsoll.ListPython && len(l.Owners) > 0
	switch l.Format {
	case plimsoll.ListDpkgPaths:
		o.dpkg.listed[dpkgKey(l)] = struct{}{}
	case plimsoll.ListDpkgDiversions:
		for _, d := range l.Diversions {
			o.dpkg.diversions[d.From] = d
		}
	}
}

// dpkgKey is what the lists of one dpkg package have in common: "libc6:amd64".
func dpkgKey(l *plimsoll.FileList) string {
	base := path.Base(l.Path)
	return strings.TrimSuffix(base, path.Ext(base))
}

// dpkgSums takes the sums and the conffiles of dpkg's packages.
func (o *listReader) dpkgSums(l *plimsoll.FileList) {
	switch l.Format {
	case plimsoll.ListDpkgSums:
		key := dpkgKey(l)
		o.each(l, func(id int, _ string, f plimsoll.OwnedFile) { o.dpkg.sums[sumOf{id, key}] = f.Sum })
	case plimsoll.ListDpkgConffiles:
		o.each(l, func(id int, _ string, _ plimsoll.OwnedFile) { o.dpkg.config[id] = struct{}{} })
	}
}

// systemFiles takes what OS packages own. A path belongs to a dpkg package by its .list: .md5sums still names what another
// package took over ("Replaces"). Images without dpkg itself have only the latter.
func (o *listReader) systemFiles(l *plimsoll.FileList) {
	switch l.Format {
	case plimsoll.ListDpkgPaths:
		key := dpkgKey(l)
		o.each(l, func(id int, owner string, f plimsoll.OwnedFile) {
			f.Sum = o.dpkg.sums[sumOf{id, key}]
			_, f.Config = o.dpkg.config[id]
			o.claim(id, owner, f)
		})
	case plimsoll.ListDpkgSums:
		if _, ok := o.dpkg.listed[dpkgKey(l)]; !ok {
			o.each(l, o.claim)
		}
	case plimsoll.ListApk, plimsoll.ListRPM, plimsoll.ListChisel:
		o.each(l, o.claim)
	}
}

// pythonFiles takes what installed Python distributions own and no OS package does.
func (o *listReader) pythonFiles(l *plimsoll.FileList) {
	if l.Format != plimsoll.ListPython {
		return
	}
	o.each(l, func(id int, owner string, f plimsoll.OwnedFile) {
		if c := &o.claims[id-1]; !c.claimed || !c.system {
			o.claim(id, owner, f)
		}
	})
}

// each calls do for the files of a list that are there and that somebody may ask for.
func (o *listReader) each(l *plimsoll.FileList, do func(id int, owner string, f plimsoll.OwnedFile)) {
	for _, owner := range l.Owners {
		for at, f := range owner.Files.ByPath() {
			if d, ok := o.dpkg.diversions[string(at)]; ok && d.By != owner.Package && strings.HasPrefix(string(l.Format), "dpkg-") {
				at = []byte(d.To)
			}
			if id := o.folders.file(at); id > 0 {
				do(id, owner.Package, f)
			}
		}
	}
}

// claim notes that a package owns a file. Of several owners the one counts whose sum is right, else the first.
func (o *listReader) claim(id int, owner string, f plimsoll.OwnedFile) {
	c := &o.claims[id-1]
	if !c.claimed {
		*c = claim{claimed: true, owner: owner, system: !strings.HasPrefix(owner, analyze.OwnerPython)}
	}
	c.config = c.config || f.Config
	e := o.s.files[id-1].entry
	if e == nil {
		return
	}
	switch sum, ok := sumLike(e, f.Sum); {
	case !ok:
	case bytes.Equal(sum, f.Sum):
		if !c.same {
			c.owner = owner
		}
		c.same = true
	default:
		c.differs = true
	}
}

// sumLike is the file's own sum of the kind that a package tells.
func sumLike(e *plimsoll.FileEntry, sum []byte) ([]byte, bool) {
	own := map[int]string{md5Bytes: e.MD5, sha1Bytes: e.SHA1, sha256Bytes: e.SHA256}[len(sum)]
	b, err := hex.DecodeString(own)
	return b, own != "" && err == nil
}

// Sizes of sums, which tell their kinds.
const (
	md5Bytes    = 16
	sha1Bytes   = 20
	sha256Bytes = 32
)
