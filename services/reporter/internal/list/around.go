package list

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Around is what is known of the engines around the posture: looked at now and then, so that no page waits for them.
type Around struct {
	Registries map[string]RegistryAround // by id
	Letters    DeadLetters
}

// RegistryAround is one registry's part.
type RegistryAround struct {
	Next   *time.Time          // when its next sweep starts by its schedule; nil: none is scheduled, or it cannot be told
	Events *plimsoll.PushCount // of the last 24 hours; nil: it has no hook, or they cannot be told
	Pushes *int                // requests of pushes that have not ended: they overtake its sweep; nil: it cannot be told
}

// DeadLetters are the scan requests that failed for good.
type DeadLetters struct {
	Total  int          `json:"total"`
	Recent []DeadLetter `json:"recent"` // newest first
	Fault  string       `json:"fault"`  // why they cannot be told; empty when they can
}

// DeadLetter is one of them.
type DeadLetter struct {
	Registry   string    `json:"registry"`
	Repository string    `json:"repository"`
	Tags       []string  `json:"tags"` // or digests, of its targets
	Lane       string    `json:"lane"` // push or sweep
	Reason     string    `json:"reason"`
	Failed     time.Time `json:"failed"`
	Deliveries int       `json:"deliveries"`
	Trace      string    `json:"trace"` // its id in the logs
}

// Limit is one bound that was hit while images were read.
type Limit struct {
	Reason string `json:"reason"`
	Images int    `json:"images"`
	Hit    string `json:"hit"` // names state and reason in filters
}

// maxLimits bounds the limits that are told apart: reasons may hold words of images.
const maxLimits = 50

// Limits are the bounds that were hit in the images of a registry (of all when it is empty), by the reason that analysers give, most
// images first.
func Limits(v *posture.View, registry string) []Limit {
	images := map[plimsoll.Coverage]int{}
	for _, r := range v.Rows() {
		if registry != "" && r.Reference.Registry != registry {
			continue
		}
		seen := map[plimsoll.Coverage]bool{}
		for _, c := range r.Read {
			if c.Short() && strings.Contains(c.Reason, "limit") && !seen[c] {
				seen[c] = true
				images[c]++
			}
		}
	}
	out := make([]Limit, 0, len(images))
	for c, n := range images {
		out = append(out, Limit{Reason: c.Reason, Images: n, Hit: c.Cause()})
	}
	slices.SortFunc(out, func(a, b Limit) int {
		return cmp.Or(b.Images-a.Images, strings.Compare(a.Reason+a.Hit, b.Reason+b.Hit))
	})
	return out[:min(len(out), maxLimits)]
}
