package assemble

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

// owners tells which package owns a file of a merged tree. It is immutable. What was told of a base is told of the images on it
// too, for as long as their own layers touch nothing that was looked at: see [owners.above].
type owners struct {
	claims []claim             // by number of the file less one; files of later layers have none
	system bool                // OS packages have lists
	listed map[string]struct{} // keys of dpkg packages that have a .list
	packed map[string]string   // folders of npm packages and gems, with their owners
	over   bool                // not all lists were read: too many names
	look   []int               // numbers of the files that something may have to be said of

	looked []uint64 // places of the tree that the lists led to, sorted; nil: not known, or too many
}

// owned reads who owns the files of the merged tree.
func (s *state) owned() *owners {
	return s.ownedBy(false)
}

// ownedBelow is owned for a tree that others stand on.
func (s *state) ownedBelow() *owners {
	o := s.ownedBy(true)
	o.look = slices.Clone(slices.DeleteFunc(o.look, func(id int) bool {
		f := s.files[id-1]
		return f.entry == nil || !f.there() || !slices.ContainsFunc(f.names, func(name string) bool {
			return len(o.describe(f, id, name).Notes) > 0
		})
	}))
	return o
}

func (s *state) ownedBy(remember bool) *owners {
	r := spare.Get().(*listReader)
	defer r.done()
	r.read(s, remember)
	o := &owners{
		claims: r.claims, system: r.system, listed: r.dpkg.listed, over: r.folders.over, looked: r.folders.places(),
		packed: map[string]string{}, look: make([]int, len(s.files)),
	}
	for i, f := range s.files {
		o.look[i] = i + 1
		if dir, owner := f.packs(); owner != "" {
			o.packed[dir] = owner
		}
	}
	return o
}

// above gives the owners in a tree that stands on the one these are of. It gives nil where they have to be read anew: a list
// came, went or is another one, or the tree is another one at a place that the lists led to.
func (o *owners) above(base, s *state) *owners {
	if o.looked == nil || o.over || base.root == nil {
		return nil
	}
	up := *o
	up.looked, up.look = nil, slices.Clip(o.look)
	for i, f := range base.files {
		if s.files[i] == f {
			continue
		}
		if _, owner := f.packs(); owner != "" || f.list != nil {
			return nil
		}
		up.look = append(up.look, i+1)
	}
	packed := map[string]string{}
	for i, f := range s.files[len(base.files):] {
		if f.list != nil {
			return nil
		}
		up.look = append(up.look, len(base.files)+i+1)
		if dir, owner := f.packs(); owner != "" {
			packed[dir] = owner
		}
	}
	if o.touched(rootPlace, base.root, s.root) {
		return nil
	}
	if len(packed) > 0 {
		up.packed = maps.Clone(o.packed)
		maps.Copy(up.packed, packed)
	}
	slices.Sort(up.look)
	up.look = slices.Compact(up.look)
	return &up
}

// touched tells whether two folders differ, at any depth, in something that was looked at. Files of which only the name is known
// are nobody's, so they may come and go. Folders that no layer wrote to since are the same ones.
func (o *owners) touched(at uint64, below, above *node) bool {
	if below == above {
		return false
	}
	for name, kid := range above.kids {
		old := below.kids[name]
		switch {
		case old == kid:
		case old.isDir() && kid.isDir():
			if o.touched(placeBelow(at, name), old, kid) {
				return true
			}
		case o.lookedAt(at, name):
			return true
		}
	}
	for name := range below.kids {
		if above.kids[name] == nil && o.lookedAt(at, name) {
			return true
		}
	}
	return false
}

func (o *owners) lookedAt(dir uint64, name string) bool {
	_, ok := slices.BinarySearch(o.looked, placeBelow(dir, name))
	return ok
}

// cost is about what they take in memory, in bytes.
func (o *owners) cost() int {
	return 32*len(o.claims) + 8*(len(o.looked)+len(o.look)) + 64*(len(o.listed)+2*len(o.packed))
}

// of is what the owners of a file say.
func (o *owners) of(id int) claim {
	if id > len(o.claims) {
		return claim{}
	}
	return o.claims[id-1]
}

// mark notes on the language packages of a file that an OS package brought which one that is: it is patched, versioned and
// tracked in their place.
func (o *owners) mark(id int, ps []plimsoll.Package) {
	c := o.of(id)
	if !c.system {
		return
	}
	for i := range ps {
		ps[i].NotMatched = "installed by " + c.owner
	}
}

// packs tells a folder that all belongs to one installed package of npm or gem, whose databases name no files: npm and gem put
// nothing else there, and a list that could tell an addition does not exist.
func (f *file) packs() (dir, owner string) {
	if f.source == nil || len(f.source.Packages) == 0 || !f.there() {
		return "", ""
	}
	dir, base := split(f.names[0])
	switch p := f.source.Packages[0]; p.Extractor {
	case analyze.NameNPM:
		return dir, "npm:" + p.Name
	case analyze.NameGem:
		// specifications/rack-3.0.0.gemspec stands beside gems/rack-3.0.0; those of Ruby's own gems one folder deeper.
		home := strings.TrimSuffix(strings.TrimSuffix(dir, "/default"), "/specifications")
		return home + "/gems/" + strings.TrimSuffix(base, ".gemspec"), "gem:" + p.Name
	}
	return "", ""
}

// owner is the package that owns a file by one of its names; empty when none does.
func (o *owners) owner(id int, name string) string {
	if c := o.of(id); c.claimed {
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
func (o *owners) script(name string) string {
	base, ok := strings.CutPrefix(name, dpkgInfo)
	if !ok {
		return ""
	}
	key, kind := strings.TrimSuffix(base, path.Ext(base)), path.Ext(base)
	if _, installed := o.listed[key]; !installed {
		return ""
	}
	switch kind {
	case ".preinst", ".postinst", ".prerm", ".postrm", ".config":
		owner, _, _ := strings.Cut(key, ":")
		return owner
	}
	return ""
}
