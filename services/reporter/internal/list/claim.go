package list

import (
	"cmp"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Claim is what an image says of its base, checked.
type Claim struct {
	Name   string             `json:"name"`
	Digest string             `json:"digest"`
	State  lineage.ClaimState `json:"state"`
	Text   string             `json:"text"` // the outcome in words
}

// ClaimOf checks what an image says of its base; nil when it says nothing. host gives the host that people write for a
// registry's id.
func ClaimOf(v *posture.View, r *posture.Row, im plimsoll.Image, host func(id string) string) *Claim {
	c := Claim{Name: im.Base.Name, Digest: im.Base.Digest}
	if c.Name == "" && c.Digest == "" {
		return nil
	}
	digest, err := plimsoll.ParseDigest(c.Digest)
	if err != nil {
		digest = ""
	}
	if c.Digest != "" && err != nil && c.Name == "" {
		c.State, c.Text = lineage.Unverifiable, "says that it stands on "+c.Digest+", which is no digest"
		return &c
	}
	c.State = v.Claim(r, lineage.Claim{Name: c.Name, Digest: digest}, func(ref plimsoll.Reference) bool {
		at := ref.Repository + ":" + cmp.Or(ref.Tag, "latest")
		rest, ok := strings.CutSuffix(c.Name, at)
		if !ok { // a name without a tag means latest
			rest, ok = strings.CutSuffix(c.Name+":latest", at)
		}
		return ok && (rest == ref.Registry+"/" || rest == host(ref.Registry)+"/")
	})
	says := "says that it stands on " + cmp.Or(c.Name, c.Digest)
	switch c.State {
	case lineage.Confirmed:
		c.Text = says + ": its layers are of it"
	case lineage.Refuted:
		c.Text = says + ": its layers are not of it"
	default:
		c.Text = says + ": that is not known here"
	}
	return &c
}
