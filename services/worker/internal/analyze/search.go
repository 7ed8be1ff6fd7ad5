package analyze

import (
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// search is a sink that looks for lists of packages in an executable of any size as it passes. Section headers, which say where
// such lists are, stand at a file's end; so the lists are known by their own first bytes, and kept from there.
type search struct {
	p      *packages
	r      *reader
	f      *file
	window []byte // the last carry bytes seen, and the piece after them
	offset int64  // of the window within the file
	golang capture
	audit  capture
	native runtimeSearch
	found  []plimsoll.Package
	reason string
	named  bool // a section of the name that cargo-auditable uses was seen
}

// carry is how many bytes are looked at again with the next piece: what tells a list may lie across two.
const carry = 512

func newSearch(p *packages, r *reader, f *file) *search {
	return &search{p: p, r: r, f: f, native: newRuntimeSearch(f.path), window: make([]byte, 0, pieceSize+carry)}
}

func (s *search) write(b []byte) {
	s.golang.write(b)
	s.audit.write(b)
	s.window = append(s.window, b...)
	s.look(len(s.window) - carry)
	if drop := len(s.window) - carry; drop > 0 {
		s.window = append(s.window[:0], s.window[drop:]...)
		s.offset += int64(drop)
	}
}

// look searches what begins before end in the window.
func (s *search) look(end int) {
	if end <= 0 {
		return
	}
	if i := alignedMark(s.window, s.offset); i >= 0 && i < end && !s.golang.on {
		s.golang.start(s.window[i:], goLength)
	}
	if s.golang.done() {
		s.closeGo()
	}
	if i := auditStart(s.window, end); i >= 0 && !s.audit.on {
		s.audit.start(s.window[i:], func([]byte) int { return maxAuditStored })
	}
	s.native.look(s.window, end)
	// Names of sections stand at the end, behind all that they name.
	if s.f.size()-s.offset < nameTail {
		s.named = s.named || hasAuditName(s.window)
	}
}

// nameTail is how far from a file's end names of sections are looked for: the headers of 800 sections.
const nameTail = 64 << 10

func (s *search) closeGo() {
	if len(s.found) > 0 {
		return
	}
	s.found, s.reason = inlineInfo(s.golang.data)
	s.golang = capture{on: s.reason == ""}
}

func (s *search) close(short string) {
	if short == cutShort {
		return
	}
	s.look(len(s.window))
	if s.golang.on && s.golang.data != nil {
		s.closeGo()
	}
	if s.audit.on {
		if found, reason := audited(s.audit.data); reason == "" {
			s.found, s.named = append(s.found, found...), false
		}
	}
	switch {
	case s.reason != "":
	case short != "":
		s.reason = short
	case s.named && s.audit.on && len(s.audit.data) >= maxAuditStored:
		s.reason = fmt.Sprintf("limit reached: dependency list of more than %d MiB", maxAuditStored>>20)
	case s.named:
		s.reason = reasonRust
	}
	s.found = append(s.found, s.native.found...)
	for i := range s.found {
		s.found[i].Path = s.f.path
	}
	sortPackages(s.found)
	s.p.add(s.r, s.f, s.found, s.reason)
}

// capture keeps the bytes of one list from its beginning on.
type capture struct {
	on   bool
	data []byte
	need func(have []byte) int // how many bytes the list has, as far as they tell
}

func (c *capture) start(b []byte, need func([]byte) int) {
	*c = capture{on: true, need: need}
	c.write(b)
}

func (c *capture) write(b []byte) {
	if !c.on || c.need == nil {
		return
	}
	for len(b) > 0 {
		room := c.need(c.data) - len(c.data)
		if room <= 0 {
			return
		}
		n := min(room, len(b))
		c.data, b = append(c.data, b[:n]...), b[n:]
	}
}

// done tells that all of the list is there.
func (c *capture) done() bool { return c.on && c.need != nil && len(c.data) >= c.need(c.data) }
