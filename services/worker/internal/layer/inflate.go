package layer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/gunzip"
)

// sniffBytes is how much of a stream tells its format: a tar's magic stands at 257.
const sniffBytes = 512

// format is a compression as the first bytes tell it. Media types are not asked: they lie.
type format struct {
	name  string
	magic []byte
	at    int
}

// formats in the order of their tests. Only gzip, zstd and plain tar stand in the OCI image specification ("layer media
// types"); the others are named so that the reason says what the layer is.
var formats = []format{
	{"gzip", []byte{0x1f, 0x8b}, 0},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}, 0},
	{"tar", []byte("ustar"), 257},
	{"bzip2", []byte("BZh"), 0},
	{"xz", []byte{0xfd, '7', 'z', 'X', 'Z', 0}, 0},
	{"lz4", []byte{0x04, 0x22, 0x4d, 0x18}, 0},
	{"zip", []byte("PK\x03\x04"), 0},
}

// sniff names the format of a stream by its first bytes. Bytes without a known magic are taken for a tar of the old form
// without one (or an empty one): its checksum decides then.
func sniff(head []byte) string {
	for _, f := range formats {
		if len(head) >= f.at+len(f.magic) && bytes.Equal(head[f.at:f.at+len(f.magic)], f.magic) {
			return f.name
		}
	}
	if isSkippable(head) {
		return "zstd"
	}
	return "tar"
}

// isSkippable tells a zstd skippable frame (RFC 8878, 3.1.2), which may come before the first data frame.
func isSkippable(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// inflate gives the uncompressed stream of r. close frees the decoder's memory. An error wraps ErrUnsupported for formats
// that we do not read; any other error is the stream's own.
func inflate(r *bufio.Reader, window uint64) (out io.Reader, close func(), err error) {
	head, err := r.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch f := sniff(head); f {
	case "gzip":
		return gunzip.NewReader(r), func() {}, nil
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", err)
		}
		return z, z.Close, nil
	case "tar":
		return r, func() {}, nil
	default:
		return nil, nil, fmt.Errorf("%w: %s layer", plimsoll.ErrUnsupported, f)
	}
}
