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
	// For pages and text; not in every output.
	Package   string `json:"-"`
	Version   string `json:"-"`
	Ecosystem string `json:"-"`
	Source    string `json:"-"` // where the severity came from: "own CVSS_V3", "GHSA-…", "vendor's word"
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
