package imagetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
)

// hostileHeaders are H11 and H12.
func hostileHeaders() []Case {
	const regions = 200_000 // the attack has millions; the shape is the same
	sparse := append(PAX("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "sparse", "GNU.sparse.realsize", "1000000000"), sparseFile(regions)...)
	large := append(PAX("comment", strings.Repeat("A", 3<<19)), Header{Name: "after"}.Block()...)
	lie := func(size string) File { return Raw(Header{Name: "lie", Size: size}.Block()) }
	return []Case{
		tarCase("H11 sparse map of many regions", WantPartial, Raw(sparse)),
		tarCase("H11 PAX header of 1.5 MiB", WantPartial, Raw(large)),
		tarCase("H11 PAX length that lies", WantPartial, Raw(paxLie())),
		tarCase("H11 PAX size that lies", WantPartial, Raw(append(PAX("size", "99999999999"), Header{Name: "lie"}.Block()...))),
		tarCase("H11 long name of 2 MiB", WantPartial, Raw(longName(2<<20))),
		tarCase("H12 larger than the stream", WantPartial, lie(Octal(1<<32))),
		tarCase("H12 size 2^63-1", WantPartial, lie(Base256(1<<63-1))),
		tarCase("H12 negative size", WantPartial, lie(Base256(-1))),
		tarCase("H12 size that is no number", WantPartial, lie("zzzzzzzzzzz\x00")),
	}
}

// sparseFile is the data part of GNU sparse 1.0: the number of regions, then offset and length of each, in decimal lines.
func sparseFile(regions int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", regions)
	for i := range regions {
		fmt.Fprintf(&b, "%d\n0\n", i)
	}
	body := padded(b.Bytes())
	return append(Header{Name: "GNUSparseFile.0/sparse", Size: Octal(int64(len(body)))}.Block(), body...)
}

func paxLie() []byte {
	body := []byte("999999 path=x\n")
	return append(Header{Name: "x", Type: tar.TypeXHeader, Size: Octal(int64(len(body)))}.Block(), padded(body)...)
}

func longName(n int) []byte {
	body := padded(append(bytes.Repeat([]byte("n"), n), 0))
	head := Header{Name: "././@LongLink", Type: tar.TypeGNULongName, Size: Octal(int64(n + 1)), Magic: "ustar  \x00"}.Block()
	return append(append(head, body...), Header{Name: "n", Magic: "ustar  \x00"}.Block()...)
}
