package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
)

// folder is a layout being written.
type folder struct {
	t   testing.TB
	dir string
}

func newFolder(t testing.TB, name string) folder {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	return folder{t, dir}
}

func (f folder) blob(b string) descriptor {
	f.t.Helper()
	d := plimsoll.DigestOf([]byte(b))
	if err := os.WriteFile(filepath.Join(f.dir, "blobs", "sha256", d.Hex()), []byte(b), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return descriptor{Digest: string(d), Size: int64(len(b))}
}

func (f folder) document(d document) descriptor {
	f.t.Helper()
	raw, err := json.Marshal(d)
	if err != nil {
		f.t.Fatal(err)
	}
	made := f.blob(string(raw))
	made.MediaType = d.MediaType
	return made
}

// image writes a manifest with one layer of these bytes.
func (f folder) image(layer string) descriptor {
	f.t.Helper()
	return f.document(document{MediaType: ociManifest, Config: f.blob("{}"), Layers: []descriptor{f.blob(layer)}})
}

// index writes index.json; names are the images' annotations, "" for none.
func (f folder) index(names []string, images ...descriptor) {
	f.t.Helper()
	for i, n := range names {
		if n != "" {
			images[i].Annotations = map[string]string{annotationName: n}
		}
	}
	raw, err := json.Marshal(document{MediaType: ociIndex, Manifests: images})
	if err != nil {
		f.t.Fatal(err)
	}
	f.indexBytes(raw)
}

func (f folder) indexBytes(raw []byte) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, "index.json"), raw, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func TestLayoutTags(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		folder string
		names  []string // of the images of the layout
		suffix string   // after the folder
		tag    string
		want   []string
	}{
		"all":                          {"shop", []string{"1.0", "2.0"}, "", "", []string{"shop:1.0", "shop:2.0"}},
		"one":                          {"shop", []string{"1.0", "2.0"}, ":2.0", "2.0", []string{"shop:2.0"}},
		"no name":                      {"shop", []string{"", "2.0"}, "", "", []string{"shop:2.0", "shop:image-0"}},
		"a whole reference":            {"shop", []string{"registry.corp.example:5000/shop/web:1.0"}, ":1.0", "1.0", []string{"shop:1.0"}},
		"a reference without a tag":    {"shop", []string{"shop/web"}, "", "", []string{"shop:image-0"}},
		"a name that is no tag":        {"shop", []string{"two words", "\x1b[31m"}, "", "", []string{"shop:image-0", "shop:image-1"}},
		"a folder with a colon":        {"my:layout", []string{"1.0"}, "", "", []string{"mylayout:1.0"}},
		"a folder with a colon, a tag": {"my:layout", []string{"1.0", "2.0"}, ":1.0", "1.0", []string{"mylayout:1.0"}},
		"a folder of odd characters":   {"Ünder & Über", []string{"1.0"}, "", "", []string{"nderber:1.0"}},
		"a folder without a letter":    {"___", []string{"1.0"}, "", "", []string{"image:1.0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t, tt.folder)
			var images []descriptor
			for i := range tt.names {
				images = append(images, f.image(fmt.Sprint("layer ", i)))
			}
			f.index(tt.names, images...)
			im, tag, err := Open("oci:"+f.dir+tt.suffix, "")
			if err != nil || tag != tt.tag {
				t.Fatalf("tag %q, want %q, error %v", tag, tt.tag, err)
			}
			if diff := cmp.Diff(tt.want, im.Tags()); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
			if err := im.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLayoutFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		index  string
		suffix string
		want   string
		is     error
	}{
		"no such tag":      {`{"manifests":[{"digest":"sha256:` + strings.Repeat("a", 64) + `","annotations":{"` + annotationName + `":"1.0"}}]}`, ":3", `no image named "3"; it holds: 1.0`, plimsoll.ErrNotFound},
		"no image":         {`{"manifests":[]}`, "", "no image", plimsoll.ErrNotFound},
		"text":             {"hello", "", "not a JSON document", plimsoll.ErrInvalid},
		"empty":            {"", "", "not a JSON document", plimsoll.ErrInvalid},
		"another document": {`{"manifests":"none"}`, "", "not a JSON document", plimsoll.ErrInvalid},
		"no digest":        {`{"manifests":[{}]}`, "", "index.json", plimsoll.ErrInvalid},
		"a path":           {`{"manifests":[{"digest":"sha256:../../../../etc/passwd"}]}`, "", "index.json", plimsoll.ErrInvalid},
		"another hash":     {`{"manifests":[{"digest":"md5:d41d8cd98f00b204e9800998ecf8427e"}]}`, "", "index.json", plimsoll.ErrInvalid},
		"too large":        {`{"manifests":[` + strings.Repeat(" ", maxDocument) + `]}`, "", "not a JSON document", plimsoll.ErrInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t, "layout")
			f.indexBytes([]byte(tt.index))
			_, _, err := Open("oci:"+f.dir+tt.suffix, "")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, tt.is) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %v on one line with %q", err, tt.is, tt.want)
			}
		})
	}
	dir := t.TempDir()
	for _, target := range []string{"oci:" + dir, "oci:" + filepath.Join(dir, "none"), "oci:" + dir + ":1.0", "oci:"} {
		if _, _, err := Open(target, ""); !errors.Is(err, plimsoll.ErrNotFound) || !strings.Contains(err.Error(), "no index.json") {
			t.Errorf("Open(%q): %v", target, err)
		}
	}
}

