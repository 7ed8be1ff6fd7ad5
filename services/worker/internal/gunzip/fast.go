package gunzip

import "encoding/binary"

// fast decodes symbols while a turn of the loop has its input and its room, until the block ends or is corrupt. It is one
// long function, its helpers are small enough to be inlined, and its state is local: it must stay in registers, which
// Go's calls do not keep.
//
// Bits: a refill leaves at least 56. Three literals of the first table take 33; a length with its extra bits takes at
// most 20 and a distance 28, so there is a refill between literals and a length. Each turn ends with one and with the
// next entry looked up, which is then loading while a match is copied.
func (z *Reader) fast() {
	z.giveBack()
	var (
		buf   = z.bits
		n     = z.nbits // only its lowest six bits count: whole entries are subtracted from it
		pos   = uint(z.pos)
		op    = uint(z.op)
		hist  = uint(z.hist)
		limit = uint(z.end - inMargin)
	)
	if limit > inSize-inMargin {
		return // cannot be: it tells the compiler that pos stays in range
	}
	buf, n, pos = load(&z.in, buf, n, pos)
	entry := z.lit[buf&litMask]
	for pos <= limit && op < outLimit {
		if entry&flagLiteral != 0 {
			z.out[op] = byte(entry >> valShift)
			op++
			buf, n = drop(buf, n, entry)
			entry = z.lit[buf&litMask]
			if entry&flagLiteral != 0 {
				z.out[op] = byte(entry >> valShift)
				op++
				buf, n = drop(buf, n, entry)
				entry = z.lit[buf&litMask]
				if entry&flagLiteral != 0 {
					z.out[op] = byte(entry >> valShift)
					op++
					buf, n = drop(buf, n, entry)
					buf, n, pos = load(&z.in, buf, n, pos)
					entry = z.lit[buf&litMask]
					continue
				}
			}
			buf, n, pos = load(&z.in, buf, n, pos)
		}
		if op >= outMost || pos > inMost {
			break // cannot be: it tells the compiler that what follows is in range
		}
		if entry&flagSpecial != 0 {
			if entry&flagLink != 0 {
				link := entry
				buf, n = drop(buf, n, link)
				entry = z.lit[linked(link, buf)&(litSize-1)]
			}
			if entry&flagLiteral != 0 {
				z.out[op] = byte(entry >> valShift)
				op++
				buf, n = drop(buf, n, entry)
				buf, n, pos = load(&z.in, buf, n, pos)
				entry = z.lit[buf&litMask]
				continue
			}
			if entry&flagEnd != 0 {
				buf, n = drop(buf, n, entry)
				z.endBlock()
				break
			}
			if entry&flagSpecial != 0 {
				z.err = errSymbol
				break
			}
		}
		length := value(entry, buf) & (copySpan - 1)
		buf, n = drop(buf, n, entry)

		entry = z.dist[buf&distMask]
		if entry&flagSpecial != 0 {
			if entry&flagLink != 0 {
				link := entry
				buf, n = drop(buf, n, link)
				entry = z.dist[linked(link, buf)&(distSize-1)]
			}
			if entry&flagSpecial != 0 {
				z.err = errDistance
				break
			}
		}
		dist := value(entry, buf)
		buf, n = drop(buf, n, entry)
		buf, n, pos = load(&z.in, buf, n, pos)
		entry = z.lit[buf&litMask]

		src := op - dist
		if dist > op-hist || src >= outMost { // the latter cannot be
			z.err = errTooFar
			break
		}
		to, from := (*span)(z.out[op:op+copySpan+copyStep]), (*span)(z.out[src:src+copySpan+copyStep])
		if dist < copyStep/2 {
			copyNear(to, from, length, dist)
			op += length
			continue
		}
		// Most matches are shorter than one step: that one is taken without a branch.
		*(*[16]byte)(to[:16]) = *(*[16]byte)(from[:16])
		*(*[16]byte)(to[16:32]) = *(*[16]byte)(from[16:32])
		for i := uint(copyStep); i < length; i += copyStep {
			*(*[16]byte)(to[i : i+16]) = *(*[16]byte)(from[i : i+16])
			*(*[16]byte)(to[i+16 : i+32]) = *(*[16]byte)(from[i+16 : i+32])
		}
		op += length
	}
	z.pos, z.op = int(pos), int(op)
	z.bits, z.nbits = buf, n&63
	z.giveBack()
}

// load is refill for the quick loop: it leaves 56 to 63 bits. The bits that it loads beyond are those it will load again.
func load(in *[inSize]byte, buf uint64, n, pos uint) (uint64, uint, uint) {
	buf |= binary.LittleEndian.Uint64(in[pos:pos+8:pos+8]) << (n & 63)
	return buf, n | 56, pos + 7 - n>>3&7
}

// drop drops the bits of an entry. The shift takes the lowest six bits of entry alone, and so does who uses n.
func drop(buf uint64, n uint, entry uint32) (uint64, uint) {
	return buf >> (entry & dropMask), n - uint(entry)
}

// Matches are copied in steps of copyStep bytes, so beyond their end, into room that the next symbols overwrite. copySpan
// is above the longest match and a power of two, that a mask may prove.
const (
	copySpan = 512
	copyStep = 32
)

// span is what the copy of a match may touch.
type span [copySpan + copyStep]byte

// copyNear copies a match whose distance is shorter than the quick copy's words, so that it repeats itself within one.
func copyNear(to, from *span, length, dist uint) {
	switch {
	case dist == 1:
		word := uint64(from[0]) * 0x0101010101010101
		for i := uint(0); i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:i+8], word)
		}
	case dist >= 8:
		for i := uint(0); i < length; i += 8 {
			*(*[8]byte)(to[i : i+8]) = *(*[8]byte)(from[i : i+8])
		}
	default:
		for i := uint(0); i < length; i++ {
			to[i] = from[i]
		}
	}
}
