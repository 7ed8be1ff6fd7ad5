package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// annotationName is where a layout's index names its images (OCI image specification, "Pre-Defined Annotation Keys").
const annotationName = "org.opencontainers.image.ref.name"

// maxDocument bounds an index or manifest on disk, as manifests from registries are bounded.
const maxDocument = 4 << 20

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

type document struct {
	MediaType string       `json:"mediaType"`
	Manifests []descriptor `json:"manifests"`
	Config    descriptor   `json:"config"`
	Layers    []descriptor `json:"layers"`
}

// openLayout opens "DIR[:TAG]". A colon that is part of an existing folder's name is not a tag.
func openLayout(path string) (*Images, string, error) {
	dir, tag := path, ""
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
		if i := strings.LastIndex(path, ":"); i > 0 {
			dir, tag = path[:i], path[i+1:]
		}
	}
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, "", fmt.Errorf("layout %s: %w", dir, err)
	}
	var index document
	if err := readDocument(filepath.Join(root, "index.json"), &index); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("layout %s: %w: no index.json there; name the folder of an OCI layout (oci:DIR[:TAG])", dir, plimsoll.ErrNotFound)
		}
		return nil, "", fmt.Errorf("layout %s: %w", dir, err)
	}
	im := &Images{tags: map[string]map[string]plimsoll.Digest{}, blobs: map[plimsoll.Digest]blob{}}
	l := layout{root: root, images: im}
	repository := repositoryName(filepath.Base(root))
	var found []string
	for i, d := range index.Manifests {
		name := d.Annotations[annotationName]
		if j := strings.LastIndex(name, ":"); j >= 0 {
			name = name[j+1:] // some tools write a whole reference
		}
		if name == "" {
			name = fmt.Sprintf("image-%d", i)
		}
		if plimsoll.CheckTag(name) != nil {
			name = fmt.Sprintf("image-%d", i)
		}
		found = append(found, name)
		if tag != "" && name != tag {
			continue
		}
		digest, err := plimsoll.ParseDigest(d.Digest)
		if err != nil {
			return nil, "", fmt.Errorf("layout %s: index.json: %w", dir, err)
		}
		l.add(digest, d.MediaType, 0)
		im.tag(repository, name, digest)
	}
	if len(found) == 0 {
		return nil, "", fmt.Errorf("layout %s: %w: index.json names no image", dir, plimsoll.ErrNotFound)
	}
	if len(im.tags) == 0 {
		return nil, "", fmt.Errorf("layout %s: %w: no image named %q; it holds: %s", dir, plimsoll.ErrNotFound, tag, strings.Join(found, ", "))
	}
	if len(im.tags[repository]) > 1 {
		tag = "" // all that have the name asked for: nothing else is served
	}
	return im, tag, nil
}

type layout struct {
	root   string
	images *Images
}

// add makes one document and all that it names servable. Documents that cannot be read are served as they are: the worker
// says what is wrong with them, as it does for a registry's.
func (l layout) add(d plimsoll.Digest, mediaType string, depth int) {
	path := filepath.Join(l.root, "blobs", "sha256", d.Hex())
	var doc document
	if err := readDocument(path, &doc); err == nil && mediaType == "" {
		mediaType = doc.MediaType // else what names it speaks, as a registry would: the worker sees whether both agree
	}
	l.images.blobs[d] = fileBlob(path, mediaType)
	if depth > 2 { // an index of indexes of images: as deep as the worker follows
		return
	}
	for _, child := range doc.Manifests {
		if c, err := plimsoll.ParseDigest(child.Digest); err == nil && l.images.blobs[c].open == nil {
			l.add(c, child.MediaType, depth+1)
		}
	}
	for _, b := range append(doc.Layers, doc.Config) {
		if c, err := plimsoll.ParseDigest(b.Digest); err == nil {
			l.images.blobs[c] = fileBlob(filepath.Join(l.root, "blobs", "sha256", c.Hex()), "application/octet-stream")
		}
	}
}

func fileBlob(path, mediaType string) blob {
	return blob{mediaType: mediaType, open: func() (io.ReadSeekCloser, error) { return os.Open(path) }}
}

func readDocument(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxDocument)).Decode(v); err != nil {
		return fmt.Errorf("%s: %w: not a JSON document: %v", filepath.Base(path), plimsoll.ErrInvalid, err)
	}
	return nil
}
