// Package text writes what the command line shows: at most 100 columns, summary before detail, colour on a terminal only,
// names from images with their control characters escaped, ids never cut.
package text

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// Columns is the widest line without --wide, whatever the terminal: output is pasted into tickets and chats.
const Columns = 100

// Printer writes lines and remembers the first error.
type Printer struct {
	w      io.Writer
	colour bool
	Wide   bool // no shortening
	err    error
}

// NewPrinter colours only what goes to a terminal, and not where NO_COLOR is set (no-color.org).
func NewPrinter(w io.Writer) *Printer {
	return &Printer{w: w, colour: Terminal(w) && os.Getenv("NO_COLOR") == ""}
}

// Terminal reports whether w is a terminal: only there progress and colour are shown.
func Terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Err is the first error met while writing.
func (p *Printer) Err() error { return p.err }

// Line writes one line, formatted.
func (p *Printer) Line(format string, args ...any) {
	line := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	if _, err := io.WriteString(p.w, line+"\n"); err != nil && p.err == nil {
		p.err = err
	}
}

// Styles are ANSI colours; they add no width.
type Style string

// The few styles used: verdicts and severities only, everything else is plain.
const (
	Red    Style = "\x1b[31m"
	Yellow Style = "\x1b[33m"
	Green  Style = "\x1b[32m"
	Bold   Style = "\x1b[1m"
	Dim    Style = "\x1b[2m"
	reset        = "\x1b[0m"
)

// Paint wraps s on a terminal.
func (p *Printer) Paint(style Style, s string) string {
	if !p.colour || s == "" {
		return s
	}
	return string(style) + s + reset
}

// Clean escapes control characters and invalid bytes: a name from an image must not steer a terminal.
func Clean(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) || r == utf8.RuneError {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// unprintable takes in direction overrides: they make one name look like another.
func unprintable(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

// Short cuts s to width runes with an ellipsis at its end.
func (p *Printer) Short(s string, width int) string {
	s = Clean(s)
	if p.Wide || utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// Wrap breaks s between words into lines, at least one, of at most width columns; a longer word has a line of its own.
func Wrap(s string, width int) []string {
	s = Clean(s)
	lines, line := []string(nil), ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case visible(line)+1+visible(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// Tail cuts s to width runes with an ellipsis at its start: of a path the end tells most.
func (p *Printer) Tail(s string, width int) string {
	s = Clean(s)
	n := utf8.RuneCountInString(s)
	if p.Wide || n <= width {
		return s
	}
	return "…" + string([]rune(s)[n-width+1:])
}

// Pad fills s with spaces to width runes; colours inside do not count.
func Pad(s string, width int) string {
	if n := width - visible(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// PadLeft is Pad with the spaces before s.
func PadLeft(s string, width int) string {
	if n := width - visible(s); n > 0 {
		return strings.Repeat(" ", n) + s
	}
	return s
}

// Between puts left and right at the two ends of a line of Columns.
func Between(left, right string) string {
	n := Columns - visible(left) - visible(right)
	return left + strings.Repeat(" ", max(2, n)) + right
}

func visible(s string) int {
	n, escape := 0, false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}

// Bytes is a size as people read it, in decimal units as registries show them.
func Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// Took writes a duration as people say it: 340 ms, 1.4 s, 45 min, 3 h 12 min, 5 d 2 h.
func Took(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// Count writes n with thousands separated, as 1,204.
func Count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural is "1 image" or "3 images".
func Plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + one + "s"
}
