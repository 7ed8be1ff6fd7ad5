package text

import (
	"bytes"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                     "",
		"shop/web:1.0":         "shop/web:1.0",
		"日本語 é":                "日本語 é",
		"\x1b[31mred\x1b[0m":   `\u001b[31mred\u001b[0m`,
		"two\nlines\tand\r":    `two\u000alines\u0009and\u000d`,
		"bell\a and \x7f":      `bell\u0007 and \u007f`,
		"c1 \u009b control":    `c1 \u009b control`,
		"gpj\u202eexe.":        `gpj\u202eexe.`, // shown, it reads ".exejpg"
		"zero\u200bwidth":      `zero\u200bwidth`,
		"broken \xff bytes":    `broken \ufffd bytes`,
		"said \ufffd honestly": "said \ufffd honestly",
		"both \ufffd\x00":      `both \ufffd\u0000`,
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzClean: nothing that steers a terminal remains, and cleaning twice changes nothing.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b]0;title\a", "\u202e", "\xff\xfe", "\u0085"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if strings.IndexFunc(got, unprintable) >= 0 || !utf8.ValidString(got) {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		if again := Clean(got); again != got && !strings.ContainsRune(got, utf8.RuneError) {
			t.Errorf("cleaned twice: %q, once: %q", again, got)
		}
		if short := (&Printer{}).Short(s, 10); utf8.RuneCountInString(short) > 10 {
			t.Errorf("Short(%q, 10) = %q", s, short)
		}
	})
}

func TestShort(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in    string
		width int
		wide  bool
		want  string
	}{
		"fits":                  {"musl", 10, false, "musl"},
		"fits exactly":          {"0123456789", 10, false, "0123456789"},
		"is cut":                {"0123456789a", 10, false, "012345678…"},
		"runes, not bytes":      {"ééééé", 5, false, "ééééé"},
		"runes are not split":   {"日本語の名前", 4, false, "日本語…"},
		"wide":                  {"0123456789a", 10, true, "0123456789a"},
		"wide is clean as well": {"a\x1bb", 10, true, `a\u001bb`},
		"cleaned before cut":    {"\x1b[31mname", 8, false, `\u001b[…`},
		"one column":            {"name", 1, false, "…"},
		"empty":                 {"", 5, false, ""},
	}
	for name, tt := range tests {
		p := &Printer{Wide: tt.wide}
		if got := p.Short(tt.in, tt.width); got != tt.want {
			t.Errorf("%s: Short(%q, %d) = %q, want %q", name, tt.in, tt.width, got, tt.want)
		}
	}
}

func TestPad(t *testing.T) {
	t.Parallel()
	red := string(Red) + "FAIL" + reset
	for _, tt := range []struct{ in, left, right string }{
		{"FAIL", "FAIL  ", "  FAIL"},
		{red, red + "  ", "  " + red},
		{"", "      ", "      "},
		{"日本", "日本    ", "    日本"},
		{"longer than that", "longer than that", "longer than that"},
		{string(Bold) + red, string(Bold) + red + "  ", "  " + string(Bold) + red},
	} {
		if got := Pad(tt.in, 6); got != tt.left {
			t.Errorf("Pad(%q, 6) = %q, want %q", tt.in, got, tt.left)
		}
		if got := PadLeft(tt.in, 6); got != tt.right {
			t.Errorf("PadLeft(%q, 6) = %q, want %q", tt.in, got, tt.right)
		}
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		left, right string
		want        int // columns
	}{
		{"shop/web:1.0", "FAIL", Columns},
		{"", "", Columns},
		{string(Bold) + "shop/web:1.0" + reset, string(Red) + "FAIL" + reset, Columns},
		{strings.Repeat("x", 90), strings.Repeat("y", 8), Columns},
		{strings.Repeat("x", 95), strings.Repeat("y", 10), 95 + 2 + 10}, // what is given is never cut, nor do the two run together
	} {
		got := Between(tt.left, tt.right)
		if visible(got) != tt.want || !strings.HasPrefix(got, tt.left) || !strings.HasSuffix(got, "  "+tt.right) {
			t.Errorf("Between(%q, %q): %d columns, want %d: %q", tt.left, tt.right, visible(got), tt.want, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[int64]string{
		0: "0 B", 1: "1 B", 999: "999 B", 1000: "1.0 kB", 1536: "1.5 kB", 99_949: "99.9 kB", 100_000: "100 kB", 999_000: "999 kB",
		1_000_000: "1.0 MB", 263_541_348: "264 MB", 1_500_000_000: "1.5 GB", 2_000_000_000_000: "2.0 TB", math.MaxInt64: "9223 PB",
	} {
		if got := Bytes(in); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1204: "1,204", 75_336: "75,336", 123_456: "123,456", 1_000_000: "1,000,000"} {
		if got := Count(in); got != want {
			t.Errorf("Count(%d) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[int]string{0: "0 images", 1: "1 image", 2: "2 images", 1204: "1,204 images"} {
		if got := Plural(in, "image"); got != want {
			t.Errorf("Plural(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestPrinter(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	p := NewPrinter(&b)
	p.Line("%s", Pad("musl", 10)+p.Paint(Red, "FAIL")+"   ")
	p.Line("")
	if got, want := b.String(), "musl      FAIL\n\n"; got != want || p.Err() != nil {
		t.Errorf("wrote %q, want %q, error %v", got, want, p.Err())
	}
	p.colour = true
	if got, want := p.Paint(Red, "FAIL"), "\x1b[31mFAIL\x1b[0m"; got != want {
		t.Errorf("painted %q, want %q", got, want)
	}
	if got := p.Paint(Red, ""); got != "" {
		t.Errorf("painted nothing as %q", got)
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if Terminal(file) || Terminal(&b) || Terminal(nil) {
		t.Error("a file, a buffer or nothing is taken for a terminal")
	}
}

// TestPrinterError: the first error stays, so that one check at the end is enough.
func TestPrinterError(t *testing.T) {
	t.Parallel()
	full, gone := errors.New("disk full"), errors.New("pipe gone")
	p := NewPrinter(&failing{[]error{nil, full, gone, nil}})
	for range 4 {
		p.Line("line")
	}
	if !errors.Is(p.Err(), full) {
		t.Errorf("error %v, want %v", p.Err(), full)
	}
}

type failing struct{ errs []error }

func (f *failing) Write(b []byte) (int, error) {
	err := f.errs[0]
	f.errs = f.errs[1:]
	return len(b), err
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                       {""},
		"short":                  {"short"},
		"one two three":          {"one two", "three"},
		"a verylongwordindeed b": {"a", "verylongwordindeed", "b"},
		"clean\x07 it":           {`clean\u0007`, "it"},
	} {
		if got := Wrap(in, 8); !slices.Equal(got, want) {
			t.Errorf("Wrap(%q) = %q, want %q", in, got, want)
		}
	}
}
