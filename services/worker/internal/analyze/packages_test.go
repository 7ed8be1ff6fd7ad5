package analyze

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// given is one file given to the analysers.
type given struct {
	path string
	body []byte
	mode int64
	link string // of a hard link
}

// analyzed runs both analysers over entries, without a tar.
func analyzed(t testing.TB, entries ...given) *plimsoll.PackageFacts {
	t.Helper()
	s, err := New(t.Context(), Analyzers(layer.DefaultLimits(), nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		h := &layer.Header{Name: e.path, Typeflag: tar.TypeReg, Size: int64(len(e.body)), Mode: e.mode}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeLink, e.link
		}
		if err := s.Visit(e.path, h, bytes.NewReader(e.body)); err != nil {
			t.Fatal(err)
		}
	}
	return s.Facts(layer.Blob{}, layer.Result{Read: plimsoll.Complete()})[1].Packages
}

// brief tells a source in one line: extractor, packages, reason.
func brief(s plimsoll.PackageSource) string {
	var ps []string
	for _, p := range s.Packages {
		line := p.Name + " " + p.Version
		if p.Source != "" {
			line += " of " + p.Source + " " + p.SourceVersion
		}
		if p.NotMatched != "" {
			line += " (" + p.NotMatched + ")"
		}
		ps = append(ps, strings.TrimSpace(line))
	}
	return strings.TrimSpace(fmt.Sprintf("%s [%s] %s", s.Extractor, strings.Join(ps, ", "), s.Read.Reason))
}

func stanza(lines ...string) string { return strings.Join(lines, "\n") + "\n\n" }

