package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// TestParityInventory compares the packages that we find with those that syft, trivy and osv-scanner find in the same images, both
// ways, and OS packages with what the image's own database lists. The images are those of PLIMSOLL_CORPUS and all content in
// PLIMSOLL_SHARED/data/images. Differences that stand are rows of docs/differences.tsv, each with its reason; a row that is not
// used fails.
func TestParityInventory(t *testing.T) {
	shared, corpus, dir := os.Getenv("PLIMSOLL_SHARED"), os.Getenv("PLIMSOLL_CORPUS"), os.Getenv("PLIMSOLL_PEERS")
	if shared == "" || corpus == "" || dir == "" {
		t.Skip("acceptance: make parity compares inventories with other scanners (PLIMSOLL_SHARED, PLIMSOLL_CORPUS and PLIMSOLL_PEERS are not all set)")
	}
	advisories := filepath.Join(shared, "data", "osv")
	peers := newPeers(t, dir, advisories)
	rows := readDifferences(t, "../../../docs/differences.tsv")
	data := t.TempDir()
	for _, images := range []string{filepath.Join(corpus, "layout"), sharedImages(t, filepath.Join(shared, "data", "images"))} {
		for tag, im := range scannedLayout(t, images, advisories, data) {
			compareInventory(t, peers, images, tag, im, rows)
		}
	}
	for _, r := range rows {
		if !r.used && r.peer != findingsPeer {
			t.Errorf("docs/differences.tsv:%d: unused row %s", r.line, r.text)
		}
	}
}

func compareInventory(t *testing.T, peers []peer, images, tag string, im scanned, rows []*row) {
	t.Helper()
	ours, oursBySource := map[string]bool{}, map[string]bool{}
	for _, p := range im.Packages {
		u := unitOf(p.PURL)
		ours[u] = true
		oursBySource[bySource(p, u)] = true
	}
	image, err := imageOf(images, tag)
	if err != nil {
		t.Fatal(err)
	}
	compareSets(t, tag, "database", ours, databaseUnits(t, image, ours), rows)
	var archive string
	made := func() string {
		if archive == "" {
			archive = filepath.Join(t.TempDir(), "image.tar")
			if err := archiveOf(images, tag, archive); err != nil {
				t.Fatal(err)
			}
		}
		return archive
	}
	for _, p := range peers {
		if p.name == osvScannerName && (len(ours) == 0 || slices.Contains(osvUnable, tag)) {
			continue
		}
		theirs := p.packages(t, p.answer(t, string(im.Digest), made))
		mine := ours
		if p.name == osvScannerName {
			mine = oursBySource
		}
		compareSets(t, tag, p.name, mine, theirs, rows)
	}
	if archive != "" {
		_ = os.Remove(archive)
	}
}

// osvUnable are images that osv-scanner does not scan offline: it has no advisories of their distribution (as an image that holds
// nothing at all, such as scratch).
var osvUnable = []string{"sle15-bci", "centos-libuuid-only", "scalibr-epoch", "syft-fixture", "texlive.status"}

// bySource is a package as osv-scanner names it.
func bySource(p plimsoll.Package, unit string) string {
	kind, _, _ := strings.Cut(unit, "/")
	if kind != "deb" && kind != "apk" {
		return unit
	}
	if p.Source != "" {
		return kind + "/" + p.Source
	}
	return kind + "/" + p.Name
}

func compareSets(t *testing.T, tag, peer string, ours, theirs map[string]bool, rows []*row) {
	t.Helper()
	for side, all := range map[string][]string{"ours": minus(ours, theirs), "theirs": minus(theirs, ours)} {
		for _, unit := range all {
			if !explained(rows, tag, peer, side, unit) {
				t.Errorf("%s\t%s\t%s\t%s\thas no reason in docs/differences.tsv", tag, peer, side, unit)
			}
		}
	}
	t.Logf("%-24s %-12s ours %4d theirs %4d", tag, peer, len(ours), len(theirs))
}

// row is one line of differences.tsv. Image and unit are patterns: * stands for any text.
type row struct {
	image, unit      *regexp.Regexp
	peer, side, text string
	line             int
	used             bool
}

