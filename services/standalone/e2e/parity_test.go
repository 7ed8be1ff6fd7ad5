package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// TestParity compares `matched` with osv-scanner's answer on the same images and data, both ways. Differences that stand are
// rows of docs/differences.tsv, each with its reason; a row that is not used fails.
//
// It needs PLIMSOLL_SHARED (advisories in data/osv), PLIMSOLL_CORPUS (a folder with an OCI layout "layout") and PLIMSOLL_PEERS
// (a folder with osv-scanner).
func TestParity(t *testing.T) {
	shared, corpus, peers := os.Getenv("PLIMSOLL_SHARED"), os.Getenv("PLIMSOLL_CORPUS"), os.Getenv("PLIMSOLL_PEERS")
	if shared == "" || corpus == "" || peers == "" {
		t.Skip("acceptance: make parity compares findings with osv-scanner (PLIMSOLL_SHARED, PLIMSOLL_CORPUS and PLIMSOLL_PEERS are not all set)")
	}
	advisories := filepath.Join(shared, "data", "osv")
	layoutDir := filepath.Join(corpus, "layout")
	rows := readDifferences(t, "../../../docs/differences.tsv")
	cache := offlineCache(t, advisories)
	for tag, im := range scannedLayout(t, layoutDir, advisories, t.TempDir()) {
		ours := map[string]bool{}
		for _, f := range im.Findings {
			for _, m := range f.Matched {
				ours[m.Package+" "+m.ID] = true
			}
		}
		theirs, scanned := osvScanner(t, filepath.Join(peers, "osv-scanner"), cache, layoutDir, tag)
		if !scanned && len(im.Packages) > 0 {
			t.Errorf("%s: osv-scanner cannot scan an image in which we find %d packages", tag, len(im.Packages))
		}
		t.Logf("%-22s packages %4d", tag, len(im.Packages))
		compareSets(t, tag, findingsPeer, ours, theirs, rows)
	}
	for _, r := range rows {
		if !r.used && r.peer == findingsPeer {
			t.Errorf("docs/differences.tsv:%d: unused row %s", r.line, r.text)
		}
	}
}

// scannedLayout scans all images of a layout, each of one platform, and gives them by tag. What the layout names must be there.
func scannedLayout(t *testing.T, layoutDir, advisories, data string) map[string]scanned {
	t.Helper()
	out, errOut, code := plimsollCommand(testContext(t), t, "scan", "oci:"+layoutDir, "--advisories", advisories, "--data", data, "--format", "json")
	if code == 3 {
		t.Fatalf("scan: %s", errOut)
	}
	var doc struct {
		Images []scanned `json:"images"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]scanned{}
	for _, im := range doc.Images {
		_, tag, found := strings.Cut(im.Reference[strings.LastIndex(im.Reference, "/")+1:], ":")
		if _, twice := all[tag]; !found || twice {
			t.Fatalf("%s is no image of its own", im.Reference)
		}
		all[tag] = im
	}
	manifest, err := indexOf(layoutDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range manifest.Manifests {
		if tag := d.Annotations[refName]; all[tag].Digest != plimsoll.Digest(d.Digest.String()) {
			t.Errorf("the scan says nothing of %s (%s)", tag, d.Digest)
		}
	}
	return all
}

// offlineCache lays the advisories where osv-scanner looks for them.
func offlineCache(t *testing.T, advisories string) string {
	t.Helper()
	cache := t.TempDir()
	if err := os.Symlink(advisories, filepath.Join(cache, "osv-scalibr")); err != nil {
		t.Fatal(err)
	}
	return cache
}

// osvScanner gives "package id" of what it matched; it cannot scan an image that holds nothing at all.
func osvScanner(t *testing.T, scanner, cache, layoutDir, tag string) (found map[string]bool, scanned bool) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := archiveOf(layoutDir, tag, archive); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(scanner, "scan", "image", "--archive", "--offline", "--format", "json", archive)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
	raw, err := cmd.Output()
	var e *exec.ExitError
	const cannotScan = 127
	if errors.As(err, &e) && e.ExitCode() == cannotScan {
		return nil, false
	}
	if err != nil && (!errors.As(err, &e) || e.ExitCode() != 1) { // 1: something was found
		t.Fatalf("osv-scanner on %s: %v", tag, err)
	}
	var doc struct {
		Results []struct {
			Packages []struct {
				Package         struct{ Name string }
				Vulnerabilities []struct{ ID string }
			}
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatalf("osv-scanner on %s: %v", tag, err)
	}
	found = map[string]bool{}
	for _, r := range doc.Results {
		for _, p := range r.Packages {
			for _, v := range p.Vulnerabilities {
				found[p.Package.Name+" "+v.ID] = true
			}
		}
	}
	return found, true
}

// minus lists what a has and b lacks, sorted.
func minus(a, b map[string]bool) []string {
	var all []string
	for k := range a {
		if !b[k] {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return all
}
