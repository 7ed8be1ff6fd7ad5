package local

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/plimsoll/plimsoll"
)

// maxArchive bounds the inflated form of a compressed docker archive; the archive is the user's own, the bound keeps a
// mistake from filling the disk.
const maxArchive = 64 << 30

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
)

// section is where a file of the archive stands.
type section struct{ offset, size int64 }

type archive struct {
	file     *os.File
	sections map[string]section
	links    map[string]string // old docker versions share layers by symlinks
	digests  map[string]plimsoll.Digest
}

// openArchive opens what `docker save` writes, gzipped or not: manifest.json names each image's configuration and layers.
func openArchive(name, scratch string) (*Images, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("docker archive: %w", err)
	}
	f, err = inflated(f, scratch)
	if err != nil {
		return nil, fmt.Errorf("docker archive %s: %w", name, err)
	}
	a := archive{file: f, sections: map[string]section{}, links: map[string]string{}, digests: map[string]plimsoll.Digest{}}
	im := &Images{tags: map[string]map[string]plimsoll.Digest{}, blobs: map[plimsoll.Digest]blob{}, close: f.Close}
	err = a.index()
	if err == nil {
		err = a.images(im, repositoryName(strings.TrimSuffix(filepath.Base(name), ".tar")))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("docker archive %s: %w", name, err)
	}
	return im, nil
}

// inflated returns f, or for a gzipped archive a nameless file in scratch with its inflated bytes: seeking needs them.
func inflated(f *os.File, scratch string) (*os.File, error) {
	head := make([]byte, 2)
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return f, nil // too short is no archive: reading it says so
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, err
	}
	out, err := os.CreateTemp(scratch, "archive-*")
	if err != nil {
		return nil, err
	}
	os.Remove(out.Name()) // the open file stays, its name goes
	n, err := io.Copy(out, io.LimitReader(z, maxArchive+1))
	if err == nil && n > maxArchive {
		err = fmt.Errorf("%w: more than %d GiB inflated", plimsoll.ErrLimit, maxArchive>>30)
	}
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("inflate: %w", err)
	}
	return out, nil
}

// index notes where each file of the archive stands.
func (a *archive) index() error {
	if _, err := a.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	tr := tar.NewReader(a.file)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: not a tar: %w", plimsoll.ErrInvalid, err)
		}
		at, err := a.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			a.sections[name] = section{at, h.Size}
		case tar.TypeSymlink:
			a.links[name] = path.Join(path.Dir(name), h.Linkname)
		case tar.TypeLink:
			a.links[name] = path.Clean(h.Linkname)
		}
	}
}

func (a *archive) images(im *Images, fallback string) error {
	raw, err := a.read("manifest.json")
	if err != nil {
		return fmt.Errorf("%w: no manifest.json; is it what `docker save` wrote?", plimsoll.ErrInvalid)
	}
	var list []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("manifest.json: %w: %v", plimsoll.ErrInvalid, err)
	}
	if len(list) == 0 {
		return fmt.Errorf("manifest.json: %w: it names no image", plimsoll.ErrInvalid)
	}
	for i, entry := range list {
		digest, err := a.image(im, entry.Config, entry.Layers)
		if err != nil {
			return err
		}
		if len(entry.RepoTags) == 0 {
			im.tag(fallback, fmt.Sprintf("image-%d", i), digest)
		}
		for _, ref := range entry.RepoTags {
			repository, tag := splitRepoTag(ref, fallback)
			im.tag(repository, tag, digest)
		}
	}
	return nil
}

// image makes the manifest that a registry would hold for one image of the archive: its layers as they are stored.
func (a *archive) image(im *Images, config string, layers []string) (plimsoll.Digest, error) {
	type stored struct {
		MediaType string          `json:"mediaType"`
		Size      int64           `json:"size"`
		Digest    plimsoll.Digest `json:"digest"`
	}
	add := func(name, mediaType string) (stored, error) {
		digest, s, err := a.digest(name)
		if err != nil {
			return stored{}, err
		}
		im.blobs[digest] = a.blob(s, "application/octet-stream")
		return stored{mediaType, s.size, digest}, nil
	}
	conf, err := add(config, dockerConfig)
	if err != nil {
		return "", err
	}
	all := []stored{}
	for _, name := range layers {
		l, err := add(name, dockerLayer)
		if err != nil {
			return "", err
		}
		all = append(all, l)
	}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": dockerManifest, "config": conf, "layers": all})
	if err != nil {
		return "", err
	}
	digest := plimsoll.DigestOf(manifest)
	im.blobs[digest] = blob{mediaType: dockerManifest, open: func() (io.ReadSeekCloser, error) {
		return nopCloser{bytes.NewReader(manifest)}, nil
	}}
	return digest, nil
}

func (a *archive) find(named string) (section, error) {
	name := path.Clean(named)
	for range 8 { // docker writes one link at most; a loop ends here
		if s, ok := a.sections[name]; ok {
			return s, nil
		}
		next, ok := a.links[name]
		if !ok {
			break
		}
		name = next
	}
	return section{}, fmt.Errorf("manifest.json names %.100q: %w in the archive", named, plimsoll.ErrNotFound)
}

func (a *archive) digest(name string) (plimsoll.Digest, section, error) {
	s, err := a.find(name)
	if err != nil {
		return "", s, err
	}
	if d, ok := a.digests[name]; ok {
		return d, s, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(a.file, s.offset, s.size)); err != nil {
		return "", s, fmt.Errorf("read %.100q: %w", name, err)
	}
	d := plimsoll.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
	a.digests[name] = d
	return d, s, nil
}

func (a *archive) read(name string) ([]byte, error) {
	s, err := a.find(name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(a.file, s.offset, min(s.size, maxDocument)))
}

func (a *archive) blob(s section, mediaType string) blob {
	return blob{mediaType: mediaType, open: func() (io.ReadSeekCloser, error) {
		return nopCloser{io.NewSectionReader(a.file, s.offset, s.size)}, nil
	}}
}

// splitRepoTag cuts "host/repository:tag"; what is no valid name falls back to the archive's own.
func splitRepoTag(ref, fallback string) (repository, tag string) {
	repository, tag = ref, "latest"
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		repository, tag = ref[:i], ref[i+1:]
	}
	if first, rest, ok := strings.Cut(repository, "/"); ok && strings.ContainsAny(first, ".:") {
		repository = rest
	}
	if plimsoll.CheckRepository(repository) != nil {
		repository = fallback
	}
	if plimsoll.CheckTag(tag) != nil {
		tag = "latest"
	}
	return repository, tag
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }
