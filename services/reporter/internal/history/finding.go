package history

import (
	"cmp"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Finding is one flaw in one package of one repository over time, whatever digests its tags named.
type Finding struct {
	Registry   string            `json:"registry"`
	Repository string            `json:"repository"`
	Package    string            `json:"package"`
	ID         string            `json:"id"`
	Aliases    []string          `json:"aliases,omitempty"` // other names it has or had, sorted
	Severity   plimsoll.Severity `json:"severity"`          // as last seen
	Spans      []Span            `json:"spans"`             // oldest first, apart from each other
	Away       []Away            `json:"away,omitempty"`    // when it was out of sight within them, oldest first
	// Stands are the images that hold it, sorted; none when it is closed. An image that cannot be read stays among them.
	Stands []Stand `json:"stands,omitempty"`
}

// Span is one time from when a finding was first seen to when it was proved to be gone.
type Span struct {
	First  time.Time `json:"first"`
	Closed *Closure  `json:"closed,omitempty"` // nil while it is open
}

// Away is a time in which no tag named an image that held a finding, until one did again.
type Away struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// maxAway bounds how many of these times are kept of one finding, the latest: a tag that comes and goes with each build has
// many, and only a chart asks for them.
const maxAway = 50

// Stand is one image that holds a finding.
type Stand struct {
	Tag      string          `json:"tag"`
	Platform string          `json:"platform"`
	Digest   plimsoll.Digest `json:"digest"`
	Recipe   plimsoll.Recipe `json:"recipe"` // by which it was read
}

func compareStands(a, b Stand) int {
	return cmp.Or(strings.Compare(a.Tag, b.Tag), strings.Compare(a.Platform, b.Platform), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Recipe, b.Recipe))
}

// Proof is how a finding was seen to be gone.
type Proof string

// The proofs, the strongest first. A finding whose images cannot be read is not gone.
const (
	ProofFixed    Proof = "fixed"              // the tag names a digest that was read whole and does not hold it
	ProofAdvisory Proof = "advisory withdrawn" // the advisory data no longer says that the same image has it
	ProofReading  Proof = "read anew"          // the same image, read by another recipe, does not hold it
	ProofTagGone  Proof = "tag gone"           // no tag names an image that held it: by two complete listings or the registry's word
)

var proofs = []Proof{ProofFixed, ProofAdvisory, ProofReading, ProofTagGone}

// Closure is when and how a finding went away.
type Closure struct {
	Time  time.Time `json:"time"`
	Proof Proof     `json:"proof"`
	Tag   string    `json:"tag"` // of the image that proves it
	// Digest and Recipe name the inventory that proves it (inventories/<recipe>/…); empty for a tag that is gone.
	Digest     plimsoll.Digest `json:"digest,omitempty"`
	Recipe     plimsoll.Recipe `json:"recipe,omitempty"`
	Generation string          `json:"generation,omitempty"` // of the advisories that it was looked at by
}

// Open reports whether the finding stands.
func (f *Finding) Open() bool { return len(f.Spans) > 0 && f.Spans[len(f.Spans)-1].Closed == nil }

// StoodAt reports whether the finding stood at a moment, as it was known then.
func (f *Finding) StoodAt(at time.Time) bool {
	for _, a := range f.Away {
		if !a.From.After(at) && a.Until.After(at) {
			return false
		}
	}
	for _, s := range f.Spans {
		if !s.First.After(at) && (s.Closed == nil || s.Closed.Time.After(at)) {
			return true
		}
	}
	return false
}
