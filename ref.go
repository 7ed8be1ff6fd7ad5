package plimsoll

import "time"

// RefShard is the part of one repository's tags that one object holds. Tags are merged one by one: the newer Observed wins (see
// [Ref.After]).
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
	ReadAt    int64         `json:"read_at,omitempty"`   // the observation that was read by Recipe; a later one only saw the tag again
	Scope     string        `json:"scope,omitempty"`     // the registry's [Registry.Scope] when it was resolved
	Read      Coverage      `json:"read"`                // the worst of the platforms
	Observed  int64         `json:"observed"`            // sequence of the observation, nanoseconds of the observer
	Moved     time.Time     `json:"moved,omitzero"`      // when the tag was first seen at this digest
	First     time.Time     `json:"first,omitzero"`      // when the tag was first seen at all
	Missing   int           `json:"missing,omitempty"`   // complete listings in a row that lacked it; two mean gone
	// LastGood is the digest whose inventory was complete before this one: its verdict stays visible.
	LastGood Digest `json:"last_good,omitempty"`
	// Former are images that the tag held before, newest first: what was built on them names the tag as its base.
	Former []FormerImage `json:"former,omitempty"`
}

// After is what a tag is once this state of it is told after another: the newer observation wins. Of one digest, though, a state in
// which it was read says more than one in which it waits to be read, whichever was seen first: a push is read while a sweep that
// has seen the tag at the same digest has yet to say so.
func (r Ref) After(was Ref) Ref {
	out := r
	switch {
	case r.Digest == was.Digest && was.isRead() && r.waits():
		out = was
	case r.Digest == was.Digest && r.isRead() && was.waits():
	case was.Observed > r.Observed:
		out = was
	}
	out.Observed = max(r.Observed, was.Observed)
	return out
}

func (r Ref) isRead() bool { return r.Recipe != "" && !r.Read.Short() }

func (r Ref) waits() bool { return r.Recipe == "" && r.Read.State == ReadWaiting }

// FormerImage is one image that a tag held and moved away from.
type FormerImage struct {
	Platform Platform  `json:"platform"`
	Digest   Digest    `json:"digest"` // of its manifest
	From     time.Time `json:"from"`   // when the tag was first seen at it
	Until    time.Time `json:"until"`  // when the tag was first seen elsewhere
}

// maxFormer is how many former images a tag remembers: a month of nightly builds, in 5 KB of its ref.
const maxFormer = 32

// MovedAway is the ref's Former once the tag names something else, from the moment until on. Only images that were read are
// remembered: of others no layer is known.
func (r Ref) MovedAway(until time.Time) []FormerImage {
	var out []FormerImage
	for _, p := range r.Platforms {
		if p.Kind == "" && !p.Partial && r.Recipe != "" {
			out = append(out, FormerImage{p.Platform, p.Digest, r.Moved, until})
		}
	}
	for _, f := range r.Former {
		if len(out) < maxFormer {
			out = append(out, f)
		}
	}
	return out
}

// RefPlatform is one image that a tag holds.
type RefPlatform struct {
	Platform Platform            `json:"platform"`
	Digest   Digest              `json:"digest"`
	Read     map[string]Coverage `json:"read"`              // by analyser; {"": failed(reason)} when it could not be resolved
	Partial  bool                `json:"partial,omitempty"` // its inventory stands under partial/
	Kind     string              `json:"kind,omitempty"`    // why it is not applicable
}

// Beginnings of the Kind of an image that is one, and that the registry's scope leaves out.
const (
	OutOfPlatforms = "out of scope: platform "
	OutOfLabels    = "out of scope: label "
)
