package advisory

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/plimsoll/plimsoll"
)

// The compiled index is a few flat tables, read where they lie: nothing is decoded when it is opened. A block is its tables
// one after another behind their lengths; numbers are little-endian.

// words is a table of 32-bit numbers.
type words []byte

func (w words) len() int        { return len(w) / 4 }
func (w words) at(i int) uint32 { return binary.LittleEndian.Uint32(w[4*i:]) }

// span is the i-th part of a table of offsets: from, to.
func (w words) span(i int) (from, to int) { return int(w.at(i)), int(w.at(i + 1)) }

func appendWord(w words, v uint32) words { return binary.LittleEndian.AppendUint32(w, v) }

func wordsOf(all []uint32) words {
	out := make(words, 0, 4*len(all))
	for _, v := range all {
		out = appendWord(out, v)
	}
	return out
}

// offsets checks a table of offsets: one more than n, from 0, never falling, ending at end.
func offsets(w words, n, end int) error {
	if len(w) != 4*(n+1) || w.at(0) != 0 || int(w.at(n)) != end {
		return damage("offsets")
	}
	for i := range n {
		if w.at(i) > w.at(i+1) {
			return damage("offsets")
		}
	}
	return nil
}

// below checks that every number of a table is less than limit.
func below(w words, limit int) error {
	if len(w)%4 != 0 {
		return damage("numbers")
	}
	for i := range w.len() {
		if int64(w.at(i)) >= int64(limit) {
			return damage("numbers")
		}
	}
	return nil
}

func damage(what string) error {
	return fmt.Errorf("%w: compiled advisories: %s do not fit", plimsoll.ErrIntegrity, what)
}

// join makes a block.
func join(tables ...[]byte) ([]byte, error) {
	size := 4 * len(tables)
	var head words
	for _, t := range tables {
		if size += len(t); size > math.MaxInt32 {
			return nil, fmt.Errorf("compile advisories: %w: more than 2 GiB in one feed", plimsoll.ErrLimit)
		}
		head = appendWord(head, uint32(len(t)))
	}
	out := make([]byte, 0, size)
	return append(append(out, head...), slices.Concat(tables...)...), nil
}

// split opens a block of n tables.
func split(b []byte, n int) ([][]byte, error) {
	if len(b) < 4*n {
		return nil, damage("tables")
	}
	head, rest := words(b[:4*n]), b[4*n:]
	out := make([][]byte, n)
	for i := range n {
		size := int64(head.at(i))
		if size > int64(len(rest)) {
			return nil, damage("tables")
		}
		out[i], rest = rest[:size:size], rest[size:]
	}
	if len(rest) > 0 {
		return nil, damage("tables")
	}
	return out, nil
}

// texts is a table of strings, each named by its number.
type texts struct {
	ends  words
	bytes []byte
	// shared are the texts that somebody asked for: versions and names repeat a thousandfold, and what is kept of a record
	// must not keep the whole table.
	shared []atomic.Pointer[string]
}

func openTexts(ends, b []byte) (texts, error) {
	if len(ends) < 4 {
		return texts{}, damage("texts")
	}
	t := texts{ends: ends, bytes: b}
	if err := offsets(t.ends, t.len(), len(b)); err != nil {
		return texts{}, err
	}
	t.shared = make([]atomic.Pointer[string], t.len())
	return t, nil
}

func (t *texts) len() int { return len(t.ends)/4 - 1 }

// raw is a text where it lies: for comparing, never to be kept.
func (t *texts) raw(i uint32) []byte {
	from, to := t.ends.span(int(i))
	return t.bytes[from:to]
}

func (t *texts) text(i uint32) string {
	if t.shared == nil {
		return string(t.raw(i))
	}
	if s := t.shared[i].Load(); s != nil {
		return *s
	}
	s := string(t.raw(i))
	t.shared[i].Store(&s)
	return s
}

// textsBuilder gives each text a number.
type textsBuilder struct {
	number map[string]uint32
	ends   words
	bytes  []byte
}

func newTexts() *textsBuilder {
	return &textsBuilder{number: map[string]uint32{}, ends: appendWord(nil, 0)}
}

func (b *textsBuilder) add(s string) uint32 {
	if n, ok := b.number[s]; ok {
		return n
	}
	n := uint32(len(b.number))
	b.number[s] = n
	b.bytes = append(b.bytes, s...)
	b.ends = appendWord(b.ends, uint32(len(b.bytes)))
	return n
}

// slots is a hash table from texts to numbers, as it lies in a block: open addressing, a power of two of places, each 0 or a
// number plus one.
type slots words

// hash is FNV-1a: it only spreads. An unlucky or evil set of names costs time, never a wrong answer.
func hash[T string | []byte](b T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(b) {
		h = (h ^ uint64(b[i])) * 1099511628211
	}
	return h ^ h>>29
}

func makeSlots(n int, hashOf func(i int) uint64) slots {
	size := 2
	for size < 2*n {
		size *= 2
	}
	out := make(words, 4*size)
	for i := range n {
		at := hashOf(i) & uint64(size-1)
		for out.at(int(at)) != 0 {
			at = (at + 1) & uint64(size-1)
		}
		binary.LittleEndian.PutUint32(out[4*at:], uint32(i+1))
	}
	return slots(out)
}

// find gives the number whose text is the one asked for; is says whether a number's text is it.
func (s slots) find(h uint64, is func(i uint32) bool) (uint32, bool) {
	size := uint64(words(s).len())
	for probe := range size {
		v := words(s).at(int((h + probe) & (size - 1)))
		if v == 0 {
			return 0, false
		}
		if is(v - 1) {
			return v - 1, true
		}
	}
	return 0, false
}

// check says whether every number in the table is below n, and its size a power of two.
func (s slots) check(n int) error {
	size := words(s).len()
	if len(s)%4 != 0 || size == 0 || size&(size-1) != 0 {
		return damage("names")
	}
	return below(words(s), n+1)
}
