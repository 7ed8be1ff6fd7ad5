package analyze

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
)

// told writes a list out: a line an owner, with "=" and the sum's beginning, and "!" for configuration.
func told(l plimsoll.FileList) []string {
	out := []string{}
	for _, o := range l.Owners {
		line := o.Package + ":"
		for f := range o.Files.All() {
			line += " " + f.Path
			if len(f.Sum) > 0 {
				line += "=" + hex.EncodeToString(f.Sum)[:4]
			}
			if f.Config {
				line += "!"
			}
		}
		out = append(out, line)
	}
	for _, d := range l.Diversions {
		out = append(out, d.From+" > "+d.To+" by "+d.By)
	}
	if l.Read.Short() {
		out = append(out, string(l.Read.State)+": "+l.Read.Reason)
	}
	return out
}

const (
	md5Hex = "d41d8cd98f00b204e9800998ecf8427e"
	bad    = "partial: owned files: malformed record"
)

var (
	apkSum    = "Q1" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xab}, 20))
	pythonSum = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32))
)

// lists are contents of every format with what is read from them; the fuzz tests start from them.
var lists = []struct {
	name, path, body string
	want             []string
}{
	{"list", "var/lib/dpkg/info/curl.list", "/.\n/usr\n/usr/bin\n/usr/bin/curl\n/usr/share\n/usr/share/doc\n", []string{"curl: usr/bin/curl usr/share/doc"}},
	{"list of an architecture", "var/lib/dpkg/info/libc6:amd64.list", "/lib\n/lib/a\n/lib/ab\n", []string{"libc6: lib/a lib/ab"}},
	{"list without an end", "var/lib/dpkg/info/a.list", "/bin\n/bin/a", []string{"a: bin/a"}},
	{"list with carriage returns", "var/lib/dpkg/info/a.list", "/bin\r\n/bin/a\r\n", []string{"a: bin/a"}},
	{"list of nothing", "var/lib/dpkg/info/a.list", "", []string{}},
	{"list of the root", "var/lib/dpkg/info/a.list", "/.\n", []string{}},
	{"list with a relative path", "var/lib/dpkg/info/a.list", "bin/a\n/bin/b\n", []string{"a: bin/b", bad}},
	{"list with an empty line", "var/lib/dpkg/info/a.list", "/bin/a\n\n/bin/b\n", []string{"a: bin/a bin/b", bad}},
	{"list that climbs", "var/lib/dpkg/info/a.list", "/../../etc/passwd\n/a//b/./..\n", []string{"a: etc/passwd a"}},
	{"list that climbs to the root", "var/lib/dpkg/info/a.list", "/a/../..\n", []string{bad}},
	{"list with NUL", "var/lib/dpkg/info/a.list", "/bin/a\x00b\n/bin/c\n", []string{"a: bin/c", bad}},
	{"list with wrong UTF-8", "var/lib/dpkg/info/a.list", "/bin/\xff\n", []string{"a: bin/\ufffdff"}},
	{"list with a line of 10 MB", "var/lib/dpkg/info/a.list", "/bin/a\n/" + strings.Repeat("x", 10<<20) + "\n/bin/b\n", []string{"a: bin/a bin/b", bad}},
	{"list with a path of 5 KB", "var/lib/dpkg/info/a.list", "/" + strings.Repeat("x", 5<<10) + "\n/bin/b\n", []string{"a: bin/b", bad}},

	{"sums", "var/lib/dpkg/info/curl.md5sums", md5Hex + "  usr/bin/curl\n", []string{"curl: usr/bin/curl=d41d"}},
	{"sums of an image without dpkg", "var/lib/dpkg/status.d/curl.md5sums", md5Hex + "  usr/bin/curl\n", []string{"curl: usr/bin/curl=d41d"}},
	{"sums in upper case, a binary's mark", "var/lib/dpkg/info/a.md5sums", strings.ToUpper(md5Hex) + " *bin/a b\n", []string{"a: bin/a b=d41d"}},
	{"sums with escapes", "var/lib/dpkg/info/a.md5sums", `\` + md5Hex + `  lib/a\\x2d` + "\n", []string{`a: lib/a\x2d=d41d`}},
	{"sums with a backslash alone", "var/lib/dpkg/info/a.md5sums", md5Hex + `  lib/a\x2d` + "\n", []string{`a: lib/a\x2d=d41d`}},
	{"sums cut short", "var/lib/dpkg/info/a.md5sums", md5Hex + "  bin/a\n" + md5Hex[:20], []string{"a: bin/a=d41d", bad}},
	{"sums that are none", "var/lib/dpkg/info/a.md5sums", strings.Repeat("g", 32) + "  bin/a\n", []string{bad}},
	{"sums without a path", "var/lib/dpkg/info/a.md5sums", md5Hex + "  \n", []string{bad}},

	{"conffiles", "var/lib/dpkg/status", "Package: bash\nStatus: install ok installed\nConffiles:\n /etc/a " + md5Hex + "\n /etc/b newconffile\n /etc/c " + md5Hex + " obsolete\nDescription: x\n /etc/d\n\nPackage: z\nVersion: 1\n", []string{"bash: etc/a=d41d! etc/b! etc/c=d41d!"}},
	{"conffiles without a sum", "var/lib/dpkg/status", "package: bash\nconffiles:\n /etc/a\n", []string{bad}},

	{"diversions", "var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/a\n/usr/bin/a.real\n:\n", []string{"bin/sh > bin/sh.distrib by dash", "usr/bin/a > usr/bin/a.real by "}},
	{"diversions cut short", "var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\n", []string{bad}},

	{"apk", "lib/apk/db/installed", "C:Q1x\nP:busybox\nV:1\nF:bin\nR:busybox\na:0:0:755\nZ:" + apkSum + "\nF:etc\nR:securetty\nZ:" + apkSum + "\n\nP:musl\nF:lib\nR:ld\n\n", []string{"busybox: bin/busybox=abab etc/securetty=abab!", "musl: lib/ld"}},
	{"apk of a merged /usr", "usr/lib/apk/db/installed", "P:a\nF:\nR:x", []string{"a: x"}},
	{"apk with a wrong sum", "lib/apk/db/installed", "P:a\nF:bin\nR:x\nZ:Q1ab\nR:y\n", []string{"a: bin/x bin/y", bad}},
	{"apk that climbs", "lib/apk/db/installed", "P:a\nF:../..\nR:../etc/passwd\nR:\n", []string{"a: etc/passwd!", bad}},
	{"apk with text", "lib/apk/db/installed", "P:a\nhello\nF:bin\nR:x\n", []string{"a: bin/x", bad}},

	{"record", "usr/lib/python3/site-packages/Flask-3.0.dist-info/RECORD", "flask/__init__.py,sha256=" + pythonSum + ",10\n../../../bin/flask,sha256=" + pythonSum + ",20\nflask/a.pyc,,\nFlask-3.0.dist-info/RECORD,,\n\"flask/a,\"\"b\"\"\",,\n/opt/x,,\n",
		[]string{`pypi:Flask: usr/lib/python3/site-packages/flask/__init__.py=fbfb usr/bin/flask=fbfb usr/lib/python3/site-packages/Flask-3.0.dist-info/RECORD usr/lib/python3/site-packages/flask/a,"b" opt/x`}},
	{"record with sums in hexadecimal", "a/x-1.dist-info/RECORD", "x/y,sha256=" + strings.Repeat("fb", 32) + ",1\n", []string{"pypi:x: a/x/y=fbfb"}},
	{"record with a wrong sum", "a/x-1.dist-info/RECORD", "x/y,sha256=zz,1\nx/z,md5=zz,1\n", []string{"pypi:x: a/x/y a/x/z", bad}},
	{"record with quotes that do not end", "a/x-1.dist-info/RECORD", "\"x/y,,\n,,\nx/z\n", []string{bad}},
}

func TestLists(t *testing.T) {
	t.Parallel()
	for _, tt := range lists {
		facts := visited(t, nil, regular("first", 0o644, nil), regular(tt.path, 0o644, []byte(tt.body)))
		if len(facts.Files.Lists) != 1 || facts.Files.Lists[0].Path != tt.path || facts.Files.Lists[0].Entry != 1 {
			t.Errorf("%s: lists %+v", tt.name, facts.Files.Lists)
			continue
		}
		if diff := cmp.Diff(tt.want, told(facts.Files.Lists[0])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestNoLists: what looks like a list and is none.
func TestNoLists(t *testing.T) {
	t.Parallel()
	for _, p := range []string{
		"var/lib/dpkg/info/curl.postinst", "var/lib/dpkg/info/sub/curl.list", "home/var/lib/dpkg/info/curl.list", "RECORD", "x/RECORD",
		"var/lib/dpkg/status-old", "app/lib/apk/db/installed", "curl.md5sums",
	} {
		if got := visited(t, nil, regular(p, 0o644, []byte("/a\n"))).Files.Lists; len(got) > 0 {
			t.Errorf("%s: %+v", p, got)
		}
	}
}

// TestListsPieces: how the content is cut does not matter.
func TestListsPieces(t *testing.T) {
	t.Parallel()
	for _, tt := range lists {
		if len(tt.body) > 1<<20 {
			continue
		}
		for _, size := range []int{1, 7} {
			x := newFiles(new(Stage))
			l := x.begin(listFormat(tt.path), tt.path, 0)
			k := &lineSink{list: l, each: l.lines()}
			for b := []byte(tt.body); len(b) > 0; b = b[min(size, len(b)):] {
				k.write(b[:min(size, len(b))])
			}
			k.close("")
			if diff := cmp.Diff(tt.want, told(x.facts.Lists[0])); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", tt.name, size, diff)
			}
		}
	}
}

// TestListsShort: a limit that cut a list is told by it; a broken tar tells itself.
func TestListsShort(t *testing.T) {
	t.Parallel()
	e := regular("var/lib/dpkg/info/a.list", 0o644, []byte("/bin/a\n/bin/b"))
	e.Size, e.broken = 100, true
	got := told(visited(t, nil, e).Files.Lists[0])
	if want := []string{"a: bin/a bin/b", "partial: owned files: " + cutShort}; cmp.Diff(want, got) != "" {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestListsBound: rows beyond the bound are told, and cost nothing.
func TestListsBound(t *testing.T) {
	t.Parallel()
	x := newFiles(new(Stage))
	const rows, room = 1_000_000, 1000
	x.owned.files = maxOwnedFiles - room
	l := x.begin(plimsoll.ListDpkgPaths, "var/lib/dpkg/info/a.list", 0)
	k := &lineSink{list: l, each: l.lines()}
	var line []byte
	for n := range rows {
		line = fmt.Appendf(line[:0], "/usr/share/%d\n", n)
		k.write(line)
	}
	k.close("")
	kept := 0
	for range x.facts.Lists[0].Owners[0].Files.All() {
		kept++
	}
	if read := x.facts.Lists[0].Read; kept != room || !read.Short() || !strings.Contains(read.Reason, "limit reached") {
		t.Errorf("%d rows kept, read %+v", kept, read)
	}
}

func TestListsAsHardlinks(t *testing.T) {
	t.Parallel()
	link := func(target string) tarred {
		e := regular("var/lib/rpm/rpmdb.sqlite", 0o644, nil)
		e.Typeflag, e.Linkname = '1', target
		return e
	}
	tests := map[string]struct {
		entries []tarred
		want    int // partial lists
	}{
		"to a list that was read": {[]tarred{regular("usr/share/rpm/rpmdb.sqlite", 0o644, nil), link("usr/share/rpm/rpmdb.sqlite")}, 0},
		"to an unknown file":      {[]tarred{regular("store/1", 0o644, nil), link("store/1")}, 1},
	}
	for name, tt := range tests {
		got := 0
		for _, l := range visited(t, nil, tt.entries...).Files.Lists {
			if l.Read.Short() {
				got++
			}
		}
		if got != tt.want {
			t.Errorf("%s: %d partial lists, want %d", name, got, tt.want)
		}
	}
}

// TestListRPM reads the files of a database in each of its forms, alone and handed over by the packages analyser.
func TestListRPM(t *testing.T) {
	t.Parallel()
	for name, path := range rpmForms {
		for _, others := range [][]string{nil, {plimsoll.AnalyzerPackages}} {
			got := visited(t, others, regular("first", 0o644, nil), regular(path, 0o644, rpmFixture(t, name))).Files.Lists
			if len(got) != 1 || got[0].Format != plimsoll.ListRPM || got[0].Entry != 1 || got[0].Read.Short() {
				t.Errorf("%s beside %v: %+v", name, others, got)
			}
		}
	}
	for body, want := range map[string]string{"no database": "unsupported: rpm database of an unknown form", sqliteMagic: "broken rpm database", "": ""} {
		got := visited(t, []string{plimsoll.AnalyzerPackages}, regular("var/lib/rpm/Packages", 0o644, []byte(body))).Files.Lists
		if len(got) != 1 || got[0].Read.Short() != (want != "") || !strings.HasSuffix(got[0].Read.Reason, want) {
			t.Errorf("%q: %+v, want reason %q", body, got, want)
		}
	}
}

func TestListChisel(t *testing.T) {
	t.Parallel()
	pack := func(lines ...string) []byte {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.EncodeAll([]byte(strings.Join(lines, "\n")+"\n"), nil)
	}
	sum, final := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	head := `{"jsonwall":"1.0","schema":"1.0","count":6}`
	folder := `{"kind":"path","path":"/usr/","mode":"0755","slices":["base-files_base"]}`
	one := `{"kind":"path","path":"/usr/bin/openssl","mode":"0755","slices":["openssl_bins"],"sha256":"` + sum + `","size":3}`
	two := `{"kind":"path","path":"/usr/lib/libc.so.6","mode":"0755","slices":["libc6_libs","libc6_all"],"sha256":"` + sum + `"}`
	three := `{"kind":"path","path":"/usr/lib/ssl.cnf","mode":"0644","slices":["openssl_config"],"sha256":"` + sum + `","final_sha256":"` + final + `"}`
	link := `{"kind":"path","path":"/bin","slices":["base-files_base"],"link":"usr/bin"}`
	whole := []string{"libc6: usr/lib/libc.so.6=abab", "openssl: usr/bin/openssl=abab usr/lib/ssl.cnf=cdcd"}
	tests := map[string]struct {
		body []byte
		want []string
	}{
		"whole":         {pack(head, folder, one, two, three, link), whole},
		"cut":           {pack(head, folder, one, two, three), append(slices.Clip(whole), "partial: owned files: broken file")},
		"without a sum": {pack(head, folder, two, strings.Replace(one, sum, "zz", 1), link, link), append(slices.Clip(whole[:1]), bad)},
		"no zstd":       {[]byte("x"), []string{"partial: owned files: broken file"}},
	}
	for name, tt := range tests {
		for _, others := range [][]string{nil, {plimsoll.AnalyzerPackages}} {
			got := visited(t, others, regular("var/lib/chisel/manifest.wall", 0o644, tt.body)).Files.Lists
			if diff := cmp.Diff(tt.want, told(got[0])); diff != "" || len(got) != 1 {
				t.Errorf("%s beside %v (-want +got):\n%s", name, others, diff)
			}
		}
	}
}

// rpmOf writes an rpm header with the given arrays.
func rpmOf(t testing.TB, tags map[uint32]any) []byte {
	t.Helper()
	tags[tagName], tags[tagVersion] = "pkg", "1"
	var index, data []byte
	for _, tag := range []uint32{tagName, tagVersion, tagFileStates, tagFileModes, tagFileDigests, tagFileFlags, tagDirIndexes, tagBaseNames, tagDirNames} {
		v, ok := tags[tag]
		if !ok {
			continue
		}
		at, kind, count := len(data), 0, 1
		switch v := v.(type) {
		case string:
			kind, data = typeString, append(append(data, v...), 0)
		case []string:
			kind, count = typeStringArray, len(v)
			for _, s := range v {
				data = append(append(data, s...), 0)
			}
		case []uint32:
			kind, count = typeInt32, len(v)
			for _, n := range v {
				data = append(data, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
			}
		case []uint16:
			kind, count = typeInt16, len(v)
			for _, n := range v {
				data = append(data, byte(n>>8), byte(n))
			}
		case []byte:
			kind, count, data = typeChar, len(v), append(data, v...)
		}
		for _, n := range []int{int(tag), kind, at, count} {
			index = append(index, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		}
	}
	head := []byte{0, 0, 0, byte(len(index) / 16), byte(len(data) >> 24), byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}
	return append(append(head, index...), data...)
}

func rpmTags() map[uint32]any {
	sum := strings.Repeat("ab", 32)
	return map[uint32]any{
		tagBaseNames: []string{"bash", "sh", "bin", "bashrc", "log", "other"}, tagDirNames: []string{"/usr/bin/", "/etc/", "/var/"},
		tagDirIndexes: []uint32{0, 0, 0, 1, 2, 0}, tagFileDigests: []string{sum, "", "", md5Hex, "", sum},
		tagFileFlags: []uint32{0, 0, 0, flagConfig, flagGhost, 0}, tagFileStates: []byte{0, 0, 0, 0, 0, 1},
		tagFileModes: []uint16{0o100755, 0o120777, 0o40755, 0o100644, 0o100644, 0o100755},
	}
}

func TestRPMHeaderFiles(t *testing.T) {
	t.Parallel()
	whole := []string{"pkg: usr/bin/bash=abab etc/bashrc=d41d! var/log!"}
	tests := map[string]struct {
		change func(tags map[uint32]any)
		want   []string
		ok     bool
	}{
		"whole":                      {func(map[uint32]any) {}, whole, true},
		"no files":                   {func(m map[uint32]any) { clear(m) }, []string{}, true},
		"folders missing":            {func(m map[uint32]any) { delete(m, tagDirNames) }, []string{}, false},
		"folder that is none":        {func(m map[uint32]any) { m[tagDirIndexes] = []uint32{0, 9} }, []string{"pkg: usr/bin/bash=abab"}, false},
		"fewer folders than names":   {func(m map[uint32]any) { m[tagDirIndexes] = []uint32{0} }, []string{"pkg: usr/bin/bash=abab"}, false},
		"names of a wrong type":      {func(m map[uint32]any) { m[tagBaseNames] = []uint32{1} }, []string{}, false},
		"sums that are none":         {func(m map[uint32]any) { m[tagFileDigests] = []string{"xyz"} }, []string{"pkg: usr/bin/bash etc/bashrc! var/log!"}, true},
		"neither modes, nor states":  {func(m map[uint32]any) { delete(m, tagFileModes); delete(m, tagFileStates) }, []string{"pkg: usr/bin/bash=abab usr/bin/sh usr/bin/bin etc/bashrc=d41d! var/log! usr/bin/other=abab"}, true},
		"name that climbs":           {func(m map[uint32]any) { m[tagDirNames] = []string{"/../../", "/etc/", "/var/"} }, []string{"pkg: bash=abab etc/bashrc=d41d! var/log!"}, true},
		"modes of a wrong type":      {func(m map[uint32]any) { m[tagFileModes] = []uint32{0} }, []string{}, false},
		"states of a wrong type":     {func(m map[uint32]any) { m[tagFileStates] = []uint32{0} }, []string{}, false},
		"flags and folders, no name": {func(m map[uint32]any) { delete(m, tagBaseNames) }, []string{}, true},
	}
	for name, tt := range tests {
		tags := rpmTags()
		tt.change(tags)
		l := newFiles(new(Stage)).begin(plimsoll.ListRPM, "var/lib/rpm/Packages", 0)
		ok := l.rpmHeader(rpmOf(t, tags))
		l.end()
		if diff := cmp.Diff(tt.want, told(l.list)); diff != "" || ok != tt.ok {
			t.Errorf("%s: ok %v (-want +got):\n%s", name, ok, diff)
		}
	}
}

// FuzzLists: whatever a list holds, reading ends, paths are clean, and what is kept can be packed and unpacked.
func FuzzLists(f *testing.F) {
	for i, tt := range lists {
		if len(tt.body) < 1<<16 {
			f.Add(i, []byte(tt.body))
		}
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		path := lists[uint(i)%uint(len(lists))].path
		for _, l := range visited(t, nil, regular(path, 0o644, b)).Files.Lists {
			checkList(t, l)
		}
	})
}

func FuzzChiselFiles(f *testing.F) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", `{"jsonwall":"1.0","count":2}` + "\n" + `{"kind":"path","path":"/a","slices":["a_b"],"sha256":"` + strings.Repeat("ab", 32) + `"}` + "\n"} {
		f.Add(w.EncodeAll([]byte(s), nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, l := range visited(t, nil, regular("var/lib/chisel/manifest.wall", 0o644, b)).Files.Lists {
			checkList(t, l)
		}
	})
}

func FuzzRPMFiles(f *testing.F) {
	f.Add(rpmOf(f, rpmTags()))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newFiles(new(Stage)).begin(plimsoll.ListRPM, "var/lib/rpm/Packages", 0)
		l.rpmHeader(b)
		l.end()
		checkList(t, l.list)
	})
}

func checkList(t *testing.T, l plimsoll.FileList) {
	t.Helper()
	for _, o := range l.Owners {
		n := 0
		for f := range o.Files.All() {
			if p := ownedPath([]byte(f.Path)); p != f.Path && len(f.Path) < maxField || strings.HasPrefix(f.Path, "../") {
				t.Errorf("path %q is not clean", f.Path)
			}
			n++
		}
		if n == 0 {
			t.Errorf("owner %q without files", o.Package)
		}
	}
	if l.Read.Short() && l.Read.Reason == "" {
		t.Error("short without a reason")
	}
}
