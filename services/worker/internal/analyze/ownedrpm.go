package analyze

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// Tags of an rpm header that tell its files (rpm, include/rpm/rpmtag.h), each an array with one value a file but for the folders.
const (
	tagFileModes   = 1030
	tagFileDigests = 1035
	tagFileFlags   = 1037
	tagFileStates  = 1029
	tagDirIndexes  = 1116
	tagBaseNames   = 1117
	tagDirNames    = 1118
)

var rpmFileTags = []uint32{tagFileModes, tagFileDigests, tagFileFlags, tagFileStates, tagDirIndexes, tagBaseNames, tagDirNames}

// Types of arrays.
const (
	typeChar        = 1
	typeInt16       = 3
	typeStringArray = 8
)

// Flags of files (rpm, include/rpm/rpmfiles.h): what is meant to be changed, and what only belongs to the package.
const (
	flagConfig = 1 << 0
	flagGhost  = 1 << 6
)

// rpm reads a whole rpm database, in any of its three forms.
func (l *list) rpm(b []byte) {
	headers := rpmForm(b)
	if headers == nil {
		if len(b) > 0 {
			l.fail("unsupported: rpm database of an unknown form")
		}
		return
	}
	err := headers(context.Background(), b, func(h []byte) error {
		if !l.rpmHeader(h) {
			l.fail(reasonMalformed)
		}
		if l.x.owned.files >= maxOwnedFiles {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		l.add(plimsoll.OwnedFile{}) // tells the bound
	case err != nil:
		l.fail(err.Error())
	}
}

// rpmForm is what reads the headers of a database of that form; nil for an unknown one.
func rpmForm(b []byte) func(ctx context.Context, b []byte, do func(header []byte) error) error {
	switch {
	case bytes.HasPrefix(b, []byte(sqliteMagic)):
		return sqliteHeaders
	case bytes.HasPrefix(b, []byte(ndbMagic)):
		return ndbHeaders
	case isBDB(b):
		return bdbHeaders
	}
	return nil
}

// rpmHeader takes the files of one package. It tells whether the header could be read.
func (l *list) rpmHeader(b []byte) bool {
	p, err := parseHeader(b)
	if err != nil {
		return false
	}
	h, ok := rpmArrays(b)
	if !ok {
		return false
	}
	l.own(p.Name)
	for i, base := range h.names {
		if i >= len(h.folderOf) || int(h.folderOf[i]) >= len(h.folders) {
			return false
		}
		if f, ok := h.file(i, base); ok {
			l.add(f)
		}
	}
	return true
}

// rpmFiles are the arrays that tell a package's files.
type rpmFiles struct {
	names, folders, sums [][]byte
	folderOf, flags      []uint32
	modes                []uint16
	states               []byte
}

// file is file i; ok is false for folders, links and what stands there for another package or architecture.
func (h *rpmFiles) file(i int, base []byte) (f plimsoll.OwnedFile, ok bool) {
	const formatMask, regular = 0o170000, 0o100000 // inode(7)
	if i < len(h.modes) && h.modes[i]&formatMask != regular || i < len(h.states) && h.states[i] != 0 {
		return f, false
	}
	folder := h.folders[h.folderOf[i]]
	f.Path = ownedPath(append(folder[:len(folder):len(folder)], base...))
	if i < len(h.flags) {
		f.Config = h.flags[i]&(flagConfig|flagGhost) != 0
	}
	if i < len(h.sums) {
		f.Sum, _ = unhexSum(h.sums[i])
	}
	return f, f.Path != ""
}

func unhexSum(b []byte) ([]byte, bool) {
	if n := hex.DecodedLen(len(b)); n != 16 && n != 20 && n != 32 && n != 48 && n != 64 {
		return nil, false
	}
	sum, ok := unhex(b)
	if !ok {
		return nil, false
	}
	return sum, true
}

// rpmArrays finds the arrays of a header whose form parseHeader has checked. Counts are believed as far as the data goes.
func rpmArrays(b []byte) (h rpmFiles, ok bool) {
	entries := int64(binary.BigEndian.Uint32(b))
	data := b[8+entries*16:][:binary.BigEndian.Uint32(b[4:])]
	ok = true
	seen := map[uint32]struct{}{}
	for i := range entries {
		e := b[8+i*16:]
		tag, kind, count := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:]), int64(binary.BigEndian.Uint32(e[12:]))
		at := int64(binary.BigEndian.Uint32(e[8:]))
		if !slices.Contains(rpmFileTags, tag) {
			continue
		}
		if _, twice := seen[tag]; twice || at > int64(len(data)) {
			return h, false // a million of one tag would be looked at a million times
		}
		seen[tag] = struct{}{}
		a := rpmArray{data[at:], kind, count, true}
		switch tag {
		case tagBaseNames:
			h.names = a.texts()
		case tagDirNames:
			h.folders = a.texts()
		case tagFileDigests:
			h.sums = a.texts()
		case tagDirIndexes:
			h.folderOf = a.words()
		case tagFileFlags:
			h.flags = a.words()
		case tagFileModes:
			h.modes = a.halves()
		case tagFileStates:
			h.states = a.bytes()
		}
		ok = ok && a.ok
	}
	return h, ok
}

// rpmArray is the data of one entry from its offset on.
type rpmArray struct {
	data  []byte
	kind  uint32
	count int64
	ok    bool
}

// fits tells whether the array has a type, and so many bytes a value.
func (a *rpmArray) fits(kind uint32, size int64) bool {
	if a.kind != kind || a.count*size > int64(len(a.data)) {
		a.ok = false
	}
	return a.ok
}

func (a *rpmArray) texts() [][]byte {
	if !a.fits(typeStringArray, 1) {
		return nil
	}
	all, rest := make([][]byte, 0, min(a.count, 1<<10)), a.data
	for range a.count {
		s, more, found := bytes.Cut(rest, []byte{0})
		if !found {
			a.ok = false
			return nil
		}
		all, rest = append(all, s), more
	}
	return all
}

func (a *rpmArray) words() []uint32 {
	if !a.fits(typeInt32, 4) {
		return nil
	}
	all := make([]uint32, a.count)
	for i := range all {
		all[i] = binary.BigEndian.Uint32(a.data[4*i:])
	}
	return all
}

func (a *rpmArray) halves() []uint16 {
	if !a.fits(typeInt16, 2) {
		return nil
	}
	all := make([]uint16, a.count)
	for i := range all {
		all[i] = binary.BigEndian.Uint16(a.data[2*i:])
	}
	return all
}

func (a *rpmArray) bytes() []byte {
	if !a.fits(typeChar, 1) {
		return nil
	}
	return a.data[:a.count]
}
