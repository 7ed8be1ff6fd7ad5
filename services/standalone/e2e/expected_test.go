package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/plimsoll/plimsoll"
)

// pairs are installed packages with the advisories that matched them, as "package\tid".
type pairs map[string]bool

// TestExpected compares `matched` with findings that a separate, small matcher worked out from the same advisories: for each
// table of data/truth/expected the image it speaks of is built and scanned, and the sets must be equal both ways.
//
// It needs PLIMSOLL_SHARED: a folder with data/osv, data/images and data/truth.
func TestExpected(t *testing.T) {
	shared := os.Getenv("PLIMSOLL_SHARED")
	if shared == "" {
		t.Skip("acceptance: set PLIMSOLL_SHARED to compare with the expected findings of its data")
	}
	data := filepath.Join(shared, "data")
	want := readExpected(t, filepath.Join(data, "truth", "expected"))
	folder := filepath.Join(t.TempDir(), "expected")
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	targets := []string{"oci:" + folder}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if archive := filepath.Join(data, "images", "docker-save", name+".tar.gz"); exists(archive) {
			targets = append(targets, "docker-archive:"+archive)
			continue
		}
		image := expectedImage(t, filepath.Join(data, "images"), name)
		if err := path.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": name})); err != nil {
			t.Fatal(err)
		}
	}
	got := scanExpected(t, filepath.Join(data, "osv"), targets)
	never := readNotAffected(t, filepath.Join(data, "truth", "alpine", "not-affected.tsv"))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		im, ok := got[name]
		if !ok {
			t.Errorf("%s: not among the scanned images", name)
			continue
		}
		compareExpected(t, name, want[name], im)
		for _, f := range im.Findings {
			for _, m := range f.Matched {
				if never[m.Package+"\t"+m.ID] {
					t.Errorf("%s: %s on %s, which Alpine marks as not affected", name, m.ID, m.Package)
				}
			}
		}
	}
}

func compareExpected(t *testing.T, name string, want pairs, im scanned) {
	t.Helper()
	found := matchedPairs(t, im)
	lack, extra := minus(want, found), minus(found, want)
	t.Logf("%-50s packages %4d  expected %3d  found %3d  lack %d  extra %d", name, len(im.Packages), len(want), len(found), len(lack), len(extra))
	if !im.complete() {
		t.Errorf("%s: read %+v, want complete", name, im.Read)
	}
	for ecosystem, k := range im.Known {
		if k.State != plimsoll.KnownCurrent {
			t.Errorf("%s: advisories for %s: %+v, want current", name, ecosystem, k)
		}
	}
	for _, pair := range lack {
		t.Errorf("%s lacks %s", name, pair)
	}
	for _, pair := range extra {
		t.Errorf("%s has beyond what is expected %s", name, pair)
	}
}

// matchedPairs names a finding's package by the inventory: findings have its purl alone.
func matchedPairs(t *testing.T, im scanned) pairs {
	t.Helper()
	names := map[string]string{}
	for _, p := range im.Packages {
		names[p.PURL] = p.Name
	}
	found := pairs{}
	for _, f := range im.Findings {
		if f.Class == plimsoll.ClassEndOfLife {
			continue // a distribution's own: no record tells of it
		}
		if names[f.PURL] == "" {
			t.Errorf("%s: finding %s is on %q, which is none of its packages", im.Reference, f.ID, f.PURL)
		}
		for _, m := range f.Matched {
			found[names[f.PURL]+"\t"+m.ID] = true
		}
	}
	return found
}

// scanExpected scans each target with the product and gives the images by name: the tag in the layout, the archive's own
// name, which is its repository.
func scanExpected(t *testing.T, advisories string, targets []string) map[string]scanned {
	t.Helper()
	ctx, kept, all := testContext(t), t.TempDir(), map[string]scanned{}
	for _, target := range targets {
		out, errOut, code := plimsollCommand(ctx, t, "scan", target, "--advisories", advisories, "--data", kept, "--format", "json", "--policy", "none")
		// Images that are made of a package list alone have no lists of files: their files are read in part, which is 2.
		if code != 0 && code != 2 {
			t.Fatalf("scan %s: exit %d: %s", target, code, errOut)
		}
		var doc struct {
			Images []scanned `json:"images"`
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatalf("scan %s: %v", target, err)
		}
		for _, im := range doc.Images {
			name := im.Reference[strings.LastIndexByte(im.Reference, ':')+1:]
			if file, ok := strings.CutPrefix(target, "docker-archive:"); ok {
				name = strings.TrimSuffix(filepath.Base(file), ".tar.gz")
			}
			all[name] = im
		}
	}
	return all
}

// readExpected gives each table's pairs by the name of its file, which says how its image is built.
func readExpected(t *testing.T, dir string) map[string]pairs {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.tsv"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d tables, %v", dir, len(files), err)
	}
	all := map[string]pairs{}
	for _, file := range files {
		found := pairs{}
		for i, row := range readRows(t, file, "\t") {
			if i == 0 {
				continue // image, ecosystem, installed package, advisory package, version, id, fixed
			}
			found[row[2]+"\t"+row[5]] = true
		}
		all[strings.TrimSuffix(filepath.Base(file), ".tsv")] = found
	}
	return all
}

// readNotAffected gives the pairs that Alpine itself says are not affected (a fix in version 0), as "package\tid". The
// branch is left out: no expected finding is one of these pairs on any branch.
func readNotAffected(t *testing.T, file string) pairs {
	t.Helper()
	never := pairs{}
	for i, row := range readRows(t, file, "\t") {
		if i > 0 {
			never[row[1]+"\tALPINE-"+row[2]] = true // branch, package, CVE
		}
	}
	return never
}

// readRows cuts each line of a file at sep.
func readRows(t *testing.T, file, sep string) [][]string {
	t.Helper()
	var rows [][]string
	for line := range strings.Lines(string(readFile(t, file))) {
		rows = append(rows, strings.Split(strings.TrimRight(line, "\n"), sep))
	}
	return rows
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// expectedImage builds the image that a table speaks of.
func expectedImage(t *testing.T, images, name string) v1.Image {
	t.Helper()
	switch {
	case strings.HasPrefix(name, "alpine-minirootfs-"):
		return rootfsImage(t, filepath.Join(images, "alpine", name+".tar.gz"))
	case strings.HasPrefix(name, "alpine-"):
		return filesImage(t, treeFiles(t, filepath.Join(images, "apkdb", name)))
	case strings.HasPrefix(name, "debian-"):
		return filesImage(t, debianFiles(t, filepath.Join(images, "debian-manifests"), strings.TrimPrefix(name, "debian-")))
	case strings.HasSuffix(name, "-as-almalinux9"):
		return filesImage(t, almaFiles(t, filepath.Join(images, "rpm-manifests", strings.TrimSuffix(name, "-as-almalinux9")+".packages")))
	}
	t.Fatalf("no way is known to build the image of expected/%s.tsv", name)
	return nil
}
