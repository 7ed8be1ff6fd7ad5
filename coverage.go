package plimsoll

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
)

// ReadState says how far an image, or one analyser of it, was read (the first part of coverage).
type ReadState string

// The read states, best first. "Not analysed" is not among them: an analyser that is off has no entry.
const (
	ReadComplete      ReadState = "complete"
	ReadNotApplicable ReadState = "not applicable" // no image at all: a chart, a signature …
	ReadStale         ReadState = "stale"          // complete once; listing or recipe is too old
	ReadWaiting       ReadState = "waiting"        // known, not read yet
	ReadPartial       ReadState = "partial"
	ReadFailed        ReadState = "failed"
)

// Coverage is a read state with its reason; every state but complete and waiting has one.
type Coverage struct {
	State  ReadState `json:"state"`
	Reason string    `json:"reason"`
}

// Complete is the coverage of what was read whole.
func Complete() Coverage { return Coverage{State: ReadComplete} }

// Partial is the coverage of what was read in part, because of reason.
func Partial(reason string) Coverage { return Coverage{ReadPartial, reason} }

// Failed is the coverage of what could not be read, because of reason.
func Failed(reason string) Coverage { return Coverage{ReadFailed, reason} }

// Short reports whether something is missing: anything but complete and not applicable.
func (c Coverage) Short() bool {
	return c.State != ReadComplete && c.State != ReadNotApplicable
}

// causeDigits is how many hexadecimal digits name a cause: 48 bits for a few hundred causes.
const causeDigits = 12

// Cause names a state with its reason. A reason may be long and holds what a registry said, so URLs and commands carry its hash.
func (c Coverage) Cause() string {
	return DigestOf([]byte(string(c.State) + "\n" + c.Reason)).Hex()[:causeDigits]
}

// IsCause reports whether s has the form of a cause's name.
func IsCause(s string) bool {
	return len(s) == causeDigits && strings.Trim(s, "0123456789abcdef") == ""
}

var readRank = map[ReadState]int{ReadComplete: 0, ReadNotApplicable: 1, ReadStale: 2, ReadWaiting: 3, ReadPartial: 4, ReadFailed: 5}

// Rank orders states from best (0) to worst; an unknown word is worst, because unknown is never clean.
func (s ReadState) Rank() int {
	if r, ok := readRank[s]; ok {
		return r
	}
	return len(readRank)
}

// WorstCoverage is the worst of all; of none it is waiting: nothing was read.
func WorstCoverage(all iter.Seq[Coverage]) Coverage {
	worst, found := Coverage{State: ReadWaiting}, false
	for c := range all {
		if !found || c.State.Rank() > worst.State.Rank() ||
			c.State.Rank() == worst.State.Rank() && c.Reason < worst.Reason {
			worst, found = c, true
		}
	}
	return worst
}

// KnownState says how much is known about one ecosystem (the second part of coverage).
type KnownState string

// The known states, best first.
const (
	KnownCurrent KnownState = "current"
	KnownStale   KnownState = "stale" // the feed is older than its limit
	KnownNone    KnownState = "none"  // no advisory data, or no comparer for its versions
)

// Knowledge is a known state with its reason.
type Knowledge struct {
	State  KnownState `json:"state"`
	Reason string     `json:"reason,omitempty"`
}

// Unsure says why no findings in an image do not mean that it has none: it was not read whole, or something in it has no
// advisories to compare with. Empty: none found means none, as far as the advisories go.
func Unsure(read Coverage, known map[string]Knowledge) string {
	if read.Short() {
		return "not read whole"
	}
	for _, ecosystem := range slices.Sorted(maps.Keys(known)) {
		if k := known[ecosystem]; k.State == KnownNone {
			return cmp.Or(k.Reason, "no advisory data for "+ecosystem)
		}
	}
	return ""
}
