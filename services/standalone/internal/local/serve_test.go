package local

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

func get(im *Images, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	im.ServeHTTP(w, r)
	return w
}

func servedManifest(t *testing.T, im *Images, repository, ref string) document {
	t.Helper()
	got := get(im, http.MethodGet, "/v2/"+repository+"/manifests/"+ref)
	var m document
	if err := json.Unmarshal(got.Body.Bytes(), &m); err != nil || got.Code != http.StatusOK {
		t.Fatalf("manifest %s:%s: %d %v", repository, ref, got.Code, err)
	}
	return m
}

// TestServe asks what a registry's client asks, of an archive and of a layout with the same layer.
func TestServe(t *testing.T) {
	t.Parallel()
	archive, _, err := Open("docker-archive:"+writeTo(t, "image.tar", saved(t, "shop/web:1.0", "shop/web:1.1")), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { archive.Close() })
	f := newFolder(t, "web")
	f.index([]string{"1.0", "1.1"}, f.image("second"), f.image("first"))
	oci, _, err := Open("oci:"+f.dir, "")
	if err != nil {
		t.Fatal(err)
	}
	for repository, im := range map[string]*Images{"shop/web": archive, "web": oci} {
		t.Run(repository, func(t *testing.T) {
			t.Parallel()
			testLists(t, im, repository)
			testManifest(t, im, repository)
			testBlob(t, im, repository)
			testRefusals(t, im, repository)
		})
	}
}

func testLists(t *testing.T, im *Images, repository string) {
	t.Helper()
	for path, want := range map[string]any{
		"/v2/_catalog":                     map[string]any{"repositories": []any{repository}},
		"/v2/" + repository + "/tags/list": map[string]any{"name": repository, "tags": []any{"1.0", "1.1"}},
	} {
		var got any
		if err := json.Unmarshal(get(im, http.MethodGet, path).Body.Bytes(), &got); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if got := get(im, http.MethodGet, "/v2/"); got.Code != http.StatusOK {
		t.Errorf("/v2/: %d", got.Code)
	}
}

func testManifest(t *testing.T, im *Images, repository string) {
	t.Helper()
	byTag := get(im, http.MethodGet, "/v2/"+repository+"/manifests/1.0")
	digest := byTag.Header().Get("Docker-Content-Digest")
	if byTag.Code != http.StatusOK || string(plimsoll.DigestOf(byTag.Body.Bytes())) != digest {
		t.Errorf("by tag: %d, digest %s of other bytes", byTag.Code, digest)
	}
	m := servedManifest(t, im, repository, "1.0")
	if got := byTag.Header().Get("Content-Type"); got != m.MediaType {
		t.Errorf("content type %q, the manifest says %q", got, m.MediaType)
	}
	byDigest := get(im, http.MethodGet, "/v2/"+repository+"/manifests/"+digest)
	if diff := cmp.Diff(byTag.Body.String(), byDigest.Body.String()); diff != "" {
		t.Errorf("by digest (-tag +digest):\n%s", diff)
	}
	head := get(im, http.MethodHead, "/v2/"+repository+"/manifests/1.0")
	if head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Docker-Content-Digest") != digest {
		t.Errorf("HEAD: %d, %d bytes, %v", head.Code, head.Body.Len(), head.Header())
	}
}

func testBlob(t *testing.T, im *Images, repository string) {
	t.Helper()
	path := "/v2/" + repository + "/blobs/" + string(plimsoll.DigestOf([]byte("second")))
	for _, c := range []struct {
		asked, want string
		code        int
	}{
		{"", "second", http.StatusOK},
		{"bytes=0-2", "sec", http.StatusPartialContent},
		{"bytes=3-", "ond", http.StatusPartialContent},
		{"bytes=-1", "d", http.StatusPartialContent},
		{"bytes=6-", "invalid range: failed to overlap\n", http.StatusRequestedRangeNotSatisfiable},
	} {
		var header []string
		if c.asked != "" {
			header = []string{"Range", c.asked}
		}
		if got := get(im, http.MethodGet, path, header...); got.Code != c.code || got.Body.String() != c.want {
			t.Errorf("Range %q: %d %q, want %d %q", c.asked, got.Code, got.Body, c.code, c.want)
		}
	}
}

func testRefusals(t *testing.T, im *Images, repository string) {
	t.Helper()
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/v1/_catalog", http.StatusNotFound},
		{http.MethodGet, "/v2/" + repository, http.StatusNotFound},
		{http.MethodGet, "/v2/" + repository + "/manifests/9", http.StatusNotFound},
		{http.MethodGet, "/v2/" + repository + "/manifests/", http.StatusNotFound},
		{http.MethodGet, "/v2/other/manifests/1.0", http.StatusNotFound},
		{http.MethodGet, "/v2/" + repository + "/blobs/sha256:" + strings.Repeat("0", 64), http.StatusNotFound},
		{http.MethodGet, "/v2/" + repository + "/blobs/../../../etc/passwd", http.StatusNotFound},
		{http.MethodPost, "/v2/" + repository + "/blobs/uploads/", http.StatusMethodNotAllowed},
		{http.MethodPut, "/v2/" + repository + "/manifests/1.0", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/v2/" + repository + "/manifests/1.0", http.StatusMethodNotAllowed},
	} {
		if got := get(im, c.method, c.path); got.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got.Code, c.want)
		}
	}
}

func TestRepositoryName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"shop": "shop", "Shop-Web_1.0": "shop-web_1.0", "..": "image", "": "image", "a b": "ab", "-x-": "x", "日本": "image",
		"a__b": "a__b", "a..b": "image", strings.Repeat("x", 300): "image",
	} {
		if got := repositoryName(in); got != want {
			t.Errorf("repositoryName(%q) = %q, want %q", in, got, want)
		}
	}
}
