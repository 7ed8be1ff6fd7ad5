package main

import (
	"flag"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// kept is where TestWorkerImage leaves its layout: the end-to-end tests scan it.
var kept = flag.String("layout", "", "folder for the layout that TestWorkerImage writes")

// TestWorkerImage builds the worker's image twice: the digests are equal, and the image is one that a cluster runs without
// root. It is run by the end-to-end tests (TestOwnImages), since it builds a binary.
func TestWorkerImage(t *testing.T) {
	if *kept == "" {
		t.Skip("slow: builds the worker twice; run with -layout DIR, as TestOwnImages in e2e does")
	}
	i := 0
	for built[i].module != "worker" {
		i++
	}
	worker := built[i]
	var digests []v1.Hash
	for _, out := range []string{filepath.Join(t.TempDir(), "first"), *kept} {
		d, err := write("../../..", worker.module, worker.pkg, worker.entrypoint, out, "1.0.0-test", []string{"linux/amd64"})
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d)
	}
	if digests[0] != digests[1] {
		t.Errorf("built twice: %s and %s", digests[0], digests[1])
	}
}
