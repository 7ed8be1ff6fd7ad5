package plimsoll

// Policy is a set of rules over an image, as YAML. Its digest names it in every verdict.
type Policy struct {
	Name        string `json:"name" yaml:"name"`
	Version     int    `json:"version" yaml:"version"`
	Description string `json:"description,omitempty" yaml:"description"`
	// Target is the share of active images, in percent, that should pass: the mark on the load line.
	Target float64 `json:"target" yaml:"target"`
	// Requires lists the analysers whose reading must be complete for a pass.
	Requires []string `json:"requires" yaml:"requires"`
	Rules    []Rule   `json:"rules" yaml:"rules"`
	// Deadline says how long findings may stand; nil for as long as they like. No verdict depends on it.
	Deadline *Deadline `json:"deadline,omitempty" yaml:"deadline"`
	Digest   Digest    `json:"digest" yaml:"-"`
}

// Rule is one condition. Findings that meet every condition given violate it.
type Rule struct {
	ID   string `json:"id" yaml:"id"`
	Text string `json:"text" yaml:"text"` // what it asks for, one sentence
	// Then is fail or warn.
	Then     VerdictState `json:"then" yaml:"then"`
	Class    []Class      `json:"class,omitempty" yaml:"class"`       // any of these; empty: all
	Severity []Severity   `json:"severity,omitempty" yaml:"severity"` // any of these; empty: all
	Fixable  *bool        `json:"fixable,omitempty" yaml:"fixable"`   // a fix is known, or is not
	// What is said of exploitation (see [Enrichment]). A flaw of which nobody says anything is not exploited, not listed, and
	// has no score: a rule with EPSS is not about it.
	Exploited  *bool    `json:"exploited,omitempty" yaml:"exploited"`   // by [Finding.Exploited]
	KEV        *bool    `json:"kev,omitempty" yaml:"kev"`               // in CISA's catalogue
	Ransomware *bool    `json:"ransomware,omitempty" yaml:"ransomware"` // known to be used in ransomware campaigns
	EPSS       *float64 `json:"epss,omitempty" yaml:"epss"`             // the score is this or higher, 0 to 1
	// Most bounds counts of the image itself, by their names ("image.secrets": 0). A rule that has it looks at no findings:
	// any count above its bound violates it.
	Most map[string]int `json:"most,omitempty" yaml:"most"`
}

// VerdictState is pass, warn, fail, or unknown.
type VerdictState string

// The verdicts.
const (
	VerdictPass    VerdictState = "pass"
	VerdictWarn    VerdictState = "warn"
	VerdictFail    VerdictState = "fail"
	VerdictUnknown VerdictState = "unknown"
)

// Rank orders verdicts as lists show them: fail, unknown, warn, pass.
func (v VerdictState) Rank() int {
	switch v {
	case VerdictFail:
		return 0
	case VerdictWarn:
		return 2
	case VerdictPass:
		return 3
	}
	return 1
}

// Verdict is what a policy says of one image.
type Verdict struct {
	State      VerdictState `json:"state"`
	Policy     string       `json:"policy"`
	Violations []Violation  `json:"violations"`
	Reasons    []string     `json:"reasons,omitempty"` // why it is unknown
}

// Violation is one broken rule in one sentence.
type Violation struct {
	Rule     string       `json:"rule"`
	Then     VerdictState `json:"then"`
	Text     string       `json:"text"`
	Findings int          `json:"findings"`          // or how many of what the rule counts in the image
	Example  string       `json:"example,omitempty"` // the worst finding: "CVE-… in name version"; or the first of what the rule counts
}
