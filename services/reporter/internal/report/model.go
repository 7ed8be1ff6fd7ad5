package report

import (
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// Bounds of a report.
const (
	// maxFindings is how many findings a report holds: some 60 MB of JSON, which one object and one reader still bear.
	maxFindings = 250_000
	// trendWeeks is the quarter that an auditor compares (REPORT: verdicts, trend of 13 weeks).
	trendWeeks = 13
	// maxContent is how many secrets and how many files are listed; all are counted.
	maxContent = 5_000
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
	Ranking  Ranking   `json:"ranking_and_deadlines"`
	Changes  Changes   `json:"new_and_closed"`
	Overdue  Overdue   `json:"overdue_and_exploited"`
	Content  Content   `json:"content"`
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
	InUse     *Use              `json:"in_use"` // null: nobody told of any image
	Covered   int               `json:"covered"`
	Listed    int               `json:"listed"`
	Severity  []SeverityCount   `json:"severity"` // in active images
	Overdue   int               `json:"overdue"`  // findings, each once a repository, package and flaw
	New       int               `json:"new"`
	Closed    int               `json:"closed"`
	Moved     *Waterfall        `json:"moved"` // null where it cannot be told: a remark says why
	Decisions []string          `json:"decisions"`
}

// Use is what was told of stored images being in use, as it stood when the posture was formed.
type Use struct {
	Verdicts plimsoll.Verdicts `json:"verdicts"` // of images seen in use within the active days
	Not      int               `json:"not"`      // images last seen in use before
	Unknown  int               `json:"not_known"`
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

// Waterfall is why the posture of stored images moved in the period: the causes add up.
type Waterfall struct {
	From   time.Time             `json:"from"`
	To     time.Time             `json:"to"`
	Before history.Standing      `json:"before"`
	After  history.Standing      `json:"after"`
	Causes []history.CauseEffect `json:"causes"`
}

// Ranking is section 5: how findings are ranked, how long each may stand, and whether that is kept. A finding counts once a
// repository, package and flaw, whatever tags and digests hold it.
type Ranking struct {
	Rule       string                 `json:"severity_rule"` // which source wins
	From       plimsoll.DeadlineStart `json:"clock_start"`   // empty: the policy sets no deadlines
	Severities []SeverityDue          `json:"severities"`
	Trend      []DueWeek              `json:"trend"` // oldest first, this period last
}

// SeverityDue is one severity's deadline and how it is kept.
type SeverityDue struct {
	Severity plimsoll.Severity `json:"severity"`
	Days     plimsoll.Days     `json:"deadline,omitempty"` // absent: none
	Open     int               `json:"open"`
	Within   int               `json:"within"`
	Overdue  int               `json:"overdue"`
	Closed   int               `json:"closed"` // in the period
	InTime   int               `json:"closed_in_time"`
	Median   float64           `json:"median_days"` // from first detected to closed, of those closed in the period
	P90      float64           `json:"p90_days"`
}

// DueWeek is one period's numbers over all severities that have a deadline.
type DueWeek struct {
	Period  string `json:"period"`
	Open    int    `json:"open"`
	Overdue int    `json:"overdue"`
	Closed  int    `json:"closed"`
	InTime  int    `json:"closed_in_time"`
}

// Changes is section 6: new and closed in the period. Closed only by proof.
type Changes struct {
	Known     bool            `json:"known"` // false where no history of findings is kept
	New       []FindingChange `json:"new"`
	Closed    []FindingChange `json:"closed"`
	NewCount  int             `json:"new_count"`
	Shut      int             `json:"closed_count"`
	Untold    int             `json:"cannot_be_told"` // open, and no image that held it is read now: not closed
	ByCause   []CauseCount    `json:"new_by_cause"`
	ByProof   []CauseCount    `json:"closed_by_proof"`
	ListLimit int             `json:"list_limit"`
}

// CauseCount is how many findings have one cause or proof.
type CauseCount struct {
	What string `json:"what"`
	N    int    `json:"n"`
}

// FindingChange is one finding of one repository that is new or closed.
type FindingChange struct {
	ID         string            `json:"id"` // registry/repository, package and flaw: stays the same for good
	Registry   string            `json:"registry"`
	Repository string            `json:"repository"`
	Advisory   string            `json:"advisory"`
	Package    string            `json:"package"`
	Severity   plimsoll.Severity `json:"severity"`
	Detected   time.Time         `json:"detected"`
	Cause      string            `json:"cause,omitempty"` // of a new one
	Closed     time.Time         `json:"closed,omitzero"`
	Proof      string            `json:"proof,omitempty"` // of a closed one
	Tag        string            `json:"tag,omitempty"`   // of the image that proves it
	Digest     plimsoll.Digest   `json:"digest,omitempty"`
	Scan       string            `json:"scan,omitempty"`    // the inventory that proves it, as a key of the bucket
	InTime     *bool             `json:"in_time,omitempty"` // null where there was no deadline
}

// Overdue is section 7: what is beyond its deadline, by how long, and whose it is.
type Overdue struct {
	Lines []OverdueLine `json:"overdue"` // the longest over first
	Count int           `json:"overdue_count"`
	// Exploited are the open ones that CISA lists as known to be exploited, whatever their age.
	Exploited      []OverdueLine `json:"exploited"`
	ExploitedCount int           `json:"exploited_count"`
	Old            int           `json:"open_beyond_192_days"` // open for longer, whatever their deadline: to be listed as accepted (FedRAMP VDR)
	ListLimit      int           `json:"list_limit"`
}

// OverdueLine is one finding of one repository beyond its deadline.
type OverdueLine struct {
	ID         string                 `json:"id"`
	Registry   string                 `json:"registry"`
	Repository string                 `json:"repository"`
	Images     []string               `json:"images"` // the first few that hold it
	ImageCount int                    `json:"image_count"`
	InUse      string                 `json:"in_use"` // whether any of them is: yes, no, not known
	Owner      string                 `json:"owner"`  // empty: not known
	Advisory   string                 `json:"advisory"`
	Package    string                 `json:"package"`
	Version    string                 `json:"version"`
	Fixed      string                 `json:"fixed"`
	Severity   plimsoll.Severity      `json:"severity"`
	Detected   time.Time              `json:"detected"`
	Deadline   time.Time              `json:"deadline,omitzero"` // absent where there is none
	From       plimsoll.DeadlineStart `json:"clock_start,omitempty"`
	Listed     time.Time              `json:"exploited_since,omitzero"` // when CISA listed it
	Over       int                    `json:"days_over"`
}

// Change is one change of scope.
type Change struct {
	Cause string    `json:"cause"`
	Time  time.Time `json:"time"`
}

// Content is section 10: secrets and files, by counts, states and fingerprints, never by values.
type Content struct {
	States  []ContentState `json:"states"`
	Counts  []ContentCount `json:"counts"`
	Secrets []SecretLine   `json:"secrets"` // one a distinct value, those that a container can read first
	Unique  int            `json:"unique_secrets"`
	Files   []FileLine     `json:"files"` // altered, or of no package and with more rights than their caller's
	Suspect int            `json:"suspect_files"`
	Cut     int            `json:"cut_images"` // images with more of either than are told apart and listed
}

// ContentState is how far one analyser got in stored images: those it read whole, those it read in part or not yet, and those
// it did not look at.
type ContentState struct {
	Analyzer string `json:"analyser"`
	Whole    int    `json:"whole"`
	Short    int    `json:"short"`
	Off      int    `json:"not_analysed"`
}

// ContentCount is how many images hold something, and how many of it they hold.
type ContentCount struct {
	What   string `json:"what"`
	Active int    `json:"active_images"`
	Stored int    `json:"stored_images"`
	Places int    `json:"places"` // in stored images
}

// SecretLine is one secret value, wherever it stands.
type SecretLine struct {
	Rule        string `json:"rule"`
	Fingerprint string `json:"fingerprint"`
	Last4       string `json:"last4"`
	Images      int    `json:"images"`
	Visible     int    `json:"visible_images"` // of them, those whose containers can read it
	Example     string `json:"example"`        // one image
	Path        string `json:"path"`           // in it
	Layer       int    `json:"layer"`          // index, lowest 0; -1: the configuration
}

// FileLine is one file of one image.
type FileLine struct {
	Ref      string              `json:"reference"`
	Platform string              `json:"platform"`
	Path     string              `json:"path"`
	Notes    []plimsoll.FileNote `json:"notes"`
	Owner    string              `json:"owner"`
	SHA256   string              `json:"sha256"`
	Layer    int                 `json:"layer"`
	Active   bool                `json:"active"`
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
	InUse    string                `json:"in_use"` // yes, no, not known; empty of what is closed
	Verdict  plimsoll.VerdictState `json:"verdict"`
	Owner    string                `json:"owner"`
	Detected time.Time             `json:"first_detected,omitzero"`
	Deadline time.Time             `json:"deadline,omitzero"`
	From     string                `json:"deadline_from,omitempty"`
	Over     int                   `json:"days_over"`
	Closed   time.Time             `json:"closed,omitzero"` // of one that was closed in the period: Asset is then the image that proves it
	Proof    string                `json:"proof,omitempty"`
}
