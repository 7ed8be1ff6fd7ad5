package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// small is an image of two layers, one of them twice.
func small(t *testing.T, work string) image {
	t.Helper()
	m := made{"small", 1, func(dir string, _ options) ([]storedLayer, error) {
		a, err := addLayer(dir, tarOf(imagetest.Text("app/a.jar", "not really")))
		if err != nil {
			return nil, err
		}
		b, err := addLayer(dir, tarOf(imagetest.Text("var/lib/dpkg/status", strings.Repeat("x", 5000)), imagetest.Text("f", "y")))
		return []storedLayer{a, b, a}, err
	}}
	i, err := m.keep(options{work: work})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func tarOf(files ...imagetest.File) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(imagetest.Layer(files...))
		return err
	}
}

func TestImagesAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	a, b := small(t, t.TempDir()), small(t, t.TempDir())
	if a.Manifest != b.Manifest {
		t.Errorf("two makings differ: %s and %s", a.Manifest, b.Manifest)
	}
	if diff := cmp.Diff(a.Facts, b.Facts); diff != "" {
		t.Errorf("facts differ:\n%s", diff)
	}
	if got := a.Facts; got.Handed != 5000 || !got.Jars || len(got.Layers) != 2 || got.Raw < 5010 {
		t.Errorf("facts %+v; want 5000 bytes handed, a jar, two layers", got)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		c := newContent("seed")
		if err := errors.Join(c.writeNoise(out, 100_000), c.writeText(out, 100_001)); err != nil {
			t.Fatal(err)
		}
		out.Write(c.class())
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) || first.Len() < 200_001 {
		t.Errorf("content of one seed differs: %d and %d bytes", first.Len(), second.Len())
	}
}

// A kept image is taken again, with the facts found the first time.
func TestImagesAreKept(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	first := small(t, work)
	for digest := range first.Facts.Layers {
		hex := strings.TrimPrefix(digest, "sha256:")
		if err := os.Remove(filepath.Join(first.Dir, "blobs", "sha256", hex)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(first, small(t, work)); diff != "" {
		t.Errorf("the second time it is another (-first +second):\n%s", diff)
	}
}

func TestCorpusIsTakenApart(t *testing.T) {
	t.Parallel()
	work, corpus := t.TempDir(), t.TempDir()
	i := small(t, corpus)
	if err := os.Rename(i.Dir, filepath.Join(corpus, "layout")); err != nil {
		t.Fatal(err)
	}
	o := options{work: work, corpus: corpus, images: regexp.MustCompile("")}
	for range 2 { // again: over what is there
		all, err := corpusImages(o, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 1 || all[0].Name != "small" || all[0].Manifest != i.Manifest || all[0].Facts.Handed != 5000 {
			t.Errorf("images %+v, want the one of the layout", all)
		}
	}
	o.images = regexp.MustCompile("other")
	if all, err := corpusImages(o, t.Logf); err != nil || len(all) != 0 {
		t.Errorf("images %v, %v; want none that match", all, err)
	}
}

func TestFleetSharesBases(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	base := small(t, work)
	all, err := fleetImages(options{work: work}, []image{base})
	if err != nil {
		t.Fatal(err)
	}
	shared, own := 0, map[string]bool{}
	for _, i := range all {
		for digest := range i.Facts.Layers {
			if _, ok := base.Facts.Layers[digest]; ok {
				shared++
			} else {
				own[digest] = true
			}
		}
	}
	if len(all) != fleetSize || shared != 2*fleetSize || len(own) != fleetSize-1 {
		t.Errorf("%d images, %d uses of the base's layers, %d layers of their own; want 50, 100, 49", len(all), shared, len(own))
	}
	layers, err := storedLayers(all[1].Dir)
	if err != nil || len(layers) != 4 {
		t.Errorf("a variant has %d layers, %v; want the base's three and one", len(layers), err)
	}
}

func TestRegistryServesAndCounts(t *testing.T) {
	t.Parallel()
	r, err := startRegistry()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	i := small(t, t.TempDir())
	r.add(i)
	var layer string
	for layer = range i.Facts.Layers {
		break
	}
	at := r.url + "/v2/" + repositoryOf(i)
	tests := []struct {
		method, path, span string
		status             int
		layerBytes         int64
	}{
		{"GET", "/manifests/1", "", 200, 0},
		{"HEAD", "/manifests/" + i.Manifest.String(), "", 200, 0},
		{"GET", "/blobs/" + layer, "", 200, i.Facts.Layers[layer]},
		{"GET", "/blobs/" + layer, "bytes=10-", 206, i.Facts.Layers[layer] - 10},
		{"HEAD", "/blobs/" + layer, "", 200, 0},
		{"GET", "/blobs/sha256:" + strings.Repeat("0", 64), "", 404, 0},
		{"GET", "/blobs/../../../../etc/passwd", "", 404, 0},
		{"GET", "/tags/list", "", 404, 0},
		{"PUT", "/manifests/1", "", 405, 0},
	}
	for _, tt := range tests {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, at+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.span != "" {
			req.Header.Set("Range", tt.span)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := r.layerBytes(); resp.StatusCode != tt.status || got != tt.layerBytes {
			t.Errorf("%s %s: status %d and %d layer bytes, want %d and %d", tt.method, tt.path, resp.StatusCode, got, tt.status, tt.layerBytes)
		}
	}
}

func TestArchiveHoldsTheImage(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	file, err := archiveOf(small(t, work), work)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	members := map[string][]byte{}
	for in := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if members[h.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
	var list []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(members["manifest.json"], &list); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(list[0].Layers, list[0].Config) {
		if len(members[name]) == 0 {
			t.Errorf("the archive lacks %s", name)
		}
	}
	if len(list[0].Layers) != 3 || len(members) != 4 {
		t.Errorf("%d layers and %d members, want 3 and 4: the same layer is there once", len(list[0].Layers), len(members))
	}
}

func TestEachStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	if err := each(t.Context(), 10, 3, func(context.Context, int) error { calls.Add(1); return nil }); err != nil || calls.Load() != 10 {
		t.Errorf("%d calls, %v; want 10", calls.Load(), err)
	}
	broken := errors.New("broken")
	calls.Store(0)
	err := each(t.Context(), 1000, 1, func(context.Context, int) error { calls.Add(1); return fmt.Errorf("layer: %w", broken) })
	if !errors.Is(err, broken) || calls.Load() > 2 {
		t.Errorf("%d calls, %v; want the error of the first", calls.Load(), err)
	}
}

// The whole benchmark, on its smallest image: it must not rot between two measurements.
func TestBenchmarkRuns(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the worker: left out by -short")
	}
	work := t.TempDir()
	o, err := parse([]string{"-module", "..", "-work", work, "-rounds", "1", "-fleet-rounds", "0", "-images", "layers-74", "-variants", "default",
		"-markdown", filepath.Join(work, "out.md")}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"skip: the floor", "skip: trivy", "Processor time", "layers-74", "1.000"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &out)
		}
	}
	left, err := filepath.Glob(filepath.Join(work, "run-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("the run left %v behind", left)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{{"-images", "("}, {"-variants", "all"}, {"-nonsense"}, {"argument"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("parse(%q) took that", bad)
		}
	}
	o, err := parse(nil, io.Discard)
	if err != nil || len(o.variants) != 3 || o.slots != 1 {
		t.Errorf("parse() = %+v, %v; want three variants and one slot", o, err)
	}
}
