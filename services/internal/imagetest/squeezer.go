package imagetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	stdhash "hash"
	"hash/crc32"
	"io"
)

// squeezer writes one gzip member from parts, of which some are deflated once and written again and again: deflating gigabytes of
// the same bytes would take long. The first error stays.
type squeezer struct {
	w    io.Writer
	sum  uint32
	size uint32
	hash stdhash.Hash // of the plain bytes
	err  error
}

func newSqueezer(w io.Writer) *squeezer {
	s := &squeezer{w: w, hash: sha256.New()}
	s.put([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff})
	return s
}

func (s *squeezer) put(b []byte) {
	if s.err == nil {
		_, s.err = s.w.Write(b)
	}
}

// add deflates a part.
func (s *squeezer) add(b []byte) { s.again(b, 1) }

// again deflates a part once and writes it n times.
func (s *squeezer) again(b []byte, n int) {
	small := deflated(b)
	for range n {
		s.put(small)
		s.sum = crc32.Update(s.sum, crc32.IEEETable, b)
		s.size += uint32(len(b))
		_, _ = s.hash.Write(b) // never fails
	}
}

// close ends the member (RFC 1952, section 2.3.1).
func (s *squeezer) close() error {
	s.put(lastBlock(nil))
	s.put(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, s.sum), s.size))
	return s.err
}

// squeezed is what fill gives a squeezer.
func squeezed(fill func(*squeezer)) []byte {
	var out bytes.Buffer
	s := newSqueezer(&out)
	fill(s)
	must(s.close())
	return out.Bytes()
}

// largeFile is a layer with a file of head, so many MiB of filler, and tail. It is stored in about a hundredth of its size: below
// the ratio at which a bomb begins.
func largeFile(s *squeezer, name, head, filler string, mebibytes int, tail string, beside ...File) {
	const mebibyte = 1 << 20
	s.add(Entries(beside...))
	size := int64(len(head) + mebibytes*mebibyte + len(tail))
	s.add(append(Header{Name: name, Size: Base256(size)}.Block(), head...))
	s.again(half(filler, mebibyte), mebibytes)
	s.add(append([]byte(tail), make([]byte, (blockSize-size%blockSize)%blockSize)...))
	s.add(make([]byte, 2*blockSize))
}

// half is a text of n bytes that starts with what deflates badly: letters in no order.
func half(filler string, n int) []byte {
	const rough = 16 << 10
	b := make([]byte, 0, n)
	for x := uint32(1); len(b) < rough; x = x*1664525 + 1013904223 {
		b = append(b, 'a'+byte(x>>24)%26)
		if len(b)%64 == 0 && filler == "\n" {
			b = append(b, '\n')
		}
	}
	b = append(b[:min(len(b), n)], repeat(orElse(filler, "x"), max(0, n-len(b)))...)
	return append(b, make([]byte, n-len(b))...)
}
