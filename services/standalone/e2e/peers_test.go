package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// Peers are other scanners, with whose package sets ours are compared.
const (
	osvScannerName = "osv-scanner"
	syftName       = "syft"
	trivyName      = "trivy"
)

// peer is one of them, as installed.
type peer struct {
	name   string
	binary string
	cache  string // folder of its answers
	home   string // folder of its own caches
}

// newPeers looks the peers up in a folder. Their answers are kept in the user's cache folder, by the hash of their binary, what it was
// asked and the image's digest, so that only the first comparison takes minutes.
func newPeers(t *testing.T, dir, advisories string) []peer {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.Symlink(advisories, filepath.Join(home, "osv-scalibr")); err != nil {
		t.Fatal(err)
	}
	if err := emptyJavaDatabase(t.Context(), filepath.Join(home, "java-db")); err != nil {
		t.Fatal(err)
	}
	var all []peer
	for _, name := range []string{syftName, trivyName, osvScannerName} {
		p := peer{name: name, binary: filepath.Join(dir, name), home: home}
		sum, err := sumOf(p.binary)
		if err != nil {
			t.Fatalf("peer %s: %v", name, err)
		}
		asked := sha256.Sum256([]byte(fmt.Sprint(sum, p.arguments(""), advisories)))
		p.cache = filepath.Join(base, "plimsoll", "parity", fmt.Sprintf("%s-%x", name, asked[:6]))
		if err := os.MkdirAll(p.cache, 0o755); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func sumOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// emptyJavaDatabase makes trivy's list of known jars, without any: it refuses to look at an image with jars when it has none.
func emptyJavaDatabase(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "trivy-java.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	for _, table := range []string{
		"CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT)",
		"CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT)",
	} {
		if _, err := db.ExecContext(ctx, table); err != nil {
			return err
		}
	}
	const newest = "2099-01-01T00:00:00Z"
	return os.WriteFile(filepath.Join(dir, "metadata.json"), fmt.Appendf(nil, `{"Version":1,"NextUpdate":%q,"UpdatedAt":%[1]q,"DownloadedAt":%[1]q}`, newest), 0o600)
}

// arguments are what a peer is asked of an archive.
func (p peer) arguments(archive string) []string {
	switch p.name {
	case trivyName:
		return []string{
			"image", "--input", archive, "--format", "cyclonedx", "--offline-scan", "--skip-db-update", "--skip-java-db-update",
			"--skip-version-check", "--quiet",
		}
	case syftName:
		return []string{"scan", "docker-archive:" + archive, "-o", "cyclonedx-json", "-q"}
	}
	return []string{"scan", "image", "--archive", "--offline", "--all-packages", "--format", "json", archive}
}

func (p peer) command(ctx context.Context, archive string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.binary, p.arguments(archive)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+p.home, "TRIVY_CACHE_DIR="+p.home, "SYFT_CHECK_FOR_APP_UPDATE=false", "SYFT_FILE_METADATA_SELECTION=none")
	return cmd
}

// answer is what a peer says of an image, asked once. archive makes the image's docker archive.
func (p peer) answer(t *testing.T, digest string, archive func() string) []byte {
	t.Helper()
	kept := filepath.Join(p.cache, strings.TrimPrefix(digest, "sha256:")+".json")
	if b, err := os.ReadFile(kept); err == nil {
		return b
	}
	raw, err := p.command(t.Context(), archive()).Output()
	var e *exec.ExitError
	const found, nothing = 1, 128 // osv-scanner's: advisories matched; no packages at all
	switch {
	case err == nil:
	case p.name == osvScannerName && errors.As(err, &e) && e.ExitCode() == found:
	case p.name == osvScannerName && errors.As(err, &e) && e.ExitCode() == nothing && bytes.Contains(e.Stderr, []byte("No package sources found")):
		raw = []byte("{}")
	default:
		var why []byte
		if errors.As(err, &e) {
			why = e.Stderr
		}
		t.Fatalf("%s on %s: %v: %s", p.name, digest, err, why)
	}
	if err := os.WriteFile(kept, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return raw
}

// packages reads a peer's answer: a set of "type/name@version".
func (p peer) packages(t *testing.T, raw []byte) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	if p.name == osvScannerName {
		var doc struct {
			Results []struct {
				Packages []struct {
					Package struct{ Name, Version, Ecosystem string }
				}
			}
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		for _, r := range doc.Results {
			for _, x := range r.Packages {
				all[osvUnit(x.Package.Ecosystem, x.Package.Name, x.Package.Version)] = true
			}
		}
		return all
	}
	var doc struct{ Components []component }
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	for _, c := range doc.Components {
		if u := c.unit(); u != "" {
			all[u] = true
		}
	}
	return all
}

// component is one of a CycloneDX document.
type component struct {
	Type, Name, Version, PURL string
	Properties                []struct{ Name, Value string }
}

// unit is "type/name@version"; empty for what is no package. Some packages of Ubuntu have no package URL.
func (c component) unit() string {
	if c.PURL != "" {
		return unitOf(c.PURL)
	}
	for _, p := range c.Properties {
		if c.Type == "library" && (p.Name == "syft:package:type" && p.Value == "deb" || p.Name == "aquasecurity:trivy:PkgType" && p.Value == "ubuntu") {
			return "deb/" + c.Name + "@" + c.Version
		}
	}
	return ""
}

// unitOf is a package URL without what scanners write in their own ways: namespaces of distributions, qualifiers, Go's "v", a
// version that Go does not have.
func unitOf(p string) string {
	p, _, _ = strings.Cut(strings.TrimPrefix(p, "pkg:"), "#")
	p, qualifiers, _ := strings.Cut(p, "?")
	kind, rest, _ := strings.Cut(p, "/")
	name, version := rest, ""
	if i := strings.LastIndexByte(rest, '@'); i > 0 {
		name, version = rest[:i], rest[i+1:]
	}
	name, version = unescaped(name), unescaped(version)
	switch kind {
	case "deb", "rpm", "apk":
		name = name[strings.LastIndexByte(name, '/')+1:]
		if q, err := url.ParseQuery(qualifiers); err == nil && q.Get("epoch") != "" && q.Get("epoch") != "0" && !strings.Contains(version, ":") {
			version = q.Get("epoch") + ":" + version
		}
	case "golang":
		if version = strings.TrimPrefix(version, "v"); version == "(devel)" {
			version = ""
		}
	}
	return kind + "/" + name + "@" + version
}

func unescaped(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// osvUnit is the same of an OSV ecosystem. Of Debian's packages osv-scanner tells the source alone, so these have no version.
func osvUnit(ecosystem, name, version string) string {
	ecosystem, _, _ = strings.Cut(ecosystem, ":")
	kind := map[string]string{
		"Azure Linux": "rpm", "Debian": "deb", "Ubuntu": "deb", "Alpine": "apk", "PyPI": "pypi", "Go": "golang", "Maven": "maven", "crates.io": "cargo", "npm": "npm",
	}[ecosystem]
	switch kind {
	case "":
		kind = ecosystem
	case "deb", "apk":
		return kind + "/" + name
	case "golang":
		if version == "(devel)" {
			version = ""
		}
	case "maven":
		name = strings.ReplaceAll(name, ":", "/")
	}
	return kind + "/" + name + "@" + version
}
