package list

import (
	"strconv"
	"strings"
	"unicode"
)

// maxText is how many characters of a text from outside a page shows: enough for any honest name or instruction.
const maxText = 400

// Visible makes text from outside safe for the eye: control, direction and other invisible characters are written as
// escapes, and what is longer than maxText is cut with an ellipsis.
func Visible(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if n++; n > maxText {
			b.WriteString("…")
			break
		}
		if r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

// Comma writes 40118 as 40,118.
func Comma(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Share is part of whole in percent with one decimal, for SVG widths.
func Share(part, whole int64) string {
	if whole == 0 {
		return "0"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 2, 64)
}
