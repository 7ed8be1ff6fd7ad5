// Package sealed is the form in which objects are stored: their bytes in zstd, and the sha256 of the bytes beside them.
//
// It is apart from the store so that who makes objects needs no client of a store.
package sealed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
)

const (
	// MaxObject bounds an object's uncompressed bytes: four times the largest expected, one ecosystem's advisories.
	MaxObject = 1 << 30
	// MaxStored bounds what is read of an object; zstd adds less than 1/128 to what it cannot compress.
	MaxStored = MaxObject + MaxObject>>7
	// maxWindow is the widest zstd window accepted: our own writer uses 8 MiB.
	maxWindow = 8 << 20
	// streamWindow is what a Writer looks back over: it stands in the memory of a process that has little.
	streamWindow = 512 << 10
)

// codec compresses and expands objects. The level is fixed, so that equal bytes give equal objects by one version of the
// product; comparisons across versions are made on the uncompressed bytes.
var codec = newCodec()

type zstdCodec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func encoderOptions(window int) []zstd.EOption {
	return []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true)}
}

func newCodec() zstdCodec {
	enc, err := zstd.NewWriter(nil, encoderOptions(maxWindow)...)
	if err != nil {
		panic(fmt.Sprintf("zstd options: %v", err)) // constants above
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxObject), zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(fmt.Sprintf("zstd options: %v", err))
	}
	return zstdCodec{enc, dec}
}

// Seal compresses b; sum is the lower-case hexadecimal sha256 of b.
func Seal(b []byte) (stored []byte, sum string, err error) {
	if len(b) > MaxObject {
		return nil, "", fmt.Errorf("%w: object of %d bytes, more than %d", plimsoll.ErrLimit, len(b), MaxObject)
	}
	return codec.enc.EncodeAll(b, nil), Sum(b), nil
}

// encoders are of writers that have ended: to make and clear one's tables costs more than to seal a small object.
var encoders = sync.Pool{New: func() any {
	enc, err := zstd.NewWriter(nil, append(encoderOptions(streamWindow), zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		panic(fmt.Sprintf("zstd options: %v", err)) // constants above
	}
	return enc
}}

// Writer seals bytes as they come: for objects that should not stand in memory whole.
type Writer struct {
	out  bytes.Buffer
	enc  *zstd.Encoder
	hash hash.Hash
}

// NewWriter begins an object of size bytes.
func NewWriter(size int64) (*Writer, error) {
	if size > MaxObject {
		return nil, fmt.Errorf("%w: object of %d bytes, more than %d", plimsoll.ErrLimit, size, MaxObject)
	}
	w := &Writer{hash: sha256.New(), enc: encoders.Get().(*zstd.Encoder)} //nolint:forcetypeassert // it holds nothing else
	// A frame that tells its size is expanded without guessing.
	w.enc.ResetContentSize(&w.out, size)
	return w, nil
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	w.hash.Write(p)
	return w.enc.Write(p)
}

// Close gives the sealed object. It fails when other than size bytes were written. The writer must not be used after it.
func (w *Writer) Close() (stored []byte, sum string, err error) {
	if err := w.enc.Close(); err != nil {
		return nil, "", fmt.Errorf("zstd: %w", err)
	}
	w.enc.Reset(nil)
	encoders.Put(w.enc)
	return w.out.Bytes(), hex.EncodeToString(w.hash.Sum(nil)), nil
}

// Open expands stored and checks it against sum, as the object's metadata gave it. It returns ErrIntegrity when they do not fit,
// and ErrLimit for more than MaxObject bytes.
func Open(stored []byte, sum string) ([]byte, error) {
	b, err := codec.dec.DecodeAll(stored, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, fmt.Errorf("%w: object expands to more than %d bytes", plimsoll.ErrLimit, MaxObject)
	case err != nil:
		return nil, fmt.Errorf("%w: no valid zstd: %v", plimsoll.ErrIntegrity, err)
	case sum == "":
		return nil, fmt.Errorf("%w: the object's metadata has no sha256 (a copy that lost its metadata?)", plimsoll.ErrIntegrity)
	case Sum(b) != sum:
		return nil, fmt.Errorf("%w: metadata says sha256 %.64q, the bytes have %s", plimsoll.ErrIntegrity, sum, Sum(b))
	}
	return b, nil
}

// Sum is the lower-case hexadecimal sha256 of b.
func Sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
