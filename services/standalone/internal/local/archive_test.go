package local

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// member is a file of an archive; link makes it a symbolic link, hard a hard link.
type member struct{ name, body, link, hard string }

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.body)), Typeflag: tar.TypeReg}
		switch {
		case m.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, m.link
		case m.hard != "":
			h.Typeflag, h.Linkname = tar.TypeLink, m.hard
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// saved is an archive with one image of two layers, its tags as given.
func saved(t testing.TB, tags ...string) []byte {
	t.Helper()
	return tarOf(t,
		member{name: "config.json", body: "{}"}, member{name: "a/layer.tar", body: "first"}, member{name: "b/layer.tar", body: "second"},
		member{name: "manifest.json", body: dockerManifestJSON(t, tags, "a/layer.tar", "b/layer.tar")})
}

func dockerManifestJSON(t testing.TB, tags []string, layers ...string) string {
	t.Helper()
	raw, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": tags, "Layers": layers}})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func writeTo(t testing.TB, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestArchiveTags(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		b    []byte
		want []string
	}{
		"repository and tag":       {saved(t, "shop/web:1.0"), []string{"shop/web:1.0"}},
		"several tags":             {saved(t, "shop/web:1.0", "shop/web:latest", "other:2"), []string{"other:2", "shop/web:1.0", "shop/web:latest"}},
		"a registry's host is cut": {saved(t, "registry.corp.example:5000/shop/web:1.0"), []string{"shop/web:1.0"}},
		"no tag in the reference":  {saved(t, "shop/web"), []string{"shop/web:latest"}},
		"no tag at all":            {saved(t), []string{"my-app_1:image-0"}},
		"a port is no tag":         {saved(t, "localhost:5000/web"), []string{"web:latest"}},
		"bad repository":           {saved(t, "UPPER CASE:1.0"), []string{"my-app_1:1.0"}},
		"bad tag":                  {saved(t, "shop/web:../x"), []string{"my-app_1:latest"}},
		"control characters":       {saved(t, "shop/\x1b[31mweb:1\x07"), []string{"my-app_1:latest"}},
		"gzipped":                  {gzipOf(t, saved(t, "shop/web:1.0")), []string{"shop/web:1.0"}},
		"names with a leading dot": {tarOf(t, member{name: "./config.json", body: "{}"}, member{name: "./a/layer.tar", body: "x"},
			member{name: "./manifest.json", body: dockerManifestJSON(t, []string{"x:1"}, "a/layer.tar")}), []string{"x:1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			im, tag, err := Open("docker-archive:"+writeTo(t, "My-App_1.tar", tt.b), t.TempDir())
			if err != nil || tag != "" {
				t.Fatalf("tag %q, error %v", tag, err)
			}
			defer im.Close()
			if diff := cmp.Diff(tt.want, im.Tags()); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
		})
	}
}

