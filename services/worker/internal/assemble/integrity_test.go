package assemble

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// told writes files out, one a line: path, layer, owner, notes.
func told(fs []plimsoll.File) []string {
	out := []string{}
	for _, f := range fs {
		var notes []string
		for _, n := range f.Notes {
			notes = append(notes, string(n))
		}
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s L%d %s %s", f.Path, f.Layer, f.Owner, strings.Join(notes, ","))), " "))
	}
	return out
}

func program(name, body string) file1 { return imagetest.Program(name, []byte("\x7fELF"+body)) }

// longProgram is one that only needed sums are taken of.
func longProgram(name, body string) file1 {
	return imagetest.Program(name, []byte("\x7fELF"+body+strings.Repeat(".", 20<<10)))
}

func withMode(mode int64, f file1) file1 {
	f.Mode = mode
	return f
}

func md5Of(f file1) string { sum := md5.Sum(f.Body); return hex.EncodeToString(sum[:]) }

func apkSumOf(f file1) string {
	sum := sha1.Sum(f.Body)
	return "Q1" + base64.StdEncoding.EncodeToString(sum[:])
}

// dpkgOwns are the lists of a dpkg package; key is its name, with the architecture or without, and each path begins with "/".
func dpkgOwns(key string, sums map[string]file1, paths ...string) []file1 {
	out := []file1{imagetest.Text("var/lib/dpkg/info/"+key+".list", "/.\n"+strings.Join(paths, "\n")+"\n")}
	var b strings.Builder
	for _, p := range paths {
		if f, ok := sums[p]; ok {
			b.WriteString(md5Of(f) + "  " + strings.TrimPrefix(p, "/") + "\n")
		}
	}
	return append(out, imagetest.Text("var/lib/dpkg/info/"+key+".md5sums", b.String()))
}

type sums = map[string]file1

