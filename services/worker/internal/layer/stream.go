package layer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/plimsoll/plimsoll"
)

// source is the compressed side: it hashes and counts what passes and remembers an error that came from below, so that a
// broken connection is never taken for a broken tar.
type source struct {
	ctx   context.Context
	r     io.Reader
	hash  hash.Hash
	n     int64
	max   int64
	err   error
	count func(int)
}

func (s *source) Read(p []byte) (int, error) {
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
	case s.n > s.max:
		// More bytes than the manifest says: they cannot have its digest and size, so reading on is of no use.
		s.err = fmt.Errorf("%w: more than the %d bytes of the manifest came", plimsoll.ErrIntegrity, s.max)
		return 0, s.err
	case err != nil:
		s.err = err
	}
	return n, err
}

// tarStream is the inflated side: it hashes for the diff ID, counts, and stops a bomb at an exact byte, so that the facts of a
// bomb do not depend on how its bytes were chunked.
type tarStream struct {
	r    io.Reader
	hash hash.Hash
	n    int64
	max  int64
	over error // what to say at max
	err  error // the first that was not io.EOF: of the decoder, or a limit
}

func newTarStream(r io.Reader, compressed int64, lim Limits) *tarStream {
	t := &tarStream{r: r, hash: sha256.New(), max: lim.Inflated}
	t.over = fmt.Errorf("%w: the layer inflates to more than %d bytes", plimsoll.ErrLimit, lim.Inflated)
	if byRatio := max(lim.RatioFrom, lim.Ratio*compressed); byRatio < t.max {
		t.max = byRatio
		t.over = fmt.Errorf("%w: the layer inflates to more than %d times its size", plimsoll.ErrLimit, lim.Ratio)
	}
	return t
}

func (t *tarStream) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.r.Read(p)
	if room := t.max - t.n; int64(n) > room {
		n, err = int(room), t.over
	}
	t.hash.Write(p[:n])
	t.n += int64(n)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}
