package gunzip

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// bitWriter writes DEFLATE by hand: values from their lowest bit, codes from their highest (RFC 1951, section 3.1.1).
type bitWriter struct {
	out []byte
	n   uint // bits written
}

func (w *bitWriter) bits(v, n uint) *bitWriter {
	for i := range n {
		if w.n%8 == 0 {
			w.out = append(w.out, 0)
		}
		w.out[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
	return w
}

func (w *bitWriter) code(v, n uint) *bitWriter {
	for i := range n {
		w.bits(v>>(n-1-i), 1)
	}
	return w
}

// fixed begins a block of the fixed codes, the final one or not.
func (w *bitWriter) fixed(final uint) *bitWriter { return w.bits(final, 1).bits(blockFixed, 2) }

// lit writes a literal or, as 256 to 287, another symbol of the fixed code.
func (w *bitWriter) lit(sym uint) *bitWriter {
	switch {
	case sym < 144:
		return w.code(0x30+sym, 8)
	case sym < 256:
		return w.code(0x190+sym-144, 9)
	case sym < 280:
		return w.code(sym-256, 7)
	}
	return w.code(0xc0+sym-280, 8)
}

// match writes a match in the fixed codes: the symbol with the largest base that is not above, and the rest in extra bits
// (RFC 1951, section 3.2.5).
func (w *bitWriter) match(length, dist int) *bitWriter {
	sym, base, extra := uint(257), 3, uint(0)
	for base+1<<extra <= length && sym < 284 {
		base += 1 << extra
		sym++
		if sym >= 265 {
			extra = (sym - 261) / 4
		}
	}
	if length == 258 {
		sym, base, extra = 285, 258, 0
	}
	w.lit(sym).bits(uint(length-base), extra)
	sym, base, extra = 0, 1, 0
	for base+1<<extra <= dist {
		base += 1 << extra
		sym++
		if sym >= 4 {
			extra = sym/2 - 1
		}
	}
	return w.code(sym, 5).bits(uint(dist-base), extra)
}

// storedAll writes data in stored blocks as long as they may be.
func (w *bitWriter) storedAll(data []byte) *bitWriter {
	for len(data) > 0 {
		n := min(len(data), 1<<16-1)
		w.stored(0, string(data[:n]))
		data = data[n:]
	}
	return w
}

// stored writes a stored block of data.
func (w *bitWriter) stored(final uint, data string) *bitWriter {
	w.bits(final, 1).bits(blockStored, 2)
	w.n = (w.n + 7) &^ 7
	size := uint16(len(data))
	w.out = binary.LittleEndian.AppendUint16(w.out, size)
	w.out = binary.LittleEndian.AppendUint16(w.out, ^size)
	w.out = append(w.out, data...)
	w.n = uint(len(w.out)) * 8
	return w
}

// dynamic begins a dynamic block with the given code lengths, sent without repeats by a code of four bits for all lengths.
func (w *bitWriter) dynamic(final uint, lit, dist []uint8) *bitWriter {
	w.bits(final, 1).bits(blockDynamic, 2).bits(uint(len(lit)-257), 5).bits(uint(len(dist)-1), 5).bits(numMeta-4, 4)
	for _, sym := range metaOrder {
		n := uint(4)
		if sym > 15 {
			n = 0
		}
		w.bits(n, 3)
	}
	for _, n := range append(append([]uint8{}, lit...), dist...) {
		w.code(uint(n), 4)
	}
	return w
}

// lengths makes code lengths of size symbols, given by symbol.
func lengths(size int, by map[int]uint8) []uint8 {
	s := make([]uint8, size)
	for sym, n := range by {
		s[sym] = n
	}
	return s
}

// header is a plain gzip header with flags.
func header(flags byte) string {
	return "\x1f\x8b\x08" + string([]byte{flags}) + "\x00\x00\x00\x00\x00\xff"
}

// trailer is the trailer for data.
func trailer(data string) string {
	b := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(data)))
	return string(binary.LittleEndian.AppendUint32(b, uint32(len(data))))
}

// member is a gzip member: DEFLATE by hand and the trailer for data.
func member(w *bitWriter, data string) string { return header(0) + string(w.out) + trailer(data) }

// withCRC appends the header checksum to a header.
func withCRC(head string) string {
	return string(binary.LittleEndian.AppendUint16([]byte(head), uint16(crc32.ChecksumIEEE([]byte(head)))))
}

func bw() *bitWriter { return new(bitWriter) }

// handStream is a stream written by hand with what must come of it.
type handStream struct {
	name, in, out string
	err           error // that errors.Is must find
	text          string
	lenient       bool // compress/gzip refuses it
}

