package plimsoll

import "time"

// Settings is what of a reporter's configuration shows in what it says: the change log keeps it, so that a past moment can be
// shown as it was. Credentials are no part of it.
type Settings struct {
	Registries   []Scope `json:"registries"`
	ActiveDays   int     `json:"active_days"`
	StaleSeconds int64   `json:"stale_seconds"` // a feed that was not checked for longer is stale
}

// Scope is one configured registry and which of its images are looked at.
type Scope struct {
	ID           string   `json:"id"`
	URL          string   `json:"url"`
	Label        string   `json:"label,omitempty"`
	Repositories []string `json:"repositories,omitempty"` // given list; empty: the catalogue is asked
	Include      []string `json:"include,omitempty"`
	Exclude      []string `json:"exclude,omitempty"`
	Sweep        Schedule `json:"sweep"`
}

// ScopeOf is what is kept of a registry's configuration.
func ScopeOf(r Registry) Scope {
	return Scope{ID: r.ID, URL: r.URL, Label: r.Label, Repositories: r.Repositories, Include: r.Include, Exclude: r.Exclude, Sweep: r.Sweep}
}

// Registry is the registry as it was configured, without what is needed to reach it.
func (s Scope) Registry() Registry {
	return Registry{ID: s.ID, URL: s.URL, Label: s.Label, Repositories: s.Repositories, Include: s.Include, Exclude: s.Exclude, Sweep: s.Sweep}
}

// FeedKind says which of a generation's feeds is meant, where names may be the same.
type FeedKind string

// The kinds of feeds: an ecosystem's is the rule.
const (
	FeedOfEcosystem  FeedKind = ""
	FeedOfOwn        FeedKind = "own"
	FeedOfEnrichment FeedKind = "enrichment"
)

// FeedCheck is one look at one feed: what decides whether its data is stale.
type FeedCheck struct {
	Ecosystem string    `json:"ecosystem"`
	Kind      FeedKind  `json:"kind,omitempty"`
	Checked   time.Time `json:"checked,omitzero"` // when it was last read without an error
	Error     string    `json:"error,omitempty"`  // why it could not be read this time
}