func explained(rows []*row, image, peer, side, unit string) (ok bool) {
	for _, r := range rows {
		if r.peer == peer && r.side == side && r.image.MatchString(image) && r.unit.MatchString(unit) {
			r.used, ok = true, true
		}
	}
	return ok
}

// findingsPeer marks the rows of TestParity: differences of what is matched, not of what is found.
const findingsPeer = "osv-scanner findings"

func readDifferences(t *testing.T, file string) []*row {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rows []*row
	for i, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		cells := strings.Split(line, "\t")
		if len(cells) != 5 || slices.Contains(cells, "") {
			t.Fatalf("%s:%d: want image, peer, side, package, reason", file, i+1)
		}
		if i > 0 { // the heading
			rows = append(rows, &row{
				image: pattern(cells[0]), unit: pattern(cells[3]), peer: cells[1], side: cells[2], line: i + 1,
				text: strings.Join(cells[:4], " "),
			})
		}
	}
	return rows
}

func pattern(s string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, ".*") + "$")
}

func indexOf(layoutDir string) (*v1.IndexManifest, error) {
	index, err := layout.ImageIndexFromPath(layoutDir)
	if err != nil {
		return nil, err
	}
	return index.IndexManifest()
}

func imageOf(layoutDir, tag string) (v1.Image, error) {
	manifest, err := indexOf(layoutDir)
	if err != nil {
		return nil, err
	}
	for _, d := range manifest.Manifests {
		if d.Annotations[refName] == tag {
			return layout.Path(layoutDir).Image(d.Digest)
		}
	}
	return nil, fmt.Errorf("no image %q in %s", tag, layoutDir)
}

const refName = "org.opencontainers.image.ref.name"

// databaseUnits are what the flattened image's dpkg and apk databases list as installed, with all of ours that stand in neither:
// the oracle knows OS packages alone.
func databaseUnits(t *testing.T, image v1.Image, ours map[string]bool) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for u := range ours {
		if !strings.HasPrefix(u, "deb/") && !strings.HasPrefix(u, "apk/") {
			all[u] = true
		}
	}
	content := mutate.Extract(image)
	defer content.Close()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p := strings.TrimPrefix(strings.TrimPrefix(h.Name, "./"), "/")
		switch {
		case p == "var/lib/dpkg/status", strings.HasPrefix(p, "var/lib/dpkg/status.d/") && h.Typeflag == tar.TypeReg:
			addRecords(t, r, all, "deb", "Package: ", "Version: ")
		case p == "lib/apk/db/installed", p == "usr/lib/apk/db/installed":
			addRecords(t, r, all, "apk", "P:", "V:")
		}
	}
}

// addRecords reads records of lines, one package each.
func addRecords(t *testing.T, r io.Reader, all map[string]bool, kind, nameKey, versionKey string) {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range strings.Split(string(b), "\n\n") {
		var name, version string
		installed := true
		for _, line := range strings.Split(record, "\n") {
			if v, ok := strings.CutPrefix(line, nameKey); ok {
				name = v
			}
			if v, ok := strings.CutPrefix(line, versionKey); ok {
				version = v
			}
			if v, ok := strings.CutPrefix(line, "Status: "); ok {
				installed = strings.HasSuffix(v, " installed")
			}
		}
		if name != "" && installed {
			all[kind+"/"+name+"@"+version] = true
		}
	}
}

