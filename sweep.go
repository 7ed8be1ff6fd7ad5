package plimsoll

import "time"

// SweepState is how a sweep stands.
type SweepState string

// The states of a sweep. Green means that each image is read complete or not applicable.
const (
	SweepRunning   SweepState = "running"
	SweepGreen     SweepState = "green"
	SweepRed       SweepState = "red"
	SweepCancelled SweepState = "cancelled"
	SweepFailed    SweepState = "failed" // the listing itself did not end
)

// Sweep is one pass over a registry (object sweeps/<registry>/<slot>).
type Sweep struct {
	Registry     string     `json:"registry"`
	Slot         string     `json:"slot"` // start time as 20060102T150405Z
	State        SweepState `json:"state"`
	Recipe       Recipe     `json:"recipe"`
	Actor        string     `json:"actor"` // "schedule" or the name of a token
	Started      time.Time  `json:"started"`
	Listed       time.Time  `json:"listed,omitzero"` // when the listing was complete
	Ended        time.Time  `json:"ended,omitzero"`
	Cursor       string     `json:"cursor,omitempty"`
	Counts       SweepCount `json:"counts"`
	Causes       []Cause    `json:"causes,omitempty"` // most images first
	Error        string     `json:"error,omitempty"`  // why the listing is not complete
	Repositories int        `json:"repositories"`
	// Credentials are those that the registry was read with, as they stood at the end: empty while the sweep runs.
	Credentials []Credential `json:"credentials,omitempty"`
}

// SweepCount counts tags (references). Listed = Unchanged + Enqueued while it runs; at the end the states of coverage.
type SweepCount struct {
	Listed        int `json:"listed"`
	Unchanged     int `json:"unchanged"`
	Enqueued      int `json:"enqueued"`
	Requests      int `json:"requests"` // scan requests made
	Complete      int `json:"complete"`
	NotApplicable int `json:"not_applicable"`
	Partial       int `json:"partial"`
	Failed        int `json:"failed"`
	Waiting       int `json:"waiting"`
	Gone          int `json:"gone"`
	Missed        int `json:"missed"`    // new or moved, and announced by no push event; of registries with hooks
	Throttled     int `json:"throttled"` // 429 answers
	// Waited is for how many seconds the registry asked the listing to wait.
	Waited     float64 `json:"waited_seconds,omitempty"`
	LayerBytes int64   `json:"layer_bytes"`
	// LeftOut is what the registry's scope leaves out. It is not listed, not covered and not failed.
	LeftOut LeftOut `json:"left_out,omitzero"`
}

// LeftOut counts what the scope of a registry leaves out, by the setting that does it.
type LeftOut struct {
	Repositories int `json:"repositories,omitempty"` // whole ones, by include and exclude
	Patterns     int `json:"patterns,omitempty"`     // tags of the others, by include and exclude
	Newest       int `json:"newest_tags,omitempty"`  // tags
	Moved        int `json:"moved_within,omitempty"` // tags
	Labels       int `json:"labels,omitempty"`       // images
	Platforms    int `json:"platforms,omitempty"`    // images
}

// Plus adds two counts.
func (l LeftOut) Plus(m LeftOut) LeftOut {
	return LeftOut{l.Repositories + m.Repositories, l.Patterns + m.Patterns, l.Newest + m.Newest, l.Moved + m.Moved, l.Labels + m.Labels, l.Platforms + m.Platforms}
}

// Cause groups gaps in coverage by their reason.
type Cause struct {
	Reason  string    `json:"reason"`
	State   ReadState `json:"state"`
	Images  int       `json:"images"`
	Example string    `json:"example"`
	Since   time.Time `json:"since,omitzero"`
}

// Total is how much is left out, of whatever it is.
func (l LeftOut) Total() int {
	return l.Repositories + l.Patterns + l.Newest + l.Moved + l.Labels + l.Platforms
}
