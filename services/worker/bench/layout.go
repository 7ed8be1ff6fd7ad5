package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// refName is the annotation that names an image of a layout (OCI image specification, annotations).
const refName = "org.opencontainers.image.ref.name"

// image is one image to measure: an OCI layout that holds it alone, under its own name.
type image struct {
	Name     string
	Dir      string
	Manifest v1.Hash
	Facts    facts
}

// facts are what is known of an image beforehand.
type facts struct {
	Raw    int64            `json:"raw"`    // bytes of all layers, inflated
	Layers map[string]int64 `json:"layers"` // size as stored, by digest: each layer once
	Handed int64            `json:"handed"` // of the largest file that an extractor takes whole, cut at maxHanded
	Jars   bool             `json:"jars"`   // it holds Java archives
}

// maxHanded is the most that is buffered of one file, in bytes: beyond it a file is not handed over.
const maxHanded = 64 << 20

// unique is what a perfect reader reads of an image.
func (f facts) unique() (sum int64) {
	for _, size := range f.Layers {
		sum += size
	}
	return sum
}

func blobPath(dir string, h v1.Hash) string {
	return filepath.Join(dir, "blobs", h.Algorithm, h.Hex)
}

// layerWriter stores one layer of a layout while it is written: the tar, uncompressed, goes in.
type layerWriter struct {
	dir    string
	file   *os.File
	zip    *gzip.Writer
	raw    hash.Hash
	stored hash.Hash
}

func newLayer(dir string) (*layerWriter, error) {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "layer-")
	if err != nil {
		return nil, err
	}
	w := &layerWriter{dir: dir, file: f, raw: sha256.New(), stored: sha256.New()}
	w.zip, err = gzip.NewWriterLevel(io.MultiWriter(f, w.stored), gzip.BestSpeed)
	return w, err
}

func (w *layerWriter) Write(b []byte) (int, error) {
	w.raw.Write(b)
	return w.zip.Write(b)
}

// storedLayer is a layer as manifest and configuration name it.
type storedLayer struct {
	v1.Descriptor
	diffID v1.Hash
}

// finish puts the layer under its digest.
func (w *layerWriter) finish() (l storedLayer, err error) {
	if err := w.zip.Close(); err != nil {
		return l, err
	}
	size, err := w.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return l, err
	}
	if err := w.file.Close(); err != nil {
		return l, err
	}
	l = storedLayer{Descriptor: v1.Descriptor{MediaType: types.OCILayer, Size: size, Digest: digestOf(w.stored)}, diffID: digestOf(w.raw)}
	return l, os.Rename(w.file.Name(), blobPath(w.dir, l.Digest))
}

func digestOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// addLayer stores a layer whose tar write gives.
func addLayer(dir string, write func(io.Writer) error) (storedLayer, error) {
	w, err := newLayer(dir)
	if err != nil {
		return storedLayer{}, err
	}
	if err := write(w); err != nil {
		return storedLayer{}, err
	}
	return w.finish()
}

// writeImage adds configuration, manifest and index for layers that the layout holds already.
func writeImage(dir, name string, layers []storedLayer) error {
	config := v1.ConfigFile{Architecture: "amd64", OS: "linux", Created: v1.Time{Time: imagetest.Epoch}, RootFS: v1.RootFS{Type: "layers"}}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.diffID)
		config.History = append(config.History, v1.History{Created: config.Created, CreatedBy: "bench"})
		manifest.Layers = append(manifest.Layers, l.Descriptor)
	}
	var err error
	if manifest.Config, err = writeDocument(dir, types.OCIConfigJSON, config); err != nil {
		return err
	}
	at, err := writeDocument(dir, types.OCIManifestSchema1, manifest)
	if err != nil {
		return err
	}
	return writeIndex(dir, name, at)
}

func writeDocument(dir string, kind types.MediaType, v any) (v1.Descriptor, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	h := sha256.New()
	h.Write(b)
	d := v1.Descriptor{MediaType: kind, Size: int64(len(b)), Digest: digestOf(h)}
	return d, os.WriteFile(blobPath(dir, d.Digest), b, 0o644)
}

// writeIndex makes a folder of blobs a layout of one image.
func writeIndex(dir, name string, manifest v1.Descriptor) error {
	manifest.Annotations = map[string]string{refName: name}
	index, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{manifest}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.json"), index, 0o644)
}

