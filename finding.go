package plimsoll

// Finding is one flaw that applies to one package of one image. Records of one CVE are joined: ID is the one people know
// (the CVE where there is one), Aliases the others, Matched the records that matched.
type Finding struct {
	ID       string   `json:"id"`
	Class    Class    `json:"class,omitempty"` // empty for a vulnerability
	Aliases  []string `json:"aliases"`
	Matched  []Match  `json:"matched"`
	PURL     string   `json:"purl"`
	Severity Severity `json:"severity"`
	Score    float64  `json:"score"`  // CVSS base score, 0 when only a word is known
	Fixed    string   `json:"fixed"`  // the lowest version that fixes it in this release; empty when none is known
	Layer    int      `json:"layer"`  // index, lowest = 0
	Path     string   `json:"path"`   // where the package was found
	Status   string   `json:"status"` // "affected"
	// Text says in a sentence what no record tells: of an end of life. Empty elsewhere.
	Text string `json:"text,omitempty"`
	// Enrichment is what others say of its exploitation; nil when their feeds say nothing. Findings share it: it must not be
	// changed. The date of EPSS is not set, because it is the feed's: a score that stays the same is the same finding.
	Enrichment *Enrichment `json:"enrichment,omitempty"`
	// For pages and text; not in every output.
	Package   string `json:"-"`
	Version   string `json:"-"`
	Ecosystem string `json:"-"`
	Source    string `json:"-"` // where the severity came from: "own CVSS_V3", "GHSA-…", "vendor's word"
}

// Exploited reports whether somebody says that the flaw is exploited, see [Enrichment.Exploited].
func (f *Finding) Exploited() bool { return f.Enrichment != nil && f.Enrichment.Exploited() }

// EPSS is the estimate that the flaw is exploited within 30 days, 0 to 1; false when nobody estimated it.
func (f *Finding) EPSS() (float64, bool) {
	if f.Enrichment == nil || f.Enrichment.EPSS == (EPSS{}) {
		return 0, false
	}
	return f.Enrichment.EPSS.Score, true
}

// Class is the kind of a finding, where it is no vulnerability: what must be done about it differs.
type Class string

// The classes besides vulnerability, which is the empty one.
const (
	ClassMalicious Class = "malicious"   // the package itself was published to do harm: no version is to be upgraded to, it must go
	ClassEndOfLife Class = "end of life" // its distribution or run-time gets no fixes any more
)

// Match is one record that matched and the package name by which the record knows it.
type Match struct {
	ID      string `json:"id"`
	Package string `json:"package"`
}
