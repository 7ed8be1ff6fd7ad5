package plimsoll

import (
	"slices"
	"time"
)

// Advisory is one published record in OSV's schema, reduced to what matching and pages need. Field names follow
// https://ossf.github.io/osv-schema/.
type Advisory struct {
	ID        string     `json:"id"`
	Aliases   []string   `json:"aliases,omitempty"`  // ids of the same flaw
	Upstream  []string   `json:"upstream,omitempty"` // for distributions: the CVEs that this record fixes
	Summary   string     `json:"summary,omitempty"`
	Published time.Time  `json:"published,omitzero"`
	Modified  time.Time  `json:"modified,omitzero"`
	Withdrawn time.Time  `json:"withdrawn,omitzero"` // zero unless withdrawn
	Severity  []Score    `json:"severity,omitempty"`
	Affected  []Affected `json:"affected"`
}

// Score is one severity entry of a record: Type is CVSS_V2, CVSS_V3, CVSS_V4 or the database's own word.
type Score struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

// Affected is one package that a record affects and where.
type Affected struct {
	Ecosystem string   `json:"ecosystem"` // with release: "Alpine:v3.20"
	Package   string   `json:"package"`
	Severity  []Score  `json:"severity,omitempty"`
	Level     string   `json:"level,omitempty"`  // the database's own level, as written
	Module    string   `json:"module,omitempty"` // the rpm module and stream that the packages were built for: "nodejs:18"
	Ranges    []Range  `json:"ranges,omitempty"`
	Versions  []string `json:"versions,omitempty"`
}

// Range is OSV's list of events on one version line. Type is SEMVER or ECOSYSTEM; GIT ranges are dropped.
type Range struct {
	Type   string  `json:"type"`
	Events []Event `json:"events"`
}

// Event is one event of a range; exactly one field is set.
type Event struct {
	Introduced   string `json:"introduced,omitempty"`
	Fixed        string `json:"fixed,omitempty"`
	LastAffected string `json:"last_affected,omitempty"`
	Limit        string `json:"limit,omitempty"`
}

// Generation is a dated state of all advisories, named in every verdict.
type Generation struct {
	ID      string    `json:"id"` // the time it was made, as 2006-01-02T150405Z
	Parent  string    `json:"parent,omitempty"`
	Created time.Time `json:"created"`
	Source  string    `json:"source"` // folder or URL
	Feeds   []Feed    `json:"feeds"`  // one an ecosystem, sorted
	// Own are this organisation's own records; Enrichment what others say of exploitation, one feed each. Neither is an
	// ecosystem: they add to what is known, and that they are silent says nothing.
	Own        Feed   `json:"own,omitzero"`
	Enrichment []Feed `json:"enrichment,omitempty"`
}

// Packs are all feeds that hold something: ecosystems, own records, enrichment.
func (g Generation) Packs() []Feed {
	var out []Feed
	for _, f := range slices.Concat(g.Feeds, []Feed{g.Own}, g.Enrichment) {
		if f.Pack != "" {
			out = append(out, f)
		}
	}
	return out
}

// Feed is one ecosystem's part of a generation, or what stands beside the ecosystems.
type Feed struct {
	Ecosystem string    `json:"ecosystem"` // OSV's name without release: the folder in its bucket
	Pack      string    `json:"pack"`      // sha256 of the pack object's uncompressed bytes
	Records   int       `json:"records"`
	Withdrawn int       `json:"withdrawn"`
	Skipped   int       `json:"skipped"`               // records that could not be read, listed in SkippedIDs
	SkippedID []string  `json:"skipped_ids,omitempty"` // at most 100 of them
	Newest    time.Time `json:"newest,omitzero"`       // the latest modified date of a record, not in the future
	Checked   time.Time `json:"checked"`
	Since     time.Time `json:"since,omitzero"`     // since when its records are what they are: the pack was made then
	Releases  []string  `json:"releases,omitempty"` // "Debian:12" …: those with at least one record
	Error     string    `json:"error,omitempty"`    // why this feed could not be read now; its pack is then the last good one
	Zip       string    `json:"zip,omitempty"`      // sha256 of the zip that the pack was made from: an unchanged one is not read again
	ETag      string    `json:"etag,omitempty"`     // of the zip's answer, for conditional requests
	Changed   string    `json:"changed,omitempty"`  // the Last-Modified header of that answer, as sent
	Reader    int       `json:"reader,omitempty"`   // version of the reader that made the pack: what an older one made is read again

	// Of the list of changes (modified_id.csv), where the source has one: the newest date that was taken from it, not in the
	// future, and its answer's validators.
	Listed      time.Time `json:"listed,omitzero"`
	ListETag    string    `json:"list_etag,omitempty"`
	ListChanged string    `json:"list_changed,omitempty"`
}