func TestArchiveFaults(t *testing.T) {
	t.Parallel()
	whole := saved(t, "shop/web:1.0")
	config := member{name: "config.json", body: "{}"}
	manifest := func(body string) []byte { return tarOf(t, config, member{name: "manifest.json", body: body}) }
	missing := manifest(dockerManifestJSON(t, nil, "nowhere/layer.tar"))
	loop := tarOf(t, config, member{name: "a", link: "b"}, member{name: "b", link: "a"}, member{name: "manifest.json", body: dockerManifestJSON(t, nil, "a")})
	self := tarOf(t, config, member{name: "a", hard: "a"}, member{name: "manifest.json", body: dockerManifestJSON(t, nil, "a")})
	outside := tarOf(t, config, member{name: "a", link: "../../../../etc/passwd"}, member{name: "manifest.json", body: dockerManifestJSON(t, nil, "a")})
	tests := map[string]struct {
		b    []byte
		want string // within the error
		is   error
	}{
		"empty":                   {nil, "no manifest.json", plimsoll.ErrInvalid},
		"no tar":                  {bytes.Repeat([]byte("this is no tar. "), 100), "not a tar", nil},
		"one byte":                {[]byte{0x1f}, "not a tar", nil},
		"gzip of nothing":         {gzipOf(t, nil), "no manifest.json", plimsoll.ErrInvalid},
		"cut gzip":                {gzipOf(t, whole)[:200], "inflate", nil},
		"broken gzip head":        {[]byte{0x1f, 0x8b, 0xff, 0xff, 0, 0}, "gzip", nil},
		"cut within a file":       {whole[:1538], "unexpected EOF", nil},
		"no manifest.json":        {tarOf(t, config), "no manifest.json", plimsoll.ErrInvalid},
		"manifest.json is a text": {manifest("hello"), "manifest.json", plimsoll.ErrInvalid},
		"manifest.json is a map":  {manifest("{}"), "manifest.json", plimsoll.ErrInvalid},
		"no image":                {manifest("[]"), "names no image", plimsoll.ErrInvalid},
		"null":                    {manifest("null"), "names no image", plimsoll.ErrInvalid},
		"no configuration":        {manifest(`[{"Config":"gone.json","Layers":[]}]`), `"gone.json"`, plimsoll.ErrNotFound},
		"nameless configuration":  {manifest(`[{}]`), "in the archive", plimsoll.ErrNotFound},
		"a layer that is missing": {missing, `"nowhere/layer.tar"`, plimsoll.ErrNotFound},
		"links in a loop":         {loop, `"a"`, plimsoll.ErrNotFound},
		"a link to itself":        {self, `"a"`, plimsoll.ErrNotFound},
		"a link out of it":        {outside, "in the archive", plimsoll.ErrNotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := writeTo(t, "image.tar", tt.b)
			_, _, err := Open("docker-archive:"+file, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file) {
				t.Fatalf("error %v, want one with %q and the file's name", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v is not %v", err, tt.is)
			}
		})
	}
	if _, _, err := Open("docker-archive:"+filepath.Join(t.TempDir(), "none.tar"), t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestArchiveLinks: docker before version 25 shares a layer of two images by a symbolic link; others write hard links.
func TestArchiveLinks(t *testing.T) {
	t.Parallel()
	b := tarOf(t, member{name: "config.json", body: "{}"}, member{name: "a/layer.tar", body: "content"},
		member{name: "b/layer.tar", link: "../a/layer.tar"}, member{name: "c/layer.tar", hard: "a/layer.tar"}, member{name: "d/layer.tar", link: "../b/layer.tar"},
		member{name: "manifest.json", body: dockerManifestJSON(t, []string{"x:1"}, "a/layer.tar", "b/layer.tar", "c/layer.tar", "d/layer.tar")})
	im, _, err := Open("docker-archive:"+writeTo(t, "image.tar", b), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	want := plimsoll.DigestOf([]byte("content"))
	m := servedManifest(t, im, "x", "1")
	if len(m.Layers) != 4 {
		t.Fatalf("%d layers, want 4", len(m.Layers))
	}
	for i, l := range m.Layers {
		if l.Digest != string(want) || l.Size != int64(len("content")) || l.MediaType != dockerLayer {
			t.Errorf("layer %d: %+v, want %s", i, l, want)
		}
	}
	if got := get(im, http.MethodGet, "/v2/x/blobs/"+string(want)); got.Body.String() != "content" {
		t.Errorf("served %q", got.Body)
	}
}

// TestArchiveScratch: the inflated form of an archive leaves no name behind.
func TestArchiveScratch(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	im, _, err := Open("docker-archive:"+writeTo(t, "image.tar.gz", gzipOf(t, saved(t, "x:1"))), scratch)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) != 0 {
		t.Errorf("left in scratch: %v, %v", left, err)
	}
	if got := get(im, http.MethodGet, "/v2/x/blobs/"+string(plimsoll.DigestOf([]byte("second")))); got.Body.String() != "second" {
		t.Errorf("served %q, want the second layer", got.Body)
	}
	if err := im.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := Open("docker-archive:"+writeTo(t, "image.tar.gz", gzipOf(t, saved(t))), filepath.Join(scratch, "none")); err == nil {
		t.Error("no error without a scratch folder")
	}
}

func TestOpenKinds(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "zip:x", "registry.corp.example/shop", "OCI:x"} {
		if _, _, err := Open(target, t.TempDir()); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("Open(%q): %v, want an invalid target", target, err)
		}
	}
}

// FuzzArchive: whatever the bytes, opening ends; what it opens has valid names, and what it serves has the digest asked for.
func FuzzArchive(f *testing.F) {
	f.Add(saved(f, "shop/web:1.0"))
	f.Add(gzipOf(f, saved(f)))
	f.Add(tarOf(f, member{name: "config.json", body: "{}"}, member{name: "a", link: "b"}, member{name: "b", hard: "a"},
		member{name: "manifest.json", body: dockerManifestJSON(f, nil, "a")}))
	f.Add([]byte{0x1f, 0x8b})
	f.Add([]byte(nil))
	scratch := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		im, _, err := Open("docker-archive:"+writeTo(t, "image.tar", b), scratch)
		if err != nil {
			return
		}
		defer im.Close()
		checkServed(t, im)
	})
}

// checkServed holds what is true of all images that could be opened.
func checkServed(t *testing.T, im *Images) {
	t.Helper()
	if len(im.Tags()) == 0 {
		t.Error("opened without an image")
	}
	for repository, tags := range im.tags {
		if err := plimsoll.CheckRepository(repository); err != nil {
			t.Error(err)
		}
		for tag, digest := range tags {
			if err := plimsoll.CheckTag(tag); err != nil {
				t.Error(err)
			}
			got := get(im, http.MethodGet, "/v2/"+repository+"/manifests/"+tag)
			if got.Code == http.StatusOK && im.close != nil && plimsoll.DigestOf(got.Body.Bytes()) != digest {
				t.Errorf("%s:%s: served other bytes than %s", repository, tag, digest)
			}
		}
	}
}
