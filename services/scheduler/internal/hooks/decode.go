package hooks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/plimsoll/plimsoll"
)

const (
	// maxBody bounds a notification, in bytes. One event is about 1 KiB and registries send one or a few at a time.
	maxBody = 1 << 20
	// maxEvents bounds the events of one notification; a registry that has more to say says it again.
	maxEvents = 4096
)

// envelope is the notification, of which nothing else is read.
type envelope struct {
	Events []json.RawMessage `json:"events"`
}

// wire is one event, of which nothing else is read.
type wire struct {
	ID     string `json:"id"`
	Action string `json:"action"`
	Target struct {
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

// An event is a checked statement about one tag, or about all tags at a digest or in a repository.
type event struct {
	// epoch names the event, so that one that is sent again is known: its id, hashed, because it stands in a header.
	epoch      string
	gone       bool // something was deleted: what it was is asked again
	repository string
	tag        string          // may be empty when gone
	digest     plimsoll.Digest // may be empty when gone
}

// decoded is what a notification says. Refused counts events that are malformed, ignored those that say nothing about a tag:
// pulls, layers, pushes by digest alone.
type decoded struct {
	events           []event
	refused, ignored int
}

// decode reads a notification. ErrInvalid is returned when it is none, ErrLimit when it has too many events; one bad event
// does not spoil the others.
func decode(body []byte) (decoded, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return decoded{}, fmt.Errorf("notification: %w: %w", plimsoll.ErrInvalid, err)
	}
	if e.Events == nil {
		return decoded{}, fmt.Errorf(`notification: %w: it has no "events"`, plimsoll.ErrInvalid)
	}
	if len(e.Events) > maxEvents {
		return decoded{}, fmt.Errorf("notification: %w: %d events, at most %d", plimsoll.ErrLimit, len(e.Events), maxEvents)
	}
	var d decoded
	for _, raw := range e.Events {
		ev, wanted, err := read(raw)
		switch {
		case err != nil:
			d.refused++
		case !wanted:
			d.ignored++
		default:
			d.events = append(d.events, ev)
		}
	}
	d.ignored += d.coalesce()
	return d, nil
}

// read checks one event; wanted is false for one that can move no tag.
func read(raw json.RawMessage) (ev event, wanted bool, err error) {
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return event{}, false, fmt.Errorf("event: %w: %w", plimsoll.ErrInvalid, err)
	}
	switch {
	case w.Action == "push" && w.Target.Tag != "" && slices.Contains(manifests, w.Target.MediaType):
	case w.Action == "delete" && w.Target.Repository != "":
		ev.gone = true
	default:
		return event{}, false, nil
	}
	ev.repository, ev.tag = w.Target.Repository, w.Target.Tag
	if err := plimsoll.CheckRepository(ev.repository); err != nil {
		return event{}, false, err
	}
	if ev.tag != "" {
		if err := plimsoll.CheckTag(ev.tag); err != nil {
			return event{}, false, err
		}
	}
	if w.Target.Digest != "" || !ev.gone {
		if ev.digest, err = plimsoll.ParseDigest(w.Target.Digest); err != nil {
			return event{}, false, err
		}
	}
	ev.epoch = epochOf(w.ID, raw)
	return ev, true, nil
}

// epochOf names an event by its id or, without one, by its bytes.
func epochOf(id string, raw []byte) string {
	if id != "" {
		raw = []byte("id " + id)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// coalesce keeps the last push of each tag and the last deletion of each kind, and returns how many it dropped: the
// registry's state is asked anyway.
func (d *decoded) coalesce() (dropped int) {
	type kind struct {
		gone            bool
		repository, tag string
		digest          plimsoll.Digest
	}
	last := map[kind]bool{}
	var kept []event
	for _, ev := range slices.Backward(d.events) {
		k := kind{gone: ev.gone, repository: ev.repository, tag: ev.tag}
		if ev.gone {
			k.digest = ev.digest
		}
		if last[k] {
			dropped++
			continue
		}
		last[k] = true
		kept = append(kept, ev)
	}
	slices.Reverse(kept)
	d.events = kept
	return dropped
}
