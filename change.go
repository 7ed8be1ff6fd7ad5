package plimsoll

import "time"

// ChangeKind is what happened.
type ChangeKind string

// The kinds of change. History is a fold over them.
const (
	ChangeTag        ChangeKind = "tag"        // a tag is new or points elsewhere
	ChangeGone       ChangeKind = "gone"       // a tag is gone, by two complete listings or the registry's word
	ChangeInventory  ChangeKind = "inventory"  // an image's inventory is new or its coverage changed
	ChangeCoverage   ChangeKind = "coverage"   // a tag could not be read, or can be again
	ChangeSweep      ChangeKind = "sweep"      // a sweep ended
	ChangeScope      ChangeKind = "scope"      // the registries, their patterns or other settings that show changed: Settings
	ChangeGeneration ChangeKind = "generation" // advisories
	ChangeFeeds      ChangeKind = "feeds"      // feeds were looked at: Feeds. At most hourly while nothing about them changes
	ChangePolicy     ChangeKind = "policy"
	ChangeReport     ChangeKind = "report"
	ChangeCommand    ChangeKind = "command" // somebody asked for something: Subject is of what, Text what
)

// GoneOutOfScope is the Text of a tag that is gone because the registry's patterns do not include it any more: the registry may
// still hold it.
const GoneOutOfScope = "the registry's patterns do not include it any more"

// GoneForgotten is the Text of a tag that is gone because its registry was taken out of the configuration and then forgotten, by
// somebody's command: the registry may still hold it.
const GoneForgotten = "the registry is not configured any more, and was forgotten"

// Change is one entry of the change log.
type Change struct {
	Kind       ChangeKind `json:"kind"`
	Repository string     `json:"repository,omitempty"`
	Tag        string     `json:"tag,omitempty"`
	Digest     Digest     `json:"digest,omitempty"`
	Previous   Digest     `json:"previous,omitempty"`
	Ref        *Ref       `json:"ref,omitempty"`     // the tag's whole new state, for tag, inventory and coverage
	Subject    string     `json:"subject,omitempty"` // generation id, policy digest, report period, sweep slot
	Text       string     `json:"text,omitempty"`
	Asked      time.Time  `json:"asked,omitzero"`  // when the push that led to it was told to us
	Trace      string     `json:"trace,omitempty"` // that push's id in the logs
	Span       string     `json:"span,omitempty"`  // and, where it is traced, the step that wrote this: W3C traceparent
	// Settings are all that is in force from now on, for scope; Feeds are all feeds, for feeds.
	Settings *Settings   `json:"settings,omitempty"`
	Feeds    []FeedCheck `json:"feeds,omitempty"`
}

// ChangeBatch is one object of the change log: changes of one stream that were made together.
type ChangeBatch struct {
	Stream   string    `json:"stream"`   // registry id, "advisories" or "decisions"
	Sequence int64     `json:"sequence"` // from 1, without gaps
	Time     time.Time `json:"time"`
	Actor    string    `json:"actor"` // "sweep", "push", "scan", or the name of a token
	Changes  []Change  `json:"changes"`
}

// Streams beside one for each registry.
const (
	StreamAdvisories = "advisories"
	StreamDecisions  = "decisions"
)