func TestIntegrity(t *testing.T) {
	t.Parallel()
	curl, evil := program("usr/bin/curl", "good"), program("usr/bin/curl", "evil")
	owned := dpkgOwns("curl", sums{"/usr/bin/curl": curl}, "/usr", "/usr/bin", "/usr/bin/curl")
	script := withMode(0o755, imagetest.Text("etc/cron.daily/x", "#!/bin/sh\n"))
	status := func(body string) file1 { return imagetest.Text("var/lib/dpkg/status", body) }
	apk := func(f file1, path string) file1 {
		dir, base := split(path)
		return imagetest.Text("lib/apk/db/installed", "P:curl\nV:1\nF:"+dir+"\nR:"+base+"\nZ:"+apkSumOf(f)+"\n\n")
	}
	at := func(name string, f file1) file1 { f.Name = name; return f }
	named := func(name string) file1 { return at(name, curl) }
	record := func(path string, f file1) file1 {
		sum := sha256.Sum256(f.Body)
		return imagetest.Text("usr/local/lib/python3/site-packages/uv-1.dist-info/RECORD", path+",sha256="+base64.RawURLEncoding.EncodeToString(sum[:])+",9\n")
	}
	join := slices.Concat[[]file1]
	one := func(fs ...file1) []file1 { return fs }
	musl := longProgram("usr/bin/curl", "/lib/ld-musl-x86_64.so.1\x00")
	tests := map[string]struct {
		layers [][]file1
		want   []string
		read   string // reason why it is partial
	}{
		"owned and unchanged":               {[][]file1{join(owned, one(curl))}, []string{}, ""},
		"altered":                           {[][]file1{join(owned, one(evil))}, []string{"usr/bin/curl L0 curl altered"}, ""},
		"altered by a layer above":          {[][]file1{join(owned, one(curl)), one(evil)}, []string{"usr/bin/curl L1 curl altered"}, ""},
		"altered, hidden by the right one":  {[][]file1{join(owned, one(evil)), one(curl)}, []string{}, ""},
		"altered, removed above":            {[][]file1{join(owned, one(evil)), one(imagetest.Whiteout("usr/bin/curl"))}, []string{}, ""},
		"altered twice in one layer":        {[][]file1{join(owned, one(evil, curl))}, []string{}, ""},
		"upgraded by a layer above":         {[][]file1{join(owned, one(curl)), join(dpkgOwns("curl", sums{"/usr/bin/curl": evil}, "/usr/bin/curl"), one(evil))}, []string{}, ""},
		"package removed, file left":        {[][]file1{join(owned, one(curl)), join(dpkgOwns("other", nil, "/etc/x"), one(imagetest.Whiteout("var/lib/dpkg/info/curl.list"), imagetest.Whiteout("var/lib/dpkg/info/curl.md5sums")))}, []string{"usr/bin/curl L0 unowned"}, ""},
		"unowned":                           {[][]file1{owned, one(program("usr/local/bin/x", ""), script)}, []string{"etc/cron.daily/x L1 unowned", "usr/local/bin/x L1 unowned"}, ""},
		"unowned set-uid":                   {[][]file1{owned, one(withMode(0o4755, program("x", "")))}, []string{"x L1 unowned,set-uid"}, ""},
		"unowned text":                      {[][]file1{owned, one(imagetest.Text("x", "text"))}, []string{}, ""},
		"no lists at all":                   {[][]file1{one(program("x", ""))}, []string{}, ""},
		"lists removed, packages not":       {[][]file1{join(owned, imagetest.DebianLike("12", pkg("curl", "1")), one(evil)), one(imagetest.Whiteout("var/lib/dpkg/info"))}, []string{}, "no lists of the files that OS packages own"},
		"a shell and no lists":              {[][]file1{one(program("bin/sh", ""))}, []string{}, "no lists of the files that OS packages own"},
		"a database behind a link":          {[][]file1{join(owned, one(imagetest.Text("store/1", "x"), imagetest.Symlink("lib/apk/db/installed", "/store/1"), curl))}, []string{}, "the package database is a link to a file that was not read"},
		"no lists, rights":                  {[][]file1{one(withMode(0o6757, program("x", "")))}, []string{"x L0 set-uid,set-gid,world-writable"}, ""},
		"owned set-uid":                     {[][]file1{join(owned, one(withMode(0o4755, curl)))}, []string{"usr/bin/curl L0 curl set-uid"}, ""},
		"altered set-uid":                   {[][]file1{join(owned, one(withMode(0o4755, evil)))}, []string{"usr/bin/curl L0 curl altered,set-uid"}, ""},
		"owned without a sum":               {[][]file1{join(dpkgOwns("curl", nil, "/usr/bin/curl"), one(evil))}, []string{"usr/bin/curl L0 curl unverified"}, "1 owned files could not be compared"},
		"owner of an architecture":          {[][]file1{join(dpkgOwns("libc6:amd64", sums{"/lib/ld.so": curl}, "/lib/ld.so"), one(program("lib/ld.so", "evil")))}, []string{"lib/ld.so L0 libc6 altered"}, ""},
		"taken over by another package":     {[][]file1{join(dpkgOwns("new", sums{"/usr/bin/curl": curl}, "/usr/bin/curl"), one(curl, imagetest.Text("var/lib/dpkg/info/old.list", "/etc/x\n"), imagetest.Text("var/lib/dpkg/info/old.md5sums", md5Of(evil)+"  usr/bin/curl\n")))}, []string{}, ""},
		"shared by two, one is right":       {[][]file1{join(dpkgOwns("a", sums{"/usr/bin/curl": evil}, "/usr/bin/curl"), owned, one(withMode(0o4755, curl)))}, []string{"usr/bin/curl L0 curl set-uid"}, ""},
		"without dpkg":                      {[][]file1{one(imagetest.Text("var/lib/dpkg/status.d/curl.md5sums", md5Of(curl)+"  usr/bin/curl\n"), evil, program("x", ""))}, []string{"usr/bin/curl L0 curl altered", "x L0 unowned"}, ""},
		"musl where dpkg owns it":           {[][]file1{join(dpkgOwns("curl", sums{"/usr/bin/curl": curl}, "/usr/bin/curl"), one(musl))}, []string{"usr/bin/curl L0 curl unverified"}, "1 owned files could not be compared"},
		"a path that no package may have":   {[][]file1{join(dpkgOwns("corp", sums{"/srv/x": curl}, "/srv/x"), one(longProgram("srv/x", "")))}, []string{"srv/x L0 corp unverified"}, "1 owned files could not be compared"},
		"a list that is broken":             {[][]file1{join(dpkgOwns("curl", sums{"/usr/bin/curl": curl}, "/usr/bin/curl", "relative"), one(curl))}, []string{}, "owned files: malformed record"},
		"a broken list that is hidden":      {[][]file1{join(dpkgOwns("curl", nil, "relative"), one(curl)), owned}, []string{}, ""},
		"maintainer scripts":                {[][]file1{join(owned, one(withMode(0o755, imagetest.Text("var/lib/dpkg/info/curl.postinst", "#!/bin/sh\n")), withMode(0o755, imagetest.Text("var/lib/dpkg/info/evil.postinst", "#!/bin/sh\n")), withMode(0o755, imagetest.Text("var/lib/dpkg/info/curl.evil", "#!/bin/sh\n"))))}, []string{"var/lib/dpkg/info/curl.evil L0 unowned", "var/lib/dpkg/info/evil.postinst L0 unowned"}, ""},
		"hard link to an owned file":        {[][]file1{join(owned, one(curl, imagetest.Hardlink("usr/bin/fetch", "usr/bin/curl")))}, []string{}, ""},
		"hard link to an altered file":      {[][]file1{join(owned, one(evil, imagetest.Hardlink("tmp/x", "usr/bin/curl")))}, []string{"tmp/x L0 curl altered", "usr/bin/curl L0 curl altered"}, ""},
		"an owned name that is a hard link": {[][]file1{join(owned, one(program("tmp/x", "evil"), imagetest.Hardlink("usr/bin/curl", "tmp/x"))), one(imagetest.Whiteout("tmp/x"))}, []string{"usr/bin/curl L0 curl altered"}, ""},
		"an owned name that is a link":      {[][]file1{join(owned, one(program("tmp/x", "evil"), imagetest.Symlink("usr/bin/curl", "/tmp/x")))}, []string{"tmp/x L0 unowned"}, ""},

		"merged /usr, list has /bin":        {[][]file1{join(dpkgOwns("curl", sums{"/bin/curl": curl}, "/bin/curl"), one(imagetest.Symlink("bin", "usr/bin"), evil))}, []string{"usr/bin/curl L0 curl altered"}, ""},
		"merged /usr, an absolute link":     {[][]file1{join(dpkgOwns("curl", sums{"/bin/curl": curl}, "/bin/curl"), one(imagetest.Symlink("bin", "/usr/bin"), curl))}, []string{}, ""},
		"merged /usr, the tar has /bin":     {[][]file1{one(imagetest.Symlink("bin", "usr/bin")), join(owned, one(at("bin/curl", evil)))}, []string{"usr/bin/curl L1 curl altered"}, ""},
		"links that climb":                  {[][]file1{join(dpkgOwns("curl", sums{"/a/b/curl": curl}, "/a/b/curl"), one(imagetest.Symlink("a/b", "../../../usr/./lib/../bin/"), imagetest.Dir("usr/lib"), evil))}, []string{"usr/bin/curl L0 curl altered"}, ""},
		"a loop of links":                   {[][]file1{join(dpkgOwns("curl", nil, "/a/curl"), one(imagetest.Symlink("a", "b"), imagetest.Symlink("b", "a"), curl))}, []string{"usr/bin/curl L0 unowned"}, ""},
		"diverted":                          {[][]file1{join(dpkgOwns("curl", sums{"/usr/bin/curl": curl}, "/usr/bin/curl"), dpkgOwns("mine", sums{"/usr/bin/curl": evil}, "/usr/bin/curl"), one(evil, named("usr/bin/curl.real"), imagetest.Text("var/lib/dpkg/diversions", "/usr/bin/curl\n/usr/bin/curl.real\nmine\n")))}, []string{}, ""},
		"diverted by the administrator":     {[][]file1{join(owned, one(program("usr/bin/curl", "own"), named("usr/bin/curl.real"), imagetest.Text("var/lib/dpkg/diversions", "/usr/bin/curl\n/usr/bin/curl.real\n:\n")))}, []string{"usr/bin/curl L0 unowned"}, ""},
		"diverted and altered":              {[][]file1{join(owned, one(program("usr/bin/curl.real", "evil"), imagetest.Text("var/lib/dpkg/diversions", "/usr/bin/curl\n/usr/bin/curl.real\n:\n")))}, []string{"usr/bin/curl.real L0 curl altered"}, ""},
		"a conffile is meant to be changed": {[][]file1{join(dpkgOwns("cron", sums{"/etc/cron.daily/x": curl}, "/etc/cron.daily/x"), one(script, status("Package: cron\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/cron.daily/x "+md5Of(curl)+"\n")))}, []string{}, ""},
		"a sum of what is no conffile":      {[][]file1{join(dpkgOwns("cron", sums{"/etc/cron.daily/x": curl}, "/etc/cron.daily/x"), one(script))}, []string{"etc/cron.daily/x L0 cron altered"}, ""},
		"apk":                               {[][]file1{one(apk(curl, "usr/bin/curl"), curl, program("x", ""))}, []string{"x L0 unowned"}, ""},
		"apk altered":                       {[][]file1{one(apk(curl, "usr/bin/curl"), evil)}, []string{"usr/bin/curl L0 curl altered"}, ""},
		"apk with musl, altered":            {[][]file1{one(apk(curl, "usr/bin/curl"), musl)}, []string{"usr/bin/curl L0 curl altered"}, ""},
		"apk, configuration":                {[][]file1{one(apk(curl, "etc/cron.daily/x"), script)}, []string{}, ""},
		"a file of npm's":                   {[][]file1{owned, one(imagetest.Text("app/node_modules/esbuild/package.json", `{"name":"esbuild","version":"1.0.0"}`), program("app/node_modules/esbuild/bin/x", ""), program("app/node_modules/other/x", ""), withMode(0o4755, program("app/node_modules/esbuild/y", "")))}, []string{"app/node_modules/esbuild/y L1 npm:esbuild set-uid", "app/node_modules/other/x L1 unowned"}, ""},
		"a file of Python's":                {[][]file1{owned, one(record("uv/x", curl), at("usr/local/lib/python3/site-packages/uv/x", curl), program("usr/local/lib/python3/site-packages/uv/y", ""))}, []string{"usr/local/lib/python3/site-packages/uv/y L1 unowned"}, ""},
		"a file of Python's, altered":       {[][]file1{owned, one(record("../../../bin/uv", curl), at("usr/local/bin/uv", evil))}, []string{"usr/local/bin/uv L1 pypi:uv altered"}, ""},
		"a list of Python's is no system's": {[][]file1{one(record("x", curl), program("x", ""))}, []string{}, ""},
		"Python's list names the system's":  {[][]file1{join(owned, one(record("/usr/bin/curl", evil), withMode(0o4755, curl)))}, []string{"usr/bin/curl L0 curl set-uid"}, ""},
		"a gem's":                           {[][]file1{owned, one(imagetest.Text("var/lib/gems/specifications/rack-3.0.0.gemspec", "Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"3.0.0\"\nend\n"), program("var/lib/gems/gems/rack-3.0.0/x", ""))}, []string{}, ""},
		"files that anybody may write":      {[][]file1{join(owned, one(withMode(0o666, imagetest.Text("etc/x", "x"))))}, []string{"etc/x L0 world-writable"}, ""},
		"an owned file with a capability":   {[][]file1{join(dpkgOwns("ping", sums{"/usr/bin/curl": curl}, "/usr/bin/curl"), one(file1{Name: "usr/bin/curl", Body: curl.Body, Mode: 0o755, PAX: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}}))}, []string{"usr/bin/curl L0 ping capabilities"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var layers [][]byte
			for _, l := range tt.layers {
				layers = append(layers, tarOf(l))
			}
			_, s := inventoryOf(t, layers...)
			files, short := s.owned().integrity(s, false)
			if diff := cmp.Diff(tt.want, told(files)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			read := plimsoll.WorstCoverage(slices.Values(append(short, plimsoll.Complete())))
			if (tt.read != "") != read.Short() || !strings.HasPrefix(read.Reason, tt.read) {
				t.Errorf("read %+v, want %q", read, tt.read)
			}
		})
	}
}

