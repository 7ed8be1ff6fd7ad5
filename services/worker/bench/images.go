package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// makeImages gives the images to measure: the corpus's, then those made here. Each is made once and kept.
func makeImages(ctx context.Context, o options, say func(string, ...any)) ([]image, error) {
	all, err := corpusImages(o, say)
	if err != nil {
		return nil, err
	}
	for _, m := range madeImages {
		if !o.images.MatchString(m.name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		i, err := m.keep(o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		all = append(all, i)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no image matches %q", o.images)
	}
	return all, nil
}

// keep makes an image, or takes the one of an earlier run.
func (m made) keep(o options) (image, error) {
	dir := filepath.Join(o.work, fmt.Sprintf("%s.v%d", m.name, m.version))
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil { // written last
		return inspect(dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return image{}, err
	}
	layers, err := m.make(dir, o)
	if err != nil {
		return image{}, err
	}
	if err := writeImage(dir, m.name, layers); err != nil {
		return image{}, err
	}
	return inspect(dir)
}

// corpusImages takes the corpus's layout apart: peers read layouts of one image. An image without layers is left out, since
// a multiple of nothing says nothing.
func corpusImages(o options, say func(string, ...any)) ([]image, error) {
	if o.corpus == "" {
		say("skip: corpus images (give CORPUS, a folder with an OCI layout \"layout\")")
		return nil, nil
	}
	from := filepath.Join(o.corpus, "layout")
	var index v1.IndexManifest
	if err := readDocument(filepath.Join(from, "index.json"), &index); err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	var all []image
	for _, d := range index.Manifests {
		name := d.Annotations[refName]
		if name == "" || !o.images.MatchString(name) {
			continue
		}
		i, layers, err := takeOut(from, filepath.Join(o.work, "corpus", name), name, d)
		if err != nil {
			return nil, fmt.Errorf("corpus image %s: %w", name, err)
		}
		if layers == 0 {
			say("skip: %s has no layers", name)
			continue
		}
		all = append(all, i)
	}
	return all, nil
}

// takeOut makes a layout of one image of another layout.
func takeOut(from, to, name string, d v1.Descriptor) (image, int, error) {
	var m v1.Manifest
	if err := readDocument(blobPath(from, d.Digest), &m); err != nil {
		return image{}, 0, err
	}
	if len(m.Layers) == 0 {
		return image{}, 0, nil
	}
	if old, _, err := readImage(to); err == nil && old.Manifest != d.Digest {
		// The corpus was built again.
		if err := os.RemoveAll(to); err != nil {
			return image{}, 0, err
		}
		os.Remove(to + ".json")
	}
	for _, b := range append([]v1.Descriptor{d, m.Config}, m.Layers...) {
		if err := linkBlob(from, to, b.Digest); err != nil {
			return image{}, 0, err
		}
	}
	d.Annotations = nil
	if err := writeIndex(to, name, d); err != nil {
		return image{}, 0, err
	}
	i, err := inspect(to)
	return i, len(m.Layers), err
}

// warmUp is a small image that a worker reads before it is measured: a worker runs for months, and what it does once in its
// life is no part of an image.
var warmUp = made{"warm-up", 1, func(dir string, _ options) ([]storedLayer, error) {
	files := append(imagetest.DebianLike("12", imagetest.Package{Name: "libc6", Version: "2.36-9+deb12u9", Source: "glibc"}),
		imagetest.NodeApp("app", imagetest.Package{Name: "lodash", Version: "4.17.21"})...)
	l, err := addLayer(dir, func(w io.Writer) error { _, err := w.Write(imagetest.Layer(files...)); return err })
	return []storedLayer{l}, err
}}

const (
	fleetSize   = 50
	fleetFiles  = 60  // of the layer that each variant adds
	fleetLargeM = 256 // MB stored, beyond which an image is no base of the fleet: the fleet is about sharing, not size
)

// fleetImages are 50 images that share bases: those given and, until there are 50, variants with one layer more each.
func fleetImages(o options, bases []image) ([]image, error) {
	var all []image
	for _, b := range bases {
		if b.Facts.unique() <= fleetLargeM<<20 && len(all) < fleetSize {
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no image of at most %d MB to make a fleet of", fleetLargeM)
	}
	for n, shared := 0, len(all); len(all) < fleetSize; n++ {
		i, err := variantOf(o, all[n%shared], n)
		if err != nil {
			return nil, fmt.Errorf("variant %d of %s: %w", n, all[n%shared].Name, err)
		}
		all = append(all, i)
	}
	return all, nil
}

// fleetText is what the files of variants are cut from.
var fleetText = sync.OnceValue(func() []byte { return newContent("fleet").text })

// variantOf is an image with one small layer on top.
func variantOf(o options, base image, n int) (image, error) {
	name := fmt.Sprintf("variant-%02d", n)
	dir := filepath.Join(o.work, "fleet", fmt.Sprintf("%s-%s", name, base.Manifest.Hex[:12]))
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
		return inspect(dir)
	}
	layers, err := storedLayers(base.Dir)
	if err != nil {
		return image{}, err
	}
	for _, l := range layers {
		if err := linkBlob(base.Dir, dir, l.Digest); err != nil {
			return image{}, err
		}
	}
	pick := rand.New(rand.NewPCG(uint64(n), 0))
	var files []imagetest.File
	for f := range fleetFiles {
		at := pick.IntN(textBytes / 2)
		files = append(files, imagetest.Text(fmt.Sprintf("srv/%s/%03d.txt", name, f), string(fleetText()[at:at+pick.IntN(16<<10)])))
	}
	top, err := addLayer(dir, func(w io.Writer) error { _, err := w.Write(imagetest.Layer(files...)); return err })
	if err != nil {
		return image{}, err
	}
	if err := writeImage(dir, name, append(layers, top)); err != nil {
		return image{}, err
	}
	return inspect(dir)
}
