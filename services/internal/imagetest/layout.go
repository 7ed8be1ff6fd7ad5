package imagetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	stdhash "hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// WriteLayout writes images as one OCI layout (OCI image specification, image-layout.md), each named by its [Specimen.Slug].
func WriteLayout(dir string, specimens ...Specimen) error {
	l := &layoutWriter{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	var roots []document
	for _, s := range specimens {
		root := s.write(l)
		if l.err != nil {
			return fmt.Errorf("layout: %s: %w", s.Name, l.err)
		}
		roots = append(roots, root.with("annotations", map[string]string{"org.opencontainers.image.ref.name": s.Slug()}))
	}
	l.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	l.file("index.json", document{"schemaVersion": 2, "mediaType": indexType, "manifests": roots}.bytes())
	return l.err
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
)

// document is a JSON object: a manifest, an index, a descriptor.
type document map[string]any

// with is a copy with one more field.
func (d document) with(key string, value any) document {
	out := document{key: value}
	for k, v := range d {
		if k != key {
			out[k] = v
		}
	}
	return out
}

func (d document) bytes() []byte { return Must(json.Marshal(d)) }

// layoutWriter writes blobs. Its first error stays, and what it gives after one is of no use.
type layoutWriter struct {
	dir string
	err error
}

func (l *layoutWriter) file(name string, b []byte) {
	l.err = errors.Join(l.err, os.WriteFile(filepath.Join(l.dir, name), b, 0o644))
}

// claimed writes bytes as the blob of any digest, whether it is theirs or not.
func (l *layoutWriter) claimed(digest string, b []byte) {
	algorithm, hash, _ := strings.Cut(digest, ":")
	folder := filepath.Join(l.dir, "blobs", algorithm)
	l.err = errors.Join(l.err, os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, hash), b, 0o644))
}

// blob writes bytes and gives their descriptor.
func (l *layoutWriter) blob(mediaType string, b []byte) document {
	l.claimed(digestOf(b), b)
	return document{"mediaType": mediaType, "digest": digestOf(b), "size": len(b)}
}

// stream writes a blob that is too large to be held.
func (l *layoutWriter) stream(mediaType string, write func(io.Writer) error) document {
	h := newHash()
	f, err := os.CreateTemp(l.dir, "blob-*")
	if err != nil {
		l.err = errors.Join(l.err, err)
		return nil
	}
	err = write(io.MultiWriter(f, h))
	err = errors.Join(err, f.Chmod(0o644), f.Close(), os.Rename(f.Name(), filepath.Join(l.dir, "blobs", "sha256", strings.TrimPrefix(h.digest(), "sha256:"))))
	l.err = errors.Join(l.err, err)
	return document{"mediaType": mediaType, "digest": h.digest(), "size": h.size}
}

// layerBlob is a layer with what its manifest and its configuration say of it.
type layerBlob struct {
	b         []byte
	mediaType string
	diffID    string // empty: the true one
}

// image writes an image that is honest but for its layers.
func (l *layoutWriter) image(layers ...layerBlob) document {
	var descriptors []document
	var diffIDs []string
	for _, b := range layers {
		descriptors = append(descriptors, l.blob(b.mediaType, b.b))
		diffIDs = append(diffIDs, orElse(b.diffID, plainHash(b.b)))
	}
	return l.manifest(l.blob(configType, configuration(diffIDs...).bytes()), descriptors...)
}

func (l *layoutWriter) manifest(config document, layers ...document) document {
	return l.blob(manifestType, manifestOf(config, layers...).bytes())
}

func manifestOf(config document, layers ...document) document {
	if layers == nil {
		layers = []document{}
	}
	return document{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": layers}
}

func (l *layoutWriter) index(children ...document) document {
	if children == nil {
		children = []document{}
	}
	return l.blob(indexType, document{"schemaVersion": 2, "mediaType": indexType, "manifests": children}.bytes())
}

// configuration is an honest one for layers of these diff IDs.
func configuration(diffIDs ...string) document {
	history := []document{}
	for range diffIDs {
		history = append(history, document{"created": Epoch, "created_by": "COPY / /"})
	}
	return document{
		"os": "linux", "architecture": "amd64", "created": Epoch, "config": document{},
		"rootfs": document{"type": "layers", "diff_ids": append([]string{}, diffIDs...)}, "history": history,
	}
}

func digestOf(b []byte) string { return Must(hashOf(bytes.NewReader(b))) }

// sizedHash is a sha256 that counts.
type sizedHash struct {
	stdhash.Hash
	size int64
}

func newHash() *sizedHash { return &sizedHash{Hash: sha256.New()} }

func (h *sizedHash) Write(b []byte) (int, error) {
	h.size += int64(len(b))
	return h.Hash.Write(b)
}

func (h *sizedHash) digest() string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }
