package gunzip

// metaOrder is the order in which the lengths of the code of code lengths are sent (RFC 1951, section 3.2.7).
var metaOrder = [numMeta]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// Symbols of the code of code lengths beyond the lengths themselves.
const (
	repeatPrevious  = 16 // 3 to 6 times
	repeatZero      = 17 // 3 to 10 times
	repeatZeroLong  = 18 // 11 to 138 times
	repeatFewest    = 3
	repeatLongFrom  = 11
	previousExtra   = 2
	zeroExtra       = 3
	zeroLongExtra   = 7
	headerCountBits = 5 + 5 + 4
)

// dynamicHeader reads the codes of a dynamic block and makes their tables. It returns false, and sets err, when they are
// cut or no codes.
func (z *Reader) dynamicHeader() bool {
	v, ok := z.take(headerCountBits)
	if !ok {
		return false
	}
	numLit, numDist, num := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if numLit > maxLit || numDist > maxDist {
		z.err = errTooMany
		return false
	}
	z.fixed = false
	shortest, ok := z.metaCode(num)
	if !ok || !z.codeLengths(numLit+numDist, shortest) {
		return false
	}
	lit, dist := z.lengths[:numLit], z.lengths[numLit:numLit+numDist]
	if z.litMin, ok = build(z.lit[:], litBits, lit, litSymbols[:]); !ok {
		z.err = errLiteralCode
		return false
	}
	if z.distMin, ok = build(z.dist[:], distBits, dist, distSymbols[:]); !ok {
		z.err = errDistCode
		return false
	}
	// A block must still hold its end: with fewer bits than that takes, the stream is cut already.
	z.litMin = max(z.litMin, uint(lit[endOfBlock]))
	return true
}

// metaCode reads num lengths of the code of code lengths and makes its table.
func (z *Reader) metaCode(num int) (shortest uint, ok bool) {
	var lengths [numMeta]uint8
	for _, sym := range metaOrder[:num] {
		v, ok := z.take(3)
		if !ok {
			return 0, false
		}
		lengths[sym] = uint8(v)
	}
	if shortest, ok = build(z.meta[:], metaBits, lengths[:], metaSymbols[:]); !ok {
		z.err = errMetaCode
	}
	return shortest, ok
}

// codeLengths reads n code lengths into z.lengths: those of literals and lengths, then those of distances.
func (z *Reader) codeLengths(n int, shortest uint) bool {
	for i := 0; i < n; {
		if z.nbits < metaBits+zeroLongExtra {
			z.refill()
		}
		entry := z.meta[z.bits&metaMask]
		drop := uint(entry & dropMask)
		switch {
		case z.nbits < max(drop, shortest):
			z.cut()
			return false
		case entry&flagSpecial != 0:
			z.err = errMetaCode
			return false
		}
		z.skip(drop)
		sym := uint8(entry >> valShift)
		if sym < repeatPrevious {
			z.lengths[i] = sym
			i++
			continue
		}
		value, times, ok := z.repeat(sym, i)
		if !ok {
			return false
		}
		if i+times > n {
			z.err = errRepeat
			return false
		}
		run := z.lengths[i : i+times]
		for j := range run {
			run[j] = value
		}
		i += times
	}
	return true
}

// repeat reads how often which length is repeated from place i.
func (z *Reader) repeat(sym uint8, i int) (value uint8, times int, ok bool) {
	extra, from := uint(previousExtra), repeatFewest
	switch sym {
	case repeatPrevious:
		if i == 0 {
			z.err = errNoPrevious
			return 0, 0, false
		}
		value = z.lengths[i-1]
	case repeatZero:
		extra = zeroExtra
	case repeatZeroLong:
		extra, from = zeroLongExtra, repeatLongFrom
	}
	v, ok := z.take(extra)
	return value, from + int(v), ok
}