// TestInstalledBy: a language package of a file that an OS package brought is known as such, in whatever layers both stand.
func TestInstalledBy(t *testing.T) {
	t.Parallel()
	const path = "usr/lib/python3/dist-packages/x-1.dist-info/METADATA"
	metadata := imagetest.Text(path, "Metadata-Version: 2.1\nName: x\nVersion: 1\n")
	list := imagetest.Text("var/lib/dpkg/info/python3-x:all.list", "/usr\n/"+path+"\n")
	apk := imagetest.Text("lib/apk/db/installed", "P:py3-x\nV:1\nF:usr/lib/python3/dist-packages/x-1.dist-info\nR:METADATA\n\n")
	tests := map[string]struct {
		layers [][]file1
		want   string
	}{
		"list after the file":     {[][]file1{{metadata, list}}, "installed by python3-x"},
		"list before the file":    {[][]file1{{list, metadata}}, "installed by python3-x"},
		"list in a layer above":   {[][]file1{{metadata}, {list}}, "installed by python3-x"},
		"list in a layer below":   {[][]file1{{list}, {metadata}}, "installed by python3-x"},
		"list that was removed":   {[][]file1{{list, metadata}, {imagetest.Whiteout("var/lib/dpkg/info")}}, ""},
		"list over a folder link": {[][]file1{{imagetest.Symlink("usr/lib/python3", "python3.12"), file1{Name: strings.Replace(path, "python3", "python3.12", 1), Body: metadata.Body}, list}}, "installed by python3-x"},
		"list of others":          {[][]file1{{metadata, imagetest.Text("var/lib/dpkg/info/x.list", "/usr/bin/x\n")}}, ""},
		"apk":                     {[][]file1{{apk, metadata}}, "installed by py3-x"},
		"nobody":                  {[][]file1{{metadata}}, ""},
	}
	for name, tt := range tests {
		var layers [][]byte
		for _, l := range tt.layers {
			layers = append(layers, tarOf(l))
		}
		inv, _ := inventoryOf(t, layers...)
		found := false
		for _, p := range inv.Packages {
			if p.Name == "x" {
				found = true
				if p.NotMatched != tt.want {
					t.Errorf("%s: %q, want %q", name, p.NotMatched, tt.want)
				}
			}
		}
		if !found {
			t.Errorf("%s: the package was not found", name)
		}
	}
}

