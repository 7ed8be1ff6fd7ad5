package secrets

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// literal is a piece of text that stands in every match of a rule (or one of several that do). It is sought in one pass
// over the text, and only around it does the rule's detector run.
type literal struct {
	text string
	fold bool // ASCII letters match in either case; the detector's expression says (?i)
	// check is a cheap condition that every match around the literal at text[at:] meets, for literals that are frequent in
	// ordinary text. It looks at no more than maxCheck bytes.
	check func(text []byte, at int) bool
}

// maxCheck bounds how far from a literal its check looks: a text of nothing but literals costs this much a literal.
const maxCheck = 512

// in reports whether the literal stands at text[at:].
func (l *literal) in(text []byte, at int) bool {
	end := at + len(l.text)
	if at < 0 || end > len(text) {
		return false
	}
	if l.fold && !bytes.EqualFold(text[at:end], []byte(l.text)) || !l.fold && string(text[at:end]) != l.text {
		return false
	}
	return l.check == nil || l.check(text, at)
}

// A text is sifted by its overlapping groups of three bytes: a literal is represented by its rarest group. The groups are
// hashed to slotBits bits: fewer make a smaller table and more false nominations, which cost more.
const (
	gramLen  = 3
	slotBits = 16
	gramMask = 1<<(8*gramLen) - 1
	gramMul  = 0x9E3779B1 // Fibonacci hashing: 2^32 / golden ratio, odd
	foldAll  = 0x2020202020202020
)

// sieve finds the literals of all rules in one pass. It does not change after it is built.
type sieve struct {
	bucket  [1 << slotBits]uint8 // slot -> 1 + index in buckets
	buckets [][]seed
}

// seed is a literal as the sieve finds it: by the group at offset within it.
type seed struct {
	literal *literal
	offset  int
	rule    int
}

func slot(gram uint32) uint32 { return gram * gramMul >> (32 - slotBits) }

// newSieve enters each literal of each rule under its rarest group.
func newSieve(rules []rule) *sieve {
	s := &sieve{}
	for r := range rules {
		for i := range rules[r].literals {
			l := &rules[r].literals[i]
			s.add(seed{literal: l, offset: rarest(l.text), rule: r})
		}
	}
	return s
}

func (s *sieve) add(d seed) {
	h := slot(gramAt(d.literal.text[d.offset:]))
	if s.bucket[h] == 0 {
		s.buckets = append(s.buckets, nil)
		s.bucket[h] = uint8(len(s.buckets)) // fewer than 256 literals: a test holds it
	}
	b := &s.buckets[s.bucket[h]-1]
	*b = append(*b, d)
}

func gramAt(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | foldAll&gramMask
}

// common lists letters from the most to the least frequent in text and source code; what is not in it is rare.
const common = "etaonirsldcumpfhgybvwk"

// rarest is the offset of the group of s whose bytes are least frequent.
func rarest(s string) int {
	weight := func(at int) (w int) {
		for _, c := range []byte(s[at : at+gramLen]) {
			if i := bytes.IndexByte([]byte(common), c|0x20); i >= 0 {
				w += len(common) - i
			}
		}
		return w
	}
	best := 0
	for at := 1; at+gramLen <= len(s); at++ {
		if weight(at) < weight(best) {
			best = at
		}
	}
	return best
}

// sift calls found for each literal of text: the rule and where the literal starts. The order is by the place of the
// literal's group. ASCII letters are folded with one OR, which maps some other bytes together too: a group only nominates,
// the literal decides.
func (s *sieve) sift(text []byte, found func(rule, at int)) {
	i := 0
	for ; i+8 <= len(text); i += 4 { // one load serves four groups
		w := binary.LittleEndian.Uint64(text[i:]) | foldAll
		a, b := slot(uint32(w)&gramMask), slot(uint32(w>>8)&gramMask)
		c, d := slot(uint32(w>>16)&gramMask), slot(uint32(w>>24)&gramMask)
		if s.bucket[a]|s.bucket[b]|s.bucket[c]|s.bucket[d] != 0 {
			s.settle(text, i, a, found)
			s.settle(text, i+1, b, found)
			s.settle(text, i+2, c, found)
			s.settle(text, i+3, d, found)
		}
	}
	for ; i+gramLen <= len(text); i++ {
		s.settle(text, i, slot(gramAt(string(text[i:i+gramLen]))), found)
	}
}

// settle looks which literals the group at text[i:] belongs to.
func (s *sieve) settle(text []byte, i int, slot uint32, found func(rule, at int)) {
	if s.bucket[slot] == 0 {
		return
	}
	for _, d := range s.buckets[s.bucket[slot]-1] {
		if at := i - d.offset; d.literal.in(text, at) {
			found(d.rule, at)
		}
	}
}

// The checks below are conditions of single expressions, cheap enough to run at each literal.

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isToken(c byte) bool { return isWord(c) || c == '-' }

func isAlnum(c byte) bool { return isWord(c) && c != '_' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// starts: no letter, digit or underscore before the literal (\b).
func starts(text []byte, at int) bool { return at == 0 || !isWord(text[at-1]) }

// followed: n bytes of the class follow the literal of the given length.
func followed(length, n int, class func(byte) bool) func([]byte, int) bool {
	return func(text []byte, at int) bool {
		rest := text[at+length:]
		return len(rest) >= n && !slices.ContainsFunc(rest[:n], func(c byte) bool { return !class(c) })
	}
}

func both(a, b func([]byte, int) bool) func([]byte, int) bool {
	return func(text []byte, at int) bool { return a(text, at) && b(text, at) }
}

// ahead: one of the words (lower case) stands within n bytes after the literal.
func ahead(n int, words ...string) func([]byte, int) bool {
	return func(text []byte, at int) bool {
		near := bytes.ToLower(text[at:min(len(text), at+n)])
		return slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(near, []byte(w)) })
	}
}
