package analyze

import (
	"path"
	"testing"

	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// TestPlainNames: no reader wants what is passed over unasked, in any folder that a reader knows.
func TestPlainNames(t *testing.T) {
	t.Parallel()
	readers, err := newReaders()
	if err != nil {
		t.Fatal(err)
	}
	folders := []string{
		"", "var/lib/dpkg", "var/lib/dpkg/info", "lib/apk/db", "var/lib/rpm", "usr/lib/sysimage/rpm", "var/lib/chisel", "var/lib/pacman/local/a-1",
		"usr/lib/python3/dist-packages/a.dist-info", "usr/lib/python3/dist-packages/a.egg-info", "usr/lib/python3/site-packages", "app/node_modules",
		"app/node_modules/a", "app/node_modules/@a/b", "usr/lib/ruby/gems/3.1.0/specifications", "app", "opt/conda/conda-meta",
		"app/vendor/composer", "nix/var/nix/db", "var/db/pkg/a/b", "usr/bin", "usr/lib/R/library/a", "META-INF", "WEB-INF/lib",
	}
	for ending := range plainEndings {
		for _, dir := range folders {
			for _, base := range []string{"x", "status", "METADATA", "package", "installed", "Packages", "desc"} {
				name := path.Join(dir, base+ending)
				if !isPlain(name, 0o644) {
					t.Fatalf("%s is not plain", name)
				}
				f := &file{path: name, info: (&layer.Header{Name: name, Mode: 0o644, Size: 1000}).Info()}
				for _, r := range readers {
					if r.wants(f) {
						t.Errorf("%s is passed over, but %s wants it", name, r.name)
					}
				}
			}
		}
	}
	for _, name := range []string{"var/lib/dpkg/status.d/x.txt", "x.jar", "usr/lib/x.so", "x"} {
		if isPlain(name, 0o644) {
			t.Errorf("%s is plain", name)
		}
	}
	if isPlain("bin/x.py", 0o755) {
		t.Error("an executable is plain")
	}
}
