package find

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll"
)

// Bounds of a range, which people type or scripts make.
const (
	maxRange = 2000 // bytes: the longest advisories name some 30 lines of versions
	maxTerms = 100  // comparisons
)

// Query is a range of versions: a version is in it when all comparisons of one alternative hold.
type Query struct {
	text string
	any  []alternative
}

// alternative is a list of comparisons that must all hold; an empty one holds for every version.
type alternative []term

// term is one comparison, such as "<3.0.16".
type term struct {
	op      string
	version string
}

// operators, the longer before their beginnings.
var operators = []string{"<=", ">=", "<", ">", "="}

// holds says whether an operator holds for the order of an installed version and the one that is named.
func holds(op string, order int) bool {
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return order == 0
}

// SyntaxError points at what of a range cannot be read. It wraps [plimsoll.ErrInvalid].
type SyntaxError struct {
	Text string
	At   int    // byte, from 0
	Want string // what should stand there
}

// Error is one line that says what is wanted where, then the range and a mark under the place.
func (e *SyntaxError) Error() string {
	column := utf8.RuneCountInString(e.Text[:e.At])
	return fmt.Sprintf("range: column %d: want %s\n  %s\n  %s^", column+1, e.Want, e.Text, strings.Repeat(" ", column))
}

// Unwrap makes it an invalid one.
func (e *SyntaxError) Unwrap() error { return plimsoll.ErrInvalid }

// Parse reads a range: comparisons with <, <=, >=, > or =, joined by "," for and, and by "||" for or; "*" is every version.
//
//	<3.0.16
//	>=3.0.0, <3.0.16 || >=1.1.1, <1.1.1w
//
// A fault is a [*SyntaxError], or wraps [plimsoll.ErrInvalid] when the text is too long or no text.
func Parse(text string) (Query, error) {
	if len(text) > maxRange {
		return Query{}, fmt.Errorf("range: %w: longer than %d bytes", plimsoll.ErrInvalid, maxRange)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Query{}, fmt.Errorf("range %.80q: %w: it is no line of UTF-8 text", text, plimsoll.ErrInvalid)
	}
	p := &parser{text: text}
	q := Query{text: strings.Trim(text, " ")}
	for {
		a, err := p.alternative()
		if err != nil {
			return Query{}, err
		}
		q.any = append(q.any, a)
		if p.space(); !p.take("||") {
			break
		}
	}
	if p.at < len(p.text) {
		return Query{}, p.want("“,”, “||” or the end")
	}
	return q, nil
}

// String is the range as it was written.
func (q Query) String() string { return q.text }

// parser reads a range from left to right.
type parser struct {
	text  string
	at    int
	terms int
}

func (p *parser) want(what string) error { return &SyntaxError{Text: p.text, At: p.at, Want: what} }

func (p *parser) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

func (p *parser) take(s string) bool {
	if !strings.HasPrefix(p.text[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

func (p *parser) alternative() (alternative, error) {
	if p.space(); p.take("*") {
		return alternative{}, nil
	}
	var out alternative
	for {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		if p.space(); !p.take(",") {
			return out, nil
		}
	}
}

func (p *parser) term() (term, error) {
	p.space()
	if p.terms++; p.terms > maxTerms {
		return term{}, p.want(fmt.Sprintf("at most %d comparisons", maxTerms))
	}
	t := term{}
	for _, op := range operators {
		if p.take(op) {
			t.op = op
			break
		}
	}
	if t.op == "" {
		return t, p.want("<, <=, >=, > or = before a version, or * for every version")
	}
	p.space()
	end := strings.IndexAny(p.text[p.at:], " ,|<>=")
	if end < 0 {
		end = len(p.text) - p.at
	}
	if end == 0 {
		return t, p.want("a version after " + t.op)
	}
	t.version = p.text[p.at : p.at+end]
	p.at += end
	return t, nil
}
