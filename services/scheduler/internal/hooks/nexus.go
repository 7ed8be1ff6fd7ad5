package hooks

import (
	"encoding/json"
	"errors"
)

// nexus reads Sonatype Nexus' repository webhooks (its help, "Example headers and payloads").
func nexus(m message) (heard, error) {
	kind := m.header.Get("X-Nexus-Webhook-Id")
	if kind == "" {
		return heard{}, notOne(errors.New("it has no X-Nexus-Webhook-Id"))
	}
	var e struct {
		Timestamp  moment `json:"timestamp"`
		Repository string `json:"repositoryName"`
		Action     string `json:"action"`
		Component  struct {
			Format  string `json:"format"`
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"component"`
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return heard{}, notOne(err)
	}
	gone := e.Action == "DELETED"
	repository, ours := within(m, e.Repository, e.Component.Name)
	known := gone || e.Action == "CREATED" || e.Action == "UPDATED"
	if kind != "rm:repository:component" || e.Component.Format != "docker" || !known || !ours {
		return ignoring()
	}
	return one(hint{
		id: m.header.Get("X-Nexus-Webhook-Delivery"), at: e.Timestamp.Time, gone: gone,
		repository: repository, tag: e.Component.Version,
	})
}
