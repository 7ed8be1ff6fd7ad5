package plimsoll

import (
	"fmt"
	"strconv"
	"strings"
)

// Days is a span of whole days, written as in "14d".
type Days int

// maxDays bounds a span: ten years, beyond which nothing is a deadline.
const maxDays = 3650

// UnmarshalText reads "14d".
func (d *Days) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimSuffix(string(text), "d"))
	if err != nil || !strings.HasSuffix(string(text), "d") || n < 1 || n > maxDays {
		return fmt.Errorf("%w: %.20q: want days as in 14d, 1d to %dd", ErrInvalid, text, maxDays)
	}
	*d = Days(n)
	return nil
}

// MarshalText writes "14d".
func (d Days) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is "14d".
func (d Days) String() string { return strconv.Itoa(int(d)) + "d" }

// DeadlineStart is the date that a deadline counts from.
type DeadlineStart string

// The dates that a deadline may count from.
const (
	FromFirstDetected     DeadlineStart = "first_detected"     // the finding was first seen in this repository
	FromAdvisoryPublished DeadlineStart = "advisory_published" // the first record of the flaw was published
	FromFixPublished      DeadlineStart = "fix_published"      // the first record that names a fixed version here was published
	FromKEVAdded          DeadlineStart = "kev_added"          // CISA listed the flaw as known to be exploited
)

// DeadlineStarts are all of them.
var DeadlineStarts = []DeadlineStart{FromFirstDetected, FromAdvisoryPublished, FromFixPublished, FromKEVAdded}

// Deadline says how long a finding may stand, by severity; a severity without an entry has no deadline. It belongs to the
// repository, package and flaw: a rebuild does not restart it.
type Deadline struct {
	Critical Days `json:"critical,omitempty" yaml:"critical"`
	High     Days `json:"high,omitempty" yaml:"high"`
	Medium   Days `json:"medium,omitempty" yaml:"medium"`
	Low      Days `json:"low,omitempty" yaml:"low"`
	NotRated Days `json:"not_rated,omitempty" yaml:"not_rated"`
	// From is first_detected when it is left out. Where its date is not known, the earliest known one counts.
	From DeadlineStart `json:"from,omitempty" yaml:"from"`
}

// Of is the span of a severity; 0 for none.
func (d *Deadline) Of(s Severity) Days {
	if d == nil {
		return 0
	}
	switch s {
	case SeverityCritical:
		return d.Critical
	case SeverityHigh:
		return d.High
	case SeverityMedium:
		return d.Medium
	case SeverityLow:
		return d.Low
	case SeverityNotRated:
		return d.NotRated
	}
	return 0
}

// Start is From, or its default.
func (d *Deadline) Start() DeadlineStart {
	if d == nil || d.From == "" {
		return FromFirstDetected
	}
	return d.From
}
