package plimsoll

import "time"

// Posture is the aggregate over images at a moment, as lists and reports count them.
type Posture struct {
	At         time.Time            `json:"at"`
	Generation string               `json:"generation"`
	Policy     string               `json:"policy"`
	Active     Verdicts             `json:"active"` // tag moved, pulled or admitted within active days
	Stored     Verdicts             `json:"stored"`
	Read       map[ReadState]int    `json:"read"`     // images by read state
	Severity   map[Severity]Counted `json:"severity"` // findings of active images
	// StoredSeverity are the findings of all stored images.
	StoredSeverity map[Severity]Counted `json:"stored_severity"`
}

// Verdicts counts images by verdict.
type Verdicts struct {
	Pass    int `json:"pass"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Unknown int `json:"unknown"`
}

// Total is the number of images counted.
func (v Verdicts) Total() int { return v.Pass + v.Warn + v.Fail + v.Unknown }

// Counted is "31 unique · 1,204 places": distinct (advisory, package) pairs and the images they stand in.
type Counted struct {
	Unique int `json:"unique"`
	Places int `json:"places"`
}
