package gunzip

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// The fixed part of a header and its flags (RFC 1952, section 2.3). Reserved flags are ignored, as in compress/gzip.
const (
	headerSize  = 10
	trailerSize = 8

	magic1        = 0x1f
	magic2        = 0x8b
	methodDeflate = 8

	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
)

// header reads a member's header, or finds the end of the stream: io.EOF behind a complete member.
func (z *Reader) header() {
	head := &z.scratch
	switch n := z.readFull(head[:]); {
	case n == 0 && z.members && z.srcErr == io.EOF:
		z.err = io.EOF
		return
	case n < headerSize:
		z.cut()
		return
	case head[0] != magic1 || head[1] != magic2:
		z.err = errMagic
		return
	case head[2] != methodDeflate:
		z.err = errMethod
		return
	}
	if z.options(head[3], crc32.ChecksumIEEE(head[:])) {
		z.crc, z.size = 0, 0
		z.hist = z.op
		z.stage = atBlock
	}
}

// options skips the parts of a header that flags announce. crc is the header's so far. It returns false, and sets err, when
// they are cut or the header's checksum is wrong.
func (z *Reader) options(flags byte, crc uint32) bool {
	var ok bool
	if flags&flagExtra != 0 {
		if crc, ok = z.skipExtra(crc); !ok {
			return false
		}
	}
	for _, flag := range []byte{flagName, flagComment} {
		if flags&flag == 0 {
			continue
		}
		if crc, ok = z.skipString(crc); !ok {
			return false
		}
	}
	return flags&flagHeaderCRC == 0 || z.headerCRC(uint16(crc))
}

// skipExtra skips the extra field: a length of 16 bits and that many bytes.
func (z *Reader) skipExtra(crc uint32) (uint32, bool) {
	size := z.scratch[:2]
	if z.readFull(size) < len(size) {
		z.cut()
		return 0, false
	}
	crc = crc32.Update(crc, crc32.IEEETable, size)
	for left := int(binary.LittleEndian.Uint16(size)); left > 0; {
		part := z.part(left)
		if len(part) == 0 {
			z.cut()
			return 0, false
		}
		crc = crc32.Update(crc, crc32.IEEETable, part)
		left -= len(part)
		z.pos += len(part)
	}
	return crc, true
}

// skipString skips a string and its zero byte, however long, without keeping it.
func (z *Reader) skipString(crc uint32) (uint32, bool) {
	for {
		part := z.part(inSize)
		if len(part) == 0 {
			z.cut()
			return 0, false
		}
		size := len(part)
		for i, b := range part {
			if b == 0 {
				size = i + 1
				break
			}
		}
		crc = crc32.Update(crc, crc32.IEEETable, part[:size])
		z.pos += size
		if part[size-1] == 0 {
			return crc, true
		}
	}
}

// part returns up to limit bytes of input at hand without moving; none at the end of the source.
func (z *Reader) part(limit int) []byte {
	if z.pos == z.end {
		z.fill()
	}
	return z.in[z.pos:min(z.end, z.pos+limit)]
}

// headerCRC compares the header's checksum: the lower half of its CRC-32.
func (z *Reader) headerCRC(want uint16) bool {
	var got [2]byte
	if z.readFull(got[:]) < len(got) {
		z.cut()
		return false
	}
	if binary.LittleEndian.Uint16(got[:]) != want {
		z.err = errHeaderCRC
		return false
	}
	return true
}

// trailer compares the member's checksum and length with what was decoded.
func (z *Reader) trailer() {
	z.align()
	z.sum()
	var tail [trailerSize]byte
	switch n := z.readFull(tail[:]); {
	case n < trailerSize:
		z.cut()
	case binary.LittleEndian.Uint32(tail[:4]) != z.crc:
		z.err = errCRC
	case binary.LittleEndian.Uint32(tail[4:]) != z.size:
		z.err = errSize
	default:
		z.members = true
		z.stage = atHeader
	}
}

// sum takes output that is new since the last call into the member's checksum and length.
func (z *Reader) sum() {
	z.crc = crc32.Update(z.crc, crc32.IEEETable, z.out[z.summed:z.op])
	z.size += uint32(z.op - z.summed)
	z.summed = z.op
}