// TestLayoutDepth: an index of indexes is followed to all its images, and one that names itself ends.
func TestLayoutDepth(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "layout")
	amd, arm := f.image("amd64"), f.image("arm64")
	inner := f.document(document{MediaType: ociIndex, Manifests: []descriptor{amd, arm}})
	outer := f.document(document{MediaType: ociIndex, Manifests: []descriptor{inner}})
	ring := descriptor{MediaType: ociIndex, Digest: "sha256:" + strings.Repeat("a", 64)} // no honest digest: no document can hold its own
	raw, err := json.Marshal(document{MediaType: ociIndex, Manifests: []descriptor{ring, ring}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "blobs", "sha256", strings.Repeat("a", 64)), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	f.index([]string{"1.0", "ring"}, outer, ring)
	im, _, err := Open("oci:"+f.dir, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []descriptor{outer, inner, amd, arm, ring} {
		got := get(im, http.MethodGet, "/v2/layout/manifests/"+d.Digest)
		if got.Code != http.StatusOK || got.Header().Get("Content-Type") != d.MediaType {
			t.Errorf("%s: %d %s, want %s", d.Digest, got.Code, got.Header().Get("Content-Type"), d.MediaType)
		}
	}
	if got := get(im, http.MethodGet, "/v2/layout/blobs/"+string(plimsoll.DigestOf([]byte("arm64")))); got.Body.String() != "arm64" {
		t.Errorf("a layer of the inner index's image: %d %q", got.Code, got.Body)
	}
}

// TestLayoutMissing: a blob that the layout lacks is an error of the request, not of the whole layout: the image that needs
// it is the one that is not complete.
func TestLayoutMissing(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "layout")
	whole, broken := f.image("whole"), f.image("lost")
	lost := plimsoll.DigestOf([]byte("lost"))
	if err := os.Remove(filepath.Join(f.dir, "blobs", "sha256", lost.Hex())); err != nil {
		t.Fatal(err)
	}
	gone := descriptor{MediaType: ociManifest, Digest: string(plimsoll.DigestOf([]byte("a manifest that is nowhere")))}
	f.index([]string{"whole", "broken", "gone"}, whole, broken, gone)
	im, _, err := Open("oci:"+f.dir, "")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"manifests/whole": http.StatusOK, "manifests/broken": http.StatusOK, "blobs/" + string(lost): http.StatusNotFound,
		"manifests/gone": http.StatusNotFound, "blobs/" + string(plimsoll.DigestOf([]byte("never named"))): http.StatusNotFound,
	} {
		if got := get(im, http.MethodGet, "/v2/layout/"+path); got.Code != want {
			t.Errorf("%s: %d, want %d", path, got.Code, want)
		}
	}
}

// FuzzLayoutIndex: whatever index.json holds, opening ends and what it opens has valid names; no path leaves the folder.
func FuzzLayoutIndex(f *testing.F) {
	made := newFolder(f, "layout")
	image := made.image("layer")
	ring := made.document(document{MediaType: ociIndex, Manifests: []descriptor{image, image}})
	for _, d := range []descriptor{image, ring} {
		raw, err := json.Marshal(document{MediaType: ociIndex, Manifests: []descriptor{d, d}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"manifests":[{"digest":"sha256:../../x","annotations":{"` + annotationName + `":"a:b:c"}}]}`))
	f.Add([]byte(`{"manifests":[null,{}]}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		made := folder{t, t.TempDir()}
		made.indexBytes(raw)
		im, _, err := Open("oci:"+made.dir, "")
		if err != nil {
			return
		}
		checkServed(t, im)
		for d := range im.blobs {
			if _, err := plimsoll.ParseDigest(string(d)); err != nil {
				t.Error(err)
			}
		}
	})
}
