package hooks

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// An event is a checked statement about one tag, or about all tags at a digest or in a repository.
type event struct {
	// epoch names the event, so that one that is sent again is known: its id or content, hashed, because it stands in a header.
	epoch      string
	at         time.Time
	gone       bool
	repository string
	tag        string          // may be empty when gone
	digest     plimsoll.Digest // may be empty
}

// said is what a notification says once it is checked.
type said struct {
	events           []event
	refused, ignored int
	reply            []byte
}

// understand decodes a message and checks each hint; one bad event does not spoil the others.
func understand(d dialect, m message) (said, error) {
	h, err := d.decode(m)
	if err != nil {
		return said{}, err
	}
	if err := tooMany(len(h.hints)); err != nil {
		return said{}, err
	}
	s := said{refused: h.refused, ignored: h.ignored, reply: h.reply}
	for _, hint := range h.hints {
		ev, wanted, err := check(hint)
		switch {
		case err != nil:
			s.refused++
		case !wanted:
			s.ignored++
		default:
			ev.epoch = epochOf(hint, m, d.undated)
			s.events = append(s.events, ev)
		}
	}
	s.ignored += s.coalesce()
	return s, nil
}

// check holds a hint against the grammars; wanted is false for one that can move no tag: a push by digest alone.
func check(h hint) (ev event, wanted bool, err error) {
	if isDigest(h.tag) {
		if h.digest == "" {
			h.digest = h.tag
		}
		h.tag = ""
	}
	if h.tag == "" && !h.gone {
		return event{}, false, nil
	}
	ev = event{at: h.at, gone: h.gone, repository: h.repository, tag: h.tag}
	if err := plimsoll.CheckRepository(ev.repository); err != nil {
		return event{}, false, err
	}
	if ev.tag != "" {
		if err := plimsoll.CheckTag(ev.tag); err != nil {
			return event{}, false, err
		}
	}
	if h.digest != "" {
		if ev.digest, err = plimsoll.ParseDigest(h.digest); err != nil {
			return event{}, false, err
		}
	}
	return ev, true, nil
}

// isDigest tells a digest from a tag, which holds no colon.
func isDigest(s string) bool { return strings.Contains(s, ":") }

// epochOf names an event by its id, else by its content. An event of a dialect without ids and times is never known again:
// what the second push of a tag says may be what the first one said.
func epochOf(h hint, m message, undated bool) string {
	raw := h.content
	switch {
	case undated && h.id == "":
		raw = []byte("new " + rand.Text())
	case h.id != "":
		raw = []byte("id " + h.id)
	case raw == nil:
		raw = m.body
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// coalesce keeps the last push of each tag and the last deletion of each kind, and returns how many it dropped: the
// registry's state is asked anyway.
func (s *said) coalesce() (dropped int) {
	type kind struct {
		gone            bool
		repository, tag string
		digest          plimsoll.Digest
	}
	last := map[kind]bool{}
	var kept []event
	for _, ev := range slices.Backward(s.events) {
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
	s.events = kept
	return dropped
}
