package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
)

const (
	// MaxObject bounds an object's uncompressed bytes: four times the largest expected, one ecosystem's advisories.
	MaxObject = 1 << 30
	// maxStored bounds what is read of an object; zstd adds less than 1/128 to what it cannot compress.
	maxStored = MaxObject + MaxObject>>7
	// maxWindow is the widest zstd window accepted: our own writer uses 8 MiB.
	maxWindow = 8 << 20
)

// codec compresses and expands objects. The level is fixed, so that equal bytes give equal objects by one version of the
// product; comparisons across versions are made on the uncompressed bytes.
var codec = newCodec()

type zstdCodec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() zstdCodec {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(maxWindow), zstd.WithLowerEncoderMem(true))
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

// seal compresses b; sum is the lower-case hexadecimal sha256 of b.
func seal(b []byte) (stored []byte, sum string, err error) {
	if len(b) > MaxObject {
		return nil, "", fmt.Errorf("%w: object of %d bytes, more than %d", plimsoll.ErrLimit, len(b), MaxObject)
	}
	return codec.enc.EncodeAll(b, nil), sumOf(b), nil
}

// unseal expands stored and checks it against sum, as the object's metadata gave it.
func unseal(stored []byte, sum string) ([]byte, error) {
	b, err := codec.dec.DecodeAll(stored, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, fmt.Errorf("%w: object expands to more than %d bytes", plimsoll.ErrLimit, MaxObject)
	case err != nil:
		return nil, fmt.Errorf("%w: no valid zstd: %v", plimsoll.ErrIntegrity, err)
	case sum == "":
		return nil, fmt.Errorf("%w: the object's metadata has no sha256 (a copy that lost its metadata?)", plimsoll.ErrIntegrity)
	case sumOf(b) != sum:
		return nil, fmt.Errorf("%w: metadata says sha256 %.64q, the bytes have %s", plimsoll.ErrIntegrity, sum, sumOf(b))
	}
	return b, nil
}

func sumOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
