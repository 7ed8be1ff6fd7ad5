package imagetest

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
)

// bombSize inflates past the point where the ratio begins to count.
const bombSize = 72 << 20

// hostileGzip are H16 and H18.
func hostileGzip() []Case {
	honest := Layer(marker())
	half := len(honest) / 2
	members := bytes.Repeat(gzipped(nil), 20_000)
	return []Case{
		rawCase("H16 gzip bomb", WantPartial, gzipType, gzipBomb()),
		rawCase("H18 two members", WantOK, gzipType, append(gzipped(honest[:half]), gzipped(honest[half:])...)),
		rawCase("H18 many empty members", WantOKPartial, gzipType, append(members, gzipped(honest)...)),
		rawCase("H18 long header fields", WantOKPartial, gzipType, gzipFields(honest)),
		rawCase("H18 junk after the member", WantOKPartial, gzipType, append(gzipped(honest), "junk that is no member"...)),
		rawCase("H18 checksum wrong", WantPartial, gzipType, flipLast(gzipped(honest))),
	}
}

// bombHead is what stands before the zeros: the marker and the header of a file of bombSize zeros.
func bombHead() []byte {
	return append(Entries(marker()), Header{Name: "zeros", Size: Octal(bombSize)}.Block()...)
}

// gzipBomb is about 1000:1.
func gzipBomb() []byte {
	return squeezed(func(s *squeezer) {
		s.add(bombHead())
		s.again(make([]byte, 1<<20), bombSize>>20)
		s.add(make([]byte, 2*blockSize))
	})
}

// deflated ends at a byte's edge and not in a last block, so that more can follow.
func deflated(b []byte) []byte {
	var out bytes.Buffer
	w := Must(flate.NewWriter(&out, flate.BestSpeed))
	_, err := w.Write(b)
	must(err)
	must(w.Flush())
	return out.Bytes()
}

// gzipFields is a member whose extra field is as large as its length allows, and whose name and comment have no end in sight.
func gzipFields(b []byte) []byte {
	const size = 1<<16 - 1
	plain := gzipped(b)
	head := append([]byte(nil), plain[:10]...)
	head[3] = 0x04 | 0x08 | 0x10 // extra, name, comment (RFC 1952, section 2.3.1)
	head = binary.LittleEndian.AppendUint16(head, size)
	head = append(head, make([]byte, size)...)
	head = append(append(head, bytes.Repeat([]byte("n"), size)...), 0)
	head = append(append(head, bytes.Repeat([]byte("c"), size)...), 0)
	return append(head, plain[10:]...)
}

// flipLast changes the checksum in the trailer.
func flipLast(b []byte) []byte {
	b[len(b)-gzipTrailer] ^= 1
	return b
}

const gzipTrailer = 8
