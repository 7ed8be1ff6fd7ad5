package secrets

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// A stream is searched piece by piece. A piece is coreLen bytes at a multiple of coreLen, together with maxReach bytes on
// both sides; it gives the matches that begin in its core. Pieces depend on the place in the stream alone, so any way of
// writing the same bytes gives the same hits, each once.
const coreLen = 1 << 20

// Stream finds the secrets of texts of any size, one after the other, each written to it in parts and closed. It holds one
// piece in memory. What it may do for candidates is bounded for all its texts together, so that the same files in the same
// order give the same hits: use one stream a layer. It serves one goroutine.
type Stream struct {
	search search
	size   int    // of a core: coreLen, less in tests
	buf    []byte // the text from base on; at most a core and its surroundings
	base   int64  // place of buf[0] in the text
	core   int64  // place where the next core begins
	lines  int    // line feeds before the core
	hits   []Hit
	seen   map[Hit]bool
	full   bool // MaxHits are found: the rest is not searched
}

// NewStream returns a stream for the rules and the key of f.
func NewStream(f *Finder) *Stream {
	return &Stream{search: search{finder: f, work: workFloor}, size: coreLen}
}

// Write takes the next part of the text; p is not kept. The error is the context's.
func (s *Stream) Write(ctx context.Context, p []byte) error {
	for len(p) > 0 && !s.full {
		n := min(len(p), s.size+2*maxReach-len(s.buf))
		s.hold(len(s.buf) + n)
		s.buf = append(s.buf, p[:n]...)
		p = p[n:]
		if len(s.buf) == s.size+2*maxReach {
			if err := s.piece(ctx, s.size); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold makes room for n bytes: no more than a piece, where append alone would take a quarter more.
func (s *Stream) hold(n int) {
	if n > cap(s.buf) {
		whole := s.size + 2*maxReach
		s.buf = append(make([]byte, 0, min(whole, max(n, 2*cap(s.buf)))), s.buf...)
	}
}

// Close ends the text and returns its hits by place. The reason says why the list is short, "" where it is not; the error is
// the context's. The stream is empty afterwards.
func (s *Stream) Close(ctx context.Context) (hits []Hit, reason string, err error) {
	defer s.Reset()
	for !s.full && s.core < s.base+int64(len(s.buf)) {
		if err := s.piece(ctx, int(min(int64(s.size), s.base+int64(len(s.buf))-s.core))); err != nil {
			return nil, "", err
		}
	}
	return s.hits, strings.Join(s.search.reasons, "; "), nil
}

// Reset forgets the text, as when its reading failed; the memory is kept for the next.
func (s *Stream) Reset() {
	s.buf, s.base, s.core, s.lines = s.buf[:0], 0, 0, 0
	s.hits, s.seen, s.full, s.search.reasons = nil, nil, false, nil
}

// piece searches the next size bytes of the text with what stands around them, and forgets what the next piece will not
// need.
func (s *Stream) piece(ctx context.Context, size int) error {
	from := int(s.core - s.base)
	text := s.buf[:min(len(s.buf), from+size+maxReach)]
	found, err := s.search.run(ctx, text, size)
	if err != nil {
		return err
	}
	s.take(text, from, from+size, found)
	s.lines += bytes.Count(text[from:from+size], []byte{'\n'})
	s.core += int64(size)
	drop := max(0, from+size-maxReach)
	s.base += int64(drop)
	s.buf = s.buf[:copy(s.buf, s.buf[drop:])]
	return nil
}

// take keeps the matches that begin in text[from:to], up to MaxHits.
func (s *Stream) take(text []byte, from, to int, found []match) {
	line, at := s.lines+1, from
	for _, m := range settled(found) {
		if m.start < from || m.start >= to {
			continue
		}
		line += bytes.Count(text[at:m.start], []byte{'\n'})
		at = m.start
		h := s.search.finder.hit(&m, line)
		if s.seen[h] {
			continue // twice in one line tells nothing more
		}
		if len(s.hits) == MaxHits {
			s.full = true
			s.search.note(fmt.Sprintf("limit reached: more than %d secrets", MaxHits))
			return
		}
		if s.seen == nil {
			s.seen = map[Hit]bool{}
		}
		s.seen[h] = true
		s.hits = append(s.hits, h)
	}
}

// settled sorts matches by place and rule and drops those of generic rules where another rule's match covers them: the
// issuer's name says more, and one secret is one hit.
func settled(found []match) []match {
	slices.SortStableFunc(found, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end), cmp.Compare(a.rule, b.rule))
	})
	var named []match
	for _, m := range found {
		if !m.generic {
			named = append(named, m)
		}
	}
	return slices.DeleteFunc(found, func(m match) bool { return m.generic && covered(m, named) })
}

// covered reports whether one of the matches, sorted by start, overlaps m.
func covered(m match, by []match) bool {
	after, _ := slices.BinarySearchFunc(by, m.end, func(o match, end int) int { return cmp.Compare(o.start, end) })
	for i := after - 1; i >= 0 && by[i].start > m.start-maxReach; i-- {
		if by[i].end > m.start {
			return true
		}
	}
	return false
}
