package imagetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/klauspost/compress/zstd"
)

func sample() Options {
	return Options{
		Layers: []Blob{
			Gzip(Layer(AlpineLike("3.20.3", Package{Name: "musl", Version: "1.2.5-r0"})...)).By("ADD alpine.tar.gz /"),
			Zstd(Layer(NodeApp("shop", Package{Name: "lodash", Version: "4.17.20"}, Package{Name: "@scope/x", Version: "1.0.0"})...)),
			Plain(Layer(Whiteout("etc/alpine-release"), Opaque("app/node_modules"), Symlink("a", "b"), Hardlink("c", "etc/os-release"), Device("dev/null", 1, 3))),
		},
		Labels: map[string]string{"org.opencontainers.image.title": "shop"},
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	image := Must(Image(sample()))
	gzipOnly := sample()
	gzipOnly.Layers = gzipOnly.Layers[:1] // all that package validate can inflate
	if err := validate.Image(Must(Image(gzipOnly))); err != nil {
		t.Errorf("go-containerregistry finds fault: %v", err)
	}
	config := Must(image.ConfigFile())
	if got := config.Config.Labels["org.opencontainers.image.title"]; got != "shop" {
		t.Errorf("label = %q, want shop", got)
	}
	if got := config.History[0].CreatedBy; got != "ADD alpine.tar.gz /" {
		t.Errorf("first instruction = %q", got)
	}
	if a, b := Must(image.Digest()), Must(Must(Image(sample())).Digest()); a != b {
		t.Errorf("the same options gave %s and %s", a, b)
	}
	docker := sample()
	docker.Docker = true
	m := Must(Must(Image(docker)).Manifest())
	if m.MediaType != types.DockerManifestSchema2 || m.Layers[0].MediaType != types.DockerLayer || m.Config.MediaType != types.DockerConfigJSON {
		t.Errorf("Docker's types: got %s, %s, %s", m.MediaType, m.Layers[0].MediaType, m.Config.MediaType)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	amd := Must(Image(sample()))
	arm := sample()
	arm.Platform = v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	index := Must(Index(Child{Image: amd}, Child{Image: Must(Image(arm))}, Must(Attestation(Must(amd.Digest())))))
	var got []string
	for _, d := range Must(index.IndexManifest()).Manifests {
		got = append(got, d.Platform.String())
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64/v8", "unknown/unknown"}, got); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

func TestContentNames(t *testing.T) {
	t.Parallel()
	got, err := list(Layer(DebianLike("12", Package{Name: "libssl3", Version: "3.0.11-1", Source: "openssl"})...))
	if !errors.Is(err, io.EOF) {
		t.Fatalf("read back: %v", err)
	}
	want := []string{"etc/", "usr/", "usr/lib/", "var/", "var/lib/", "var/lib/dpkg/", "var/lib/dpkg/info/", "usr/lib/os-release", "etc/os-release", "etc/debian_version", "var/lib/dpkg/status", "var/lib/dpkg/info/libssl3.list"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	stanza := DpkgStanza(Package{Name: "libssl3", Version: "3.0.11-1", Source: "openssl", SourceVersion: "3.0.11"})
	if !strings.Contains(stanza, "\nSource: openssl (3.0.11)\nVersion: 3.0.11-1\n") {
		t.Errorf("stanza:\n%s", stanza)
	}
}

func list(b []byte) (names []string, err error) {
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err != nil {
			return names, err
		}
		names = append(names, h.Name)
	}
}

// TestHostile checks that the cases are what they say: plain tars that want "ok" can be listed whole by archive/tar, with the
// marker among them, and no two share a name.
func TestHostile(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	rows := map[string]bool{}
	for _, c := range Hostile() {
		if seen[c.Name] {
			t.Errorf("%s: twice", c.Name)
		}
		seen[c.Name] = true
		row, _, _ := strings.Cut(c.Name, " ")
		rows[row] = true
		if c.MediaType != plainType || c.Want != WantOK {
			continue
		}
		names, err := list(c.Layer)
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: wants ok, but archive/tar says: %v", c.Name, err)
		}
		if len(names) == 0 || names[len(names)-1] != Marker {
			t.Errorf("%s: no marker at the end of %.5q", c.Name, names)
		}
	}
	for _, row := range strings.Fields("H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 H13 H14 H15 H16 H17 H18") {
		if !rows[row] {
			t.Errorf("row %s has no case", row)
		}
	}
}

// TestBombs checks that the bombs are sound: refusing them for bad form would prove nothing.
func TestBombs(t *testing.T) {
	t.Parallel()
	want := int64(len(bombHead()) + bombSize + 2*blockSize)
	z := Must(gzip.NewReader(bytes.NewReader(gzipBomb())))
	if n, err := io.Copy(io.Discard, z); n != want || err != nil {
		t.Errorf("gzip bomb: %d bytes, %v; want %d", n, err, want)
	}
	d := Must(zstd.NewReader(bytes.NewReader(zstdBomb())))
	defer d.Close()
	r := tar.NewReader(d)
	for _, name := range []string{Marker, "zeros"} {
		if h, err := r.Next(); err != nil || h.Name != name {
			t.Fatalf("zstd bomb: %v, %v; want %s", h, err, name)
		}
	}
	if n, err := io.Copy(io.Discard, r); n != bombSize || err != nil {
		t.Errorf("zstd bomb: %d bytes, %v; want %d", n, err, bombSize)
	}
}

func TestHeaderFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		field string
		ok    bool
	}{{"octal", Octal(0), true}, {"binary", Base256(0), true}, {"negative", Base256(-1), false}, {"text", "zzz", false}} {
		_, err := list(append(Header{Name: "x", Size: c.field}.Block(), make([]byte, 2*blockSize)...))
		if got := errors.Is(err, io.EOF); got != c.ok {
			t.Errorf("size field %s: readable = %v (%v), want %v", c.name, got, err, c.ok)
		}
	}
	names, _ := list(append(append(PAX("path", "long/name", "comment", "x"), Header{Name: "short"}.Block()...), make([]byte, 2*blockSize)...))
	if diff := cmp.Diff([]string{"long/name"}, names); diff != "" {
		t.Errorf("PAX (-want +got):\n%s", diff)
	}
}