func readDocument(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// readImage opens a layout that holds one image.
func readImage(dir string) (image, v1.Manifest, error) {
	var index v1.IndexManifest
	var m v1.Manifest
	if err := readDocument(filepath.Join(dir, "index.json"), &index); err != nil {
		return image{}, m, err
	}
	if len(index.Manifests) != 1 {
		return image{}, m, fmt.Errorf("%s holds %d images, want one", dir, len(index.Manifests))
	}
	at := index.Manifests[0]
	i := image{Name: at.Annotations[refName], Dir: dir, Manifest: at.Digest}
	return i, m, readDocument(blobPath(dir, at.Digest), &m)
}

// storedLayers are an image's layers with the diff IDs of its configuration.
func storedLayers(dir string) ([]storedLayer, error) {
	_, m, err := readImage(dir)
	if err != nil {
		return nil, err
	}
	var config v1.ConfigFile
	if err := readDocument(blobPath(dir, m.Config.Digest), &config); err != nil {
		return nil, err
	}
	if len(config.RootFS.DiffIDs) != len(m.Layers) {
		return nil, fmt.Errorf("%s: %d layers and %d diff IDs", dir, len(m.Layers), len(config.RootFS.DiffIDs))
	}
	var all []storedLayer
	for i, d := range m.Layers {
		all = append(all, storedLayer{d, config.RootFS.DiffIDs[i]})
	}
	return all, nil
}

// linkBlob gives a blob a second place, without its bytes where the file system can.
func linkBlob(from, to string, h v1.Hash) error {
	if err := os.MkdirAll(filepath.Dir(blobPath(to, h)), 0o755); err != nil {
		return err
	}
	err := os.Link(blobPath(from, h), blobPath(to, h))
	if err == nil || os.IsExist(err) {
		return nil
	}
	return copyFile(blobPath(from, h), blobPath(to, h))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// inspect measures an image once; what it finds is kept beside the layout.
func inspect(dir string) (image, error) {
	i, m, err := readImage(dir)
	if err != nil {
		return i, err
	}
	kept := dir + ".json"
	if readDocument(kept, &i.Facts) == nil && len(i.Facts.Layers) > 0 {
		return i, nil
	}
	i.Facts = facts{Layers: map[string]int64{}}
	for _, l := range m.Layers {
		if _, ok := i.Facts.Layers[l.Digest.String()]; ok {
			continue
		}
		i.Facts.Layers[l.Digest.String()] = l.Size
		if err := i.Facts.layer(blobPath(dir, l.Digest)); err != nil {
			return i, fmt.Errorf("inspect layer %s of %s: %w", l.Digest, i.Name, err)
		}
	}
	b, err := json.Marshal(i.Facts)
	if err != nil {
		return i, err
	}
	return i, os.WriteFile(kept, b, 0o644)
}

// layer adds what one layer holds.
func (f *facts) layer(file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	tape, err := inflated(in)
	if err != nil {
		return err
	}
	counted := &counter{from: tape}
	t := tar.NewReader(counted)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		jar := isJar(h.Name)
		if h.Typeflag == tar.TypeReg && (jar || isDatabase(h.Name)) {
			f.Jars = f.Jars || jar
			f.Handed = max(f.Handed, min(h.Size, maxHanded))
		}
	}
	_, err = io.Copy(io.Discard, counted)
	f.Raw += counted.n
	return err
}

// isJar and isDatabase name the files that extractors take whole and that can be large; all others stream by or are small.
func isJar(name string) bool {
	switch path.Ext(name) {
	case ".jar", ".war", ".ear", ".jpi", ".hpi":
		return true
	}
	return false
}

func isDatabase(name string) bool {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	switch name {
	case "var/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed":
		return true
	}
	return strings.Contains(name, "lib/rpm/") || strings.Contains(name, "sysimage/rpm/")
}

// inflated opens a stored layer by its first bytes: gzip, zstd or plain.
func inflated(in io.ReadSeeker) (io.Reader, error) {
	var head [4]byte
	n, err := io.ReadFull(in, head[:])
	if err != nil && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head[:n], []byte{0x1f, 0x8b}):
		return gzip.NewReader(in)
	case bytes.HasPrefix(head[:n], []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstd.NewReader(in)
	}
	return in, nil
}

type counter struct {
	from io.Reader
	n    int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.n += int64(n)
	return n, err
}
