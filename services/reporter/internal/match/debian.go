package match

import (
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// debVersion is a version as deb-version(7) has it. Its comparison is dpkg's own (lib/dpkg/version.c), written so that it allocates
// nothing: most of what a registry holds are deb packages.
type debVersion struct{ epoch, upstream, revision string }

func parseDeb(text string) (debVersion, error) {
	text = strings.TrimSpace(text)
	var v debVersion
	if epoch, rest, ok := strings.Cut(text, ":"); ok {
		if epoch == "" || strings.Trim(epoch, "0123456789") != "" {
			return v, fmt.Errorf("version %.80q: %w: its epoch is no number", text, plimsoll.ErrInvalid)
		}
		v.epoch, text = epoch, rest
	}
	v.upstream = text
	if at := strings.LastIndexByte(text, '-'); at >= 0 {
		v.upstream, v.revision = text[:at], text[at+1:]
	}
	return v, nil
}

func (v debVersion) compare(w debVersion) int {
	if order := compareNumbers(v.epoch, w.epoch); order != 0 {
		return order
	}
	if order := compareDeb(v.upstream, w.upstream); order != 0 {
		return order
	}
	return compareDeb(v.revision, w.revision)
}

// compareNumbers compares decimal numbers of any length; none is 0.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return sign(len(a) - len(b))
	}
	return strings.Compare(a, b)
}

// compareDeb compares by turns a part without digits, letter by letter, and a number.
func compareDeb(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !digit(a[0]) || b != "" && !digit(b[0]) {
			if order := debWeight(a) - debWeight(b); order != 0 {
				return sign(order)
			}
			a, b = a[min(1, len(a)):], b[min(1, len(b)):]
		}
		i, k := digits(a), digits(b)
		if order := compareNumbers(a[:i], b[:k]); order != 0 {
			return order
		}
		a, b = a[i:], b[k:]
	}
	return 0
}

// debWeight orders the first byte of a text: a tilde before the end, the end and digits before letters, letters before all else.
func debWeight(s string) int {
	switch {
	case s == "" || digit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z':
		return int(s[0])
	}
	return int(s[0]) + 256
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// digits is how many digits a text starts with.
func digits(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
