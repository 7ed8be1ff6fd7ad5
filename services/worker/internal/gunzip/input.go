package gunzip

import (
	"encoding/binary"
	"io"
)

// maxEmptyReads bounds reads in a row that give neither bytes nor an error; bufio gives up at the same number.
const maxEmptyReads = 100

// fill reads until the quick loop has enough input or the source ends. What a symbol needs is therefore always at hand,
// and no symbol is ever left half read: a stream decodes the same however its source cuts the reads.
func (z *Reader) fill() {
	if z.end-z.pos >= inLeast || z.srcErr != nil {
		return
	}
	z.giveBack()
	z.end = copy(z.in[:], z.in[z.pos:z.end])
	z.pos = 0
	for empty := 0; z.end < inLeast && z.srcErr == nil; {
		n, err := z.src.Read(z.in[z.end:])
		if n < 0 || n > inSize-z.end {
			n, err = 0, errSourceCount
		}
		z.end += n
		z.srcErr = err
		if n > 0 {
			empty = 0
		} else if empty++; empty == maxEmptyReads && err == nil {
			z.srcErr = io.ErrNoProgress
		}
	}
}

// cut fails with the reason why the source gives no more.
func (z *Reader) cut() { z.err = noEOF(z.srcErr) }

// refill loads bits until there are at least 56, or all that the source has.
func (z *Reader) refill() {
	if z.end-z.pos < 8 {
		z.fill()
	}
	if z.end-z.pos >= 8 {
		z.bits |= binary.LittleEndian.Uint64(z.in[z.pos:]) << (z.nbits & 63)
		z.pos += int((63 - z.nbits) >> 3)
		z.nbits |= 56
		return
	}
	for z.nbits < 56 && z.pos < z.end {
		z.bits |= uint64(z.in[z.pos]) << (z.nbits & 63)
		z.pos++
		z.nbits += 8
	}
}

// take returns the next n bits, at most 16. ok is false, and err set, when the source ends before.
func (z *Reader) take(n uint) (v uint32, ok bool) {
	if z.nbits < n {
		if z.refill(); z.nbits < n {
			z.cut()
			return 0, false
		}
	}
	v = uint32(z.bits) & (1<<n - 1)
	z.skip(n)
	return v, true
}

// skip drops n bits, at most nbits.
func (z *Reader) skip(n uint) {
	z.bits >>= n & 63
	z.nbits -= n
}

// giveBack returns whole bytes of bits to the input. They are still there: fill moves the input only after a giveBack.
func (z *Reader) giveBack() {
	z.pos -= int(z.nbits >> 3)
	z.nbits &= 7
	z.bits &= 1<<z.nbits - 1
}

// align drops the bits up to the next byte.
func (z *Reader) align() {
	z.giveBack()
	z.bits, z.nbits = 0, 0
}

// next returns the next byte; bits must be aligned. ok is false when the source ends before; err is not set.
func (z *Reader) next() (b byte, ok bool) {
	if z.pos == z.end {
		if z.fill(); z.pos == z.end {
			return 0, false
		}
	}
	b = z.in[z.pos]
	z.pos++
	return b, true
}

// readFull fills p with the next bytes; bits must be aligned. It returns how many there were.
func (z *Reader) readFull(p []byte) int {
	for i := range p {
		b, ok := z.next()
		if !ok {
			return i
		}
		p[i] = b
	}
	return len(p)
}
