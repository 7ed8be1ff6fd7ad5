package lineage

import "github.com/plimsoll/plimsoll"

// ClaimState is what became of checking what an image says of its base.
type ClaimState string

// The states of a claim.
const (
	Confirmed    ClaimState = "confirmed"    // the layers of what it names are the image's lowest ones
	Refuted      ClaimState = "refuted"      // they are known, and they are not
	Unverifiable ClaimState = "unverifiable" // what it names is not known here
)

// Claim is what an image says of its base: the annotations or labels org.opencontainers.image.base.name and .digest
// (https://github.com/opencontainers/image-spec/blob/main/annotations.md).
type Claim struct {
	Name   string
	Digest plimsoll.Digest
}

// Check compares a claim with the bases of an image. digest are the positions of the image that the claimed digest names,
// name those of all that the claimed tag is known to have held; none where it is not known here. A digest decides alone. A
// tag that holds something else now may have held the base before anybody looked, so that it refutes nothing.
func (c Claim) Check(bases, digest, name []Node) ClaimState {
	known := digest
	if c.Digest == "" {
		known = name
	}
	for _, n := range known {
		for _, b := range bases {
			if n == b {
				return Confirmed
			}
		}
	}
	if c.Digest != "" && len(digest) > 0 {
		return Refuted
	}
	return Unverifiable
}
