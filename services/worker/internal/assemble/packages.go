package assemble

import (
	"cmp"
	"path"
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

const hiddenLock = analyze.NameNPMLock

// unit tells packages apart: what must be the same in each version of a database for a package to be the same one.
type unit struct{ ecosystem, name, version, architecture string }

func unitOf(p plimsoll.Package) unit { return unit{p.Ecosystem, p.Name, p.Version, p.Architecture} }

// contents are the packages of a merged tree.
type contents struct {
	visible, hidden []plimsoll.Package
	short           []plimsoll.Coverage // of visible files that were not read whole
	databases       int                 // visible OS package databases
	databasePkgs    int
}

// contents draws the packages from the files: those of files that are still there, and those that lower layers hold although
// an upper one removed them.
func (s *state) contents(o *owners, r plimsoll.OSRelease) contents {
	var c contents
	locks := s.locks()
	for i, f := range s.files {
		if f.source == nil || f.source.Extractor == analyze.NameNPM && locks.cover(f.source.Path) {
			continue
		}
		if !f.there() {
			c.hidden = append(c.hidden, s.hiddenUnowned(f, f.hidden(r))...)
			continue
		}
		if f.source.Read.Short() {
			c.short = append(c.short, f.source.Read)
		}
		if f.source.Database {
			c.databases++
			c.databasePkgs += len(f.source.Packages)
		}
		found := f.located(r, s.since(i))
		if !f.source.Database {
			o.mark(i+1, found)
			found = unowned(found)
		}
		c.visible = append(c.visible, found...)
	}
	return c
}

// hidden are the packages of a file that is not there.
func (f *file) hidden(r plimsoll.OSRelease) []plimsoll.Package {
	out := f.located(r, func(unit) int { return f.layer })
	for i := range out {
		out[i].HiddenIn = max(f.until, f.layer)
	}
	return out
}

// located copies the packages of a file and sets their layer. Layer facts are shared by many images, so they are never changed.
func (f *file) located(r plimsoll.OSRelease, layer func(unit) int) []plimsoll.Package {
	out := slices.Clone(f.placed(r))
	for i, p := range f.source.Packages {
		out[i].Layer = layer(unitOf(p))
	}
	return out
}

// placing is the packages of a database as a release places them.
type placing struct {
	release  plimsoll.OSRelease
	packages []plimsoll.Package
}

// placed gives the packages of a database what only the image knows, and remembers it: thousands of images share a base, and with
// it the file and the release. Others are placed by [contents.finish].
func (f *file) placed(r plimsoll.OSRelease) []plimsoll.Package {
	if !f.source.Database {
		return f.source.Packages
	}
	if last := f.placing.Load(); last != nil && last.release == r {
		return last.packages
	}
	all := slices.Clone(f.source.Packages)
	for i := range all {
		all[i] = placed(all[i], r)
	}
	f.placing.Store(&placing{r, all})
	return all
}

// since tells for each package of a visible file the lowest layer from which on every version of the file held it. Files that are
// no database have one version: their own layer brought them.
func (s *state) since(i int) func(unit) int {
	f := s.files[i]
	if !f.isDatabase() || len(f.names) == 0 {
		return func(unit) int { return f.layer }
	}
	held := map[unit]int{}
	for _, v := range s.versions(f) {
		now := make(map[unit]int, len(v.source.Packages))
		for _, p := range v.source.Packages {
			u := unitOf(p)
			layer, ok := held[u]
			if !ok {
				layer = v.layer
			}
			now[u] = layer
		}
		held = now
	}
	return func(u unit) int { return held[u] }
}

// versions are the versions of a database that led to f without a layer in which it was gone, lowest first.
func (s *state) versions(f *file) []*file {
	var chain []*file
	for _, v := range s.files {
		if !v.isDatabase() || v.source.Extractor != f.source.Extractor || len(v.names) == 0 || v.names[0] != f.names[0] {
			continue
		}
		if len(chain) > 0 && chain[len(chain)-1].until != v.layer {
			chain = nil
		}
		if chain = append(chain, v); v == f {
			break
		}
	}
	return chain
}

// finish sorts, places OS packages by the release, and drops from the hidden what is installed after all.
func (c *contents) finish(r plimsoll.OSRelease) {
	c.visible = tidy(c.visible, r)
	c.hidden = tidy(c.hidden, r)
	installed := make(map[unit]struct{}, len(c.visible))
	for _, p := range c.visible {
		installed[unitOf(p)] = struct{}{}
	}
	c.hidden = slices.DeleteFunc(c.hidden, func(p plimsoll.Package) bool {
		_, ok := installed[unitOf(p)]
		return ok
	})
	c.hidden = compactHidden(c.hidden)
}

// compactHidden joins the finds of one package in several versions of one file: the lowest brought it, the last that had it tells
// which layer removed it.
func compactHidden(ps []plimsoll.Package) []plimsoll.Package {
	out := ps[:0]
	for _, p := range ps {
		if n := len(out); n > 0 && unitOf(out[n-1]) == unitOf(p) && out[n-1].Path == p.Path {
			out[n-1].HiddenIn = max(out[n-1].HiddenIn, p.HiddenIn)
			continue
		}
		out = append(out, p)
	}
	return out
}

// tidy places and sorts packages: by ecosystem, name, version, path, then by all else that tells two apart.
func tidy(ps []plimsoll.Package, r plimsoll.OSRelease) []plimsoll.Package {
	for i := range ps {
		ps[i] = placed(ps[i], r)
	}
	slices.SortFunc(ps, compare)
	return slices.CompactFunc(ps, func(a, b plimsoll.Package) bool { return a == b })
}

// compare orders packages. Most differ in ecosystem or name, so the rest is looked at for those alone that do not.
func compare(a, b plimsoll.Package) int {
	if c := cmp.Compare(a.Ecosystem, b.Ecosystem); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.Version, b.Version), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Architecture, b.Architecture),
		cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.PURL, b.PURL), cmp.Compare(a.Source, b.Source),
		cmp.Compare(a.SourceVersion, b.SourceVersion), cmp.Compare(a.Module, b.Module), cmp.Compare(a.NotMatched, b.NotMatched),
		cmp.Compare(a.HiddenIn, b.HiddenIn),
	)
}

