package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
)

// cloudEvent is what is read of an event in the CNCF CloudEvents form, version 1.0.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Time        moment          `json:"time"`
	Data        json.RawMessage `json:"data"`
	Base64      []byte          `json:"data_base64"`
}

// isCloudEvent says whether a message is one event in binary mode (attributes in headers) or structured mode (all in the body).
func isCloudEvent(m message) bool {
	var probe struct {
		SpecVersion string `json:"specversion"`
	}
	return m.header.Get("Ce-Type") != "" || json.Unmarshal(m.body, &probe) == nil && probe.SpecVersion != ""
}

var errNoCloudEvent = errors.New("it is no CloudEvent: neither a Ce-Type header nor specversion and type in the body")

// cloudEventOf reads one event in either mode (CloudEvents HTTP binding, section 3).
func cloudEventOf(m message) (e cloudEvent, err error) {
	if kind := m.header.Get("Ce-Type"); kind != "" {
		return cloudEvent{ID: m.header.Get("Ce-Id"), Type: kind, Time: moment{parseMoment(m.header.Get("Ce-Time"))}, Data: m.body}, nil
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return e, notOne(err)
	}
	if e.SpecVersion == "" || e.Type == "" {
		return e, notOne(errNoCloudEvent)
	}
	if e.Data == nil {
		e.Data = e.Base64
	}
	return e, nil
}

// objects are a body's JSON objects: itself, or those of a list.
func objects(body []byte) ([]json.RawMessage, error) {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '[' {
		return []json.RawMessage{body}, nil
	}
	var all []json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, notOne(err)
	}
	return all, tooMany(len(all))
}
