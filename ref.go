package plimsoll

import "time"

// RefShard is the part of one repository's tags that one object holds. Tags are merged one by one: the newer Observed wins.
type RefShard struct {
	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	Width      int    `json:"width"` // shards of the repository; 0: a single one
	Shard      int    `json:"shard"`
	Tags       []Ref  `json:"tags"` // sorted by tag
}

// Ref is what one tag points at and how far that was read.
type Ref struct {
	Tag       string        `json:"tag"`
	Digest    Digest        `json:"digest"`              // of the index or manifest that the tag names
	Platforms []RefPlatform `json:"platforms,omitempty"` // one for an image, several for an index; empty until resolved
	Recipe    Recipe        `json:"recipe,omitempty"`    // the last that ended for this digest: a sweep needs no more
	Read      Coverage      `json:"read"`                // the worst of the platforms
	Observed  int64         `json:"observed"`            // sequence of the observation, nanoseconds of the observer
	Moved     time.Time     `json:"moved,omitzero"`      // when the tag was first seen at this digest
	First     time.Time     `json:"first,omitzero"`      // when the tag was first seen at all
	Missing   int           `json:"missing,omitempty"`   // complete listings in a row that lacked it; two mean gone
	// LastGood is the digest whose inventory was complete before this one: its verdict stays visible.
	LastGood Digest `json:"last_good,omitempty"`
}

// RefPlatform is one image that a tag holds.
type RefPlatform struct {
	Platform Platform            `json:"platform"`
	Digest   Digest              `json:"digest"`
	Read     map[string]Coverage `json:"read"`              // by analyser; {"": failed(reason)} when it could not be resolved
	Partial  bool                `json:"partial,omitempty"` // its inventory stands under partial/
	Kind     string              `json:"kind,omitempty"`    // why it is not applicable
}
