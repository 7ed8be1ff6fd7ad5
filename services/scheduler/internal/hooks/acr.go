package hooks

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
)

// acrEvent is what is read of an event of Azure Container Registry: in its webhooks at the top, in Event Grid under data.
type acrEvent struct {
	ID        string `json:"id"`
	Timestamp moment `json:"timestamp"`
	Action    string `json:"action"`
	Target    struct {
		MediaType  string `json:"mediaType"`
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
		Digest     string `json:"digest"`
	} `json:"target"`
}

// gridEvent is what is read of Event Grid's two schemas: its own (eventType) and CloudEvents (type).
type gridEvent struct {
	acrEvent
	EventType string `json:"eventType"`
	Type      string `json:"type"`
	Data      struct {
		acrEvent
		ValidationCode string `json:"validationCode"`
	} `json:"data"`
}

// validation is the event by which Event Grid asks whether its events are welcome ("Webhook event delivery").
const validation = "Microsoft.EventGrid.SubscriptionValidationEvent"

// acr reads the registry's own webhooks (one object) and Event Grid's (one, or a list).
func acr(m message) (heard, error) {
	all, err := objects(m.body)
	if err != nil {
		return heard{}, err
	}
	var h heard
	for _, raw := range all {
		var e gridEvent
		if err := json.Unmarshal(raw, &e); err != nil {
			return heard{}, notOne(err)
		}
		switch kind := e.EventType + e.Type; {
		case kind == validation:
			h.ignored++
			h.reply, err = json.Marshal(map[string]string{"validationResponse": e.Data.ValidationCode})
			if err != nil {
				return heard{}, notOne(err)
			}
		case kind != "":
			h.acr(e.ID, e.Data.acrEvent, raw)
		case e.Action != "":
			h.acr(e.ID, e.acrEvent, raw)
		default:
			return heard{}, notOne(errors.New(`it has neither "action" nor a type`))
		}
	}
	return h, nil
}

// acr adds one event. Pings, charts and quarantines are none of ours.
func (h *heard) acr(id string, e acrEvent, raw []byte) {
	image := e.Target.MediaType == "" || slices.Contains(manifests, e.Target.MediaType)
	if e.Action != "delete" && (e.Action != "push" || !image) {
		h.ignored++
		return
	}
	h.hints = append(h.hints, hint{
		id: id, content: raw, at: e.Timestamp.Time, gone: e.Action == "delete",
		repository: e.Target.Repository, tag: e.Target.Tag, digest: e.Target.Digest,
	})
}

// maxOrigin bounds the name that is said back in the handshake of CloudEvents, in bytes: a host name.
const maxOrigin = 255

// welcome answers the handshake of CloudEvents ("HTTP 1.1 Web Hooks", section 4): this origin may send as much as it likes.
// The sender offers a URL to call back too; it is not called.
func welcome(w http.ResponseWriter, req *http.Request) {
	origin := req.Header.Get("Webhook-Request-Origin")
	if origin == "" || len(origin) > maxOrigin {
		http.Error(w, "WebHook-Request-Origin is missing or too long", http.StatusBadRequest)
		return
	}
	w.Header().Set("Webhook-Allowed-Origin", origin)
	w.Header().Set("Webhook-Allowed-Rate", "*")
	w.Header().Set("Allow", "POST, OPTIONS")
	w.WriteHeader(http.StatusOK)
}
