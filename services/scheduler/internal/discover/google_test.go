package discover

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// newFakeGoogle is an Artifact Registry with names below my-project/images: "app", "app/debug", "base" (a folder), "base/os0" …
func newFakeGoogle(t *testing.T) *fake {
	tree := map[string][]string{"my-project/images": {"app", "base", "zoo"}, "my-project/images/app": {"debug"}, "my-project/images/app/debug": nil,
		"my-project/images/base": numberedNames("os", 30), "my-project/images/zoo": nil}
	for _, n := range numberedNames("my-project/images/base/os", 30) {
		tree[n] = nil
	}
	return serve(t, func(_ *fake, w http.ResponseWriter, r *http.Request) {
		name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list")
		children, ok := tree[name]
		if r.URL.Path == "/v2/" {
			return
		}
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		out := map[string]any{"name": name, "child": children, "tags": []string{}, "manifest": map[string]any{}}
		if strings.HasSuffix(name, "/app") {
			out["tags"] = []string{"1.0", "latest", "odd", "untold"}
			out["manifest"] = map[string]any{
				string(digest("one")): map[string]any{"imageSizeBytes": "123", "mediaType": "application/vnd.oci.image.manifest.v1+json", "timeCreatedMs": "0",
					"timeUploadedMs": fmt.Sprint(pushed.UnixMilli()), "tag": []string{"1.0", "latest", "odd"}},
				string(digest("two")):  map[string]any{"timeUploadedMs": "never", "tag": []string{"odd"}},
				string(digest("none")): map[string]any{"tag": []string{}},
			}
		}
		reply(w, out)
	})
}

func googleConf() plimsoll.Registry {
	return plimsoll.Registry{Kind: plimsoll.KindGoogle, Namespaces: []string{"my-project/images"}}
}

// TestGoogle walks the tree with every size of page, each page by another process, and reads digests in bulk.
func TestGoogle(t *testing.T) {
	t.Parallel()
	want := append(numberedNames("my-project/images/base/os", 30), "my-project/images", "my-project/images/app", "my-project/images/app/debug", "my-project/images/base", "my-project/images/zoo")
	for _, n := range []int{1, 2, 7, 34, 35, 100} {
		f := newFakeGoogle(t)
		names, missed := all(t, func() *Source { return f.source(googleConf()) }, n)
		equal(t, fmt.Sprintf("repositories by %d", n), names, want)
		if len(missed) != 0 {
			t.Errorf("missed %v", missed)
		}
	}
	f := newFakeGoogle(t)
	tags, err := allTags(t.Context(), f.source(googleConf()), "my-project/images/app")
	if err != nil || len(tags) != 4 {
		t.Fatalf("%+v, %v", tags, err)
	}
	if tags[0] != (Tag{"1.0", digest("one"), pushed}) || tags[2].Digest != "" || tags[3] != (Tag{Name: "untold"}) {
		t.Errorf("tags %+v: want the digest of 1.0, and none of odd and untold", tags)
	}
	if len(f.requests("/manifests/")) != 0 {
		t.Error("a manifest was asked for")
	}
}

// TestGoogleDenied is F19 for a part of the tree.
func TestGoogleDenied(t *testing.T) {
	t.Parallel()
	f := newFakeGoogle(t)
	f.deny("/v2/my-project/images/base/tags", http.StatusForbidden)
	names, missed := all(t, func() *Source { return f.source(googleConf()) }, 2)
	equal(t, "repositories", names, []string{"my-project/images", "my-project/images/app", "my-project/images/app/debug", "my-project/images/zoo"})
	if !slices.ContainsFunc(missed, func(m Missed) bool {
		return m.Name == "my-project/images/base" && errors.Is(m.Err, plimsoll.ErrDenied)
	}) {
		t.Errorf("missed %+v", missed)
	}
}
