package match_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// now is later than every record of the shared data.
var now = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// shared is the folder with data for measuring quality, or the test is skipped.
func shared(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("PLIMSOLL_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "osv")); err != nil {
		t.Skipf("no shared data (set PLIMSOLL_SHARED): %v", err)
	}
	return filepath.Join(dir, "data")
}

var sharedOnce = sync.OnceValues(func() (*match.Matcher, error) {
	dir := os.Getenv("PLIMSOLL_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "..", "shared")
	}
	dir = filepath.Join(dir, "data", "osv")
	x, err := advisory.Read(context.Background(), advisory.Files(dir, os.DirFS(dir)), now)
	return match.New(x), err
})

func sharedMatcher(t testing.TB) *match.Matcher {
	t.Helper()
	shared(t)
	m, err := sharedOnce()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestExpected compares with findings that a separate small matcher worked out: equal sets of (package, record), both ways.
func TestExpected(t *testing.T) {
	dir := shared(t)
	m := sharedMatcher(t)
	files, err := filepath.Glob(filepath.Join(dir, "truth", "expected", "*.tsv"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no expected sets: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".tsv")
		t.Run(name, func(t *testing.T) {
			packages := packagesOf(t, dir, name)
			if len(packages) == 0 {
				t.Fatal("no packages")
			}
			want := readExpected(t, file)
			got := map[string]bool{}
			fixed := map[string]string{}
			for _, p := range packages {
				r := m.Package(p)
				if r.Undecided != "" {
					t.Errorf("undecided: %s", r.Undecided)
				}
				for _, f := range r.Findings {
					for _, hit := range f.Matched {
						got[p.Name+" "+hit.Package+" "+hit.ID] = true
						fixed[p.Name+" "+hit.Package+" "+hit.ID] = f.Fixed
					}
				}
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("(package, advisory's package, record) (-want +got):\n%s", diff)
			}
			for k, v := range want {
				if got[k] && fixed[k] != v {
					t.Errorf("%s: fixed %q, want %q", k, fixed[k], v)
				}
			}
			t.Logf("%d packages, %d expected, %d got", len(packages), len(want), len(got))
		})
	}
}

// readExpected gives "installed package, advisory's package, record" → fixed version.
func readExpected(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = '\t'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, row := range rows[1:] {
		out[row[2]+" "+row[3]+" "+row[5]] = row[6]
	}
	return out
}

// packagesOf reads what an image or list holds; reading databases well is the worker's, so that this reads just what
// matching needs.
func packagesOf(t *testing.T, dir, name string) []plimsoll.Package {
	t.Helper()
	images := filepath.Join(dir, "images")
	switch {
	case strings.HasPrefix(name, "alpine-minirootfs-"):
		files := untar(t, filepath.Join(images, "alpine", name+".tar.gz"), "lib/apk/db/installed", "etc/alpine-release")
		return apk(files["lib/apk/db/installed"], alpineRelease(string(files["etc/alpine-release"])))
	case name == "alpine-310":
		return apk(dockerSave(t, filepath.Join(images, "docker-save", name+".tar.gz"), "lib/apk/db/installed"), "Alpine:v3.10")
	case strings.HasPrefix(name, "alpine-"):
		root := filepath.Join(images, "apkdb", name)
		return apk(read(t, root, "lib/apk/db/installed"), alpineRelease(string(read(t, root, "etc/alpine-release"))))
	case strings.HasPrefix(name, "debian-"):
		return debian(t, images, strings.TrimPrefix(name, "debian-"))
	case strings.HasSuffix(name, "-as-almalinux9"):
		return rpm(read(t, images, "rpm-manifests", strings.TrimSuffix(name, "-as-almalinux9")+".packages"), "AlmaLinux:9")
	}
	t.Fatalf("no packages known for %s", name)
	return nil
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func alpineRelease(text string) string {
	parts := strings.SplitN(strings.TrimSpace(text), ".", 3)
	return "Alpine:v" + parts[0] + "." + parts[1]
}

func apk(db []byte, ecosystem string) (out []plimsoll.Package) {
	for stanza := range strings.SplitSeq(string(db), "\n\n") {
		p := plimsoll.Package{Ecosystem: ecosystem}
		for l := range strings.SplitSeq(stanza, "\n") {
			switch key, value, _ := strings.Cut(l, ":"); key {
			case "P":
				p.Name = value
			case "V":
				p.Version = value
			case "o":
				p.Source = value
			}
		}
		if p.Name != "" {
			out = append(out, p)
		}
	}
	return out
}

func debian(t *testing.T, images, suite string) (out []plimsoll.Package) {
	sources := map[string]string{}
	for l := range strings.SplitSeq(string(read(t, images, "debian-manifests", "source-map.tsv")), "\n") {
		if binary, source, ok := strings.Cut(l, "\t"); ok {
			sources[binary] = source
		}
	}
	release := map[string]string{"bullseye": "11", "bookworm": "12", "trixie": "13"}[suite]
	for l := range strings.SplitSeq(string(read(t, images, "debian-manifests", suite, "rootfs.manifest")), "\n") {
		fields := strings.Fields(l)
		if len(fields) < 2 {
			continue
		}
		name, _, _ := strings.Cut(fields[0], ":")
		out = append(out, plimsoll.Package{Name: name, Version: fields[1], Source: sources[name], Ecosystem: "Debian:" + release})
	}
	return out
}

func rpm(list []byte, ecosystem string) (out []plimsoll.Package) {
	for l := range strings.SplitSeq(string(list), "\n") {
		f := strings.Split(l, "|")
		if len(f) < 5 {
			continue
		}
		version := f[2] + "-" + f[3]
		if f[1] != "(none)" && f[1] != "0" {
			version = f[1] + ":" + version
		}
		out = append(out, plimsoll.Package{Name: f[0], Version: version, Ecosystem: ecosystem})
	}
	return out
}

func untar(t *testing.T, file string, names ...string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return entries(t, z, func(name string) bool { return slices.Contains(names, name) })
}

func entries(t *testing.T, r io.Reader, want func(string) bool) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if name := strings.TrimPrefix(h.Name, "./"); want(name) {
			if out[name], err = io.ReadAll(tr); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// dockerSave gives a file of the last layer that has it.
func dockerSave(t *testing.T, file, name string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	all := entries(t, z, func(string) bool { return true })
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(all["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	var found []byte
	for _, layer := range manifest[0].Layers {
		var r io.Reader = bytes.NewReader(all[layer])
		if z, err := gzip.NewReader(bytes.NewReader(all[layer])); err == nil {
			r = z
		}
		if b, ok := entries(t, r, func(n string) bool { return n == name })[name]; ok {
			found = b
		}
	}
	return found
}
