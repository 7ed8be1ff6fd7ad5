package analyze

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/java/archive"
)

const enough = "enough text to make an archive that counts as one"

func pomOf(group, artifact, version string) string {
	return fmt.Sprintf("#Generated\ngroupId=%s\nartifactId=%s\nversion=%s\n", group, artifact, version)
}

func manifestOf(lines ...string) string {
	return "Manifest-Version: 1.0\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func jarFile(path string, data []byte) *file {
	return &file{path: path, data: data, info: sized{emptyInfo{0o644}, int64(len(data))}}
}

// names are what readJar finds, and why that is not all.
func names(t testing.TB, path string, data []byte) string {
	t.Helper()
	found, reason := readJar(t.Context(), jarFile(path, data))
	var all []string
	for _, p := range found {
		all = append(all, p.Name+" "+p.Version)
	}
	return strings.TrimSpace(strings.Join(all, ", ") + " | " + reason)
}

func TestJarNames(t *testing.T) {
	t.Parallel()
	const manifestPath = "META-INF/MANIFEST.MF"
	tests := map[string]struct {
		path  string
		files map[string]string
		want  string
	}{
		"all pom.properties": {"a.jar", map[string]string{
			"META-INF/maven/g/a/pom.properties": pomOf("g", "a", "1"), "META-INF/maven/g/b/pom.properties": pomOf("g", "b", "2"),
		}, "g:a 1, g:b 2 |"},
		"the group from the folder": {"lightcouch.jar", map[string]string{
			"META-INF/maven/org.lightcouch/lightcouch/pom.properties": "artifactId=lightcouch\nversion=0.0.6\n",
		}, "org.lightcouch:lightcouch 0.0.6 |"},
		"a pom.properties without a version": {"x.jar", map[string]string{"META-INF/maven/g/a/pom.properties": "groupId=g\nartifactId=a\n"}, "|"},
		"a version that was not filled in":   {"x.jar", map[string]string{"META-INF/maven/g/a/pom.properties": "groupId=g\nartifactId=a\nversion=$ {v}\n"}, "|"},

		"the file's name alone":       {"junit-4.12.jar", map[string]string{"x": enough}, "junit:junit 4.12 |"},
		"the file's name is a domain": {"org.apache.felix.framework-1.2.3.jar", map[string]string{"x": enough}, "org.apache.felix:org.apache.felix.framework 1.2.3 |"},
		"the file's name, the manifest's group": {"failureaccess-1.0.1.jar", map[string]string{manifestPath: manifestOf(
			"Created-By: Apache Maven Bundle Plugin", "Bundle-SymbolicName: com.google.guava.failureaccess", "Bundle-Version: 1.0.1")},
			"com.google.guava.failureaccess:failureaccess 1.0.1 |"},
		"the file's name, the manifest's domain": {"xz-1.8.jar", map[string]string{manifestPath: manifestOf(
			"Implementation-Title: XZ data compression", "Implementation-Version: 1.8", "Bundle-SymbolicName: org.tukaani.xz")},
			"org.tukaani.xz:xz 1.8 |"},
		"a domain that is another's": {"xz-1.8.jar", map[string]string{manifestPath: manifestOf("Automatic-Module-Name: org.example.other")}, "xz:xz 1.8 |"},

		"the manifest alone": {"server.jar", map[string]string{manifestPath: manifestOf(
			"Implementation-Title: org.elasticsearch#server;8.14.3", "Implementation-Version: 8.14.3", "Specification-Title: server")},
			"org.elasticsearch:org.elasticsearch#server;8.14.3 8.14.3 |"},
		"the manifest's module and version": {"checker-qual.jar", map[string]string{manifestPath: manifestOf(
			"Automatic-Module-Name: org.checkerframework.checker.qual", "Implementation-Version: 3.33.0")},
			"org.checkerframework.checker.qual:checker-qual 3.33.0 |"},
		"the manifest's vendor id": {"catalina-ant.jar", map[string]string{manifestPath: manifestOf(
			"Implementation-Title: Apache Tomcat", "Implementation-Vendor-Id: org.apache.tomcat.catalina", "Implementation-Version: 9.0.1")},
			"org.apache.tomcat.catalina:catalina-ant 9.0.1 |"},
		"a title of several words is no name": {"app.jar", map[string]string{manifestPath: manifestOf("Implementation-Title: My Great App", "Implementation-Version: 2")}, "|"},
		"a module that is not the file's":     {"app.jar", map[string]string{manifestPath: manifestOf("Automatic-Module-Name: org.example.lib", "Implementation-Version: 2")}, "|"},
		"a module of one word":                {"app.jar", map[string]string{manifestPath: manifestOf("Automatic-Module-Name: app", "Implementation-Version: 2")}, "|"},
		"a version that is none":              {"lib.jar", map[string]string{manifestPath: manifestOf("Automatic-Module-Name: org.example.lib", "Implementation-Version: ${v}")}, "|"},
		"no version":                          {"lib.jar", map[string]string{manifestPath: manifestOf("Automatic-Module-Name: org.example.lib")}, "|"},
		"a value on two lines":                {"checker-qual.jar", map[string]string{manifestPath: manifestOf("Automatic-Module-Name: org.checkerframework", " .checker.qual", "Implementation-Version: 3.33.0")}, "org.checkerframework.checker.qual:checker-qual 3.33.0 |"},
		"a manifest that is none":             {"lib.jar", map[string]string{manifestPath: "this is no manifest"}, "| broken file"},
		"a known group":                       {"spring-web-5.3.1.jar", map[string]string{manifestPath: manifestOf("Implementation-Title: spring-web", "Implementation-Version: 5.3.1", "Automatic-Module-Name: spring.web")}, "org.springframework:spring-web 5.3.1 |"},
		"another's pom.properties and its own manifest": {"guice.jar", map[string]string{
			manifestPath: manifestOf("Bundle-Name: guice", "Bundle-SymbolicName: com.google.inject", "Bundle-Version: 4.2.3"),
			"META-INF/maven/cglib/cglib/pom.properties": pomOf("cglib", "cglib", "3.2.12"),
		}, "cglib:cglib 3.2.12, com.google.inject:guice 4.2.3 |"},
		"its own pom.properties under another file name": {"maven3-artifact.jar", map[string]string{
			manifestPath: manifestOf("Implementation-Title: maven3-artifact", "Implementation-Version: 3.6.3", "Implementation-Vendor-Id: org.apache.maven"),
			"META-INF/maven/org.apache.maven/maven-artifact/pom.properties": pomOf("org.apache.maven", "maven-artifact", "3.6.3"),
		}, "org.apache.maven:maven-artifact 3.6.3 |"},
		"names that lead outside": {"a.jar", map[string]string{"../../META-INF/maven/g/a/pom.properties": pomOf("g", "a", "1")}, "g:a 1 |"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := names(t, tt.path, zipOf(t, tt.files)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// raw is a member of an archive as written by rawZip; what is zero is filled in as it ought to be.
type raw struct {
	name             string
	body             []byte // as stored
	method, flags    uint16
	packed, unpacked uint32
	offset           int // of the local header; -1: that of the first member
	extra            []byte
}

// rawZip writes an archive byte by byte, so that it can lie.
func rawZip(records int, members ...raw) []byte {
	var out, dir []byte
	put := func(b []byte, vs ...any) []byte {
		for _, v := range vs {
			b, _ = binary.Append(b, le, v)
		}
		return b
	}
	for _, m := range members {
		if m.packed == 0 {
			m.packed = uint32(len(m.body))
		}
		if m.unpacked == 0 {
			m.unpacked = uint32(len(m.body))
		}
		at := len(out)
		if m.offset < 0 {
			at = 0
		} else {
			out = put(append(out, zipLocal...), uint16(20), m.flags, m.method, uint32(0), uint32(0), m.packed, m.unpacked, uint16(len(m.name)), uint16(0))
			out = append(append(out, m.name...), m.body...)
		}
		dir = put(append(dir, zipHeader...), uint16(20), uint16(20), m.flags, m.method, uint32(0), uint32(0), m.packed, m.unpacked,
			uint16(len(m.name)), uint16(len(m.extra)), uint16(0), uint16(0), uint16(0), uint32(0), uint32(at))
		dir = append(append(dir, m.name...), m.extra...)
	}
	end := put([]byte(zipEnd), uint16(0), uint16(0), uint16(records), uint16(records), uint32(len(dir)), uint32(len(out)), uint16(0))
	return slices.Concat(out, dir, end)
}

// deflated is n zeros, deflated.
func deflated(t testing.TB, n int) []byte {
	t.Helper()
	z, err := zip.NewReader(readerAt(zipOf(t, map[string]string{"x": strings.Repeat("\x00", n)})))
	if err != nil {
		t.Fatal(err)
	}
	r, err := z.File[0].OpenRaw()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readerAt(b []byte) (io.ReaderAt, int64) { return bytes.NewReader(b), int64(len(b)) }

// levels nests an archive n times, stored or deflated.
func levels(t testing.TB, n int, stored bool) []byte {
	t.Helper()
	inner := zipOf(t, map[string]string{"META-INF/maven/g/a/pom.properties": pomOf("g", "a", "1")})
	for range n {
		if stored {
			inner = rawZip(1, raw{name: "a.jar", body: inner})
		} else {
			inner = zipOf(t, map[string]string{"a.jar": string(inner)})
		}
	}
	return inner
}

func TestHostileJars(t *testing.T) {
	t.Parallel()
	const tooDeep = "limit reached: archives nested deeper than 8"
	good := raw{name: "META-INF/maven/g/a/pom.properties", body: []byte(pomOf("g", "a", "1"))}
	bomb := deflated(t, 32<<20)
	zip64 := func(size uint64) []byte {
		return le.AppendUint64(le.AppendUint64([]byte{1, 0, 16, 0}, size), size)
	}
	many := make([]raw, 12_000)
	for i := range many {
		many[i] = raw{name: "x.jar", offset: -1, packed: 64 << 10, unpacked: 64 << 10}
	}
	many = append([]raw{good, {name: "x.jar", body: make([]byte, 64<<10)}}, many...)
	bombs := []raw{good}
	for range 20 {
		bombs = append(bombs, raw{name: "x.jar", body: bomb, method: zipDeflated, unpacked: 32 << 20})
	}
	tests := map[string]struct {
		data []byte
		want string
	}{
		"4,000 levels, stored":   {levels(t, 4000, true), "| " + tooDeep},
		"100 levels, deflated":   {levels(t, 100, false), "| " + tooDeep},
		"7 levels are read":      {levels(t, 7, false), "g:a 1 |"},
		"4 G entries":            {rawZip(0xffff, good), "g:a 1 | broken file"},
		"fewer entries than are": {rawZip(1, good, good), "g:a 1 | broken file"},
		"an encrypted member":    {rawZip(2, good, raw{name: "b/pom.properties", body: []byte("x"), flags: zipEncrypted}), "g:a 1 | encrypted member"},
		"an unknown compression": {rawZip(2, good, raw{name: "b.jar", body: []byte("x"), method: 99}), "g:a 1 | unknown compression"},
		"a manifest of 1 GB":     {rawZip(2, good, raw{name: "META-INF/MANIFEST.MF", body: bomb, method: zipDeflated, unpacked: 1 << 30}), "g:a 1 | limit reached: manifest of more than 4 MiB"},
		"a manifest that is more than it says": {rawZip(2, good, raw{name: "META-INF/MANIFEST.MF", body: bomb, method: zipDeflated, unpacked: 1000}),
			"g:a 1 | broken file"},
		"a nested archive that is more than it says": {rawZip(2, good, raw{name: "x.jar", body: bomb, method: zipDeflated, unpacked: 1000}), "g:a 1 | broken file"},
		"a nested archive that is less than it says": {rawZip(2, good, raw{name: "x.jar", body: deflated(t, 100), method: zipDeflated, unpacked: 40 << 20}), "g:a 1 | broken file"},
		"a nested archive of 4 GB": {rawZip(2, good, raw{name: "x.jar", body: bomb, method: zipDeflated, unpacked: 0xffffffff, extra: zip64(1 << 32)}),
			"g:a 1 | limit reached: nested archives of more than 48 MiB"},
		"zip64 sizes beyond all": {rawZip(2, good, raw{name: "x.jar", body: []byte("x"), packed: 0xffffffff, unpacked: 0xffffffff, extra: zip64(1 << 63)}),
			"g:a 1 | broken file"},
		"many bombs":                   {rawZip(21, bombs...), "g:a 1 | broken file"},
		"one place that many point to": {rawZip(len(many), many...), "g:a 1 | broken file"},
		"data outside the file":        {rawZip(2, good, raw{name: "x/pom.properties", body: []byte("x"), packed: 1 << 30, unpacked: 1 << 30}), "g:a 1 | limit reached: manifest of more than 4 MiB"},
		"data behind the end":          {append(rawZip(1, good), "junk"...), "g:a 1 |"},
		"data before the start":        {append([]byte("#!/bin/sh\nexec java -jar $0\n"), rawZip(1, good)...), "g:a 1 |"},
		"two ends":                     {twoEnds(good), "| two ends of an archive"},
		"a comment cut short":          {rawZip(1, good)[:20], "|"},
		"half an archive":              {rawZip(2, good, good)[:100], "| broken file"},
		"a folder named like a jar":    {rawZip(2, good, raw{name: "x.jar/"}), "g:a 1 |"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := names(t, "a.jar", tt.data); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// twoEnds hides an archive's members from readers that take the last end record: an empty one stands in its comment.
func twoEnds(m raw) []byte {
	b, empty := rawZip(1, m), rawZip(0)
	le.PutUint16(b[len(b)-2:], uint16(len(empty)))
	return append(b, empty...)
}

// TestJarMemory reads a jar of 60 MB with 200 jars in it, stored and deflated.
func TestJarMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("left out by -short: builds 60 MB of archives")
	}
	noise := rand.NewChaCha8([32]byte{1})
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		for i := range 200 {
			w, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("BOOT-INF/lib/lib%d-1.%d.jar", i, i), Method: method})
			if err != nil {
				t.Fatal(err)
			}
			body := make([]byte, 300<<10)
			_, _ = noise.Read(body)
			inner := rawZip(2, raw{name: "data", body: body}, raw{name: fmt.Sprintf("META-INF/maven/g/lib%d/pom.properties", i), body: []byte(pomOf("g", fmt.Sprint("lib", i), "1"))})
			if _, err := w.Write(inner); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found, reason := readJar(t.Context(), jarFile("fat.jar", buf.Bytes()))
		runtime.ReadMemStats(&after)
		if len(found) != 200 || reason != "" {
			t.Errorf("found %d packages, %q", len(found), reason)
		}
		// All that is allocated, freed or not: two buffers of the largest nested jar's size, and what names packages.
		if grew := after.TotalAlloc - before.TotalAlloc; grew > 4<<20 {
			t.Errorf("method %d: %d KiB allocated for a jar of %d MiB", method, grew>>10, buf.Len()>>20)
		}
	}
}

// extractorJars are osv-scalibr's own answer, without a bound.
func extractorJars(t testing.TB, f *file) (map[string]bool, error) {
	t.Helper()
	hash := false
	e, err := archive.New(&cpb.PluginConfig{PluginSpecific: []*cpb.PluginSpecificConfig{{
		Config: &cpb.PluginSpecificConfig_JavaArchive{JavaArchive: &cpb.JavaArchiveConfig{HashJars: &hash}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return purls(t, e, f)
}

func purls(t testing.TB, e filesystem.Extractor, f *file) (map[string]bool, error) {
	t.Helper()
	Quiet()
	ps, err := scan(t.Context(), e, f)
	all := map[string]bool{}
	for _, p := range convertAll(ps) {
		all[p.PURL] = true
	}
	return all, err
}

// compareJar compares both readers on one jar. Of a broken jar the extractor drops what it found in the nested archive around the
// fault; we keep it.
func compareJar(t *testing.T, f *file) (same bool) {
	t.Helper()
	want, err := extractorJars(t, f)
	found, reason := readJar(t.Context(), f)
	got := map[string]bool{}
	for _, p := range found {
		got[p.PURL] = true
	}
	if (err != nil) != (reason != "") {
		t.Errorf("%s: reason %q, the extractor's error: %v", f.path, reason, err)
	}
	if err != nil {
		maps.DeleteFunc(got, func(p string, _ bool) bool { return !want[p] })
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Logf("%s: the extractor's (-), ours (+):\n%s", f.path, d)
		return false
	}
	return true
}

// TestJarsLikeExtractor makes jars of all kinds by chance and compares the packages that both readers find.
func TestJarsLikeExtractor(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 4))
	for i := range 400 {
		f := jarFile(pick(random, jarNames), randomJar(t, random, 3))
		if !compareJar(t, f) {
			t.Fatalf("jar %d differs", i)
		}
	}
}

var (
	jarNames = []string{"a.jar", "guava-31.1-jre.jar", "org.apache.felix-1.2.war", "x_1.0.EAR", "build-r12.jar", "spring.jar", "lib/commons-cli.jpi"}
	// Attributes whose names are ours alone (see jar.go) are left out.
	jarLines = []string{
		"Implementation-Title: guava", "Implementation-Title: Two Words", "Implementation-Title: org.x#server;8", "Implementation-Version: 31.1",
		"Bundle-Name: felix", "Bundle-Name: %name", "Bundle-SymbolicName: g.felix;singleton:=true", "Bundle-Version: 1.2.3 beta",
		"Specification-Vendor: Vendor", "Specification-Version: 5", "Created-By: Apache Maven Bundle Plugin", "Name: org/apache/axis",
		"Extension-Name: ext", "Main-Class: org.x.Main", "implementation-vendor-id: org.v", "Short-Name: s", "Specification-Title: axis",
	}
)

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

func randomJar(t testing.TB, r *rand.Rand, depth int) []byte {
	t.Helper()
	files := map[string]string{"x": enough}
	for range r.IntN(3) {
		artifact := pick(r, []string{"a", "b", "felix"})
		body := pomOf("g", artifact, pick(r, []string{"1", "", "2 3"}))
		files["META-INF/maven/g/"+artifact+"/pom.properties"] = body
	}
	if r.IntN(2) == 0 && len(files) == 1 { // with both, ours may find one more
		var lines []string
		for range r.IntN(6) {
			lines = append(lines, pick(r, jarLines))
		}
		files["META-INF/MANIFEST.MF"] = manifestOf(lines...)
	}
	for range r.IntN(3) {
		if depth > 0 {
			files["lib/"+pick(r, jarNames)] = string(randomJar(t, r, depth-1))
		}
	}
	if r.IntN(8) == 0 {
		files["lib/broken.jar"] = "this is no archive, whatever its name says"
	}
	return zipOf(t, files)
}

// TestCorpusJars compares both readers on the jars of a folder of images (PLIMSOLL_CORPUS), or of those that lie in it unpacked.
func TestCorpusJars(t *testing.T) {
	corpus := os.Getenv("PLIMSOLL_CORPUS")
	if corpus == "" {
		t.Skip("acceptance: set PLIMSOLL_CORPUS to compare with the extractor on real jars")
	}
	blobs, err := filepath.Glob(filepath.Join(corpus, "layout", "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	jars, differ := 0, []string{}
	for _, blob := range blobs {
		eachJar(t, blob, func(f *file) {
			jars++
			if !compareJar(t, f) {
				differ = append(differ, f.path)
			}
		})
	}
	slices.Sort(differ)
	// A group that pom.properties leaves to its folder; a jar that holds another's pom.properties; a domain in the manifest.
	want := []string{"usr/share/java/guice.jar", "usr/share/java/lightcouch.jar", "usr/share/java/xz-1.8.jar"}
	if d := cmp.Diff(want, slices.Compact(differ)); d != "" || jars < 100 {
		t.Errorf("%d jars; those that differ (-want +got):\n%s", jars, d)
	}
}

func eachJar(t *testing.T, blob string, do func(*file)) {
	t.Helper()
	f, err := os.Open(blob)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return // no layer
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !archive.IsArchive(h.Name) || h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		do(jarFile(strings.TrimPrefix(h.Name, "./"), b))
	}
}

// FuzzJar looks for crashes, and for jars that the extractor reads and we do not.
func FuzzJar(f *testing.F) {
	f.Add(zipOf(f, map[string]string{"META-INF/MANIFEST.MF": manifestOf("Bundle-Name: x"), "META-INF/maven/g/a/pom.properties": pomOf("g", "a", "1")}))
	f.Add(levels(f, 3, true))
	f.Add(rawZip(2, raw{name: "x.jar", body: []byte("x"), packed: 0xffffffff, unpacked: 0xffffffff, extra: []byte{1, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, reason := readJar(context.Background(), jarFile("a-1.jar", b))
		again, reason2 := readJar(context.Background(), jarFile("a-1.jar", b))
		if d := cmp.Diff(ours, again); d != "" || reason != reason2 {
			t.Errorf("two answers:\n%s%q %q", d, reason, reason2)
		}
	})
}

// FuzzUnzip compares what our walk of archives gives with archive/zip.
func FuzzUnzip(f *testing.F) {
	f.Add(zipOf(f, map[string]string{"a": "b", "c": enough}))
	f.Add(rawZip(1, raw{name: "a", body: []byte("x")}))
	f.Add(twoEnds(raw{name: "a", body: []byte("x")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		theirs, err := zip.NewReader(readerAt(b))
		if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
			return // what they refuse, we may read
		}
		d, err := openZip(b)
		if err != nil {
			t.Fatalf("archive/zip opens it: %v", err)
		}
		u := unpacker{most: 1 << 20}
		i := 0
		for m, err := range d.members() {
			if err != nil {
				t.Fatal(err)
			}
			if i >= len(theirs.File) || theirs.File[i].Name != m.name {
				t.Fatalf("member %d is %q", i, m.name)
			}
			if want, ok := content(theirs.File[i]); ok {
				if got, err := u.unpack(d, &m, nil, 1<<16); err != nil && u.spent < u.most || err == nil && crc32.ChecksumIEEE(got) != crc32.ChecksumIEEE(want) {
					t.Errorf("%q: %v, %d bytes instead of %d", m.name, err, len(got), len(want))
				}
			}
			i++
		}
	})
}

// content is what archive/zip gives; ok is false when that is an error or too long.
func content(f *zip.File) (b []byte, ok bool) {
	if f.UncompressedSize64 > 1<<16 || f.Flags&zipEncrypted != 0 || f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64 {
		return nil, false
	}
	r, err := f.Open()
	if err != nil {
		return nil, false
	}
	b, err = io.ReadAll(r)
	return b, err == nil
}
