package analyze

import (
	"archive/tar"
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// visited runs the files analyser over the entries, with others beside it.
func visited(t testing.TB, others []string, entries ...tarred) plimsoll.Facts {
	t.Helper()
	var names []plimsoll.Analyzer
	for _, n := range append(others, plimsoll.AnalyzerFiles) {
		names = append(names, plimsoll.Analyzer{Name: n})
	}
	s, err := New(t.Context(), names, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Size == 0 {
			e.Size = int64(len(e.body))
		}
		var body io.Reader = bytes.NewReader(e.body)
		if e.broken {
			body = io.MultiReader(body, brokenReader{})
		}
		if err := s.Visit(layer.Clean(e.Name), &e.Header, body); err != nil {
			t.Fatal(err)
		}
	}
	all := s.Facts(layer.Blob{}, layer.Result{Read: plimsoll.Complete()})
	return all[len(all)-1]
}

// tarred is an entry of a tar; an empty type stands for a regular file.
type tarred struct {
	layer.Header
	body   []byte
	broken bool // the tar ends after body
}

func regular(name string, mode int64, body []byte) tarred {
	return tarred{Header: layer.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode}, body: body}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

func elf(size int, words ...string) []byte {
	b := append([]byte("\x7fELF\x02\x01\x01"), strings.Join(words, "\x00")...)
	return append(b, make([]byte, max(0, size-len(b)))...)
}

func pe() []byte {
	b := make([]byte, 0x100)
	copy(b, "MZ")
	binary.LittleEndian.PutUint32(b[0x3c:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	return b
}

func TestFilesKept(t *testing.T) {
	t.Parallel()
	raw := string([]byte{1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	withCapability := regular("usr/bin/ping", 0o644, []byte("x"))
	withCapability.Capability = raw
	folder := tarred{Header: layer.Header{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777}}
	device := tarred{Header: layer.Header{Name: "dev/null", Typeflag: tar.TypeChar, Mode: 0o666}}
	link := tarred{Header: layer.Header{Name: "bin/sh", Typeflag: tar.TypeSymlink, Linkname: "dash", Mode: 0o777}}
	tests := map[string]struct {
		entry tarred
		want  string // kind, mode, capabilities; empty: not kept
	}{
		"program":                     {regular("bin/a", 0o755, elf(64)), "elf 755 "},
		"library without an x bit":    {regular("lib/a.so", 0o644, elf(64)), "elf 644 "},
		"script":                      {regular("bin/a", 0o755, []byte("#!/bin/sh\n")), "script 755 "},
		"script, others alone run it": {regular("bin/a", 0o001, []byte("#!/bin/sh\n")), "script 1 "},
		"script that none runs":       {regular("bin/a", 0o644, []byte("#!/bin/sh\n")), ""},
		"text with an x bit":          {regular("etc/hostname", 0o755, []byte("name\n")), ""},
		"PE":                          {regular("a.exe", 0o644, pe()), "pe 644 "},
		"text that begins with MZ":    {regular("a", 0o644, []byte("MZ is a name")), ""},
		"Mach-O":                      {regular("a", 0o644, []byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01")), "mach-o 644 "},
		"fat Mach-O":                  {regular("a", 0o644, []byte("\xca\xfe\xba\xbe\x00\x00\x00\x02")), "mach-o 644 "},
		"Java class":                  {regular("A.class", 0o644, []byte("\xca\xfe\xba\xbe\x00\x00\x00\x34")), ""},
		"set-uid":                     {regular("a", 0o4755, []byte("x")), " 4755 "},
		"set-gid":                     {regular("a", 0o2755, []byte("x")), " 2755 "},
		"set-uid and empty":           {regular("a", 0o4755, nil), " 4755 "},
		"anybody may write":           {regular("a", 0o666, []byte("x")), " 666 "},
		"sticky alone":                {regular("a", 0o1644, []byte("x")), ""},
		"capability":                  {withCapability, " 644 cap_net_raw"},
		"folder":                      {folder, ""},
		"device":                      {device, ""},
		"symlink":                     {link, ""},
		"empty":                       {regular("a", 0o644, nil), ""},
	}
	for name, tt := range tests {
		got := ""
		facts := visited(t, nil, tt.entry)
		for _, f := range facts.Files.Files {
			got = fmt.Sprintf("%s %o %s", f.Kind, f.Mode, f.Capabilities)
			if want := sha256.Sum256(tt.entry.body); f.SHA256 != hex.EncodeToString(want[:]) {
				t.Errorf("%s: sha256 %s", name, f.SHA256)
			}
		}
		if got != tt.want || facts.Read.Short() {
			t.Errorf("%s: got %q, want %q; read %+v", name, got, tt.want, facts.Read)
		}
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	data := func(words ...uint32) string {
		var b []byte
		for _, w := range words {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return string(b)
	}
	tests := map[string]struct{ value, want string }{
		"none":                     {"", ""},
		"version 1":                {data(capRevision1, 1<<12|1<<13, 0), "cap_net_admin,cap_net_raw"},
		"version 2":                {data(capRevision2|1, 1, 0, 1<<6, 0), "cap_chown,cap_perfmon"},
		"version 2, the last one":  {data(capRevision2, 0, 0, 1<<8, 0), "cap_checkpoint_restore"},
		"version 2, not named yet": {data(capRevision2, 0, 0, 1<<31, 0), "cap_63"},
		"version 3":                {data(capRevision3, 1<<7, 0, 0, 0, 1000), "cap_setuid"},
		"inheritable":              {data(capRevision2, 0, 1<<21, 0, 0), "cap_sys_admin"},
		"version 3, too short":     {data(capRevision3, 1<<7, 0, 0, 0), "unknown"},
		"version 4":                {data(0x04000000, 1, 0, 0, 0), "unknown"},
		"version 0":                {data(0), "unknown"},
		"three bytes":              {"abc", "unknown"},
		"too long":                 {data(capRevision2, 1, 0, 0, 0, 0), "unknown"},
	}
	for name, tt := range tests {
		if got := capabilities(tt.value); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestSums: which sums are taken, and that those that are taken are right, whatever the size.
func TestSums(t *testing.T) {
	t.Parallel()
	large := 200 << 10
	tests := map[string]struct {
		path   string
		body   []byte
		want   string
		before []string
	}{
		"in Debian":                {"usr/bin/curl", elf(large), "md5", []string{"etc/debian_version"}},
		"in Alpine":                {"usr/bin/curl", elf(large), "sha1", []string{"etc/apk/keys/x"}},
		"in Red Hat's":             {"usr/bin/curl", elf(large), "", []string{"etc/yum.repos.d/x.repo"}},
		"in a mix":                 {"usr/bin/curl", elf(large), "md5 sha1", []string{"lib/apk/db/installed", "etc/apt/sources.list"}},
		"in none that is known":    {"usr/bin/curl", elf(large), "md5 sha1", []string{"etc/aptitude", "etc/x/apk", "libx/apk"}},
		"anywhere in /usr":         {"usr/bin/curl", elf(large), "md5 sha1", nil},
		"multiarch":                {"usr/lib/x86_64-linux-gnu/libssl.so.3", elf(large), "md5", nil},
		"multiarch of arm":         {"lib/arm-linux-gnueabihf/libc.so.6", elf(large), "md5", nil},
		"a name that looks like":   {"usr/bin/x86_64-linux-gnu-gcc", elf(large), "md5 sha1", nil},
		"rpm's folder":             {"usr/lib64/libssl.so.3", elf(large), "", nil},
		"usr/local":                {"usr/local/bin/node", elf(large), "", nil},
		"small in usr/local":       {"usr/local/bin/x", elf(100), "md5 sha1", nil},
		"application":              {"app/server", elf(large), "", nil},
		"in the root":              {"server", elf(large), "", nil},
		"opt":                      {"opt/google/chrome/chrome", elf(large), "md5 sha1", nil},
		"musl's loader":            {"usr/bin/curl", elf(large, "/lib/ld-musl-x86_64.so.1"), "sha1", nil},
		"musl library":             {"usr/lib/libssl.so.3", elf(large, "libc.musl-x86_64.so.1"), "sha1", nil},
		"Debian's package of musl": {"usr/lib/musl/bin/musl-gcc", elf(large, "/lib/ld-musl-x86_64.so.1"), "md5 sha1", nil},
		"script that names musl":   {"usr/bin/ldd", append([]byte("#!/lib/ld-musl-x86_64.so.1\n"), make([]byte, large)...), "md5 sha1", nil},
	}
	for name, tt := range tests {
		before := []tarred{regular("etc/hostname", 0o644, nil)}
		for _, p := range tt.before {
			before = append(before, regular(p, 0o644, nil))
		}
		f := visited(t, nil, append(before, regular(tt.path, 0o755, tt.body))...).Files.Files[0]
		var got []string
		if f.MD5 != "" {
			got = append(got, "md5")
			if want := md5.Sum(tt.body); f.MD5 != hex.EncodeToString(want[:]) {
				t.Errorf("%s: md5 %s", name, f.MD5)
			}
		}
		if f.SHA1 != "" {
			got = append(got, "sha1")
			if want := sha1.Sum(tt.body); f.SHA1 != hex.EncodeToString(want[:]) {
				t.Errorf("%s: sha1 %s", name, f.SHA1)
			}
		}
		if want := sha256.Sum256(tt.body); f.SHA256 != hex.EncodeToString(want[:]) {
			t.Errorf("%s: sha256 %s", name, f.SHA256)
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: sums %q, want %q", name, got, tt.want)
		}
	}
}

// TestFilesCutShort: a file whose content is not all there is kept without sums; the walk tells that the tar is broken.
func TestFilesCutShort(t *testing.T) {
	t.Parallel()
	e := regular("bin/a", 0o4755, elf(100))
	e.Size, e.broken = 200, true
	got := visited(t, nil, e, regular("bin/b", 0o755, elf(10)))
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	want := []string{"0 ", "1 " + sum(elf(10))}
	var have []string
	for _, f := range got.Files.Files {
		have = append(have, fmt.Sprintf("%d %s", f.Entry, f.SHA256))
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFilesLimit(t *testing.T) {
	t.Parallel()
	x := newFiles(new(Stage))
	e := &entry{TreeEntry: plimsoll.TreeEntry{Type: plimsoll.EntryFile, Path: "a", Mode: 0o666}, header: &layer.Header{}}
	for range maxFiles + 1 {
		if k := x.visit(e); k != nil {
			k.close("")
		}
	}
	f := plimsoll.Facts{Read: plimsoll.Complete()}
	x.finish(&f)
	if len(f.Files.Files) != maxFiles || f.Read.State != plimsoll.ReadPartial || !strings.Contains(f.Read.Reason, "limit reached") {
		t.Errorf("%d files, read %+v", len(f.Files.Files), f.Read)
	}
}

// BenchmarkFiles is the analyser alone over a layer like a distribution's: half of its bytes are executables.
func BenchmarkFiles(b *testing.B) {
	var entries []*layer.Header
	var bodies [][]byte
	total := 0
	add := func(name string, mode int64, body []byte) {
		entries = append(entries, &layer.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(body))})
		bodies = append(bodies, body)
		total += len(body)
	}
	program, library, text := elf(120<<10), elf(300<<10), bytes.Repeat([]byte("some text\n"), 2<<10)
	var paths, sums strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&paths, "/usr/share/doc/package/some/file%d\n", i)
		fmt.Fprintf(&sums, "d41d8cd98f00b204e9800998ecf8427e  usr/share/doc/package/some/file%d\n", i)
	}
	for i := range 100 {
		add(fmt.Sprintf("usr/bin/program%d", i), 0o755, program)
		add(fmt.Sprintf("usr/lib/x86_64-linux-gnu/lib%d.so", i), 0o644, library)
	}
	for i := range 2000 {
		add(fmt.Sprintf("usr/share/doc/package/some/file%d", i), 0o644, text)
	}
	add("var/lib/dpkg/info/package.list", 0o644, []byte(paths.String()))
	add("var/lib/dpkg/info/package.md5sums", 0o644, []byte(sums.String()))
	b.SetBytes(int64(total))
	for b.Loop() {
		s, err := New(b.Context(), []plimsoll.Analyzer{{Name: plimsoll.AnalyzerFiles}}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		for i, h := range entries {
			if err := s.Visit(h.Name, h, bytes.NewReader(bodies[i])); err != nil {
				b.Fatal(err)
			}
		}
		s.Facts(layer.Blob{}, layer.Result{Read: plimsoll.Complete()})
	}
}
