package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
)

// digests are the samples' by reference; program is the content of the binary.
func digests(t *testing.T, program string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plimsoll")
	if err := os.WriteFile(file, []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	samples, err := Samples(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, s := range samples {
		raw, err := s.what.RawManifest()
		if err != nil {
			t.Fatalf("%s:%s: %v", s.Repository, s.Tag, err)
		}
		sum := sha256.Sum256(raw)
		ref := s.Repository + ":" + s.Tag
		if all[ref] != "" || s.Shows == "" {
			t.Errorf("%s is there twice, or does not say what it shows (%q)", ref, s.Shows)
		}
		all[ref] = hex.EncodeToString(sum[:])
	}
	return all
}

// TestSamplesSame: a sample registry has the same digests at each start; only the image of the program follows the program.
func TestSamplesSame(t *testing.T) {
	t.Parallel()
	first, second, other := digests(t, "one"), digests(t, "one"), digests(t, "another")
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("made twice (-first +second):\n%s", diff)
	}
	const own = "tools/plimsoll:latest"
	if first[own] == other[own] {
		t.Errorf("%s does not hold the program", own)
	}
	delete(first, own)
	delete(other, own)
	if diff := cmp.Diff(first, other); diff != "" {
		t.Errorf("with another program (-one +other):\n%s", diff)
	}
	if len(first) < 9 {
		t.Errorf("%d samples beside the program's, want at least 9", len(first))
	}
}

func TestSamplesNoBinary(t *testing.T) {
	t.Parallel()
	if _, err := Samples(filepath.Join(t.TempDir(), "gone")); err == nil || !strings.Contains(err.Error(), "sample image of this program") {
		t.Errorf("error %v, want one that says which image", err)
	}
}

// TestPush: a registry takes every sample: images, the index with its children, the chart.
func TestPush(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(registry.New())
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "plimsoll")
	if err := os.WriteFile(file, []byte("program"), 0o700); err != nil {
		t.Fatal(err)
	}
	samples, err := Samples(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if err := Push(t.Context(), strings.TrimPrefix(srv.URL, "http://"), s); err != nil {
			t.Errorf("%s:%s: %v", s.Repository, s.Tag, err)
		}
	}
}
