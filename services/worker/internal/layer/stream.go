package layer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"

	"github.com/plimsoll/plimsoll"
)

// Source is the compressed side: it hashes and counts what passes, and remembers an error that came from below, so that a
// broken connection is never taken for a broken tar.
type Source struct {
	ctx   context.Context //nolint:containedctx // a source lives as long as one walk, and io.Reader has no context
	r     io.Reader
	want  Blob
	hash  hash.Hash
	n     int64
	err   error
	count func(int)
}

// NewSource reads a blob from r. count is called with the bytes of each read; it may be nil.
func NewSource(ctx context.Context, r io.Reader, want Blob, count func(n int)) *Source {
	if count == nil {
		count = func(int) {}
	}
	return &Source{ctx: ctx, r: r, want: want, hash: sha256.New(), count: count}
}

// Err is the error that ended reading; nil while there was none, and after the last byte.
func (s *Source) Err() error {
	if s.err == nil || s.err == io.EOF {
		return nil
	}
	return fmt.Errorf("read layer: %w", s.err)
}

// Verify tells, after all was read, whether the bytes are those of the blob. It returns ErrIntegrity when they are not, with
// ErrDigest when the size was right.
func (s *Source) Verify() error {
	if s.n != s.want.Size {
		return fmt.Errorf("layer %s: %w: %d bytes came, the manifest says %d", s.want.Digest.Short(), plimsoll.ErrIntegrity, s.n, s.want.Size)
	}
	if got := "sha256:" + hex.EncodeToString(s.hash.Sum(nil)); got != string(s.want.Digest) {
		return fmt.Errorf("layer %s: %w: %w", s.want.Digest.Short(), plimsoll.ErrIntegrity, ErrDigest)
	}
	return nil
}

// Read implements io.Reader.
func (s *Source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		s.err = context.Cause(s.ctx)
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.hash.Write(p[:n])
	s.n += int64(n)
	s.count(n)
	switch {
	case s.n > s.want.Size:
		// More bytes than the manifest says: they cannot have its digest and size, so reading on is of no use.
		s.err = fmt.Errorf("%w: more than the %d bytes of the manifest came", plimsoll.ErrIntegrity, s.want.Size)
		return 0, s.err
	case err != nil:
		s.err = err
	}
	return n, err
}

// tarStream is the inflated side: it hashes for the diff ID, counts, and stops a bomb at an exact byte, so that the facts of a
// bomb do not depend on how its bytes were chunked. It works on whole blocks: a tar reader asks for 512 bytes at a time.
type tarStream struct {
	r     io.Reader
	hash  hash.Hash
	block []byte // read ahead
	rest  []byte // of block, not handed out yet
	n     int64
	max   int64
	over  error // what to say at max
	err   error // the first that was not io.EOF: of the decoder, or a limit
	ended bool
	seen  *atomic.Int64 // n, for others to watch
}

// blockBytes is read, hashed and kept in the processor's cache until it is used.
const blockBytes = 64 << 10

func newTarStream(r io.Reader, compressed int64, lim Limits, seen *atomic.Int64) *tarStream {
	t := &tarStream{r: r, hash: sha256.New(), max: lim.Inflated, block: make([]byte, blockBytes), seen: seen}
	t.over = fmt.Errorf("%w: the layer inflates to more than %d bytes", plimsoll.ErrLimit, lim.Inflated)
	if byRatio := max(lim.RatioFrom, lim.Ratio*compressed); byRatio < t.max {
		t.max = byRatio
		t.over = fmt.Errorf("%w: the layer inflates to more than %d times its size", plimsoll.ErrLimit, lim.Ratio)
	}
	return t
}

// Read implements io.Reader.
func (t *tarStream) Read(p []byte) (int, error) {
	for len(t.rest) == 0 {
		switch {
		case t.err != nil:
			return 0, t.err
		case t.ended:
			return 0, io.EOF
		}
		t.fill()
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// fill reads and hashes one block. An error counts after the bytes that came before it.
func (t *tarStream) fill() {
	n, err := readBlock(t.r, t.block)
	if room := t.max - t.n; int64(n) > room {
		n, err = int(room), t.over
	}
	t.rest = t.block[:n]
	t.hash.Write(t.rest)
	t.n += int64(n)
	t.seen.Store(t.n)
	switch {
	case errors.Is(err, io.EOF):
		t.ended = true
	case err != nil:
		t.err = err
	}
}

// readBlock fills p as far as r can: io.ReadFull, but a stream's end is io.EOF alone and its other errors stay as they are.
func readBlock(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// peek gives the next n bytes, or nil where fewer are left or they do not lie in one block: a multiple of n was read before.
func (t *tarStream) peek(n int) []byte {
	if len(t.rest) == 0 && t.err == nil && !t.ended {
		t.fill()
	}
	if len(t.rest) < n {
		return nil
	}
	return t.rest[:n:n]
}

// skip reads up to n bytes, and tells how many there were.
func (t *tarStream) skip(n int64) int64 {
	left := n
	for {
		k := min(left, int64(len(t.rest)))
		t.rest, left = t.rest[k:], left-k
		if left == 0 || t.err != nil || t.ended {
			return n - left
		}
		t.fill()
	}
}

// drain hashes what is left.
func (t *tarStream) drain() {
	for t.err == nil && !t.ended {
		t.fill()
	}
	t.rest = nil
}
