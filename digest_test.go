package plimsoll

import (
	"errors"
	"strings"
	"testing"
)

func TestParseDigest(t *testing.T) {
	t.Parallel()
	good := "sha256:" + strings.Repeat("0a", 32)
	for _, c := range []struct {
		name, in string
		ok       bool
	}{
		{"good", good, true},
		{"empty", "", false},
		{"no algorithm", strings.Repeat("0a", 32), false},
		{"other algorithm", "sha512:" + strings.Repeat("0a", 64), false},
		{"upper case", strings.ToUpper(good), false},
		{"upper hex", "sha256:" + strings.Repeat("0A", 32), false},
		{"short", good[:len(good)-2], false},
		{"long", good + "00", false},
		{"path", "sha256:../../" + strings.Repeat("0", 58), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseDigest(c.in)
			if (err == nil) != c.ok {
				t.Fatalf("ParseDigest(%q) = %v, want ok %t", c.in, err, c.ok)
			}
			if err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v is not ErrInvalid", err)
			}
			if err == nil && string(got) != c.in {
				t.Errorf("ParseDigest(%q) = %q", c.in, got)
			}
		})
	}
}

func FuzzParseDigest(f *testing.F) {
	f.Add("sha256:" + strings.Repeat("0a", 32))
	f.Add("sha256:")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if err == nil && (len(d.Hex()) != 64 || len(d.Short()) != 12) {
			t.Errorf("ParseDigest(%q) accepted", s)
		}
	})
}

func TestCheckNames(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"a": true, "library/nginx": true, "a/b-c": true, "a--b/c__d": true, "a.b/c": true,
		"": false, "A": false, "a//b": false, "/a": false, "a/": false, "a/../b": false, "a b": false, strings.Repeat("a", 256): false,
	} {
		if err := CheckRepository(in); (err == nil) != ok {
			t.Errorf("CheckRepository(%.40q) = %v, want ok %t", in, err, ok)
		}
	}
	for in, ok := range map[string]bool{
		"latest": true, "1.0_x-Y": true, strings.Repeat("a", 128): true,
		"": false, ".x": false, "-x": false, "a/b": false, strings.Repeat("a", 129): false,
	} {
		if err := CheckTag(in); (err == nil) != ok {
			t.Errorf("CheckTag(%.40q) = %v, want ok %t", in, err, ok)
		}
	}
}
