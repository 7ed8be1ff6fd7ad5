package hooks

import (
	"encoding/json"
	"errors"
	"slices"
)

// distributionEvent is what is read of one event of the CNCF distribution registry (its documentation, "Notifications").
type distributionEvent struct {
	ID        string `json:"id"`
	Timestamp moment `json:"timestamp"`
	Action    string `json:"action"`
	Target    struct {
		MediaType  string `json:"mediaType"`
		Digest     string `json:"digest"`
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
	} `json:"target"`
}

// manifests are the media types whose push may move a tag; layers and configurations are pushed with events of their own.
var manifests = []string{
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws",
	"application/vnd.docker.distribution.manifest.v1+json",
}

// distribution reads the form of the CNCF registry; GitLab's sends the same.
func distribution(m message) (heard, error) {
	var envelope struct {
		Events []json.RawMessage `json:"events"`
	}
	if err := json.Unmarshal(m.body, &envelope); err != nil {
		return heard{}, notOne(err)
	}
	if envelope.Events == nil {
		return heard{}, notOne(errors.New(`it has no "events"`))
	}
	if err := tooMany(len(envelope.Events)); err != nil {
		return heard{}, err
	}
	var h heard
	for _, raw := range envelope.Events {
		var e distributionEvent
		if json.Unmarshal(raw, &e) != nil {
			h.refused++
			continue
		}
		gone := e.Action == "delete" && e.Target.Repository != ""
		if !gone && (e.Action != "push" || !slices.Contains(manifests, e.Target.MediaType)) {
			h.ignored++
			continue
		}
		h.hints = append(h.hints, hint{
			id: e.ID, content: raw, at: e.Timestamp.Time, gone: gone,
			repository: e.Target.Repository, tag: e.Target.Tag, digest: e.Target.Digest,
		})
	}
	return h, nil
}
