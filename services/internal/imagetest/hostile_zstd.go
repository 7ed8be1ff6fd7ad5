package imagetest

import "encoding/binary"

// zstdBomb is 32,768:1: blocks of four bytes that each stand for 128 KiB of one byte (RFC 8878, section 3.1.1.2.2).
func zstdBomb() []byte {
	const raw, rle, blockMax, last = 0, 1, 128 << 10, 1
	block := func(kind, size, last int, content ...byte) []byte {
		h := uint32(last | kind<<1 | size<<3)
		return append([]byte{byte(h), byte(h >> 8), byte(h >> 16)}, content...)
	}
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (20 - 10) << 3} // a window of 1 MiB
	head := bombHead()
	out = append(out, block(raw, len(head), 0, head...)...)
	for range bombSize / blockMax {
		out = append(out, block(rle, blockMax, 0, 0)...)
	}
	return append(out, block(rle, 2*blockSize, last, 0)...)
}

// hostileZstd are H17, and the zstd side of H19.
func hostileZstd() []Case {
	honest := Layer(marker())
	return []Case{
		rawCase("H17 window of 512 MiB", WantRefused, zstdType, zstdWindow(29)),
		rawCase("H17 window of 2 GiB", WantRefused, zstdType, zstdWindow(31)),
		rawCase("H17 skippable frame of 4 GiB", WantRefused, zstdType, append(zstdSkip(1<<32-1), 0)),
		rawCase("H17 skippable frame before an honest one", WantOK, zstdType, append(append(zstdSkip(4), 1, 2, 3, 4), zstdded(honest)...)),
		rawCase("H17 dictionary", WantRefused, zstdType, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x50, 0x07, 0x01, 0x00, 0x00}),
		rawCase("H17 zstd bomb", WantPartial, zstdType, zstdBomb()),
		rawCase("H19 zstd said to be gzip", WantOK, gzipType, zstdded(honest)),
		rawCase("H19 plain said to be gzip", WantOK, gzipType, honest),
		rawCase("H19 bzip2 said to be gzip", WantRefused, gzipType, []byte("BZh91AY&SY\x00\x00\x00\x00")),
		rawCase("H19 xz said to be gzip", WantRefused, gzipType, []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46")),
	}
}

// zstdWindow is a frame of nine bytes that asks for a window of 1<<log bytes and holds one empty block (RFC 8878, section 3.1.1).
func zstdWindow(log int) []byte {
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, byte(log-10) << 3, 0x01, 0x00, 0x00}
}

func zstdSkip(size uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0x50, 0x2a, 0x4d, 0x18}, size)
}