// TestFoldersLikeResolve: the quick way through links leads where the plain one does, but for ".." below what is missing: there the
// overlay follows containerd, and this the kernel.
func TestFoldersLikeResolve(t *testing.T) {
	t.Parallel()
	chain := func(n int) (es []plimsoll.TreeEntry) {
		for i := range n {
			es = append(es, plimsoll.TreeEntry{Path: fmt.Sprintf("c%d", i), Type: plimsoll.EntrySymlink, Link: fmt.Sprintf("c%d", i+1)})
		}
		return append(es, plimsoll.TreeEntry{Path: fmt.Sprintf("c%d/f", n), Type: plimsoll.EntryFile})
	}
	entries := chain(45)
	for _, p := range []string{"a/b/f", "x/y/f"} {
		entries = append(entries, plimsoll.TreeEntry{Path: p, Type: plimsoll.EntryFile})
	}
	for from, to := range map[string]string{
		"a/l": "b", "a/up": "../a/l", "abs": "/a/up", "self": "self", "dot": ".", "one": "two", "two": "one", "x/y/back": "../../abs/..",
	} {
		entries = append(entries, plimsoll.TreeEntry{Path: from, Type: plimsoll.EntrySymlink, Link: to})
	}
	root, _ := overlaid(entries)
	f := newFolders()
	f.reset(root)
	names := []string{"a", "b", "l", "up", "abs", "self", "dot", "one", "two", "x", "y", "back", ".", "c0", "c4", "c5", "c6", "c44", "missing"}
	for _, p := range names {
		for _, q := range names {
			for _, r := range names {
				dir := p + "/" + q + "/" + r
				want, _ := follow(root, dir)
				got, _ := f.walk(f.root, dir, 0)
				if !want.isDir() {
					want = nil
				}
				if got == nil && want != nil || got != nil && got.n != want {
					t.Fatalf("%s: leads elsewhere than resolve says", dir)
				}
			}
		}
	}
}

