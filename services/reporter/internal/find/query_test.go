package find_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/find"
)

// TestParseFaults: each fault points at its place, in the text as it was written.
func TestParseFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		at   int
		want string // a part of what is wanted
	}{
		"":                            {0, "before a version"},
		"3.0.16":                      {0, "before a version"},
		"<":                           {1, "a version after <"},
		"<3.0.16,,>2":                 {8, "before a version"},
		"<3.0.16,":                    {8, "before a version"},
		"<3.0.16 ||":                  {10, "before a version"},
		"<3.0.16 | >2":                {8, "the end"},
		"<3.0.16 2":                   {8, "the end"},
		"<<3":                         {1, "a version after <"},
		"=>3":                         {1, "a version after ="},
		"* ,<2":                       {2, "the end"},
		strings.Repeat("<1,", 101):    {300, "at most 100"},
		"<1 || é<2":                   {6, "before a version"},
		">=1.0, <2.0 || >= , <3":      {18, "a version after >="},
		"<3.0.16&&>2":                 {9, "the end"},
		strings.Repeat("<1||", 1000):  {-2, "longer"},
		"<1\x00":                      {-2, "no line of UTF-8"},
		"<1\n":                        {-2, "no line of UTF-8"},
		"<\xff":                       {-2, "no line of UTF-8"},
		">=1.0,<2.0||=3.1~rc1 || >=4": {-1, ""},
		"  *  ":                       {-1, ""},
		"< 3.0.16 , >= 2":             {-1, ""},
	}
	for text, tt := range tests {
		q, err := find.Parse(text)
		if tt.at == -1 {
			if err != nil || q.String() != strings.TrimSpace(text) {
				t.Errorf("%q: %q, %v; want it read", text, q, err)
			}
			continue
		}
		var syntax *find.SyntaxError
		switch {
		case !errors.Is(err, plimsoll.ErrInvalid) || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%.40q: %v, want %q", text, err, tt.want)
		case errors.As(err, &syntax) != (tt.at >= 0):
			t.Errorf("%.40q: %v", text, err)
		case syntax != nil && syntax.At != tt.at:
			t.Errorf("%.40q: points at %d, want %d: %v", text, syntax.At, tt.at, err)
		}
	}
}

// TestSyntaxErrorPoints: the mark stands under the place, also behind letters of several bytes.
func TestSyntaxErrorPoints(t *testing.T) {
	t.Parallel()
	_, err := find.Parse("<é, 2")
	if want := "range: column 5: want <, <=, >=, > or = before a version, or * for every version\n  <é, 2\n      ^"; err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// FuzzQuery: no text panics, a fault points into the text, and what was read reads the same again.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"<3.0.16", ">=1.0,<2.0||=3.1~rc1 || >=4", "*", "<", "<1,,", "é<", "<1 || || <2", "=0||<=9999999999999999999999", "=\u3000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := find.Parse(text)
		var syntax *find.SyntaxError
		if errors.As(err, &syntax) {
			if syntax.At < 0 || syntax.At > len(text) || syntax.Error() == "" {
				t.Errorf("%q: points at %d", text, syntax.At)
			}
			return
		}
		if err != nil {
			if !errors.Is(err, plimsoll.ErrInvalid) {
				t.Errorf("%q: %v wraps nothing", text, err)
			}
			return
		}
		again, err := find.Parse(q.String())
		if err != nil || again.String() != q.String() {
			t.Errorf("%q reads as %q, and that as %q, %v", text, q, again, err)
		}
	})
}
