// Package local serves an OCI layout or a docker archive as a read-only registry on loopback, so that images which stand in
// no registry take the same way as all others: resolve, analyze, assemble. Bytes are served as they lie on disk; nothing is
// unpacked.
package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// blob is a run of stored bytes.
type blob struct {
	mediaType string
	open      func() (io.ReadSeekCloser, error)
}

// Images are the tagged images of one layout or archive, ready to be served.
type Images struct {
	tags  map[string]map[string]plimsoll.Digest // repository → tag → manifest digest
	blobs map[plimsoll.Digest]blob
	close func() error
}

// Close releases the archive.
func (im *Images) Close() error {
	if im.close == nil {
		return nil
	}
	return im.close()
}

// Tags lists what is served as sorted "repository:tag".
func (im *Images) Tags() []string {
	var all []string
	for repository, tags := range im.tags {
		for tag := range tags {
			all = append(all, repository+":"+tag)
		}
	}
	slices.Sort(all)
	return all
}

// ServeHTTP answers the reading half of the OCI distribution specification.
func (im *Images) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !ok:
		http.NotFound(w, r)
	case path == "":
		w.WriteHeader(http.StatusOK)
	case path == "_catalog":
		im.serveJSON(w, map[string]any{"repositories": slices.Sorted(maps.Keys(im.tags))})
	default:
		im.serveRepository(w, r, path)
	}
}

func (im *Images) serveRepository(w http.ResponseWriter, r *http.Request, path string) {
	if repository, ok := strings.CutSuffix(path, "/tags/list"); ok {
		im.serveJSON(w, map[string]any{"name": repository, "tags": slices.Sorted(maps.Keys(im.tags[repository]))})
		return
	}
	if repository, ref, ok := cutLast(path, "/manifests/"); ok {
		digest := plimsoll.Digest(ref)
		if tagged, ok := im.tags[repository][ref]; ok {
			digest = tagged
		}
		im.serveBlob(w, r, digest)
		return
	}
	if _, digest, ok := cutLast(path, "/blobs/"); ok {
		im.serveBlob(w, r, plimsoll.Digest(digest))
		return
	}
	http.NotFound(w, r)
}

func (im *Images) serveBlob(w http.ResponseWriter, r *http.Request, digest plimsoll.Digest) {
	b, ok := im.blobs[digest]
	if !ok {
		http.NotFound(w, r)
		return
	}
	content, err := b.open()
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r) // the layout's index names it, and nothing else of it is there
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer content.Close()
	w.Header().Set("Content-Type", b.mediaType)
	w.Header().Set("Docker-Content-Digest", string(digest))
	http.ServeContent(w, r, "", time.Time{}, content)
}

func (im *Images) serveJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return // the client has gone
	}
}

// tag names an image. Two images come to one name where references differ only in what is cut off; the later gets a number,
// since an image must not vanish behind another.
func (im *Images) tag(repository, tag string, digest plimsoll.Digest) {
	tags := im.tags[repository]
	if tags == nil {
		tags = map[string]plimsoll.Digest{}
		im.tags[repository] = tags
	}
	free := tag
	for n := 2; tags[free] != "" && tags[free] != digest; n++ {
		free = fmt.Sprintf("%.100s-%d", tag, n) // well below the 128 characters of a tag
	}
	tags[free] = digest
}

// repositoryName makes a valid repository name of a file's or folder's name; the whole path is kept out of references.
func repositoryName(base string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(base) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			b.WriteRune(c)
		}
	}
	name := strings.Trim(b.String(), ".-_")
	if plimsoll.CheckRepository(name) != nil {
		return "image"
	}
	return name
}

// Open opens "oci:DIR[:TAG]" or "docker-archive:FILE". tag is empty when the whole of it is meant. scratch is a folder for
// the inflated form of a compressed archive; that file has no name and goes with the process.
func Open(target, scratch string) (im *Images, tag string, err error) {
	kind, path, _ := strings.Cut(target, ":")
	switch kind {
	case "oci":
		return openLayout(path)
	case "docker-archive":
		im, err = openArchive(path, scratch)
		return im, "", err
	}
	return nil, "", fmt.Errorf("target %q: %w: want oci:DIR[:TAG] or docker-archive:FILE", target, plimsoll.ErrInvalid)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