// TestOwnedIsLinear: twice the paths through twice the links cost about twice the steps (H15).
func TestOwnedIsLinear(t *testing.T) {
	t.Parallel()
	steps := func(n int) int {
		files := []file1{imagetest.Dir("d0")}
		var list strings.Builder
		for i := range n {
			files = append(files, imagetest.Symlink(fmt.Sprintf("l%d", i+1), fmt.Sprintf("l%d", i)))
			fmt.Fprintf(&list, "/l%d/%s/f\n", i%40, strings.Repeat("dot/", 20))
		}
		files = append(files, imagetest.Symlink("l0", "d0"), imagetest.Symlink("d0/dot", "../d0"), imagetest.Program("d0/f", []byte("\x7fELF")), imagetest.Text("var/lib/dpkg/info/a.list", list.String()))
		_, s := inventoryOf(t, tarOf(files))
		r := listReader{folders: newFolders(), dpkg: dpkgLists{sums: map[sumOf][]byte{}}}
		r.read(s, false)
		return r.folders.steps
	}
	if few, many := steps(500), steps(5000); many > 12*few {
		t.Errorf("ten times the paths cost %d steps, not %d", many, few)
	}
}

// TestRuntimesOfPackages: a run-time that an OS package brought is its distribution's affair; one that was copied in is listed.
func TestRuntimesOfPackages(t *testing.T) {
	t.Parallel()
	node := "\x7fELF" + strings.Repeat("\x01", 100) + "/release/v18.20.4/node-v18.20.4" + strings.Repeat("\x02", 600)
	files := append(imagetest.DebianLike("12", pkg("nodejs", "18.20.4")),
		imagetest.File{Name: "usr/bin/node", Body: []byte(node), Mode: 0o755},
		imagetest.File{Name: "usr/local/bin/node", Body: []byte(node), Mode: 0o755},
		imagetest.Text("var/lib/dpkg/info/nodejs.list", "/.\n/usr\n/usr/bin\n/usr/bin/node\n"))
	inv, _ := inventoryOf(t, tarOf(files), tarOf([]file1{imagetest.Whiteout("usr/bin/node"), imagetest.Whiteout("usr/local/bin/node")}))
	var hidden []string
	for _, p := range inv.Hidden {
		hidden = append(hidden, p.Name+" "+p.Path)
	}
	if diff := cmp.Diff([]string{"node usr/local/bin/node"}, hidden); diff != "" {
		t.Errorf("hidden (-want +got):\n%s", diff)
	}
	inv, _ = inventoryOf(t, tarOf(files))
	var found []string
	for _, p := range inv.Packages {
		if p.Ecosystem == "Bitnami" {
			found = append(found, p.PURL+" "+p.Path)
		}
	}
	if diff := cmp.Diff([]string{"pkg:bitnami/node@18.20.4 usr/local/bin/node"}, found); diff != "" {
		t.Errorf("run-times (-want +got):\n%s", diff)
	}
}