// sharedImages makes an OCI layout of everything in data/images that an image can be made of.
func sharedImages(t *testing.T, dir string) string {
	t.Helper()
	out := t.TempDir()
	l, err := layout.Write(out, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	add := func(tag string, image v1.Image) {
		if err := l.AppendImage(image, layout.WithAnnotations(map[string]string{refName: tag})); err != nil {
			t.Fatalf("%s: %v", tag, err)
		}
	}
	for _, file := range globbed(t, dir, "alpine/*.tar.gz", "busybox/*.tar.gz") {
		add(tagOf(file), rootfsImage(t, file))
	}
	for _, file := range globbed(t, dir, "docker-save/alpine-*.tar.gz") {
		image, err := tarball.Image(func() (io.ReadCloser, error) { return opened(file) }, nil)
		if err != nil {
			t.Fatal(err)
		}
		add(tagOf(file), image)
	}
	for _, folder := range globbed(t, dir, "apkdb/*", "rpmdb/*") {
		files := treeFiles(t, folder)
		release := releases[filepath.Base(folder)]
		if release != "" {
			files = append(files, imagetest.Dir("etc"), imagetest.Text("etc/os-release", release))
		}
		if slices.ContainsFunc(files, func(f imagetest.File) bool {
			return f.Name == "etc/os-release" && bytes.Contains(f.Body, []byte("ID=alpine"))
		}) { // osv-scanner stops without these
			files = append(files, imagetest.Dir("etc/apk"), imagetest.Text("etc/apk/arch", "x86_64\n"), imagetest.Text("etc/apk/repositories", "\n"))
		}
		add(tagOf(folder), filesImage(t, files))
	}
	for _, file := range globbed(t, dir, "dpkg/*.status") {
		release := releases[filepath.Base(file)]
		named := imagetest.Text("etc/debian_version", "10.13\n")
		if strings.Contains(release, "ID=ubuntu") { // trivy knows a distribution by these alone
			named = imagetest.Text("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=18.04\n")
		}
		add(tagOf(file), filesImage(t, []imagetest.File{
			imagetest.Dir("etc"), imagetest.Text("etc/os-release", release), named,
			imagetest.Dir("var"), imagetest.Dir("var/lib"), imagetest.Dir("var/lib/dpkg"), imagetest.Text("var/lib/dpkg/status", string(readFile(t, file))),
		}))
	}
	programs := []imagetest.File{imagetest.Dir("app")}
	for _, file := range globbed(t, dir, "binaries/*") {
		programs = append(programs, imagetest.Program("app/"+filepath.Base(file), readFile(t, file)))
	}
	add("binaries", filesImage(t, programs))
	return out
}

// releases are what the databases that came without one need: some peers read none whose distribution they do not know.
var releases = map[string]string{
	"postgresql.status":   "ID=debian\nVERSION_ID=10\nVERSION_CODENAME=buster\n",
	"texlive.status":      "ID=ubuntu\nVERSION_ID=18.04\nVERSION_CODENAME=bionic\n",
	"scalibr-installed":   "ID=alpine\nVERSION_ID=3.18.0\n",
	"syft-multiple-2":     "ID=alpine\nVERSION_ID=3.18.0\n",
	"cbl-mariner-2.0":     "ID=mariner\nVERSION_ID=2.0\n",
	"centos-libuuid-only": "ID=centos\nVERSION_ID=7\n",
	"scalibr-epoch":       "ID=rhel\nVERSION_ID=8.9\nCPE_NAME=cpe:/o:redhat:enterprise_linux:8::baseos\n",
	"sle15-bci":           "ID=sles\nVERSION_ID=15.3\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP3\"\n",
	"syft-fixture":        "ID=rhel\nVERSION_ID=8.9\nCPE_NAME=cpe:/o:redhat:enterprise_linux:8::baseos\n",
}

func globbed(t *testing.T, dir string, patterns ...string) (all []string) {
	t.Helper()
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: nothing there (%v)", filepath.Join(dir, p), err)
		}
		all = append(all, found...)
	}
	return all
}

func tagOf(file string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".gz"), ".tar")
}

// opened gives a gzip file's content.
func opened(file string) (io.ReadCloser, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return gzip.NewReader(bytes.NewReader(b))
}

// archiveOf writes an image of a layout as a docker archive.
func archiveOf(layoutDir, tag, file string) error {
	image, err := imageOf(layoutDir, tag)
	if err != nil {
		return err
	}
	ref, err := name.NewTag("corpus/" + strings.ToLower(strings.ReplaceAll(tag, "+", "-")) + ":1")
	if err != nil {
		return err
	}
	return tarball.WriteToFile(file, ref, image)
}
