package hooks

import (
	"encoding/json"
	"errors"
	"time"
)

// harborData is what is read of both payload formats of Harbor (its documentation, "Configure Webhook Notifications").
type harborData struct {
	Resources []struct {
		Digest string `json:"digest"`
		Tag    string `json:"tag"` // may be the digest, or missing
	} `json:"resources"`
	Repository struct {
		Name string `json:"repo_full_name"`
	} `json:"repository"`
}

// harbor reads the formats Default and CloudEvents. What a replication or a retention rule does to images comes as pushes and
// deletions too.
func harbor(m message) (heard, error) {
	if isCloudEvent(m) {
		return harborCloudEvent(m)
	}
	var e struct {
		Type string     `json:"type"`
		At   moment     `json:"occur_at"`
		Data harborData `json:"event_data"`
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return heard{}, notOne(err)
	}
	switch e.Type {
	case "":
		return heard{}, notOne(errors.New(`it has no "type"`))
	case "PUSH_ARTIFACT", "DELETE_ARTIFACT":
		return e.Data.heard("", e.At.Time, e.Type == "DELETE_ARTIFACT"), nil
	}
	return ignoring()
}

func harborCloudEvent(m message) (heard, error) {
	e, err := cloudEventOf(m)
	if err != nil {
		return heard{}, err
	}
	if e.Type != "harbor.artifact.pushed" && e.Type != "harbor.artifact.deleted" {
		return ignoring()
	}
	var d harborData
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return heard{}, notOne(err)
	}
	return d.heard(e.ID, e.Time.Time, e.Type == "harbor.artifact.deleted"), nil
}

func (d harborData) heard(id string, at time.Time, gone bool) (h heard) {
	for _, r := range d.Resources {
		h.hints = append(h.hints, hint{id: id, at: at, gone: gone, repository: d.Repository.Name, tag: r.Tag, digest: r.Digest})
	}
	if len(h.hints) == 0 {
		h.refused++
	}
	return h
}
