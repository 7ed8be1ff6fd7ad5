package report

import (
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// Bounds of a report.
const (
	// maxFindings is how many findings a report holds: some 60 MB of JSON, which one object and one reader still bear.
	maxFindings = 250_000
	// trendWeeks is the quarter that an auditor compares (REPORT: verdicts, trend of 13 weeks).
	trendWeeks = 13
	// maxChanges is how many new and closed findings are listed; all are counted.
	maxChanges = 50_000
)

// Model is everything that a report says. Its files are made from it and from nothing else.
type Model struct {
	Front    Front     `json:"front"`
	Page     Page      `json:"one_page"`
	Scope    Scope     `json:"scope_and_coverage"`
	Method   Method    `json:"method_and_data"`
	Verdicts Verdicts  `json:"verdicts"`
	Changes  Changes   `json:"new_and_closed"`
	Missing  []Missing `json:"missing"` // sections whose data is not known yet
	Findings []Finding `json:"findings"`
}

// Front is section 0: authenticity, completeness, sequence.
type Front struct {
	Organisation string    `json:"organisation"`
	Period       string    `json:"period"`
	From         time.Time `json:"from"`
	To           time.Time `json:"to"`
	Cutoff       time.Time `json:"cutoff"`
	Evaluated    time.Time `json:"evaluated"` // when the posture that it shows was formed
	Made         time.Time `json:"made"`
	Zone         string    `json:"zone"`
	Revision     int       `json:"revision"`
	Draft        bool      `json:"draft"`
	Generator    string    `json:"generator"`
	Previous     Previous  `json:"previous"`
	ScopeLine    string    `json:"scope_line"`
}

// Previous is the report before this one; empty for the first.
type Previous struct {
	Period string          `json:"period"`
	Digest plimsoll.Digest `json:"digest"`
}

// Page is section 1: what management reads.
type Page struct {
	Sentence  string            `json:"sentence"`
	Remarks   []string          `json:"remarks"` // what puts the report in doubt: red sweeps, dead feeds, lateness
	Active    plimsoll.Verdicts `json:"active"`
	Stored    plimsoll.Verdicts `json:"stored"`
	Covered   int               `json:"covered"`
	Listed    int               `json:"listed"`
	Severity  []SeverityCount   `json:"severity"` // in active images
	Decisions []string          `json:"decisions"`
}

// SeverityCount is "31 unique · 1,204 places".
type SeverityCount struct {
	Severity plimsoll.Severity `json:"severity"`
	Unique   int               `json:"unique"`
	Places   int               `json:"places"`
	Images   int               `json:"images"`
	Fixable  int               `json:"fixable_places"`
}

// Scope is section 2: the population and what was looked at.
type Scope struct {
	Registries []Registry         `json:"registries"`
	Gaps       []list.Gap         `json:"gaps"`
	Balance    Balance            `json:"reconciliation"`
	Lacking    []list.Lacking     `json:"ecosystems_without_data"`
	Changes    []Change           `json:"scope_changes"`
	Analyzers  []AnalyzerCoverage `json:"analysers"`
}

// Registry is one registry's part of the population.
type Registry struct {
	ID      string                     `json:"id"`
	Host    string                     `json:"host"`
	Include []string                   `json:"include"`
	Exclude []string                   `json:"exclude"`
	Listed  int                        `json:"listed"`    // tags in the last complete listing
	Listing time.Time                  `json:"listed_at"` // of the last complete listing
	Images  int                        `json:"images"`
	Read    map[plimsoll.ReadState]int `json:"read"`
	Sweeps  int                        `json:"sweeps"` // that ended in the period
	Red     int                        `json:"red_sweeps"`
	Reasons []string                   `json:"red_reasons"`
}

// Balance is the reconciliation: Listed = Covered + the sum of the gaps. Whole is false when it does not add up, which is
// itself a finding.
type Balance struct {
	Listed  int  `json:"listed"`
	Covered int  `json:"covered"`
	Gaps    int  `json:"gaps"`
	Whole   bool `json:"whole"`
}

// AnalyzerCoverage is how far one analyser got.
type AnalyzerCoverage struct {
	Analyzer string                     `json:"analyser"`
	Read     map[plimsoll.ReadState]int `json:"read"`
}

// Method is section 3: could this be repeated.
type Method struct {
	Generator  string      `json:"generator"`
	Policy     PolicyName  `json:"policy"`
	Generation string      `json:"generation"`
	Made       time.Time   `json:"generation_made"`
	Source     string      `json:"source"`
	Feeds      []list.Feed `json:"feeds"`
	Updates    int         `json:"data_updates"` // generations in the period, as far as the log that is kept in memory goes
	Weaknesses []string    `json:"weaknesses"`
}

// PolicyName names the policy.
type PolicyName struct {
	Name    string          `json:"name"`
	Version int             `json:"version"`
	Digest  plimsoll.Digest `json:"digest"`
	Target  float64         `json:"target"`
}

// Verdicts is section 4: does the control operate.
type Verdicts struct {
	Rules []RuleCount `json:"rules"`
	Trend []TrendWeek `json:"trend"` // oldest first, this period last
}

// RuleCount is one control and the stored images that break it.
type RuleCount struct {
	Rule   string                `json:"rule"`
	Text   string                `json:"text"`
	Then   plimsoll.VerdictState `json:"then"`
	Active int                   `json:"active"`
	Stored int                   `json:"stored"`
}

// TrendWeek is one period's numbers.
type TrendWeek struct {
	Period  string            `json:"period"`
	Active  plimsoll.Verdicts `json:"active"`
	Covered int               `json:"covered"`
	Listed  int               `json:"listed"`
}

// Changes is section 6: new and closed against the report before. Closed only by proof.
type Changes struct {
	Known     bool     `json:"known"` // false for the first report, or when the one before cannot be read: Reason says why
	Reason    string   `json:"reason"`
	New       []Change `json:"new"`
	Closed    []Change `json:"closed"`
	NewCount  int      `json:"new_count"`
	Shut      int      `json:"closed_count"`
	Untold    int      `json:"cannot_be_told"` // open before, and the image is not read whole now: not closed
	ListLimit int      `json:"list_limit"`
}

// Change is one line of what changed.
type Change struct {
	Reference string            `json:"reference"`
	Platform  string            `json:"platform"`
	Advisory  string            `json:"advisory"`
	Package   string            `json:"package"`
	Severity  plimsoll.Severity `json:"severity"`
	Cause     string            `json:"cause"` // of a new one; the proof of a closed one
	Digest    plimsoll.Digest   `json:"digest"`
	Time      time.Time         `json:"time,omitzero"`
}

// Missing is a section that cannot be written yet, and why.
type Missing struct {
	Section string `json:"section"`
	Why     string `json:"why"`
}

// Finding is one row of findings.csv (REPORT: annex files).
type Finding struct {
	Asset    string                `json:"asset"` // registry/repository@digest
	Ref      string                `json:"reference"`
	Platform string                `json:"platform"`
	ID       string                `json:"id"`
	Severity plimsoll.Severity     `json:"severity"`
	Score    float64               `json:"score"`
	Source   string                `json:"severity_source"`
	PURL     string                `json:"purl"`
	Package  string                `json:"package"`
	Version  string                `json:"version"`
	Fixed    string                `json:"fixed"`
	Layer    int                   `json:"layer"`
	Path     string                `json:"path"`
	Active   bool                  `json:"active"`
	Verdict  plimsoll.VerdictState `json:"verdict"`
}
