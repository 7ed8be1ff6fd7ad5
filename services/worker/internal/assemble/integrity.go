package assemble

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// maxListed bounds the files of one inventory; an application image has some hundreds. Those of the weightiest notes stay.
const maxListed = 100_000

// Permission bits that are worth a note.
const (
	setUID        = 0o4000
	setGID        = 0o2000
	worldWritable = 0o002
)

// integrity lists the files of the merged tree that are worth a look. named tells that an os-release names a distribution. short
// says which lists of owned files were not read whole, and whether files could not be compared.
func (o *owners) integrity(s *state, named bool) (all []plimsoll.File, short []plimsoll.Coverage) {
	for _, f := range s.files {
		if f.list != nil && f.there() && f.list.Read.Short() {
			short = append(short, f.list.Read)
		}
	}
	unverified := 0
	for _, id := range o.look {
		f := s.files[id-1]
		if f.entry == nil || !f.there() {
			continue
		}
		for _, name := range f.names {
			if n := at(s.root, name); n == nil || n.file != id {
				continue // a hard link that an upper layer removed
			}
			if file := o.describe(f, id, name); len(file.Notes) > 0 {
				all = append(all, file)
				if slices.Contains(file.Notes, plimsoll.NoteUnverified) {
					unverified++
				}
			}
		}
	}
	partial := func(when bool, format string, args ...any) {
		if when {
			short = append(short, plimsoll.Partial(fmt.Sprintf(format, args...)))
		}
	}
	partial(!o.system && (named || s.hasShell() || s.packages()), reasonNoLists)
	partial(s.strayDatabase(), "the package database is a link to a file that was not read")
	partial(o.over, "limit reached: more than %d names looked up for owned files", maxSteps)
	partial(unverified > 0, "%d owned files could not be compared with their packages' sums", unverified)
	partial(len(all) > maxListed, "limit reached: more than %d files worth a look", maxListed)
	return sorted(all), short
}

// reasonNoLists is why nothing can be said of who owns a file: the lists are of a kind that nothing here reads, or were removed.
// An image that is no distribution's, with one static program, needs none.
const reasonNoLists = "no lists of the files that OS packages own"

// packages tells whether OS packages are installed.
func (s *state) packages() bool {
	return slices.ContainsFunc(s.files, func(f *file) bool {
		return f.source != nil && f.source.Database && len(f.source.Packages) > 0 && f.there()
	})
}

// describe is what is to be said of a file by one of its names.
func (o *owners) describe(f *file, id int, name string) plimsoll.File {
	e := f.entry
	file := plimsoll.File{
		Path: name, Layer: f.layer, Kind: e.Kind, Size: e.Size, Mode: e.Mode, SHA256: e.SHA256, Capabilities: e.Capabilities,
		Owner: o.owner(id, name),
	}
	note := func(when bool, n plimsoll.FileNote) {
		if when {
			file.Notes = append(file.Notes, n)
		}
	}
	if c := o.of(id); c.claimed && !c.same && !c.config {
		note(c.differs, plimsoll.NoteAltered)
		note(!c.differs, plimsoll.NoteUnverified)
	}
	note(o.system && file.Owner == "" && e.Kind != plimsoll.FileOther, plimsoll.NoteUnowned)
	note(e.Mode&setUID != 0, plimsoll.NoteSetUID)
	note(e.Mode&setGID != 0, plimsoll.NoteSetGID)
	note(e.Capabilities != "", plimsoll.NoteCapabilities)
	note(e.Mode&worldWritable != 0, plimsoll.NoteWorldWritable)
	return file
}

// noteWeight orders files when there are too many: the lower, the weightier.
var noteWeight = map[plimsoll.FileNote]int{
	plimsoll.NoteAltered: 0, plimsoll.NoteUnverified: 1, plimsoll.NoteSetUID: 2, plimsoll.NoteSetGID: 3,
	plimsoll.NoteCapabilities: 4, plimsoll.NoteUnowned: 5, plimsoll.NoteWorldWritable: 6,
}

// sorted is the list by path, cut at maxListed by weight.
func sorted(all []plimsoll.File) []plimsoll.File {
	if len(all) > maxListed {
		weight := func(f plimsoll.File) int {
			w := len(noteWeight)
			for _, n := range f.Notes {
				w = min(w, noteWeight[n])
			}
			return w
		}
		slices.SortFunc(all, func(a, b plimsoll.File) int {
			return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(a.Path, b.Path))
		})
		all = all[:maxListed]
	}
	slices.SortFunc(all, func(a, b plimsoll.File) int { return cmp.Compare(a.Path, b.Path) })
	return all
}