func handStreams() []handStream {
	const hi = "hi"
	hello := member(bw().fixed(1).lit('h').lit('i').lit(256), hi)
	raw := string(bw().fixed(1).lit('h').lit('i').lit(256).out)
	empty := member(bw().fixed(1).lit(256), "")
	long := strings.Repeat("n", 70000) + "\x00"
	ab := lengths(258, map[int]uint8{'a': 1, 256: 2, 257: 2})
	nines := strings.Repeat("a", 9)
	deep := map[int]uint8{} // a has one bit, b two, up to o with 15, as many as the end: both tables
	for i := range 15 {
		deep['a'+i] = uint8(i + 1)
	}
	deep[256] = 15
	errCut := io.ErrUnexpectedEOF
	return []handStream{
		{name: "nothing", err: errCut},
		{name: "fixed", in: hello, out: hi},
		{name: "empty member", in: empty},
		{name: "three members", in: hello + empty + hello, out: hi + hi},
		{name: "stored", in: member(bw().stored(0, "").stored(0, hi).stored(1, hi), hi+hi), out: hi + hi},
		{name: "dynamic", in: member(bw().dynamic(1, ab, []uint8{1}).code(0, 1).code(3, 2).code(0, 1).code(2, 2), "aaaa"), out: "aaaa"},
		{name: "all code lengths", in: member(bw().dynamic(1, lengths(257, deep), []uint8{0}).
			code(0, 1).code(0x3ffe, 14).code(0x7ffe, 15).code(0x7fe, 11).code(0xffe, 12).code(0x7fff, 15), "anokl"), out: "anokl"},
		{name: "overlap", in: member(bw().fixed(1).lit('a').lit(262).code(0, 5).lit(256), nines), out: nines},
		{name: "longest match", in: member(bw().fixed(1).lit('a').lit(285).code(0, 5).lit(256), strings.Repeat("a", 259)), out: strings.Repeat("a", 259)},
		{name: "extra", in: header(flagExtra) + "\x02\x00xy" + raw + trailer(hi), out: hi},
		{name: "name and comment", in: header(flagName|flagComment) + "n\x00c\x00" + raw + trailer(hi), out: hi},
		{name: "reserved flags", in: header(0xe0) + raw + trailer(hi), out: hi},
		{name: "header checksum", in: withCRC(header(flagHeaderCRC|flagName|flagExtra)+"\x01\x00xname\x00") + raw + trailer(hi), out: hi},
		{name: "long name", in: header(flagName) + long + raw + trailer(hi), out: hi, lenient: true},
		{name: "long name and comment with checksum", in: withCRC(header(flagHeaderCRC|flagName|flagComment)+long+long) + raw + trailer(hi), out: hi, lenient: true},

		{name: "wrong header checksum", in: header(flagHeaderCRC) + "\x00\x00" + raw + trailer(hi), err: ErrHeader, text: errHeaderCRC.Error()},
		{name: "no magic", in: "PK\x03\x04......", err: ErrHeader, text: errMagic.Error()},
		{name: "other method", in: "\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\xff", err: ErrHeader, text: errMethod.Error()},
		{name: "short head", in: header(0)[:9], err: errCut},
		{name: "cut extra", in: header(flagExtra) + "\x05\x00x", err: errCut},
		{name: "cut name", in: header(flagName) + "nam", err: errCut},
		{name: "cut header checksum", in: header(flagHeaderCRC) + "\x00", err: errCut},
		{name: "cut trailer", in: hello[:len(hello)-1], out: hi, err: errCut},
		{name: "cut data", in: header(0) + string(bw().fixed(1).lit('h').lit('i').out), out: hi, err: errCut},
		{name: "cut stored", in: header(0) + string(bw().stored(1, hi).out[:6]), out: "h", err: errCut},
		{name: "trailing garbage", in: hello + "garbage garbage", out: hi, err: ErrHeader, text: errMagic.Error()},
		{name: "little garbage", in: hello + "junk", out: hi, err: errCut},
		{name: "zero padding", in: hello + strings.Repeat("\x00", 512), out: hi, err: ErrHeader, text: errMagic.Error()},
		{name: "wrong crc", in: header(0) + raw + trailer("ho"), out: hi, err: ErrChecksum, text: errCRC.Error()},
		{name: "wrong size", in: header(0) + raw + trailer(hi)[:4] + "\x03\x00\x00\x00", out: hi, err: ErrChecksum, text: errSize.Error()},
		{name: "reserved block", in: header(0) + "\x07", err: ErrCorrupt, text: errBlockType.Error()},
		{name: "stored complement", in: header(0) + "\x01\x02\x00\x02\x00hi", err: ErrCorrupt, text: errStoredLen.Error()},
		{name: "too many lengths", in: header(0) + string(bw().bits(5, 3).bits(30, 5).bits(0, 9).out), err: ErrCorrupt, text: errTooMany.Error()},
		{name: "too many distances", in: header(0) + string(bw().bits(5, 3).bits(0, 5).bits(30, 5).bits(0, 4).out), err: ErrCorrupt, text: errTooMany.Error()},
		{name: "no code of code lengths", in: header(0) + string(bw().bits(5, 3).bits(0, 14).bits(0, 12).bits(0, 99).out), err: ErrCorrupt, text: errMetaCode.Error()},
		{name: "half a code of code lengths", in: header(0) + string(bw().bits(5, 3).bits(0, 14).bits(2, 3).bits(0, 99).out), err: ErrCorrupt, text: errMetaCode.Error()},
		{name: "repeat of nothing", in: header(0) + string(bw().bits(5, 3).bits(0, 14).bits(1, 3).bits(1, 3).bits(0, 6).bits(0, 99).out), err: ErrCorrupt, text: errNoPrevious.Error()},
		{name: "repeat too long", in: header(0) + string(bw().bits(5, 3).bits(0, 14).bits(0, 6).bits(1, 3).bits(1, 3).bits(^uint(0), 60).bits(^uint(0), 60).out), err: ErrCorrupt, text: errRepeat.Error()},
		{name: "over-subscribed", in: header(0) + string(bw().dynamic(1, lengths(257, map[int]uint8{0: 1, 1: 1, 256: 1}), []uint8{0}).bits(0, 99).out), err: ErrCorrupt, text: errLiteralCode.Error()},
		{name: "incomplete", in: header(0) + string(bw().dynamic(1, lengths(257, map[int]uint8{0: 2, 256: 2}), []uint8{0}).bits(0, 99).out), err: ErrCorrupt, text: errLiteralCode.Error()},
		{name: "incomplete distances", in: header(0) + string(bw().dynamic(1, ab, []uint8{2}).bits(0, 99).out), err: ErrCorrupt, text: errDistCode.Error()},
		{name: "only an end", in: member(bw().dynamic(1, lengths(257, map[int]uint8{256: 1}), []uint8{0}).code(0, 1), "")},
		{name: "not the only code", in: header(0) + string(bw().dynamic(1, lengths(257, map[int]uint8{256: 1}), []uint8{0}).code(1, 1).bits(0, 99).out), err: ErrCorrupt, text: errSymbol.Error()},
		{name: "no literals", in: header(0) + string(bw().dynamic(1, lengths(257, nil), []uint8{0}).out), err: ErrCorrupt, text: errSymbol.Error()},
		{name: "no distances", in: header(0) + string(bw().dynamic(1, ab, []uint8{0}).code(0, 1).code(3, 2).out), out: "a", err: ErrCorrupt, text: errDistance.Error()},
		{name: "length 286", in: header(0) + string(bw().fixed(1).lit('a').lit(286).bits(0, 400).out), out: "a", err: ErrCorrupt, text: errSymbol.Error()},
		{name: "distance 30", in: header(0) + string(bw().fixed(1).lit('a').lit(257).code(30, 5).bits(0, 400).out), out: "a", err: ErrCorrupt, text: errDistance.Error()},
		{name: "too far", in: header(0) + string(bw().fixed(1).lit('a').lit(257).code(1, 5).bits(0, 400).out), out: "a", err: ErrCorrupt, text: errTooFar.Error()},
		{name: "too far into the member before", in: hello + header(0) + string(bw().fixed(1).lit('a').lit(257).code(1, 5).out), out: "hia", err: ErrCorrupt, text: errTooFar.Error()},
	}
}

// seeds are streams of all kinds for the differential tests: by hand, and by compress/flate at some levels.
func seeds(tb testing.TB) [][]byte {
	tb.Helper()
	var all [][]byte
	for _, s := range handStreams() {
		all = append(all, []byte(s.in))
	}
	for _, data := range [][]byte{text(3000), noise(2000), bytes.Repeat([]byte("ab"), 4000), append(noise(300), text(900)...)} {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
			all = append(all, compress(tb, data, level))
		}
	}
	return append(all, bytes.Join([][]byte{compress(tb, text(500), 6), compress(tb, nil, 6), compress(tb, noise(100), 1)}, nil))
}

// text is n bytes of words in a random order that never changes.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	words := strings.Fields("usr lib share doc x86_64-linux-gnu copyright changelog.gz libc.so.6 Package: Version: Depends: \x00\x00\x00\x00 ELF python3 /")
	var out []byte
	for len(out) < n {
		out = append(out, words[r.IntN(len(words))]...)
		out = append(out, byte(r.IntN(60)))
	}
	return out[:n]
}

// noise is n random bytes that never change.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}
