package local

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSameName: references that differ only in what is cut off must not hide one image behind another.
func TestSameName(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "shop")
	names := []string{"corp/web:1.0", "corp/api:1.0", "other:2.0"}
	f.index(names, f.image("web"), f.image("api"), f.image("other"))
	for suffix, want := range map[string][]string{
		"": {"shop:1.0", "shop:1.0-2", "shop:2.0"}, ":1.0": {"shop:1.0", "shop:1.0-2"}, ":2.0": {"shop:2.0"},
	} {
		im, tag, err := Open("oci:"+f.dir+suffix, "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, im.Tags()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", suffix, diff)
		}
		if suffix == ":1.0" && tag != "" {
			t.Errorf("tag %q would leave out the second image of the name", tag)
		}
	}
	members := []member{{name: "config.json", body: "{}"}, {name: "a", body: "a"}, {name: "b", body: "b"}, {name: "manifest.json", body: `[
		{"Config":"config.json","RepoTags":["one.example/x:1"],"Layers":["a"]}, {"Config":"config.json","RepoTags":["two.example/x:1","x:1"],"Layers":["b"]}]`}}
	im, _, err := Open("docker-archive:"+writeTo(t, "image.tar", tarOf(t, members...)), "")
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if diff := cmp.Diff([]string{"x:1", "x:1-2"}, im.Tags()); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
	if _, _, err := Open("docker-archive:"+writeTo(t, "image.tar", []byte(strings.Repeat("no tar", 200))), ""); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("want one line: %v", err)
	}
}
