package assemble

import (
	"bytes"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

// ownership tells which package owns a file, by the lists that can be read in the merged tree.
type ownership struct {
	s       *state
	folders *folders
	claims  []claim // by number of the file less one
	system  bool    // OS packages have lists
	dpkg    dpkgLists
	packed  map[string]string // folders of npm packages and gems, with their owners
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

// spare are ownerships that are done with. Each image needs one, of about the same size: what it is made of is used again.
var spare = sync.Pool{New: func() any {
	return &ownership{
		folders: newFolders(), packed: map[string]string{},
		dpkg: dpkgLists{map[string]struct{}{}, map[sumOf][]byte{}, map[string]plimsoll.Diversion{}, map[int]struct{}{}},
	}
}}

// maxSpare bounds what is kept for use again, in names; an image of a distribution has some thousands.
const maxSpare = 50_000

// done gives an ownership back. Nothing that it told refers to it.
func (o *ownership) done() {
	if len(o.claims)+len(o.dpkg.sums)+len(o.folders.known)+len(o.dpkg.diversions)+len(o.packed) > maxSpare {
		return
	}
	clear(o.claims)
	clear(o.packed)
	clear(o.dpkg.listed)
	clear(o.dpkg.sums)
	clear(o.dpkg.diversions)
	clear(o.dpkg.config)
	o.s, o.system = nil, false
	o.folders.reset(nil)
	spare.Put(o)
}

// owned reads the lists. Those of OS packages come before those of languages: a file that both name is the OS package's.
func (s *state) owned() *ownership {
	o := spare.Get().(*ownership)
	o.s, o.claims = s, slices.Grow(o.claims[:0], len(s.files))[:len(s.files)]
	o.folders.reset(s.root)
	for _, take := range []func(*plimsoll.FileList){o.prepare, o.dpkgSums, o.systemFiles, o.pythonFiles} {
		for _, f := range s.files {
			if f.list != nil && f.there() {
				take(f.list)
			}
		}
	}
	o.languageFolders()
	return o
}

// prepare takes what the other lists need.
func (o *ownership) prepare(l *plimsoll.FileList) {
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
func (o *ownership) dpkgSums(l *plimsoll.FileList) {
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
func (o *ownership) systemFiles(l *plimsoll.FileList) {
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
func (o *ownership) pythonFiles(l *plimsoll.FileList) {
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
func (o *ownership) each(l *plimsoll.FileList, do func(id int, owner string, f plimsoll.OwnedFile)) {
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
func (o *ownership) claim(id int, owner string, f plimsoll.OwnedFile) {
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

// mark notes on the language packages of a file that an OS package brought which one that is: it is patched, versioned and
// tracked in their place.
func (o *ownership) mark(id int, ps []plimsoll.Package) {
	c := o.claims[id-1]
	if !c.system {
		return
	}
	for i := range ps {
		ps[i].NotMatched = "installed by " + c.owner
	}
}

// languageFolders finds the folders of installed packages whose databases name no files: those of npm and of gems. All that
// stands in such a folder is the package's: npm and gem put nothing else there, and a list that could tell an addition does not
// exist.
func (o *ownership) languageFolders() {
	for _, f := range o.s.files {
		if f.source == nil || len(f.source.Packages) == 0 || !f.there() {
			continue
		}
		dir, base := split(f.names[0])
		switch p := f.source.Packages[0]; p.Extractor {
		case analyze.NameNPM:
			o.packed[dir] = "npm:" + p.Name
		case analyze.NameGem:
			// specifications/rack-3.0.0.gemspec stands beside gems/rack-3.0.0; those of Ruby's own gems one folder deeper.
			home := strings.TrimSuffix(strings.TrimSuffix(dir, "/default"), "/specifications")
			o.packed[home+"/gems/"+strings.TrimSuffix(base, ".gemspec")] = "gem:" + p.Name
		}
	}
}

// owner is the package that owns a file by one of its names; empty when none does.
func (o *ownership) owner(id int, name string) string {
	if c := o.claims[id-1]; c.claimed {
		return c.owner
	}
	if owner := o.script(name); owner != "" {
		return owner
	}
	if len(o.packed) == 0 {
		return ""
	}
	for dir, _ := split(name); dir != ""; dir, _ = split(dir) {
		if owner, ok := o.packed[dir]; ok {
			return owner
		}
	}
	return ""
}

// dpkgInfo is the folder of dpkg's own files on each package.
const dpkgInfo = "var/lib/dpkg/info/"

// script is the installed package whose maintainer script this is (deb-preinst(5) and its like): dpkg keeps them in its own
// folder and in no list.
func (o *ownership) script(name string) string {
	base, ok := strings.CutPrefix(name, dpkgInfo)
	if !ok {
		return ""
	}
	key, kind := strings.TrimSuffix(base, path.Ext(base)), path.Ext(base)
	if _, installed := o.dpkg.listed[key]; !installed {
		return ""
	}
	switch kind {
	case ".preinst", ".postinst", ".prerm", ".postrm", ".config":
		owner, _, _ := strings.Cut(key, ":")
		return owner
	}
	return ""
}
