package gunzip

// Block types (RFC 1951, section 3.2.3).
const (
	blockStored  = 0
	blockFixed   = 1
	blockDynamic = 2
)

// produce decodes until the output buffer is full, or the stream ends or fails. All output was handed out before.
func (z *Reader) produce() {
	z.slide()
	for z.err == nil && z.op < outLimit {
		switch z.stage {
		case atHeader:
			z.header()
		case atBlock:
			z.block()
		case inStored:
			z.copyStored()
		case inCodes:
			z.codes()
		case atTrailer:
			z.trailer()
		}
	}
	z.sum()
}

// slide moves the window to the front of the output buffer once that is full.
func (z *Reader) slide() {
	if z.op < outLimit {
		return
	}
	shift := z.op - windowSize
	z.op = copy(z.out[:], z.out[shift:z.op])
	z.rd, z.summed = z.op, z.op
	z.hist = max(z.hist-shift, 0)
}

// block reads a block's header.
func (z *Reader) block() {
	v, ok := z.take(3)
	if !ok {
		return
	}
	z.final = v&1 != 0
	switch v >> 1 {
	case blockStored:
		z.storedHeader()
	case blockFixed:
		z.useFixed()
		z.stage = inCodes
	case blockDynamic:
		if z.dynamicHeader() {
			z.stage = inCodes
		}
	default:
		z.err = errBlockType
	}
}

// endBlock goes on to the next block or, behind the final one, to the trailer.
func (z *Reader) endBlock() {
	z.stage = atBlock
	if z.final {
		z.stage = atTrailer
	}
}

// storedHeader reads a stored block's length and its complement.
func (z *Reader) storedHeader() {
	z.align()
	var size [4]byte
	if z.readFull(size[:]) < len(size) {
		z.cut()
		return
	}
	n := uint16(size[0]) | uint16(size[1])<<8
	if ^n != uint16(size[2])|uint16(size[3])<<8 {
		z.err = errStoredLen
		return
	}
	z.stored = int(n)
	z.stage = inStored
}

// copyStored copies bytes of a stored block as far as there are input and room.
func (z *Reader) copyStored() {
	if z.stored > 0 {
		part := z.part(min(z.stored, outLimit-z.op))
		if len(part) == 0 {
			z.cut()
			return
		}
		copy(z.out[z.op:], part)
		z.op += len(part)
		z.pos += len(part)
		z.stored -= len(part)
	}
	if z.stored == 0 {
		z.endBlock()
	}
}
