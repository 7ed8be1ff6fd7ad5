package plimsoll

// Severity is one of six words. Not rated is a class of its own everywhere, never low.
type Severity string

// The severities, worst first; not rated stands apart.
const (
	SeverityCritical Severity = "critical"
	SeverityHigh     Severity = "high"
	SeverityMedium   Severity = "medium"
	SeverityLow      Severity = "low"
	SeverityNone     Severity = "none"
	SeverityNotRated Severity = "not rated"
)

// Severities lists the words in the order in which tables and charts show them.
var Severities = []Severity{SeverityCritical, SeverityHigh, SeverityMedium, SeverityLow, SeverityNone, SeverityNotRated}

// Rank is 0 for critical, growing; not rated stands after medium, because nobody has said that it is harmless.
func (s Severity) Rank() int {
	switch s {
	case SeverityCritical:
		return 0
	case SeverityHigh:
		return 1
	case SeverityMedium:
		return 2
	case SeverityLow:
		return 4
	case SeverityNone:
		return 5
	}
	return 3
}
