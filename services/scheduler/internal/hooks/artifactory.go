package hooks

import (
	"encoding/json"
	"errors"
	"strings"
)

// artifactoryData is what is read of an event of JFrog Artifactory's domain "docker".
type artifactoryData struct {
	Repository string `json:"repo_key"`
	Path       string `json:"path"` // image/tag/manifest.json
	File       string `json:"name"`
	Image      string `json:"image_name"`
	Tag        string `json:"tag"`
	SHA256     string `json:"sha256"` // of the file
	Type       string `json:"image_type"`
}

// artifactory reads Artifactory's webhooks: senders put the fields under data, its documentation shows them at the top.
func artifactory(m message) (heard, error) {
	var e struct {
		artifactoryData
		Domain string           `json:"domain"`
		Kind   string           `json:"event_type"`
		Data   *artifactoryData `json:"data"`
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return heard{}, notOne(err)
	}
	if e.Kind == "" {
		return heard{}, notOne(errors.New(`it has no "event_type"`))
	}
	d := e.artifactoryData
	if e.Data != nil {
		d = *e.Data
	}
	image := (e.Domain == "docker" || e.Domain == "") && (d.Type == "" || d.Type == "docker" || d.Type == "oci")
	known := e.Kind == "pushed" || e.Kind == "promoted" || e.Kind == "deleted"
	repository, ours := within(m, d.Repository, d.image())
	if !image || !known || !ours {
		return ignoring()
	}
	h := hint{gone: e.Kind == "deleted", repository: repository, tag: d.Tag}
	if d.SHA256 != "" && !h.gone { // what a deletion names is the file that is gone; the tag says enough
		h.digest = "sha256:" + d.SHA256
	}
	return one(h)
}

// image is the image's whole name. Some senders give its last part alone, and the rest in the path.
func (d artifactoryData) image() string {
	full, found := strings.CutSuffix(d.Path, "/"+d.Tag+"/"+d.File)
	if found && d.Tag != "" && (full == d.Image || strings.HasSuffix(full, "/"+d.Image)) {
		return full
	}
	return d.Image
}

// within is an image's name as the registry serves it, and whether it serves it at all: the vendor's repository begins the
// name, unless the registry's URL is that of one repository.
func within(m message, repository, image string) (name string, ours bool) {
	if only := m.registry.Hook.Repository; only != "" {
		return image, repository == only
	}
	return repository + "/" + image, true
}
