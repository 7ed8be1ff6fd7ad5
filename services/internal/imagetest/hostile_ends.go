package imagetest

import (
	"bytes"
	"strings"
)

// hostileEnds are H13.
func hostileEnds() []Case {
	files := []File{marker(), Text("etc/second", strings.Repeat("x", 3*blockSize))}
	whole := Layer(files...)
	return []Case{
		rawCase("H13 no end marker", WantOKPartial, plainType, Entries(files...)),
		rawCase("H13 garbage after the end", WantOKPartial, plainType, append(Layer(files...), bytes.Repeat([]byte("junk"), 1000)...)),
		rawCase("H13 cut in a header", WantPartial, plainType, whole[:2*blockSize+100]),
		rawCase("H13 cut in a body", WantPartial, plainType, whole[:4*blockSize]),
		rawCase("H13 gzip cut", WantPartial, gzipType, cutBytes(gzipped(whole))),
		rawCase("H13 zstd cut", WantPartial, zstdType, cutBytes(zstdded(whole))),
		rawCase("H13 empty", WantOKPartial, gzipType, nil),
		rawCase("H13 not a tar", WantPartial, plainType, bytes.Repeat([]byte("<html>"), 500)),
	}
}

func cutBytes(b []byte) []byte { return b[:len(b)*2/3] }
