package hooks

import (
	"encoding/json"
	"slices"
	"strings"
)

// zot reads zot's CloudEvents, over HTTP or NATS. The prefix of their types can be set at zot, so that the end tells.
func zot(m message) (heard, error) {
	e, err := cloudEventOf(m)
	if err != nil {
		return heard{}, err
	}
	gone := strings.HasSuffix(e.Type, ".image.deleted")
	if !gone && !strings.HasSuffix(e.Type, ".image.updated") {
		return ignoring()
	}
	var d struct {
		Name      string `json:"name"`
		Reference string `json:"reference"` // tag or digest
		Digest    string `json:"digest"`
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return heard{}, notOne(err)
	}
	if !gone && d.MediaType != "" && !slices.Contains(manifests, d.MediaType) {
		return ignoring()
	}
	return one(hint{id: e.ID, at: e.Time.Time, gone: gone, repository: d.Name, tag: d.Reference, digest: d.Digest})
}
