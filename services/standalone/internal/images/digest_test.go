package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const component = `# a comment that stays
kind: Component
images:
  - name: plimsoll
    newName: registry.example/plimsoll/plimsoll # and this one
    digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
  - name: plimsoll-worker
    newName: registry.example/plimsoll/worker
    digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
  - name: tagged
    newTag: "1"
  - name: last
    digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
`

const zeros = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestSetDigest(t *testing.T) {
	t.Parallel()
	digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("ab", 32)}
	tests := map[string]struct {
		image  string
		places []int // which of the file's digests change
	}{
		"the first, whose name begins another": {"plimsoll", []int{0}},
		"the second":                           {"plimsoll-worker", []int{1}},
		"the last":                             {"last", []int{2}},
		"one without a digest":                 {"tagged", nil},
		"one that is not there":                {"worker", nil},
		"a pattern is a name":                  {"plims.ll", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "kustomization.yaml")
			if err := os.WriteFile(file, []byte(component), 0o600); err != nil {
				t.Fatal(err)
			}
			err := setDigest(file, tt.image, digest)
			if (err != nil) != (tt.places == nil) || err != nil && !strings.Contains(err.Error(), tt.image) {
				t.Fatalf("error %v", err)
			}
			parts := strings.Split(component, zeros)
			want := parts[0]
			for i, part := range parts[1:] {
				set := zeros
				if len(tt.places) == 1 && tt.places[0] == i {
					set = digest.String()
				}
				want += set + part
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != want {
				t.Errorf("error %v, file:\n%s\nwant:\n%s", err, got, want)
			}
		})
	}
	if err := setDigest(filepath.Join(t.TempDir(), "gone"), "plimsoll", digest); err == nil {
		t.Error("no error for a file that is not there")
	}
}

// TestSetDigestDeployed: the component that deploy/k8s uses has a place for each image that is built.
func TestSetDigestDeployed(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../../deploy/k8s/images/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kustomization.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, image := range built {
		if err := setDigest(file, image.name, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("cd", 32)}); err != nil {
			t.Error(err)
		}
	}
}
