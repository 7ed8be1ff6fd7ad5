package imagetest

import (
	"archive/tar"
	"fmt"
	"strconv"
)

// Header is a tar header block with any field as wanted, its checksum right. An honest writer refuses most of them.
type Header struct {
	Name, Link string
	Type       byte   // 0: TypeReg
	Size       string // the field's 12 bytes as written: octal, or binary with the high bit set; empty: 0
	Mode       string // octal; empty: 0644
	Magic      string // 8 bytes; empty: ustar's
}

// Block is the header's 512 bytes.
func (h Header) Block() []byte {
	b := make([]byte, blockSize)
	put := func(at, size int, s string) { copy(b[at:at+size], s) }
	put(0, 100, h.Name)
	put(100, 8, orElse(h.Mode, "0000644\x00"))
	put(108, 8, "0000000\x00")
	put(116, 8, "0000000\x00")
	put(124, 12, orElse(h.Size, "00000000000\x00"))
	put(136, 12, fmt.Sprintf("%011o\x00", Epoch.Unix()))
	b[156] = h.Type
	if h.Type == 0 {
		b[156] = tar.TypeReg
	}
	put(157, 100, h.Link)
	put(257, 8, orElse(h.Magic, "ustar\x0000"))
	copy(b[148:156], "        ") // the checksum counts its own field as blanks
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	put(148, 8, fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// Octal is a size field that is true or not.
func Octal(n int64) string { return fmt.Sprintf("%011o\x00", n) }

// Base256 is a size field in GNU's binary form, which also holds what octal cannot: 2^63-1 and negative numbers.
func Base256(n int64) string {
	b := make([]byte, 12)
	for i := 11; i > 3; i-- {
		b[i] = byte(n)
		n >>= 8
	}
	fill := byte(0)
	if n < 0 {
		fill = 0xff
	}
	for i := range 4 {
		b[i] = fill
	}
	b[0] |= 0x80
	return string(b)
}

// padded fills up to a whole block.
func padded(b []byte) []byte {
	if over := len(b) % blockSize; over != 0 {
		b = append(b, make([]byte, blockSize-over)...)
	}
	return b
}

// PAX is an extended header of any records, in order, before the entry that follows it: key, value, key, value.
func PAX(pairs ...string) []byte {
	var body []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		body = append(body, paxRecord(pairs[i], pairs[i+1])...)
	}
	head := Header{Name: "PaxHeaders.0/x", Type: tar.TypeXHeader, Size: Octal(int64(len(body)))}.Block()
	return append(head, padded(body)...)
}

// paxRecord is "length key=value\n"; the length counts its own digits.
func paxRecord(key, value string) string {
	rest := " " + key + "=" + value + "\n"
	n := len(rest)
	for n != len(strconv.Itoa(n))+len(rest) {
		n = len(strconv.Itoa(n)) + len(rest)
	}
	return strconv.Itoa(n) + rest
}
