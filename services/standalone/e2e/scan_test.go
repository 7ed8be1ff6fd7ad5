package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/plimsoll/plimsoll"
)

// TestScanTargets: the same image gives the same packages and findings from a registry, a layout and an archive; a second scan
// reads nothing; the exit code follows rules and reading.
func TestScanTargets(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	image := app(t, "amd64", "lodash", "4.17.11")
	d := newDistribution(t, "")
	d.push("shop/web", "1.0", image)
	dir := t.TempDir()
	path, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1.0"})); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	if err := tarball.WriteToFile(archive, name.MustParseReference("shop/web:1.0"), image); err != nil {
		t.Fatal(err)
	}
	advisories, data := sampleAdvisories(t), t.TempDir()
	scan := func(target string, want int) []scanned {
		t.Helper()
		out, errOut, code := plimsollCommand(ctx, t, "scan", target, "--advisories", advisories, "--data", data, "--format", "json")
		if code != want {
			t.Fatalf("scan %s: exit %d, want %d\n%s", target, code, want, errOut)
		}
		var doc struct {
			Images []scanned `json:"images"`
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatalf("scan %s: %v\n%.500s", target, err, out)
		}
		return doc.Images
	}
	registry := scan(d.host+"/shop/web:1.0", 1)
	if len(registry) != 1 || registry[0].Verdict != plimsoll.VerdictFail || registry[0].Reference != d.host+"/shop/web:1.0" {
		t.Fatalf("scan of a registry = %+v", registry)
	}
	read := d.blobReads.Load()
	scan(d.host+"/shop/web:1.0", 1)
	if d.blobReads.Load() != read {
		t.Errorf("a second scan read %d blobs", d.blobReads.Load()-read)
	}
	for _, target := range []string{"oci:" + filepath.Join(dir, "layout") + ":1.0", "docker-archive:" + archive} {
		got := scan(target, 1)
		if len(got) != 1 {
			t.Errorf("scan %s: %d images, want 1", target, len(got))
			continue
		}
		if a, b := findings(registry[0]), findings(got[0]); !slices.Equal(a, b) {
			t.Errorf("scan %s: findings\n%v\nwant\n%v", target, b, a)
		}
	}
	out, _, code := plimsollCommand(ctx, t, "scan", d.host+"/shop/web:1.0", "--advisories", advisories, "--data", data)
	if code != 1 || !strings.Contains(out, "FAIL") || !strings.Contains(out, "WHY IT FAILS") {
		t.Errorf("text: exit %d\n%s", code, out)
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.Contains(line, "\x1b") {
			t.Errorf("colour in a pipe: %q", line)
		}
	}
}

func findings(im scanned) []string {
	var all []string
	for _, f := range im.Findings {
		all = append(all, f.ID+" "+f.PURL)
	}
	slices.Sort(all)
	return all
}

// TestScanFaults: each fault is one clear line and the right exit code.
func TestScanFaults(t *testing.T) {
	t.Parallel()
	notRegistry := startPlain(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>hello</html>"))
	})
	refuses := startPlain(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="corp"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	empty := t.TempDir()
	file := filepath.Join(t.TempDir(), "not-a-folder")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"down", []string{nobody}, 2, "refused"},
		{"no registry", []string{notRegistry}, 2, "registry"},
		{"refused", []string{refuses}, 2, "password_file"},
		{"no such layout", []string{"oci:" + filepath.Join(empty, "nothing")}, 3, "index.json"},
		{"no registry named", []string{"shop/web:1.0"}, 3, "registry"},
		{"unknown format", []string{"--format", "yaml", refuses}, 3, "--format"},
		{"data is a file", []string{"--data", file, refuses}, 3, "--data"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"scan"}, c.args...)
			if !slices.Contains(args, "--data") {
				args = append(args, "--data", t.TempDir())
			}
			out, errOut, code := plimsollCommand(testContext(t), t, args...)
			if code != c.code || !strings.Contains(errOut+out, c.want) {
				t.Errorf("exit %d, want %d with %q\nout: %s\nerr: %s", code, c.code, c.want, out, errOut)
			}
			if n := strings.Count(strings.TrimSpace(errOut), "\n"); n > 1 {
				t.Errorf("%d lines on standard error, want one or two:\n%s", n+1, errOut)
			}
		})
	}
}

func startPlain(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}
