package plimsoll

import "time"

// Platform is what an image runs on, as the OCI image specification names it: os/architecture[/variant].
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// String is "linux/arm64/v8"; empty when nothing is known.
func (p Platform) String() string {
	if p.OS == "" && p.Architecture == "" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Image is one manifest and its configuration, as resolved from a registry: immutable, keyed by the manifest's digest
// (object images/…). An index is not an image; each of its platforms is.
type Image struct {
	Digest    Digest            `json:"digest"`
	MediaType string            `json:"media_type"`
	Platform  Platform          `json:"platform"`
	Config    Digest            `json:"config"`
	Created   time.Time         `json:"created,omitzero"` // the configuration's claim
	Layers    []LayerRef        `json:"layers"`           // lowest first
	Labels    map[string]string `json:"labels,omitempty"`
	History   []HistoryEntry    `json:"history,omitempty"`
	Base      BaseClaim         `json:"base,omitzero"` // what it says of its base
	// NotApplicable is why this manifest holds no image at all (a chart, a signature …); empty for an image.
	NotApplicable string `json:"not_applicable,omitempty"`
	// Faults are lies and limits met while resolving: a layer count that differs, labels cut short.
	Faults []string `json:"faults,omitempty"`
	// Lies says that the configuration's diff IDs cannot be those of the layers: too many, too few, or of no valid form.
	Lies bool `json:"lies,omitempty"`
}

// BaseClaim is what an image says of the image that it was built on, in annotations of its manifest or in labels:
// org.opencontainers.image.base.name and .digest. A claim: lineage is found by layers.
type BaseClaim struct {
	Name   string `json:"name,omitempty"`
	Digest string `json:"digest,omitempty"` // as written; it may be none
}

// LayerRef is one layer as its manifest names it.
type LayerRef struct {
	Digest    Digest `json:"digest"`
	Size      int64  `json:"size"` // compressed bytes, the manifest's claim
	MediaType string `json:"media_type"`
	Claim     DiffID `json:"diff_id_claim,omitempty"` // the configuration's diff ID; ours stands in the facts
	CreatedBy string `json:"created_by,omitempty"`    // the instruction that made it, where the history tells
}

// HistoryEntry is one step of the configuration's history; Empty ones made no layer.
type HistoryEntry struct {
	Created   time.Time `json:"created,omitzero"`
	CreatedBy string    `json:"created_by,omitempty"`
	Comment   string    `json:"comment,omitempty"`
	Empty     bool      `json:"empty,omitempty"`
}

// Size is the sum of the compressed layers, in bytes.
func (im Image) Size() (total int64) {
	for _, l := range im.Layers {
		total += l.Size
	}
	return total
}
