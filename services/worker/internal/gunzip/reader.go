package gunzip

import "io"

// Sizes in bytes. The buffers are arrays with constant sizes, so that the compiler can prove indices in range.
const (
	// windowSize is how far back a distance reaches (RFC 1951, section 2).
	windowSize = 32 << 10
	// pieceSize is about how much output is decoded before it is handed out: large for those who hash, small enough that
	// it is still in the second-level cache when they do.
	pieceSize = 128 << 10
	// outMargin is room behind the last place where a turn of the quick loop may start: three bytes of literals, of which
	// the compiler knows four, and what the copy of a match may touch.
	outMargin = 4 + copySpan + copyStep
	outSize   = windowSize + pieceSize + outMargin
	outLimit  = outSize - outMargin
	outMost   = outLimit + 4

	// inSize is how much is asked of the source at a time.
	inSize = 64 << 10
	// inMargin is the input that one turn of the quick loop may touch: two refills that move by 7 and load 8 bytes.
	inMargin = 24
	// inLeast is the least input to enter the quick loop with: a turn of it and a refill before.
	inLeast = inMargin + 8
	inMost  = inSize - 8
)

// stage says what the next bits of the stream are.
type stage uint8

const (
	atHeader  stage = iota // a member's header, or the end of the source
	atBlock                // a block's header
	inStored               // bytes of a stored block
	inCodes                // symbols of a compressed block
	atTrailer              // a member's checksum and length
)

// Reader inflates a gzip stream. It holds one window and its tables (about 250 KiB) and allocates nothing after NewReader.
// It may read its source beyond the end of the last member. It is not safe for concurrent use.
type Reader struct {
	src    io.Reader
	srcErr error // why src gives no more; what it gave before stays in in
	err    error // why no more is decoded, io.EOF at the end; returned once the output is handed out

	stage   stage
	members bool // at least one member was complete
	final   bool // the block is its member's last
	fixed   bool // the tables are those of the fixed codes

	bits  uint64 // input bits, the next one lowest; bits beyond nbits are those of in[pos:] or zero
	nbits uint   // how many of bits count as read, 0..63

	pos, end int // in[pos:end] is input not yet in bits
	rd, op   int // out[rd:op] is output not yet handed out
	summed   int // out[:summed] is in crc
	hist     int // out[hist:op] belongs to this member, as far as it is in the window
	stored   int // bytes to come of a stored block

	crc  uint32 // CRC-32 of the member
	size uint32 // length of the member, modulo 2^32

	litMin, distMin uint // fewest bits with which a symbol is looked up

	lit     [litSize]uint32
	dist    [distSize]uint32
	meta    [metaSize]uint32
	scratch [headerSize]byte // a header's bytes; here because crc32 makes what it sums escape
	lengths [maxLit + maxDist]uint8
	in      [inSize]byte
	out     [outSize]byte
}

// NewReader returns a Reader of the gzip stream r. It does not read yet: errors surface at Read or WriteTo.
func NewReader(r io.Reader) *Reader {
	z := new(Reader)
	z.Reset(r)
	return z
}

// Reset makes z read another stream, as NewReader would, and keeps its memory.
func (z *Reader) Reset(r io.Reader) {
	z.src, z.srcErr, z.err = r, nil, nil
	z.stage, z.members, z.final = atHeader, false, false
	z.bits, z.nbits = 0, 0
	z.pos, z.end = 0, 0
	z.rd, z.op, z.summed, z.hist = 0, 0, 0, 0
}

// Read is io.Reader's: uncompressed bytes of all members in a row. Bytes are tentative until io.EOF: only then were the
// checksums right. The error is io.EOF after the last member, io.ErrUnexpectedEOF when the source ends within one, an
// error that wraps ErrHeader, ErrChecksum or ErrCorrupt, or the source's own, unchanged. What can be decoded before an
// error is returned first.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if z.rd == z.op {
		z.produce()
		if z.rd == z.op {
			return 0, z.err
		}
	}
	n := copy(p, z.out[z.rd:z.op])
	z.rd += n
	return n, nil
}

// WriteTo is io.WriterTo's: it writes the rest of the stream in pieces of about 128 KiB (the first 32 KiB longer, the last
// shorter), slices of the output buffer that hold until the next call. The error is Read's, but nil at the end, or w's own.
func (z *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if z.rd == z.op {
			z.produce()
		}
		if z.rd == z.op {
			if z.err == io.EOF {
				return total, nil
			}
			return total, z.err
		}
		n, err := w.Write(z.out[z.rd:z.op])
		total += int64(n)
		if err == nil && n < z.op-z.rd {
			err = io.ErrShortWrite
		}
		if n > 0 {
			z.rd += n
		}
		if err != nil {
			return total, err
		}
	}
}
