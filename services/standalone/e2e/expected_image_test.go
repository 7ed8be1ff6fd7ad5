package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// rootfsImage is a distribution's own archive of its file system as the one layer of an image.
func rootfsImage(t *testing.T, archive string) v1.Image {
	t.Helper()
	layer, err := tarball.LayerFromFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	return linuxImage(t, image)
}

// linuxImage gives an image a platform, as every honest configuration has.
func linuxImage(t *testing.T, image v1.Image) v1.Image {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}

func filesImage(t *testing.T, files []imagetest.File) v1.Image {
	t.Helper()
	image, err := imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{imagetest.Gzip(imagetest.Layer(files...))}})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// treeFiles are the files of a folder.
func treeFiles(t *testing.T, root string) []imagetest.File {
	t.Helper()
	var files []imagetest.File
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if entry.IsDir() {
			files = append(files, imagetest.Dir(name))
			return nil
		}
		body, err := fs.ReadFile(tree, name)
		files = append(files, imagetest.Text(name, string(body)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// binNMU is what Debian adds to the version of a binary package that is built again from the same source (deb-version(7) and
// the developer's reference, "Recompilation or binary-only NMU").
var binNMU = regexp.MustCompile(`\+b[0-9]+$`)

// debianFiles are the os-release of a Debian image and the status file that dpkg would hold for its list of packages.
func debianFiles(t *testing.T, dir, release string) []imagetest.File {
	t.Helper()
	sources := map[string]string{}
	for _, row := range readRows(t, filepath.Join(dir, "source-map.tsv"), "\t") {
		sources[row[0]] = row[1]
	}
	var status strings.Builder
	for _, row := range readRows(t, filepath.Join(dir, release, "rootfs.manifest"), "\t") {
		name, arch, _ := strings.Cut(row[0], ":")
		p := imagetest.Package{Name: name, Version: row[1], Arch: arch}
		if source := sources[name]; source != name {
			p.Source = source
		}
		if source := binNMU.ReplaceAllString(p.Version, ""); source != p.Version {
			p.SourceVersion = source
		}
		status.WriteString(imagetest.DpkgStanza(p))
	}
	return []imagetest.File{
		imagetest.Dir("etc"), imagetest.Dir("var"), imagetest.Dir("var/lib"), imagetest.Dir("var/lib/dpkg"),
		imagetest.Text("etc/os-release", string(readFile(t, filepath.Join(dir, release, "rootfs.os-release")))),
		imagetest.Text("etc/debian_version", string(readFile(t, filepath.Join(dir, release, "rootfs.debian_version")))),
		imagetest.Text("var/lib/dpkg/status", status.String()),
	}
}

const almaRelease = `NAME="AlmaLinux"
VERSION="9.6 (Sage Margay)"
ID="almalinux"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.6"
PLATFORM_ID="platform:el9"
PRETTY_NAME="AlmaLinux 9.6 (Sage Margay)"
`

// almaFiles are AlmaLinux's os-release and an rpm database of the packages of a list, whose lines are
// name|epoch|version|release|architecture|…
func almaFiles(t *testing.T, list string) []imagetest.File {
	t.Helper()
	var headers [][]byte
	for _, row := range readRows(t, list, "|") {
		if len(row) < 5 {
			t.Fatalf("%s: line %q has no five fields", list, row)
		}
		headers = append(headers, rpmHeader(t, row[0], row[1], row[2], row[3], row[4]))
	}
	return []imagetest.File{
		imagetest.Dir("etc"), imagetest.Dir("var"), imagetest.Dir("var/lib"), imagetest.Dir("var/lib/rpm"),
		imagetest.Text("etc/os-release", almaRelease),
		{Name: "var/lib/rpm/rpmdb.sqlite", Body: rpmDatabase(t, headers)},
	}
}