// locks are the folders that npm's hidden lock files describe whole.
type locks map[string]struct{}

func (s *state) locks() locks {
	l := locks{}
	for _, f := range s.files {
		if f.source != nil && f.source.Extractor == hiddenLock && f.there() {
			l[path.Dir(f.source.Path)] = struct{}{}
		}
	}
	return l
}

// cover tells whether a hidden lock file above a package.json lists that package already.
func (l locks) cover(p string) bool {
	if len(l) == 0 {
		return false
	}
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if _, ok := l[dir]; ok {
			return true
		}
	}
	return false
}

func ecosystems(ps []plimsoll.Package) []string {
	all := []string{}
	for _, p := range ps {
		if p.Ecosystem != "" && (len(all) == 0 || all[len(all)-1] != p.Ecosystem) {
			all = append(all, p.Ecosystem) // packages are sorted by it
		}
	}
	return slices.Compact(all)
}

// shells and databases are asked for in the merged tree to tell an image whose packages we should know from one that has none.
var shells = []string{"bin/sh", "usr/bin/sh", "bin/bash", "bin/busybox"}

var databasePaths = []string{
	"var/lib/dpkg/status", "usr/lib/opkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed", "var/lib/apk/db/installed",
	"var/lib/rpm/Packages", "var/lib/rpm/Packages.db", "var/lib/rpm/rpmdb.sqlite",
	"usr/lib/sysimage/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "usr/lib/sysimage/rpm/rpmdb.sqlite",
	"usr/share/rpm/Packages", "usr/share/rpm/Packages.db", "usr/share/rpm/rpmdb.sqlite",
}

func (s *state) hasShell() bool {
	return slices.ContainsFunc(shells, func(p string) bool {
		n, _ := follow(s.root, p)
		return n != nil && n.kind == plimsoll.EntryFile
	})
}

// strayDatabase tells that a database's path leads, over a symlink, to a file that no reader knew for one.
func (s *state) strayDatabase() bool {
	return slices.ContainsFunc(databasePaths, func(p string) bool {
		n, _ := follow(s.root, p)
		return n != nil && n.kind == plimsoll.EntryFile && (n.file == 0 || s.files[n.file-1].source == nil)
	})
}

// gaps are the reasons why the packages of the image are not all known, although each file's own reading may be whole.
func (s *state) gaps(c contents, named, unread bool) []plimsoll.Coverage {
	var out []plimsoll.Coverage
	add := func(when bool, why string) {
		if when {
			out = append(out, plimsoll.Partial(why))
		}
	}
	system := named || s.hasShell()
	add(system && c.databases == 0, "no package database")
	add(system && c.databases > 0 && c.databasePkgs == 0, "the package database is empty")
	add(s.strayDatabase(), "the package database is a link to a file that was not read")
	add(!named && unread, "os-release is a link to a file that was not read")
	return out
}
