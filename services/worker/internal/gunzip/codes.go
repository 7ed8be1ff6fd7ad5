package gunzip

// codes decodes symbols of a compressed block until it ends, the output is full, or the stream fails: by the quick loop as
// long as there is input for it, else one symbol at a time.
func (z *Reader) codes() {
	for z.stage == inCodes && z.err == nil && z.op < outLimit {
		z.fill()
		if z.end-z.pos >= inLeast {
			z.fast()
		} else {
			z.symbol()
		}
	}
}

// symbol decodes one symbol where the source may end within it: each step compares with the bits that there are.
func (z *Reader) symbol() {
	z.refill()
	entry, ok := z.look(z.lit[:], litMask, z.litMin)
	switch {
	case !ok:
		z.cut()
	case entry&flagLiteral != 0:
		z.skip(uint(entry & dropMask))
		z.out[z.op] = byte(entry >> valShift)
		z.op++
	case entry&flagEnd != 0:
		z.skip(uint(entry & dropMask))
		z.endBlock()
	case entry&flagSpecial != 0:
		z.err = errSymbol
	default:
		z.match(entry)
	}
}

// match decodes a match whose length's entry is given, and copies it.
func (z *Reader) match(entry uint32) {
	length, ok := z.value(entry)
	if !ok {
		return
	}
	entry, ok = z.look(z.dist[:], distMask, z.distMin)
	switch {
	case !ok:
		z.cut()
		return
	case entry&flagSpecial != 0:
		z.err = errDistance
		return
	}
	dist, ok := z.value(entry)
	if !ok {
		return
	}
	if dist > z.op-z.hist {
		z.err = errTooFar
		return
	}
	for range length {
		z.out[z.op] = z.out[z.op-dist]
		z.op++
	}
}

// look finds the entry of the next code; a link is followed and its bits dropped. ok is false when the source ends within
// the code. least is the fewest bits to look up with.
func (z *Reader) look(table []uint32, mask uint64, least uint) (entry uint32, ok bool) {
	if z.nbits < least {
		return 0, false
	}
	entry = table[z.bits&mask]
	if entry&flagLink != 0 {
		if z.nbits < uint(entry&dropMask) {
			return 0, false
		}
		z.skip(uint(entry & dropMask))
		entry = table[linked(entry, z.bits)]
	}
	return entry, z.nbits >= codeBits(entry)
}

// value drops an entry's code and extra bits and returns its length or distance. ok is false, and err set, when the source
// ends within.
func (z *Reader) value(entry uint32) (v int, ok bool) {
	if z.nbits < uint(entry&dropMask) {
		z.cut()
		return 0, false
	}
	v = int(value(entry, z.bits))
	z.skip(uint(entry & dropMask))
	return v, true
}
