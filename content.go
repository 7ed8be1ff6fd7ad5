package plimsoll

import "slices"

// Content counts what an image holds besides packages with findings: what lists, rules and reports say of it. A zero says
// something only where the analyser named beside it read the image whole.
type Content struct {
	Secrets       int `json:"secrets"`        // secrets: that a container started from the image can read
	HiddenSecrets int `json:"hidden_secrets"` // secrets: that an upper layer removed, still downloadable
	AlteredFiles  int `json:"altered_files"`  // files: a package owns them, and the content is not what it installed
	UnownedFiles  int `json:"unowned_files"`  // files: executable, and no package brought them
	// UnownedSetUID are those of UnownedFiles that run with more rights than their caller's: set-uid, set-gid or with
	// capabilities.
	UnownedSetUID int `json:"unowned_setuid"`
	Files         int `json:"files"`           // files: all that are worth a look
	Removed       int `json:"hidden_packages"` // packages: that an upper layer removed, still downloadable
}

// Content counts what the inventory holds.
func (inv Inventory) Content() Content {
	c := Content{Files: len(inv.Files), Removed: len(inv.Hidden)}
	for _, s := range inv.Secrets {
		if s.Hidden {
			c.HiddenSecrets++
		} else {
			c.Secrets++
		}
	}
	for _, f := range inv.Files {
		if f.Has(NoteAltered) {
			c.AlteredFiles++
		}
		if f.Has(NoteUnowned) {
			c.UnownedFiles++
		}
		if f.Foreign() {
			c.UnownedSetUID++
		}
	}
	return c
}

// Has reports whether a file is listed for this reason, among others.
func (f File) Has(n FileNote) bool { return slices.Contains(f.Notes, n) }

// Foreign reports whether no package brought the file and it runs with more rights than its caller's.
func (f File) Foreign() bool {
	return f.Has(NoteUnowned) && (f.Has(NoteSetUID) || f.Has(NoteSetGID) || f.Has(NoteCapabilities))
}

// Rank orders files as lists show them, what may be an intruder's first: altered; foreign; then by their weightiest note. A
// note that is not known here weighs most, because unknown is never clean.
func (f File) Rank() int {
	rank := len(noteRank) + 1
	for _, n := range f.Notes {
		r, ok := noteRank[n]
		if !ok {
			return 0
		}
		rank = min(rank, r)
	}
	if f.Foreign() {
		rank = min(rank, foreignRank)
	}
	return rank
}

const foreignRank = 1

var noteRank = map[FileNote]int{
	NoteAltered: 0, NoteUnverified: 2, NoteWorldWritable: 3, NoteUnowned: 4, NoteSetUID: 5, NoteSetGID: 6, NoteCapabilities: 7,
}
