package secrets

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCorpus searches every text file of the corpus' layers. The leak's layer must show what it hides; the rest is printed
// by rule and path, to be judged by eye.
func TestCorpus(t *testing.T) {
	folder := os.Getenv("PLIMSOLL_CORPUS")
	if folder == "" {
		t.Skip("PLIMSOLL_CORPUS is not set")
	}
	layout := filepath.Join(folder, "layout")
	finder, seen := newFinder(t), map[string][]string{}
	for image, layers := range corpusLayers(t, layout) {
		var all []string
		for _, layer := range layers {
			if _, done := seen[layer]; !done {
				seen[layer] = searchLayer(t, finder, blob(layout, layer))
				for _, line := range seen[layer] {
					t.Log(layer[7:15], line)
				}
			}
			all = append(all, seen[layer]...)
		}
		if image != "team-leak_1.0" {
			continue
		}
		for _, want := range []string{"awsaccesskey root/.aws/credentials:3 ", "privatekey app/tls.key:1 "} {
			if !slices.ContainsFunc(all, func(l string) bool { return strings.HasPrefix(l, want) }) {
				t.Errorf("%s: no hit %q", image, want)
			}
		}
	}
}

func blob(layout, digest string) string {
	return filepath.Join(layout, "blobs", strings.Replace(digest, ":", "/", 1))
}

// corpusLayers are the layer digests of each image of an OCI layout.
func corpusLayers(t *testing.T, layout string) map[string][]string {
	t.Helper()
	type descriptor struct {
		Digest      string            `json:"digest"`
		Annotations map[string]string `json:"annotations"`
	}
	var index struct{ Manifests, Layers []descriptor }
	decode(t, filepath.Join(layout, "index.json"), &index)
	all := map[string][]string{}
	for _, m := range index.Manifests {
		var manifest struct{ Layers []descriptor }
		decode(t, blob(layout, m.Digest), &manifest)
		for _, l := range manifest.Layers {
			name := m.Annotations["org.opencontainers.image.ref.name"]
			all[name] = append(all[name], l.Digest)
		}
	}
	return all
}

func decode(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// searchLayer returns a line a hit: rule, path, line, last characters.
func searchLayer(t *testing.T, f *Finder, path string) (lines []string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	entries, stream := tar.NewReader(plain), NewStream(f)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		hits, reason := searchFile(t, stream, entries)
		for _, hit := range hits {
			lines = append(lines, fmt.Sprintf("%s %s:%d %s", hit.Rule, h.Name, hit.Line, hit.Last4))
		}
		if reason != "" {
			t.Errorf("%s: %s", h.Name, reason)
		}
	}
}

func searchFile(t *testing.T, s *Stream, r io.Reader) ([]Hit, string) {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !IsText(b) {
		return nil, ""
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	hits, reason, err := s.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return hits, reason
}
