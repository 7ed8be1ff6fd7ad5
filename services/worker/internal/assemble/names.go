package assemble

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"slices"
)

// names is a set of file names that takes about 8 bytes a name besides its letters: nearly all files of an image are plain ones
// of which nothing but the name is known, and layers of millions of them are met. The zero value is empty.
//
// The names stand one after another, each with its length before it; the slots of a hash table point at them.
type names struct {
	text  []byte
	slots []uint32 // offset + 1 in text; 0: empty; gone: a name was here. A power of two, at most three quarters in use
	count int      // names
	used  int      // slots that are not empty
}

const (
	gone     = ^uint32(0)
	minSlots = 8
)

// seed makes the places of names unforeseeable, so that no image can put all of them into one slot.
var seed = maphash.MakeSeed()

func (s *names) len() int { return s.count }

func (s *names) has(name string) bool {
	_, ok := s.find(name)
	return ok
}

// find gives the slot of a name, or the first that is free for it.
func (s *names) find(name string) (slot int, ok bool) {
	if len(s.slots) == 0 {
		return 0, false
	}
	mask, free := len(s.slots)-1, -1
	for i := int(maphash.String(seed, name)) & mask; ; i = (i + 1) & mask {
		switch at := s.slots[i]; {
		case at == 0 && free >= 0:
			return free, false
		case at == 0:
			return i, false
		case at == gone:
			if free < 0 {
				free = i
			}
		case string(s.at(at)) == name:
			return i, true
		}
	}
}

func (s *names) at(slot uint32) []byte {
	n, used := binary.Uvarint(s.text[slot-1:])
	start := int(slot) - 1 + used
	return s.text[start : start+int(n)]
}

// add adds a name, once.
func (s *names) add(name string) {
	slot, ok := s.find(name)
	if ok {
		return
	}
	if 4*(s.used+1) > 3*len(s.slots) {
		s.grow()
		slot, _ = s.find(name)
	}
	if s.slots[slot] == 0 {
		s.used++
	}
	s.slots[slot] = uint32(len(s.text)) + 1
	s.text = append(binary.AppendUvarint(s.text, uint64(len(name))), name...)
	s.count++
}

// grow makes room for one more name, and drops the text of names that are gone.
func (s *names) grow() {
	size := minSlots
	for 3*size < 4*2*(s.count+1) {
		size *= 2
	}
	old := *s
	*s = names{text: make([]byte, 0, len(old.text)+len(old.text)/4), slots: make([]uint32, size)}
	for _, at := range old.slots {
		if at == 0 || at == gone {
			continue
		}
		name := old.at(at)
		mask := size - 1
		i := int(maphash.Bytes(seed, name)) & mask
		for s.slots[i] != 0 {
			i = (i + 1) & mask
		}
		s.slots[i] = uint32(len(s.text)) + 1
		s.text = append(binary.AppendUvarint(s.text, uint64(len(name))), name...)
		s.count, s.used = s.count+1, s.used+1
	}
}

// drop removes a name and tells whether it was there.
func (s *names) drop(name string) bool {
	slot, ok := s.find(name)
	if ok {
		s.slots[slot] = gone
		s.count--
	}
	return ok
}

func (s *names) clone() names {
	return names{text: slices.Clone(s.text), slots: slices.Clone(s.slots), count: s.count, used: s.used}
}

// all gives the names in no order.
func (s *names) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, at := range s.slots {
			if at != 0 && at != gone && !yield(string(s.at(at))) {
				return
			}
		}
	}
}
