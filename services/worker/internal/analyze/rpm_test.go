package analyze

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// rpmForms are databases of the same forty made-up packages, written by Berkeley DB 5.3 (both byte orders), by SQLite 3 (pages of
// 512 bytes, so that rows overflow and the tree has inner pages) and after rpm's ndb.
var rpmForms = map[string]string{
	"bdb-little": "var/lib/rpm/Packages", "bdb-big": "var/lib/rpm/Packages",
	"ndb": "usr/lib/sysimage/rpm/Packages.db", "sqlite": "usr/share/rpm/rpmdb.sqlite",
}

func rpmFixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "rpm", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func forty() (want []plimsoll.Package) {
	for i := range 40 {
		p := plimsoll.Package{
			Name: fmt.Sprintf("pkg%02d", i), Version: fmt.Sprintf("1.%d-%d.el9", i, i%3), Architecture: "x86_64",
			Source: fmt.Sprintf("src%02d", i/2), Ecosystem: FamilyRPM,
		}
		if i%4 == 0 && i > 0 {
			p.Version = fmt.Sprintf("%d:%s", i, p.Version)
		}
		if i%10 == 0 {
			p.Module = fmt.Sprintf("mod:stream%d", i)
		}
		want = append(want, p)
	}
	return want
}

func TestRPMForms(t *testing.T) {
	t.Parallel()
	for name, path := range rpmForms {
		f := &file{path: path, data: rpmFixture(t, name)}
		if !wantsRPM(f) {
			t.Errorf("%s is not taken for an rpm database", path)
		}
		found, reason := readRPM(t.Context(), f)
		sortPackages(found)
		if diff := cmp.Diff(forty(), found); diff != "" || reason != "" {
			t.Errorf("%s: reason %q, packages (-want +got):\n%s", name, reason, diff)
		}
	}
}

// TestRPMDamage: whatever is cut off or overwritten, reading ends, and a package that is missing is told.
func TestRPMDamage(t *testing.T) {
	t.Parallel()
	for name, path := range rpmForms {
		b := rpmFixture(t, name)
		for at := 0; at < len(b); at += 509 {
			damaged := bytes.Clone(b)
			copy(damaged[at:], "\xff\xff\xff\xff\xff\xff\xff\xff")
			found, _ := readRPM(t.Context(), &file{path: path, data: damaged})
			if len(found) > 40 {
				t.Errorf("%s overwritten at %d: %d packages of 40", name, at, len(found))
			}
			found, reason := readRPM(t.Context(), &file{path: path, data: b[:at]})
			if len(found) < 40 && reason == "" && at > 0 {
				t.Errorf("%s cut at %d: %d packages without a reason", name, at, len(found))
			}
		}
	}
}

func TestRPMRows(t *testing.T) {
	t.Parallel()
	loop := rpmFixture(t, "bdb-little")
	for n := 512; n < len(loop); n += 512 {
		if loop[n+25] == bdbOverflow && loop[n+16] != 0 {
			copy(loop[n+16:], loop[n+8:n+12]) // the next page is this one
		}
	}
	view := bytes.Replace(rpmFixture(t, "sqlite"), []byte("CREATE TABLE 'Packages'"), []byte("CREATE VIEW  'Packages'"), 1)
	tests := map[string]struct {
		b    []byte
		want string
	}{
		"empty":                        {nil, ""},
		"text":                         {[]byte("no database at all"), "unsupported: rpm database of an unknown form"},
		"overflow pages in a loop":     {loop, "broken rpm database"},
		"a view in place of the table": {view, "broken rpm database"},
		"only the head":                {rpmFixture(t, "sqlite")[:512], "broken rpm database"},
	}
	for name, tt := range tests {
		if _, reason := readRPM(t.Context(), &file{data: tt.b}); reason != tt.want {
			t.Errorf("%s: reason %q, want %q", name, reason, tt.want)
		}
	}
}

func TestSourceRPM(t *testing.T) {
	t.Parallel()
	tests := map[string][2]string{
		"openssl-3.0.7-1.el9.src.rpm":    {"openssl", "3.0.7-1.el9"},
		"a-b-c-1-2.nosrc.rpm":            {"a-b-c", "1-2.nosrc"},
		"":                               {},
		"-1-2.src.rpm":                   {},
		"nothing.src.rpm":                {},
		"java-1.8.0-openjdk-1-2.src.rpm": {"java-1.8.0-openjdk", "1-2"},
	}
	for in, want := range tests {
		name, version, _ := splitSourceRPM(in)
		if got := [2]string{name, version}; got != want {
			t.Errorf("splitSourceRPM(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzRPM(f *testing.F) {
	for name := range rpmForms {
		f.Add(rpmFixture(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, _ := readRPM(t.Context(), &file{data: b})
		for _, p := range found {
			if p.Name == "" || p.Version == "" {
				t.Errorf("package without name or version: %+v", p)
			}
		}
	})
}
