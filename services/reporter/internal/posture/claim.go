package posture

import (
	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
)

// Claim checks what an image says of its base against the layers of what is known here. named reports whether a tag (registry
// id, repository, tag) is the one that the claim's name means. Digests of an index stand for each of its images.
func (v *View) Claim(r *Row, c lineage.Claim, named func(plimsoll.Reference) bool) lineage.ClaimState {
	if r == nil || r.image == nil {
		return lineage.Unverifiable
	}
	var bases, digest, name []lineage.Node
	for n := v.lineage.Below(r.image.place); n != lineage.Nowhere; n = v.lineage.Base(n) {
		bases = append(bases, n)
	}
	learn := func(ref plimsoll.Reference, platform plimsoll.Platform, at lineage.Place, digests ...plimsoll.Digest) {
		if platform != r.image.platform || !at.Whole {
			return
		}
		for _, d := range digests {
			if d == c.Digest && d != "" {
				digest = append(digest, at.Node)
			}
		}
		if c.Name != "" && named(ref) {
			name = append(name, at.Node)
		}
	}
	for _, x := range v.rows {
		if x.image != nil {
			learn(x.Reference, x.image.platform, x.image.place, x.Digest, x.Reference.Digest)
		}
	}
	for _, f := range v.former {
		learn(plimsoll.Reference{Registry: f.ref.registry, Repository: f.ref.repository, Tag: f.ref.tag}, f.Platform, f.place, f.Digest)
	}
	return c.Check(bases, digest, name)
}
