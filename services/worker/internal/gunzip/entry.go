package gunzip

// A table's entry:
//
//	bits 0–5    bits to drop: the code and, for a length or distance, its extra bits
//	bits 8–11   bits of the code alone; for a link, bits that index the second table
//	bits 12–15  flags
//	bits 16–31  literal, or first value of the length or distance, or where the second table starts
//
// In a second table, the bits that the first one used are no longer counted. An entry without a code is flagSpecial alone.
const (
	dropMask  = 63
	codeShift = 8
	codeMask  = 15
	valShift  = 16

	flagEnd     = 1 << 12 // end of block; with flagSpecial
	flagLink    = 1 << 13 // goes on in a second table; with flagSpecial
	flagSpecial = 1 << 14 // neither literal nor length nor distance; alone: invalid
	flagLiteral = 1 << 15
)

// codeBits is the length of an entry's code, 0 where there is none.
func codeBits(entry uint32) uint { return uint(entry >> codeShift & codeMask) }

// linked is the place in a second table that link and the bits behind its own, next in buf, lead to.
func linked(link uint32, buf uint64) uint64 {
	return uint64(link>>valShift) + buf&(1<<codeBits(link)-1)
}

// value is the length or distance of an entry whose code and extra bits are the next in buf.
func value(entry uint32, buf uint64) uint {
	return uint(entry>>valShift) + uint(buf&(1<<(entry&dropMask)-1)>>codeBits(entry))
}

// Entries by symbol without what depends on the code.
var (
	litSymbols  = makeLitSymbols()
	distSymbols = makeDistSymbols()
	metaSymbols = makeMetaSymbols()
)

// makeLitSymbols gives literals, end of block and the lengths 3 to 258 (RFC 1951, section 3.2.5).
func makeLitSymbols() (s [numFixedLit]uint32) {
	for i := range endOfBlock {
		s[i] = flagLiteral | uint32(i)<<valShift
	}
	s[endOfBlock] = flagSpecial | flagEnd
	length := uint32(3)
	for i := endOfBlock + 1; i < 285; i++ {
		extra := uint32(max(0, (i-261)/4))
		s[i] = length<<valShift | extra
		length += 1 << extra
	}
	s[285] = 258 << valShift
	s[286], s[287] = flagSpecial, flagSpecial
	return s
}

// makeDistSymbols gives the distances 1 to 32768.
func makeDistSymbols() (s [numFixedDist]uint32) {
	dist := uint32(1)
	for i := range maxDist {
		extra := uint32(max(0, i/2-1))
		s[i] = dist<<valShift | extra
		dist += 1 << extra
	}
	s[30], s[31] = flagSpecial, flagSpecial
	return s
}

func makeMetaSymbols() (s [numMeta]uint32) {
	for i := range s {
		s[i] = uint32(i) << valShift
	}
	return s
}