func TestSources(t *testing.T) {
	t.Parallel()
	installed := "Status: install ok installed"
	jarWith := func(files map[string]string) []byte { return zipOf(t, files) }
	pom := "groupId=org.example\nartifactId=lib\nversion=1.2\n"
	tests := map[string]struct {
		path string
		body string
		want string // empty: no source
	}{
		"dpkg": {"var/lib/dpkg/status", stanza("Package: a", installed, "Version: 1:2-3", "Source: src (1:2-2)", "Architecture: amd64") +
			stanza("Package: gone", "Status: deinstall ok config-files", "Version: 1") +
			stanza("Package: t", installed, "Version: 1", "Description: transitional package"),
			"os/dpkg [a 1:2-3 of src 1:2-2, t 1 (transitional package)]"},
		"dpkg without a status": {"var/lib/dpkg/status", stanza("Package: a", "Version: 1") + stanza("Package: b", installed, "Version: 2"),
			"os/dpkg [b 2] os/dpkg: malformed record"},
		"dpkg with a broken line": {"var/lib/dpkg/status", stanza("Package: a", installed, "Version: 1") + stanza("Package: x", installed, "no colon here", "Version: 1") + stanza("Package: b", installed, "Version: 2"),
			"os/dpkg [a 1, b 2] os/dpkg: malformed record"},
		"dpkg with a broken source": {"var/lib/dpkg/status", stanza("Package: a", installed, "Version: 1", "Source: s (1") + stanza("Package: b", installed, "Version: 2"),
			"os/dpkg [b 2] os/dpkg: malformed record"},
		"dpkg with NUL bytes":        {"var/lib/dpkg/status", "\x00\x00\x00\n\n" + stanza("Package: b", installed, "Version: 2"), "os/dpkg [b 2] os/dpkg: malformed record"},
		"dpkg without an end":        {"var/lib/dpkg/status", "Package: b\n" + installed + "\nVersion: 2", "os/dpkg [b 2]"},
		"dpkg with one long line":    {"var/lib/dpkg/status", stanza("Package: a", installed, "Version: 1", "Description: "+strings.Repeat("x", 1<<20)), "os/dpkg [a 1]"},
		"dpkg with lines of Windows": {"var/lib/dpkg/status", strings.ReplaceAll(stanza("Package: a", installed, "Version: 1")+stanza("Package: b", installed, "Version: 2"), "\n", "\r\n"), "os/dpkg [a 1, b 2]"},
		"an empty database":          {"var/lib/dpkg/status", "", "os/dpkg []"},
		"distroless":                 {"var/lib/dpkg/status.d/tzdata", stanza("Package: tzdata", "Version: 2024a", "Architecture: all"), "os/dpkg [tzdata 2024a]"},
		"distroless, broken":         {"var/lib/dpkg/status.d/tzdata", "nothing\n", "os/dpkg [] os/dpkg: malformed record"},
		"distroless, checksums":      {"var/lib/dpkg/status.d/tzdata.md5sums", "x", ""},
		"opkg":                       {"usr/lib/opkg/status", stanza("Package: a", "Status: install user installed", "Version: 1"), "os/dpkg [a 1]"},

		"apk": {"lib/apk/db/installed", stanza("C:Q1", "P:libssl3", "V:3.3.2-r0", "A:x86_64", "o:openssl", "F:lib", "R:x") + stanza("P:musl", "V:1", "o:musl"),
			"os/apk [libssl3 3.3.2-r0 of openssl, musl 1]"},
		"apk with a line of 10 MB":   {"lib/apk/db/installed", stanza("P:a", "V:1") + stanza("P:b", "V:1", "T:"+strings.Repeat("x", 10<<20)) + stanza("P:c", "V:1"), "os/apk [a 1, c 1] os/apk: malformed record"},
		"apk with a line of no form": {"lib/apk/db/installed", stanza("P:a", "V:1", "what") + stanza("P:c", "V:1"), "os/apk [c 1] os/apk: malformed record"},
		"apk without a version":      {"usr/lib/apk/db/installed", stanza("P:a") + stanza("P:c", "V:1"), "os/apk [c 1] os/apk: malformed record"},

		"wheel":                {"usr/lib/python3/site-packages/six-1.16.dist-info/METADATA", "Metadata-Version: 2.1\nName: six\nVersion: 1.16\n\nText: x\n", "python/wheelegg [six 1.16]"},
		"wheel without a name": {"x.dist-info/METADATA", "Version: 1\n", "python/wheelegg [] python/wheelegg: broken file"},
		"egg archive":          {"x.egg", string(jarWith(map[string]string{"EGG-INFO/PKG-INFO": "Name: e\nVersion: 1\n"})), "python/wheelegg [e 1]"},

		"npm's hidden lock":     {"app/node_modules/.package-lock.json", `{"lockfileVersion":3,"packages":{"node_modules/@a/b":{"version":"1.0.0"},"node_modules/c":{"version":"2.0.0"}}}`, "javascript/nodemodules [@a/b 1.0.0, c 2.0.0]"},
		"a lock file elsewhere": {"app/package-lock.json", `{"lockfileVersion":3,"packages":{"node_modules/c":{"version":"2.0.0"}}}`, ""},
		"installed package":     {"app/node_modules/@a/b/package.json", `{"name":"@a/b","version":"1.0.0"}`, "javascript/packagejson [@a/b 1.0.0]"},
		"a package's own test":  {"app/node_modules/a/test/package.json", `{"name":"t","version":"1.0.0"}`, ""},
		"no JSON":               {"app/node_modules/a/package.json", `{"name":`, "javascript/packagejson [] javascript/packagejson: broken file"},
		"no name":               {"app/node_modules/a/package.json", `{"type":"module"}`, ""},
		"depth bomb":            {"app/node_modules/a/package.json", strings.Repeat(`{"a":`, 100_000), "javascript/packagejson [] javascript/packagejson: broken file"},

		"gem":        {"usr/lib/ruby/gems/3.1.0/specifications/rack-2.2.3.gemspec", "# -*- encoding: utf-8 -*-\n\nGem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"2.2.3\"\nend\n", "ruby/gemspec [rack 2.2.3]"},
		"gem source": {"usr/lib/ruby/gems/3.1.0/gems/rack-2.2.3/rack.gemspec", "Gem::Specification.new do |s|\n  s.name = \"rack\"\n  s.version = \"2.2.3\"\nend\n", ""},
		"broken gem": {"usr/lib/ruby/gems/3.1.0/specifications/x.gemspec", "\x04\x08u:", "ruby/gemspec [] ruby/gemspec: broken file"},

		".NET": {"app/x.deps.json", `{"libraries":{"Newtonsoft.Json/12.0.1":{"type":"package","serviceable":true}},"targets":{}}`, "dotnet/depsjson [Newtonsoft.Json 12.0.1]"},

		"jar":                           {"app/lib.jar", string(jarWith(map[string]string{"META-INF/maven/org.example/lib/pom.properties": pom})), "java/archive [org.example:lib 1.2]"},
		"jar by its file name":          {"usr/share/java/commons-cli-1.4.jar", string(jarWith(map[string]string{"x": "y, and enough of it to count"})), "java/archive [commons-cli:commons-cli 1.4]"},
		"jar within a jar":              {"app/fat.jar", string(jarWith(map[string]string{"BOOT-INF/lib/lib-1.2.jar": string(jarWith(map[string]string{"META-INF/maven/org.example/lib/pom.properties": pom}))})), "java/archive [org.example:lib 1.2]"},
		"no jar":                        {"app/lib.jar", "this is no archive, whatever its name says", "java/archive [] java/archive: broken file"},
		"jar with a bomb of a manifest": {"app/lib.jar", string(jarWith(map[string]string{"META-INF/MANIFEST.MF": strings.Repeat("A: b\n", 1<<20)})), "java/archive [] java/archive: limit reached: manifest of more than 4 MiB"},
		"jar nested too deep":           {"app/lib.jar", string(nestedJar(t, 10)), "java/archive [] java/archive: limit reached: archives nested deeper than 8"},

		"Nix":    {"nix/var/nix/db/db.sqlite", "x", "unread [] unsupported: Nix store"},
		"a text": {"etc/motd", "hello", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts := analyzed(t, given{path: tt.path, body: []byte(tt.body), mode: 0o644})
			got := ""
			for _, s := range facts.Sources {
				got += brief(s)
				if s.Path != tt.path {
					t.Errorf("path %q, want %q", s.Path, tt.path)
				}
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func nestedJar(t testing.TB, depth int) []byte {
	b := zipOf(t, map[string]string{"x": "the innermost one"})
	for range depth {
		b = zipOf(t, map[string]string{"inner.jar": string(b)})
	}
	return b
}

func TestTooManyRecords(t *testing.T) {
	t.Parallel()
	one := "P:a\nV:1\n\n"
	facts := analyzed(t, given{path: "lib/apk/db/installed", body: bytes.Repeat([]byte(one), maxPerFile+10)})
	s := facts.Sources[0]
	if len(s.Packages) != maxPerFile || s.Read != plimsoll.Partial(fmt.Sprintf("os/apk: limit reached: more than %d records", maxPerFile)) {
		t.Errorf("%d packages, read %+v", len(s.Packages), s.Read)
	}
}

func TestFileTooLarge(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(), Analyzers(layer.DefaultLimits(), nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Only the header is large: nothing may be allocated by what it says.
	h := &layer.Header{Name: "app/large.jar", Typeflag: tar.TypeReg, Size: 1 << 62, Mode: 0o644}
	if err := s.Visit(h.Name, h, strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	all := s.Facts(layer.Blob{}, layer.Result{Read: plimsoll.Complete()})
	want := "java/archive [] java/archive: limit reached: file of more than 64 MiB"
	if got := brief(all[1].Packages.Sources[0]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestGoBinary reads this test's own binary, small and as one that is too large to buffer.
func TestGoBinary(t *testing.T) {
	t.Parallel()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	facts := analyzed(t, given{path: "usr/bin/x", body: b, mode: 0o755}, given{path: "usr/share/x", body: b, mode: 0o644})
	if len(facts.Sources) != 1 || facts.Sources[0].Read.Short() {
		t.Fatalf("sources %v, want one that is complete", facts.Sources)
	}
	small := facts.Sources[0].Packages
	std := plimsoll.Package{Name: "stdlib", Version: strings.TrimPrefix(strings.Fields(runtime.Version())[0], "go"), Ecosystem: "Go"}
	if i := indexOf(small, "stdlib"); i < 0 || small[i].Version != std.Version || small[i].Ecosystem != "Go" {
		t.Errorf("no %+v among %v", std, small)
	}
	large := searched(t, b, pieceSize)
	if large.Read.Short() {
		t.Fatalf("search: %v", large.Read)
	}
	if diff := cmp.Diff(small, large.Packages, cmpopts.IgnoreFields(plimsoll.Package{}, "Path", "Extractor")); diff != "" {
		t.Errorf("the two ways differ (-buffered +searched):\n%s", diff)
	}
}

// searched searches an executable as if it were too large to buffer, in pieces of the given size.
func searched(t *testing.T, b []byte, piece int) (found plimsoll.PackageSource) {
	t.Helper()
	p, err := newPackages(t.Context(), new(Stage))
	if err != nil {
		t.Fatal(err)
	}
	info := (&layer.Header{Name: "x", Size: int64(len(b))}).Info()
	k := newSearch(p, &reader{name: NameBinary, read: func(context.Context, *file) ([]plimsoll.Package, string) { return nil, "" }}, &file{path: "x", info: info})
	for part := range slices.Chunk(b, piece) {
		k.write(part)
	}
	k.close("")
	if len(p.facts.Sources) > 0 {
		found = p.facts.Sources[0]
	}
	return found
}

func indexOf(ps []plimsoll.Package, name string) int {
	for i, p := range ps {
		if p.Name == name {
			return i
		}
	}
	return -1
}

func TestBrokenBinaries(t *testing.T) {
	t.Parallel()
	mark := append([]byte("\x7fELF"+strings.Repeat("\x00", 12)), goMark...)
	tests := map[string]struct {
		body []byte
		want string
	}{
		"an executable without marks": {[]byte("\x7fELF" + strings.Repeat("x", 1000)), ""},
		"a script":                    {[]byte("#!/bin/sh\n"), ""},
		"two bytes":                   {[]byte("MZ"), ""},
		"a mark and no more":          {mark, "binary [] binary: broken Go build information"},
		"a mark as a constant":        {append([]byte("\x7fELF123"), goMark...), ""},
		"a broken audit section":      {[]byte("\x7fELF" + strings.Repeat("\x00", 60) + ".dep-v0\x00"), "binary [] binary: broken dependency list of a Rust binary"},
		"an audit list":               {auditedBinary(t), "rust/cargoauditable [a 1.0.0, b 2.0.0]"},
	}
	for name, tt := range tests {
		facts := analyzed(t, given{path: "bin/x", body: tt.body, mode: 0o755})
		got := ""
		for _, s := range facts.Sources {
			got += brief(s)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// auditedBinary is an ELF file with a list of dependencies as cargo-auditable embeds it.
func auditedBinary(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("\x7fELF" + strings.Repeat("x\x9cx", 100_000))
	z := zlib.NewWriter(&b)
	if _, err := z.Write([]byte(`{"packages":[{"name":"a","version":"1.0.0"},{"name":"b","version":"2.0.0","kind":"runtime"},{"name":"c","version":"1","kind":"build"}]}`)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	b.WriteString(strings.Repeat("\x00", 60) + ".dep-v0\x00")
	return b.Bytes()
}

func TestSearchLargeAcrossChunks(t *testing.T) {
	t.Parallel()
	info := append(bytes.Clone(goMark), 8, 2)
	info = append(info, make([]byte, 16)...)
	version, modules := "go1.26.1", strings.Repeat("m", 16)+"path\tx\nmod\texample.com/x\tv1.2.3\t\ndep\texample.com/y\tv0.1.0\th1:x=\n"+strings.Repeat("m", 16)
	info = append(append(info, byte(len(version))), version...)
	info = append(append(info, byte(len(modules))), modules...)
	for _, at := range []int{0, 16, 1<<20 - 32, 1<<20 - 16, 1 << 20, 3<<20 + 16} {
		body := append(bytes.Repeat([]byte("\xff Go buildin"), at/12+1)[:at:at], info...)
		for _, piece := range []int{100, 4096, pieceSize} {
			got := brief(searched(t, append(body, make([]byte, 100)...), piece))
			if want := "go/binary [example.com/x 1.2.3, example.com/y 0.1.0, stdlib 1.26.1]"; got != want {
				t.Errorf("mark at %d, pieces of %d: %s; want %s", at, piece, got, want)
			}
		}
	}
}

func TestChisel(t *testing.T) {
	t.Parallel()
	pack := func(lines ...string) []byte {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.EncodeAll([]byte(strings.Join(lines, "\n")+"\n"), nil)
	}
	head := `{"jsonwall":"1.0","schema":"1.0","count":4}`
	libc, ssl := `{"kind":"package","name":"libc6","version":"2.39-0ubuntu8","sha256":"x","arch":"amd64"}`, `{"kind":"package","name":"libssl3t64","version":"3.0.13","sha256":"x","arch":"amd64"}`
	slice := `{"kind":"slice","name":"libc6_libs"}`
	tests := map[string]struct {
		body []byte
		want string
	}{
		"whole":         {pack(head, libc, ssl, slice), "os/chisel [libc6 2.39-0ubuntu8, libssl3t64 3.0.13]"},
		"cut":           {pack(head, libc), "os/chisel [libc6 2.39-0ubuntu8] os/chisel: broken file"},
		"no zstd":       {[]byte("x"), "os/chisel [] os/chisel: broken file"},
		"without names": {pack(head, libc, `{"kind":"package"}`, slice), "os/chisel [libc6 2.39-0ubuntu8] os/chisel: malformed record"},
	}
	for name, tt := range tests {
		facts := analyzed(t, given{path: "var/lib/chisel/manifest.wall", body: tt.body})
		if got := brief(facts.Sources[0]); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

func TestHardlinks(t *testing.T) {
	t.Parallel()
	body := []byte("Name: x\nVersion: 1\n")
	tests := map[string]struct {
		entries []given
		want    string
	}{
		"to a file that was read": {[]given{{path: "a.dist-info/METADATA", body: body}, {path: "b.dist-info/METADATA", link: "a.dist-info/METADATA"}}, "python/wheelegg [x 1]"},
		"to one that was not":     {[]given{{path: "store/1", body: body}, {path: "b.dist-info/METADATA", link: "/store/1"}}, "python/wheelegg [] python/wheelegg: hard link to a file that was not read"},
		"of no interest":          {[]given{{path: "store/1", body: body}, {path: "b", link: "store/1"}}, ""},
	}
	for name, tt := range tests {
		got := ""
		for _, s := range analyzed(t, tt.entries...).Sources {
			got += brief(s)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestWriteAheadLog(t *testing.T) {
	t.Parallel()
	db := given{path: "var/lib/rpm/rpmdb.sqlite", body: rpmFixture(t, "sqlite")}
	for name, tt := range map[string]struct {
		wal  given
		want string
	}{
		"empty": {given{path: db.path + "-wal"}, ""},
		"full":  {given{path: db.path + "-wal", body: []byte("x")}, "os/rpm: the database has a write-ahead log that was not merged"},
	} {
		if got := analyzed(t, db, tt.wal).Sources[0].Read.Reason; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestPanicIsAReason(t *testing.T) {
	t.Parallel()
	r := reader{name: "x", read: func(context.Context, *file) ([]plimsoll.Package, string) { panic("hostile") }}
	if found, reason := r.call(t.Context(), &file{}); found != nil || reason != "extractor panicked" {
		t.Errorf("call = %v, %q", found, reason)
	}
}

func TestReleaseFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path, body string
		want       plimsoll.OSRelease
	}{
		{"etc/os-release", "# x\nID=debian\nID_LIKE='a b'\nVERSION_ID=\"12\"\nPRETTY_NAME=\"a \\\"b\\\" \\$c\"\nCPE_NAME=\"cpe:/o:x\"\nBROKEN\nID\n", plimsoll.OSRelease{ID: "debian", IDLike: "a b", VersionID: "12", PrettyName: `a "b" $c`, CPE: "cpe:/o:x"}},
		{"etc/os-release", "ID=a\nID=b\n", plimsoll.OSRelease{ID: "b"}},
		{"etc/os-release", "ID=" + strings.Repeat("x", 1000), plimsoll.OSRelease{ID: strings.Repeat("x", 256)}},
		{"etc/os-release", "\x00\x01\x02", plimsoll.OSRelease{}},
		{"etc/alpine-release", "3.20.3\n", plimsoll.OSRelease{ID: "alpine", VersionID: "3.20.3"}},
		{"etc/debian_version", "12.5\n", plimsoll.OSRelease{ID: "debian", VersionID: "12"}},
		{"etc/debian_version", "bookworm/sid\n", plimsoll.OSRelease{}},
		{"etc/redhat-release", "Red Hat Enterprise Linux Server release 7.9 (Maipo)\n", plimsoll.OSRelease{ID: "rhel", VersionID: "7.9", PrettyName: "Red Hat Enterprise Linux Server release 7.9 (Maipo)"}},
		{"etc/redhat-release", "Something else\n", plimsoll.OSRelease{}},
	}
	for _, tt := range tests {
		got := analyzed(t, given{path: tt.path, body: []byte(tt.body)}).Releases[0].Release
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %.40q (-want +got):\n%s", tt.path, tt.body, diff)
		}
	}
}

func TestNamesBecomeUTF8(t *testing.T) {
	t.Parallel()
	tests := map[string]string{"a/b": "a/b", "caf\xe9": "caf\ufffde9", "caf\xe8": "caf\ufffde8", "\ufffd": "\ufffd", "\xff\xfe": "\ufffdff\ufffdfe"}
	for in, want := range tests {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestConfigHashFollowsLimits(t *testing.T) {
	t.Parallel()
	lim := layer.DefaultLimits()
	a := Analyzers(lim, nil)
	lim.Entries++
	b := Analyzers(lim, map[string]int{plimsoll.AnalyzerTree: 7, "unknown": 1})
	for i := range a {
		if a[i].Config == b[i].Config {
			t.Errorf("%s has the same configuration under other limits", a[i].Name)
		}
	}
	if b[0].Version != 7 || b[1].Version != packagesVersion {
		t.Errorf("versions %v, want 7 for tree alone", b)
	}
}

// fuzzedNames are wanted by the readers: each by one at least, and each name by one.
var fuzzedNames = []string{
	"var/lib/dpkg/status", "var/lib/dpkg/status.d/x", "lib/apk/db/installed", "var/lib/rpm/Packages", "var/lib/chisel/manifest.wall",
	"x.dist-info/METADATA", "x.egg", "app/node_modules/.package-lock.json", "app/node_modules/a/package.json",
	"usr/lib/ruby/gems/3.1.0/specifications/x.gemspec", "app/x.deps.json", "app/lib.jar", "bin/x", "etc/os-release", "var/lib/dpkg/info/x.list",
	"var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db", "vendor/composer/installed.json", "opt/conda/conda-meta/x.json",
	"var/lib/pacman/local/x-1/desc", "var/db/pkg/dev-libs/x-1/PF", "usr/local/bin/node", "usr/local/lib/libcrypto.so.3", "nix/var/nix/db/db.sqlite",
}

func TestFuzzedNames(t *testing.T) {
	t.Parallel()
	readers, err := newReaders()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readers {
		if !slices.ContainsFunc(fuzzedNames, func(name string) bool {
			return r.wants(&file{path: name, info: (&layer.Header{Name: name, Mode: 0o755, Size: 100}).Info()})
		}) {
			t.Errorf("no name for %s", r.name)
		}
	}
}

// FuzzReaders gives each reader hostile bytes under a name that it wants. None may panic (the wrapper would hide it, so it is
// looked for), and all must give names that are not absurd.
func FuzzReaders(f *testing.F) {
	names := fuzzedNames
	seeds := [][]byte{
		[]byte(stanza("Package: a", "Status: install ok installed", "Version: 1")), []byte("P:a\nV:1\n\n"), []byte("Name: x\nVersion: 1\n"),
		zipOf(f, map[string]string{"EGG-INFO/PKG-INFO": "Name: e\nVersion: 1\n", "META-INF/MANIFEST.MF": "Implementation-Title: a\nImplementation-Version: 1\n"}),
		[]byte(`{"lockfileVersion":3,"packages":{"node_modules/c":{"version":"2.0.0"}}}`), []byte(`{"name":"a","version":"1"}`),
		[]byte("Gem::Specification.new do |s|\n  s.name = \"rack\"\n  s.version = \"2.2.3\"\nend\n"),
		[]byte(`{"libraries":{"a/1":{"type":"package"}}}`), append([]byte("\x7fELF"+strings.Repeat("\x00", 12)), goMark...), []byte("ID=a\n"),
		[]byte("%NAME%\na\n%VERSION%\n1\n"), []byte("a-1.0_rc1-r2"), []byte(`{"packages":[{"name":"a/b","version":"1"}]}`),
		[]byte("\x7fELF OpenSSL 3.0.15 3 Sep 2024\x00https://nodejs.org/download/release/v18.20.4/node-v18.20.4-headers.tar.gz\x00"),
		[]byte("SQLite format 3\x00\x10\x00"),
	}
	for i := range names {
		for _, s := range seeds {
			f.Add(uint8(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		facts := analyzed(t, given{path: names[int(which)%len(names)], body: b, mode: 0o755})
		for _, s := range facts.Sources {
			if strings.Contains(s.Read.Reason, "panicked") {
				t.Errorf("%s panicked", s.Extractor)
			}
			for _, p := range s.Packages {
				if p.Name == "" || p.Extractor == "" || p.Path == "" {
					t.Errorf("incomplete package %+v", p)
				}
			}
		}
	})
}

// TestRealFiles reads real databases and binaries where the shared data is at hand.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	shared := os.Getenv("PLIMSOLL_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "..", "shared")
	}
	images := filepath.Join(shared, "data", "images")
	if _, err := os.Stat(images); err != nil {
		t.Skipf("no shared data: %v", err)
	}
	tests := []struct {
		file, path string
		packages   int
	}{
		{"rpmdb/cbl-mariner-2.0/var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite", 129},
		{"rpmdb/sle15-bci/usr/lib/sysimage/rpm/Packages.db", "usr/lib/sysimage/rpm/Packages.db", 35},
		{"rpmdb/centos-libuuid-only/var/lib/rpm/Packages", "var/lib/rpm/Packages", 1},
		{"rpmdb/scalibr-epoch/var/lib/rpm/Packages", "var/lib/rpm/Packages", 1},
		{"rpmdb/syft-fixture/var/lib/rpm/Packages", "var/lib/rpm/Packages", 1},
		{"apkdb/alpine-3.16.9/lib/apk/db/installed", "lib/apk/db/installed", 14},
		{"binaries/rust-auditable-uses_serde_json", "bin/x", 11},
		{"binaries/go-binary_with_module_replacement-linux-amd64", "bin/x", 3},
		{"binaries/guava-31.1-jre.jar", "app/guava-31.1-jre.jar", 1},
	}
	for _, tt := range tests {
		b, err := os.ReadFile(filepath.Join(images, filepath.FromSlash(tt.file)))
		if err != nil {
			t.Error(err)
			continue
		}
		facts := analyzed(t, given{path: tt.path, body: b, mode: 0o755})
		if len(facts.Sources) != 1 || len(facts.Sources[0].Packages) != tt.packages || facts.Sources[0].Read.Short() {
			for _, s := range facts.Sources {
				t.Errorf("%s: %d packages, want %d: %.500s", tt.file, len(s.Packages), tt.packages, brief(s))
			}
		}
	}
}
