package plimsoll

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
)

// OwnedFile is one path as a package database has it: clean, relative to the image's root, and no symlink in it is followed.
type OwnedFile struct {
	Path   string
	Sum    []byte // md5, sha1 or sha256 by its length; empty when not told
	Config bool   // a configuration file: meant to be changed
}

// OwnedFiles are the files of one package in packed form: a Debian image's packages own 10,000 files. In JSON they are one
// base64 string.
//
// A file is the number of bytes that its path shares with the one before it; the rest of the path; the length of its sum times
// two, plus one for a configuration file; the sum. Numbers are unsigned varints, texts have their length before them.
type OwnedFiles []byte

// maxSum is the longest sum in use: sha512's.
const maxSum = 64

// All gives the files in order. It stops at bytes that are no file, which [OwnedFiles.UnmarshalJSON] refuses.
func (o OwnedFiles) All() iter.Seq[OwnedFile] {
	return func(yield func(OwnedFile) bool) {
		for path, f := range o.ByPath() {
			f.Path = string(path)
			if !yield(f) {
				return
			}
		}
	}
}

// ByPath is All for who looks most paths up in vain: a path's bytes hold until the next, and no Path is made of them.
func (o OwnedFiles) ByPath() iter.Seq2[[]byte, OwnedFile] {
	return func(yield func([]byte, OwnedFile) bool) {
		d := ownedDecoder{treeDecoder{rest: o}}
		for len(d.rest) > 0 {
			f, ok := d.next()
			if !ok || !yield(d.path, f) {
				return
			}
		}
	}
}

// UnmarshalJSON implements json.Unmarshaler; what is no sequence of files is an error.
func (o *OwnedFiles) UnmarshalJSON(b []byte) error {
	var packed []byte
	if err := json.Unmarshal(b, &packed); err != nil {
		return fmt.Errorf("owned files: %w", err)
	}
	d := ownedDecoder{treeDecoder{rest: packed}}
	for len(d.rest) > 0 {
		if _, ok := d.next(); !ok {
			return fmt.Errorf("owned files: %w: no file at byte %d", ErrInvalid, len(packed)-len(d.rest))
		}
	}
	*o = packed
	return nil
}

// OwnedWriter packs files. The zero value is ready.
type OwnedWriter struct {
	Files OwnedFiles
	Count int
	last  string
}

// Append adds a file. A sum of more than 64 bytes is left out: none in use has it.
func (w *OwnedWriter) Append(f OwnedFile) {
	shared := commonPrefix(w.last, f.Path)
	b := binary.AppendUvarint(w.Files, uint64(shared))
	b = appendText(b, f.Path[shared:])
	if len(f.Sum) > maxSum {
		f.Sum = nil
	}
	kind := uint64(len(f.Sum)) << 1
	if f.Config {
		kind |= 1
	}
	b = append(binary.AppendUvarint(b, kind), f.Sum...)
	w.Files, w.last = b, f.Path
	w.Count++
}

// PackOwned packs files at once.
func PackOwned(files ...OwnedFile) OwnedFiles {
	var w OwnedWriter
	for _, f := range files {
		w.Append(f)
	}
	return w.Files
}

// ownedDecoder reads packed files one by one: of each, path holds its path until the next.
type ownedDecoder struct{ treeDecoder }

func (d *ownedDecoder) next() (f OwnedFile, ok bool) {
	shared, ok := d.number()
	if !ok || shared > uint64(len(d.path)) {
		return f, false
	}
	rest, ok := d.text()
	if !ok {
		return f, false
	}
	d.path = append(d.path[:shared], rest...)
	kind, ok := d.number()
	size := kind >> 1
	if !ok || size > maxSum || size > uint64(len(d.rest)) {
		return f, false
	}
	f.Sum, f.Config = d.rest[:size:size], kind&1 == 1
	d.rest = d.rest[size:]
	return f, true
}
