package gunzip

import "math/bits"

// Alphabets and code lengths (RFC 1951, sections 3.2.5 to 3.2.7).
const (
	maxLit  = 286 // literals, end of block, lengths; 286 and 287 have fixed codes but no meaning
	maxDist = 30  // likewise 30 and 31
	numMeta = 19
	maxBits = 15 // longest code of a literal, length or distance

	numFixedLit  = 288 // symbols that have fixed codes
	numFixedDist = 32

	endOfBlock = 256
)

// Tables are looked up with so many bits; longer codes go on in a second table behind the first. The sizes are powers of
// two above the worst case (2342 and 402 entries for 15 bits), so that a mask proves an index in range.
const (
	litBits  = 11
	litSize  = 1 << 12
	litMask  = 1<<litBits - 1
	distBits = 8
	distSize = 1 << 9
	distMask = 1<<distBits - 1
	metaBits = 7
	metaSize = 1 << metaBits
	metaMask = metaSize - 1
)

// build makes a code's table from the code lengths of its symbols. It returns the shortest length, and false when the
// lengths are no complete prefix code. As in compress/flate, two incomplete ones pass: a single code of one bit, and none
// at all (any look-up is then invalid).
func build(table []uint32, tableBits int, lengths []uint8, symbols []uint32) (shortest uint, ok bool) {
	var count [maxBits + 1]int
	for _, n := range lengths {
		count[n&maxBits]++
	}
	used := len(lengths) - count[0]
	count[0] = 0
	space := 0 // of all codes of 15 bits, those that begin with one of ours
	for _, c := range count[1:] {
		space = space<<1 + c
	}
	switch {
	case space == 1<<maxBits:
		var sorted [numFixedLit]uint16
		sortSymbols(&sorted, &count, lengths)
		return fillTable(table, tableBits, &count, &sorted, symbols), true
	case used == 0, used == 1 && count[1] == 1:
		fillPartial(table[:1<<tableBits], lengths, symbols)
		return uint(used), true
	}
	return 0, false
}

// fillPartial makes the table of a code with one symbol of one bit, a zero, or of none.
func fillPartial(table []uint32, lengths []uint8, symbols []uint32) {
	for i := range table {
		table[i] = flagSpecial
	}
	for sym, n := range lengths {
		if n == 0 {
			continue
		}
		for i := 0; i < len(table); i += 2 {
			table[i] = symbols[sym] + (1<<codeShift | 1)
		}
	}
}

// sortSymbols orders the symbols by code length, then by value: the order of their codes (RFC 1951, section 3.2.2).
func sortSymbols(sorted *[numFixedLit]uint16, count *[maxBits + 1]int, lengths []uint8) {
	var next [maxBits + 1]int
	for i := 1; i < maxBits; i++ {
		next[i+1] = next[i] + count[i]
	}
	for sym, n := range lengths {
		if n != 0 {
			sorted[next[n&maxBits]] = uint16(sym)
			next[n&maxBits]++
		}
	}
}

// fillTable writes a complete code's entries and returns the shortest length. Codes are sent from their highest bit, so
// they count up reversed here. The first table starts as large as the shortest code and doubles, by a copy of itself, with
// each bit more: an entry is so repeated for all bits that may follow its code, without a loop over them.
func fillTable(table []uint32, tableBits int, count *[maxBits + 1]int, sorted *[numFixedLit]uint16, symbols []uint32) (shortest uint) {
	length := 1
	for count[length] == 0 {
		length++
	}
	shortest = uint(length)
	size, left := 1<<length, count[length] // of the first table so far; codes of this length to come
	second := secondTable{root: -1, end: 1 << tableBits}
	for i, code := 0, 0; ; i++ {
		for left == 0 {
			length++
			left = count[length]
			if length <= tableBits {
				copy(table[size:], table[:size])
				size *= 2
			}
		}
		entry := symbols[sorted[i]]
		if length <= tableBits {
			table[code] = entry + uint32(length<<codeShift|length)
		} else {
			second.put(table, tableBits, count, entry, code, length, left)
		}
		left--
		zeros := code ^ (1<<length - 1)
		if zeros == 0 {
			break // all ones: the last code
		}
		// Counting up in reverse: the highest zero becomes one, the ones above it zero.
		high := 1 << (bits.Len(uint(zeros)) - 1)
		code = code&(high-1) | high
	}
	for size < 1<<tableBits {
		copy(table[size:], table[:size])
		size *= 2
	}
	return shortest
}

// secondTable is the second table at work: codes with the same first bits stand in a row.
type secondTable struct {
	root       int // those first bits, an index of the first table
	start, end int // table[start:end]
}

// put writes the entry of a code that is longer than tableBits, opening a second table where its first bits are new. left
// of the codes of this length are to come, it included.
func (s *secondTable) put(table []uint32, tableBits int, count *[maxBits + 1]int, entry uint32, code, length, left int) {
	if root := code & (1<<tableBits - 1); root != s.root {
		size := secondBits(tableBits, count, length, left)
		s.root, s.start = root, s.end
		s.end += 1 << size
		table[root] = flagSpecial | flagLink | uint32(s.start<<valShift|size<<codeShift|tableBits)
	}
	length -= tableBits
	entry += uint32(length<<codeShift | length)
	for i := s.start + code>>tableBits; i < s.end; i += 1 << length {
		table[i] = entry
	}
}

// secondBits sizes a second table: it grows until the codes to come, left of them of the given length, fill it.
func secondBits(tableBits int, count *[maxBits + 1]int, length, left int) int {
	for space := left; space < 1<<(length-tableBits); {
		length++
		space = space<<1 + count[length]
	}
	return length - tableBits
}
