package plimsoll

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
)

// TreeEntries are the entries of a layer in packed form, some 15 bytes each: layers of a million entries are met. In JSON
// they are one base64 string.
//
// An entry is its type's letter; how many bytes its path shares with the one before it; the rest of the path; its mode; the
// size of a file, or the target of a link. Numbers are unsigned varints, texts have their length before them.
type TreeEntries []byte

// All gives the entries in order. It stops at bytes that are no entry, which [TreeEntries.UnmarshalJSON] refuses.
func (t TreeEntries) All() iter.Seq[TreeEntry] {
	return func(yield func(TreeEntry) bool) {
		d := treeDecoder{rest: t}
		for len(d.rest) > 0 {
			e, ok := d.next()
			if !ok || !yield(e) {
				return
			}
		}
	}
}

// UnmarshalJSON implements json.Unmarshaler; what is no sequence of entries is an error.
func (t *TreeEntries) UnmarshalJSON(b []byte) error {
	var packed []byte
	if len(b) >= 2 && b[0] == '"' {
		// Base64 needs no escapes, so the string can be decoded where it stands: it may have many megabytes.
		packed = make([]byte, base64.StdEncoding.DecodedLen(len(b)-2))
		n, err := base64.StdEncoding.Decode(packed, b[1:len(b)-1])
		if err != nil {
			return fmt.Errorf("tree entries: %w", err)
		}
		packed = packed[:n]
	} else if err := json.Unmarshal(b, &packed); err != nil {
		return fmt.Errorf("tree entries: %w", err)
	}
	d := treeDecoder{rest: packed}
	for len(d.rest) > 0 {
		if !d.skip() {
			return fmt.Errorf("tree entries: %w: no entry at byte %d", ErrInvalid, len(packed)-len(d.rest))
		}
	}
	*t = packed
	return nil
}

// TreeWriter packs entries. The zero value is ready.
type TreeWriter struct {
	Entries TreeEntries
	Count   int
	last    string
}

// Append adds an entry.
func (w *TreeWriter) Append(e TreeEntry) {
	b := append([]byte(w.Entries), e.Type[0])
	shared := commonPrefix(w.last, e.Path)
	b = binary.AppendUvarint(b, uint64(shared))
	b = appendText(b, e.Path[shared:])
	b = binary.AppendUvarint(b, uint64(e.Mode))
	switch e.Type {
	case EntryFile:
		b = binary.AppendUvarint(b, uint64(e.Size))
	case EntrySymlink, EntryHardlink:
		b = appendText(b, e.Link)
	}
	w.Entries, w.last = b, e.Path
	w.Count++
}

// PackTree packs entries at once.
func PackTree(entries ...TreeEntry) *TreeFacts {
	var w TreeWriter
	for _, e := range entries {
		w.Append(e)
	}
	return &TreeFacts{Count: w.Count, Entries: w.Entries}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// treeDecoder reads packed entries one by one.
type treeDecoder struct {
	rest []byte
	path []byte
	size int // bytes of the path, where only that is needed
}

func (d *treeDecoder) next() (e TreeEntry, ok bool) {
	kind, shared, suffix, ok := d.head()
	if !ok || shared > len(d.path) {
		return e, false
	}
	d.path = append(d.path[:shared], suffix...)
	e = TreeEntry{Path: string(d.path), Type: kind}
	mode, ok := d.number()
	e.Mode = uint32(mode)
	if !ok {
		return e, false
	}
	switch kind {
	case EntryFile:
		var size uint64
		size, ok = d.number()
		e.Size = int64(size)
	case EntrySymlink, EntryHardlink:
		var link []byte
		link, ok = d.text()
		e.Link = string(link)
	}
	return e, ok
}

// skip passes over an entry and tells whether it was one.
func (d *treeDecoder) skip() bool {
	kind, shared, suffix, ok := d.head()
	if !ok || shared > d.size {
		return false
	}
	d.size = shared + len(suffix)
	if _, ok = d.number(); !ok {
		return false
	}
	switch kind {
	case EntryFile:
		_, ok = d.number()
	case EntrySymlink, EntryHardlink:
		_, ok = d.text()
	}
	return ok
}

func (d *treeDecoder) head() (kind EntryType, shared int, suffix []byte, ok bool) {
	kind = entryTypes[d.rest[0]]
	d.rest = d.rest[1:]
	n, ok := d.number()
	if !ok || kind == "" || n > 1<<20 {
		return kind, 0, nil, false
	}
	suffix, ok = d.text()
	return kind, int(n), suffix, ok
}

func (d *treeDecoder) number() (uint64, bool) {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		return 0, false
	}
	d.rest = d.rest[n:]
	return v, true
}

func (d *treeDecoder) text() ([]byte, bool) {
	n, ok := d.number()
	if !ok || n > uint64(len(d.rest)) {
		return nil, false
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s, true
}
