package imagetest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// Blob is one layer as a registry stores it.
type Blob struct {
	Bytes     []byte
	MediaType types.MediaType
	DiffID    v1.Hash // of the uncompressed tar: what an honest configuration states
	CreatedBy string  // the instruction that goes into the history; empty: a generic one
}

// Digest is the hash of the bytes as stored.
func (b Blob) Digest() v1.Hash { return hash(b.Bytes) }

// By sets the instruction that made the layer.
func (b Blob) By(instruction string) Blob {
	b.CreatedBy = instruction
	return b
}

// Gzip, Zstd and Plain store a tar in the three ways that registries hold layers.
func Gzip(tar []byte) Blob {
	return Blob{Bytes: gzipped(tar), MediaType: types.OCILayer, DiffID: hash(tar)}
}

// Zstd is [Gzip] with zstd.
func Zstd(tar []byte) Blob {
	return Blob{Bytes: zstdded(tar), MediaType: types.OCILayerZStd, DiffID: hash(tar)}
}

// Plain stores the tar as it is.
func Plain(tar []byte) Blob {
	return Blob{Bytes: tar, MediaType: types.OCIUncompressedLayer, DiffID: hash(tar)}
}

// Stored is a layer of bytes that need not be any honest compression of anything. Its DiffID is their own hash.
func Stored(b []byte, mediaType string) Blob {
	return Blob{Bytes: b, MediaType: types.MediaType(mediaType), DiffID: hash(b)}
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := Must(gzip.NewWriterLevel(&out, gzip.BestSpeed))
	_, err := w.Write(b)
	must(err)
	must(w.Close())
	return out.Bytes()
}

func zstdded(b []byte) []byte {
	// One goroutine: how the input is cut among several would show in the bytes.
	w := Must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)))
	return w.EncodeAll(b, nil)
}

func hash(b []byte) v1.Hash {
	h, _, err := v1.SHA256(bytes.NewReader(b))
	must(err)
	return h
}

// stored is a Blob as go-containerregistry sees it.
type stored struct{ Blob }

func (s stored) Digest() (v1.Hash, error)            { return s.Blob.Digest(), nil }
func (s stored) Size() (int64, error)                { return int64(len(s.Bytes)), nil }
func (s stored) MediaType() (types.MediaType, error) { return s.Blob.MediaType, nil }
func (s stored) DiffID() (v1.Hash, error)            { return s.Blob.DiffID, nil }
func (s stored) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(s.Bytes)), nil
}
func (b Blob) String() string { return fmt.Sprintf("%s (%d bytes)", b.Digest(), len(b.Bytes)) }
