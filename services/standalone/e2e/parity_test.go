package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestParity compares `matched` with osv-scanner's answer on the same images and data, both ways. Differences that stand are
// rows of docs/differences.tsv, each with its reason; a row that is not used fails.
//
// It needs PLIMSOLL_SHARED (advisories in data/osv), PLIMSOLL_CORPUS (a folder with an OCI layout "layout") and PLIMSOLL_PEERS
// (a folder with osv-scanner).
func TestParity(t *testing.T) {
	shared, corpus, peers := os.Getenv("PLIMSOLL_SHARED"), os.Getenv("PLIMSOLL_CORPUS"), os.Getenv("PLIMSOLL_PEERS")
	if shared == "" || corpus == "" || peers == "" {
		t.Skip("acceptance: set PLIMSOLL_SHARED, PLIMSOLL_CORPUS and PLIMSOLL_PEERS to compare with osv-scanner")
	}
	ctx := testContext(t)
	advisories := filepath.Join(shared, "data", "osv")
	layoutDir := filepath.Join(corpus, "layout")
	out, errOut, code := plimsollCommand(ctx, t, "scan", "oci:"+layoutDir, "--advisories", advisories, "--data", t.TempDir(), "--format", "json")
	if code == 3 {
		t.Fatalf("scan: %s", errOut)
	}
	var doc struct {
		Images []scanned `json:"images"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	allowed := readDifferences(t, "../../../docs/differences.tsv")
	used := map[string]bool{}
	cache := offlineCache(t, advisories)
	for _, im := range doc.Images {
		_, tag, _ := strings.Cut(im.Reference[strings.LastIndex(im.Reference, "/")+1:], ":")
		ours := map[string]bool{}
		for _, f := range im.Findings {
			for _, m := range f.Matched {
				ours[m.Package+"\t"+m.ID] = true
			}
		}
		theirs, scanned := osvScanner(t, filepath.Join(peers, "osv-scanner"), cache, layoutDir, tag)
		if !scanned && len(im.Packages) > 0 {
			t.Errorf("%s: osv-scanner cannot scan an image in which we find %d packages", tag, len(im.Packages))
		}
		lack, extra := minus(theirs, ours), minus(ours, theirs)
		t.Logf("%-22s packages %4d  matched %4d  osv-scanner %4d  lack %d  extra %d", tag, len(im.Packages), len(ours), len(theirs), len(lack), len(extra))
		for side, pairs := range map[string][]string{"lack": lack, "extra": extra} {
			for _, pair := range pairs {
				row := tag + "\t" + pair + "\t" + side
				if allowed[row] == "" {
					t.Errorf("%s has no reason in docs/differences.tsv", row)
				}
				used[row] = true
			}
		}
	}
	for row := range allowed {
		if !used[row] {
			t.Errorf("docs/differences.tsv: unused row %q", row)
		}
	}
}

// readDifferences gives reasons by "image\tpackage\tid\tside".
func readDifferences(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if n == 1 || lines.Text() == "" {
			continue // the heading
		}
		cells := strings.Split(lines.Text(), "\t")
		if len(cells) != 5 || cells[4] == "" {
			t.Fatalf("%s:%d: want image, package, id, side, reason", file, n)
		}
		rows[strings.Join(cells[:4], "\t")] = cells[4]
	}
	return rows
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

// osvScanner gives "package\tid" of what it matched; it cannot scan an image that holds nothing at all.
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
				found[p.Package.Name+"\t"+v.ID] = true
			}
		}
	}
	return found, true
}

func archiveOf(layoutDir, tag, file string) error {
	index, err := layout.ImageIndexFromPath(layoutDir)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		if d.Annotations["org.opencontainers.image.ref.name"] != tag {
			continue
		}
		image, err := index.Image(d.Digest)
		if err != nil {
			return err
		}
		ref, err := name.NewTag("corpus/" + strings.ToLower(tag) + ":1")
		if err != nil {
			return err
		}
		return tarball.WriteToFile(file, ref, image)
	}
	return fmt.Errorf("no image %q in %s", tag, layoutDir)
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
