package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/plimsoll/plimsoll"
)

// TestOwnImages: the product's own image is reproducible, runs without root and is one that the product reads completely.
func TestOwnImages(t *testing.T) {
	if testing.Short() {
		t.Skip("left out by -short: builds the worker for its image, twice")
	}
	t.Parallel()
	ctx := testContext(t)
	folder := filepath.Join(t.TempDir(), "worker")
	build := exec.CommandContext(ctx, "go", "test", "-count=1", "-run", "^TestWorkerImage$", "../internal/images", "-args", "-layout", folder)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the image twice: %v\n%s", err, out)
	}
	checkOwnConfig(t, folder)
	out, errOut, code := plimsollCommand(ctx, t, "scan", "oci:"+folder, "--advisories", sampleAdvisories(t), "--data", t.TempDir(), "--format", "json", "--policy", "none")
	if code != 0 {
		t.Fatalf("scan: exit %d\n%s", code, errOut)
	}
	var doc struct {
		Images []scanned `json:"images"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Images) != 1 {
		t.Fatalf("scan: %d images, %v", len(doc.Images), err)
	}
	checkOwnPackages(t, doc.Images[0])
}

// checkOwnConfig: the image starts its program as a user that is not root.
func checkOwnConfig(t *testing.T, folder string) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("index: %+v, %v", manifest, err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := config.Config; c.User != "65532" || len(c.Entrypoint) != 1 || c.Entrypoint[0] != "/usr/local/bin/worker" || config.OS != "linux" || config.Architecture != "amd64" {
		t.Errorf("configuration %+v on %s/%s", c, config.OS, config.Architecture)
	}
}

// checkOwnPackages: everything in the image is a Go module of the worker or of its analysis child, and all of it is known.
func checkOwnPackages(t *testing.T, im scanned) {
	t.Helper()
	if !im.complete() {
		t.Errorf("read %+v, want complete", im.Read)
	}
	if k := im.Known["Go"]; k.State != plimsoll.KnownCurrent {
		t.Errorf("advisories for Go: %+v, want current", k)
	}
	versions := map[string]string{}
	for _, p := range im.Packages {
		if p.Ecosystem != "Go" || p.Path != "usr/local/bin/worker" && p.Path != "usr/local/bin/plimsoll-analyse" {
			t.Errorf("package %s of %q at %q, want Go modules of the two binaries alone", p.Name, p.Ecosystem, p.Path)
		}
		versions[p.Name] = p.Version
	}
	for _, name := range []string{"stdlib", "github.com/google/osv-scalibr", "golang.org/x/crypto/x509roots/fallback"} {
		if versions[name] == "" {
			t.Errorf("%s is not among the %d packages", name, len(versions))
		}
	}
	if got, want := versions["github.com/google/osv-scalibr"], requiredVersion(t, "../../worker/go.mod", "github.com/google/osv-scalibr"); got != strings.TrimPrefix(want, "v") {
		t.Errorf("osv-scalibr %q, go.mod requires %q", got, want)
	}
	t.Logf("%d packages, %d findings, known %+v", len(im.Packages), len(im.Findings), im.Known)
}

// requiredVersion reads a module's version from a go.mod.
func requiredVersion(t *testing.T, file, module string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), module+" ")
	version, _, _ := strings.Cut(rest, "\n")
	return version
}
