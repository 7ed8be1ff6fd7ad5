package hooks

import (
	"fmt"
	"net/http"
	"time"

	"github.com/plimsoll/plimsoll"
)

// A dialect is how one kind of registry tells of pushes.
type dialect struct {
	// decode takes the hints from a message that is authentic. ErrInvalid is returned when it is none of this dialect,
	// ErrLimit when it holds too much.
	decode func(m message) (heard, error)
	// proof says whether a message shows the secret, or is signed with it; nil where tokens are signed in its place.
	proof  func(m message, secret string) bool
	header string // where proof finds the secret or signature, unless it is configured
	signed bool   // proof looks at the body
	inPath bool   // the secret may stand in the path
	// undated says that messages hold neither an id nor a time: two pushes may look alike, so that each message is a new one.
	undated bool
}

// dialects are all of them, by their configured name.
var dialects = map[string]dialect{
	plimsoll.HookDistribution: {decode: distribution, proof: shown, header: "Authorization"},
	plimsoll.HookHarbor:       {decode: harbor, proof: shown, header: "Authorization"},
	plimsoll.HookDockerHub:    {decode: dockerHub, proof: inPath, inPath: true},
	plimsoll.HookQuay:         {decode: quay, proof: inPath, inPath: true, undated: true},
	plimsoll.HookGHCR:         {decode: ghcr, proof: signedSHA256, header: "X-Hub-Signature-256", signed: true},
	plimsoll.HookACR:          {decode: acr, proof: shownOrInPath, header: "Authorization", inPath: true},
	plimsoll.HookECR:          {decode: ecr, proof: shown, header: "X-Api-Key"},
	plimsoll.HookGoogle:       {decode: google},
	plimsoll.HookZot:          {decode: zot, proof: shown, header: "Authorization"},
	plimsoll.HookGitea:        {decode: gitea, proof: signedByGitea, signed: true},
	plimsoll.HookArtifactory:  {decode: artifactory, proof: shownOrSigned, header: "X-JFrog-Event-Auth", signed: true, undated: true},
	plimsoll.HookNexus:        {decode: nexus, proof: signedSHA1, header: "X-Nexus-Webhook-Signature", signed: true},
}

// dialectOf is the registry's dialect; the configuration was checked to name a known one.
func dialectOf(r plimsoll.Registry) dialect {
	name := r.Hook.Dialect
	if name == "" {
		name = plimsoll.HookDistribution
	}
	d := dialects[name]
	if r.Hook.Header != "" {
		d.header = r.Hook.Header
	}
	return d
}

// A message is one notification as it came in.
type message struct {
	registry plimsoll.Registry
	header   http.Header
	body     []byte
	rest     string // of the path, after the registry's id: perhaps a secret, so it is never logged
	shows    string // the header in which the dialect shows the secret or the signature
}

// heard is what a dialect finds in a message. Refused counts events that are malformed, ignored those that can move no tag:
// pulls, layers, pings, other registries' events.
type heard struct {
	hints            []hint
	refused, ignored int
	reply            []byte // JSON that a handshake waits for
}

// A hint is what one event says, unchecked.
type hint struct {
	id         string    // of the delivery or the event; empty: its content names it
	content    []byte    // of the event; nil: the message's body
	at         time.Time // when it happened, by the registry's clock; zero: it does not say
	gone       bool      // something was deleted: what it was is asked again
	repository string
	tag        string // or a digest, where a registry says so
	digest     string
}

const (
	// maxBody bounds a notification, in bytes. One event is about 1 KiB and registries send one or a few at a time; those with
	// a whole manifest in them (zot) are bounded by what a manifest may be.
	maxBody = 1 << 20
	// maxEvents bounds the events of one notification; a registry that has more to say says it again.
	maxEvents = 4096
)

// tooMany is the error for a message with n events, if that is above the bound.
func tooMany(n int) error {
	if n <= maxEvents {
		return nil
	}
	return fmt.Errorf("notification: %w: %d events, at most %d", plimsoll.ErrLimit, n, maxEvents)
}

func notOne(err error) error {
	return fmt.Errorf("notification: %w: %w", plimsoll.ErrInvalid, err)
}

// ignoring is what a message of no interest is heard as.
func ignoring() (heard, error) { return heard{ignored: 1}, nil }

// one is what a message with one event is heard as.
func one(h hint) (heard, error) { return heard{hints: []hint{h}}, nil }
