package plimsoll

import "time"

// Enrichment is what others say of one CVE beyond its advisories: whether it is exploited, and how likely that is. Each part
// is zero where its feed says nothing of the CVE, which is no statement that there is nothing.
type Enrichment struct {
	KEV  KEV  `json:"kev,omitzero"`
	SSVC SSVC `json:"ssvc,omitzero"`
	EPSS EPSS `json:"epss,omitzero"`
}

// KEV is an entry of CISA's catalogue of known exploited vulnerabilities
// (https://www.cisa.gov/known-exploited-vulnerabilities-catalog). Dates are days, at midnight UTC.
type KEV struct {
	Added      time.Time `json:"added"`
	Due        time.Time `json:"due,omitzero"` // until when federal agencies of the United States must act
	Ransomware bool      `json:"ransomware"`   // known to be used in ransomware campaigns
}

// SSVC are the decision points that CISA publishes (Vulnrichment, https://github.com/cisagov/vulnrichment).
type SSVC struct {
	Exploitation    string    `json:"exploitation,omitempty"`     // none, poc or active
	Automatable     string    `json:"automatable,omitempty"`      // yes or no
	TechnicalImpact string    `json:"technical_impact,omitempty"` // partial or total
	Date            time.Time `json:"date,omitzero"`              // of the record, a day
}

// EPSS is FIRST's estimate that a flaw is exploited within 30 days (https://www.first.org/epss).
type EPSS struct {
	Score      float64   `json:"score"`         // 0 to 1
	Percentile float64   `json:"percentile"`    // 0 to 1: the share of all CVEs with this score or a lower one
	Date       time.Time `json:"date,omitzero"` // of the scores, a day
}

// Exploited reports whether somebody says that the flaw is exploited.
func (e Enrichment) Exploited() bool { return !e.KEV.Added.IsZero() || e.SSVC.Exploitation == "active" }
