package hooks

import (
	"encoding/json"
	"errors"
	"strings"
)

// googleEvent is what Artifact Registry publishes to the topic "gcr" (its documentation, "Configure Pub/Sub notifications").
type googleEvent struct {
	Action string `json:"action"` // INSERT or DELETE
	Digest string `json:"digest"` // host/project/repository/image@sha256:…
	Tag    string `json:"tag"`    // host/project/repository/image:tag
}

// google reads a push of Pub/Sub, wrapped as is usual or not. An upload and each of its tags are messages of their own.
func google(m message) (heard, error) {
	var w struct {
		Message *struct {
			Data []byte `json:"data"` // base64
			ID   string `json:"messageId"`
			At   moment `json:"publishTime"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.body, &w); err != nil {
		return heard{}, notOne(err)
	}
	var e googleEvent
	h := hint{id: m.header.Get("X-Goog-Pubsub-Message-Id"), at: parseMoment(m.header.Get("X-Goog-Pubsub-Publish-Time"))}
	data := m.body
	if w.Message != nil {
		data, h.id, h.at = w.Message.Data, w.Message.ID, w.Message.At.Time
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return heard{}, notOne(err)
	}
	if e.Digest == "" && e.Tag == "" {
		return heard{}, notOne(errors.New(`it has neither "digest" nor "tag"`))
	}
	if e.Action != "INSERT" && e.Action != "DELETE" {
		return ignoring()
	}
	h.gone = e.Action == "DELETE"
	var host string
	host, h.repository, h.tag, h.digest = e.names()
	if !strings.EqualFold(host, m.registry.Host()) {
		return ignoring() // the topic is that of all registries of a project
	}
	return one(h)
}

// names takes the references apart: they agree in host and repository.
func (e googleEvent) names() (host, repository, tag, digest string) {
	full := e.Digest
	if full != "" {
		full, digest, _ = strings.Cut(full, "@")
	}
	if e.Tag != "" {
		full = e.Tag
		if colon := strings.LastIndex(full, ":"); colon > strings.LastIndex(full, "/") {
			full, tag = full[:colon], full[colon+1:]
		}
	}
	host, repository, _ = strings.Cut(full, "/")
	return host, repository, tag, digest
}
