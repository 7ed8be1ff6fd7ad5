// Package enrich reads what others publish about exploitation of CVEs: CISA's catalogue of known exploited vulnerabilities
// (kev.go), CISA's SSVC decision points (ssvc.go) and FIRST's EPSS scores (epss.go). Each file is one whole feed. What it says
// becomes a table, which is searched where it lies (table.go).
//
// All are read from strangers' bytes: a line that cannot be used is skipped and counted, a file that is none is an error.
package enrich
