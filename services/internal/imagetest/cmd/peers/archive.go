package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// descriptor is the part of a layout's documents that an archive needs.
type descriptor struct{ MediaType, Digest string }

// errNoArchive is returned for layouts that no archive can stand for: an index, a blob that is not there, a digest of no form. An
// archive has no digests, so lies about them vanish in it too.
var errNoArchive = errors.New("no archive can hold this image")

// writeArchive makes an archive as `docker save` does of the one image in a layout, its blobs as they are.
func writeArchive(layout, file string) error {
	var index struct{ Manifests []descriptor }
	if err := readJSON(filepath.Join(layout, "index.json"), &index); err != nil || len(index.Manifests) != 1 {
		return errNoArchive
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	path, err := blobPath(layout, index.Manifests[0].Digest)
	if err != nil || readJSON(path, &manifest) != nil || manifest.Config.Digest == "" {
		return errNoArchive
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	w := tar.NewWriter(out)
	entry := map[string]any{"Config": "config.json", "RepoTags": []string{"hostile/case:1"}}
	var names []string
	err = addBlob(w, layout, manifest.Config.Digest, "config.json")
	for i, l := range manifest.Layers {
		name := fmt.Sprintf("layer%d", i)
		names = append(names, name)
		err = errors.Join(err, addBlob(w, layout, l.Digest, name))
	}
	entry["Layers"] = names
	list, merr := json.Marshal([]any{entry})
	err = errors.Join(err, merr, w.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(list))}))
	_, werr := w.Write(list)
	return errors.Join(err, werr, w.Close(), out.Close())
}

func addBlob(w *tar.Writer, layout, digest, name string) error {
	path, err := blobPath(layout, digest)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return errNoArchive
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// blobPath is where a layout keeps a blob; a digest that would lead elsewhere is none.
func blobPath(layout, digest string) (string, error) {
	hash, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return "", errNoArchive
	}
	return filepath.Join(layout, "blobs", "sha256", hash), nil
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
