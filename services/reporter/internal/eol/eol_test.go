package eol

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
)

func TestOf(t *testing.T) {
	t.Parallel()
	table := BuiltIn()
	for _, tt := range []struct{ name, version, release, date string }{
		{"Debian", "10", "10", "2024-06-30"},
		{"Debian", "99", "", ""},
		{"Ubuntu", "18.04:LTS", "18.04", "2023-05-31"},
		{"Ubuntu", "Pro:18.04:LTS", "18.04", "2023-05-31"},
		{"Alpine", "v3.9", "v3.9", "2020-11-01"},
		{"Alpine", "v3.1", "", ""}, // not v3.10 cut short
		{"AlmaLinux", "8", "8", "2029-03-01"},
		{"Rocky Linux", "8.9", "8", "2029-05-31"},
		{"Red Hat", "enterprise_linux:7::server", "7", "2024-06-30"},
		{"Azure Linux", "2.0", "2", "2025-07-31"},
		{"python", "3.8.19", "3.8", "2024-10-07"},
		{"python", "3.80.1", "", ""},
		{"node", "v16.20.2", "16", "2023-09-11"},
		{"go", "go1.21.13", "1.21", "2024-08-13"},
		{"php", "8.0.30-1ubuntu2", "8.0", "2023-11-26"},
		{"java", "1.9.0_4", "9", "2018-03-20"},
		{"java", "11.0.2", "", ""},
		{"nothing", "1", "", ""},
		{"python", "", "", ""},
	} {
		f, ok := table.Of(tt.name, tt.version)
		if ok != (tt.release != "") || ok && (f.Release != tt.release || f.Date.Format(time.DateOnly) != tt.date || !strings.HasPrefix(f.Source, "https://")) {
			t.Errorf("%s %s: %+v, %v; want %s of %s", tt.name, tt.version, f, ok, tt.release, tt.date)
		}
	}
	f, ok := table.OfEcosystem("Debian:10")
	if !ok || f.Past(time.Date(2024, 6, 30, 23, 59, 0, 0, time.UTC)) || !f.Past(time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("Debian:10 %+v, %v: its last day still counts", f, ok)
	}
	if _, ok := table.OfEcosystem("npm"); ok {
		t.Error("npm has an end of life")
	}
}

// TestBuiltIn: every row can be used, and none is about the day of an unborn release.
func TestBuiltIn(t *testing.T) {
	t.Parallel()
	table := BuiltIn()
	for name, p := range table.products {
		if len(p.dates) == 0 || !strings.HasPrefix(p.source, "https://") {
			t.Errorf("%s: %d releases, source %q", name, len(p.dates), p.source)
		}
		for release, date := range p.dates {
			if date.Year() < 2010 || date.Year() > 2040 {
				t.Errorf("%s %s: %s", name, release, date)
			}
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "own.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("as_of: 2026-02-01\nproducts:\n  - product: Corp Linux\n    source: https://intranet.corp.example/eol\n    releases:\n      - {release: \"4\", date: 2026-01-31}\n")
	table, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := table.OfEcosystem("Corp Linux:4"); !ok || f.Date.Month() != time.January {
		t.Errorf("%+v, %v", f, ok)
	}
	if _, ok := table.Of("Debian", "10"); ok {
		t.Error("the operator's table does not take the place of the built-in one")
	}
	for text, want := range map[string]string{
		"as_of: never\n": "as_of",
		"as_of: 2026-02-01\nproducts:\n  - product: A\n":                                                                                             "source",
		"as_of: 2026-02-01\nproducts:\n  - {product: A, source: x, releases: [{release: \"1\", date: soon}]}\n":                                      "date",
		"as_of: 2026-02-01\nproduct: []\n":                                                                                                           "product",
		"as_of: 2026-02-01\nproducts:\n  - {product: A, source: x}\n  - {product: a, source: x}\n":                                                   "once",
		"as_of: 2026-02-01\nproducts:\n  - {product: A, source: x, releases: [{release: \"\", date: 2026-01-01}]}\n" + strings.Repeat("#", maxTable): "more than",
	} {
		write(text)
		if _, err := Open(file); !errors.Is(err, plimsoll.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v; want invalid and %q", text, err, want)
		}
	}
	if _, err := Open(file + "x"); err == nil {
		t.Error("a file that is not there is no error")
	}
}
