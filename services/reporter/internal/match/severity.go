package match

import (
	"cmp"
	"math"
	"slices"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"github.com/plimsoll/plimsoll"
)

// rating is how bad a flaw is and who says so.
type rating struct {
	severity plimsoll.Severity
	score    float64 // 0 when only a word is known
	source   string  // "own CVSS_V3", "own level", "GHSA-… CVSS_V3", "vendor's word"
	version  int     // of CVSS; 0 for a word
}

var notRated = rating{severity: plimsoll.SeverityNotRated}

// rate is the level that a distribution gives a flaw of its own package, because it knows how the package is built and used; the
// score is still the one of the vector. Without such a level it is what has been published.
func (m *Matcher) rate(flaw string, own []hit) rating {
	published := m.ratedBy(flaw, own)
	if level, ok := vendorLevel(own); ok {
		level.score = published.score
		return level
	}
	if published.severity == plimsoll.SeverityNotRated && malicious(own) {
		return rating{severity: plimsoll.SeverityCritical, source: "malicious package"}
	}
	return published
}

// vendorLevel is the worst level in the records of the distribution that a package is of.
func vendorLevel(own []hit) (rating, bool) {
	best, ok := rating{}, false
	for _, h := range own {
		if e, _ := of(h.affected.Ecosystem); !e.distribution {
			continue
		}
		if word := levelWord(h.affected.Level, h.affected.Severity, h.record.Severity); word != "" {
			best, ok = pick(best, ok, rating{severity: word, source: "own level"}), true
		}
	}
	return best, ok
}

// ratedBy takes the first that says something: the records' own vectors, their own levels, another record of the same flaw
// (vector, then level), the vendor's word in the summary.
func (m *Matcher) ratedBy(flaw string, own []hit) rating {
	if r, ok := ownRating(own); ok {
		return r
	}
	if r, ok := m.lentRating(flaw, own); ok {
		return r
	}
	best, ok := rating{}, false
	for _, h := range own {
		if word := vendorWord(h.record.Summary); word != "" {
			best, ok = pick(best, ok, rating{severity: word, source: "vendor's word"}), true
		}
	}
	if !ok {
		return notRated
	}
	return best
}

func ownRating(own []hit) (rating, bool) {
	best, ok := rating{}, false
	for _, h := range own {
		if r, has := recordRating(h.record, h.affected); has {
			r.source = "own " + r.source
			best, ok = pick(best, ok, r), true
		}
	}
	return best, ok
}

// lentRating is what other records about exactly this flaw say, whatever their ecosystem.
func (m *Matcher) lentRating(flaw string, own []hit) (rating, bool) {
	best, ok := rating{}, false
	for _, record := range m.index.About(flaw) {
		if slices.ContainsFunc(own, func(h hit) bool { return h.record.ID == record.ID }) || len(m.index.Flaws(record)) != 1 {
			continue
		}
		for i := range max(1, len(record.Affected)) {
			var a *plimsoll.Affected
			if len(record.Affected) > 0 {
				a = &record.Affected[i]
			}
			if r, has := recordRating(record, a); has {
				r.source = record.ID + " " + r.source
				best, ok = pick(best, ok, r), true
			}
		}
	}
	return best, ok
}

// pick keeps the rating that says more: a vector before a word, the newer CVSS before the older, then the worse.
func pick(best rating, ok bool, r rating) rating {
	if !ok {
		return r
	}
	order := cmp.Or(
		cmp.Compare(r.version, best.version),
		cmp.Compare(r.score, best.score),
		cmp.Compare(best.severity.Rank(), r.severity.Rank()),
		strings.Compare(best.source, r.source))
	if order > 0 {
		return r
	}
	return best
}

// recordRating is what one record says of one of its packages: vectors first, then a level. The package's own entries come
// before the record's.
func recordRating(record *plimsoll.Advisory, a *plimsoll.Affected) (rating, bool) {
	var scores [][]plimsoll.Score
	level := ""
	if a != nil {
		scores, level = append(scores, a.Severity), a.Level
	}
	scores = append(scores, record.Severity)
	for _, list := range scores {
		if r, ok := vectors(list); ok {
			return r, true
		}
	}
	if word := levelWord(level, scores...); word != "" {
		return rating{severity: word, source: "level"}, true
	}
	return rating{}, false
}

// levelWord is the first level in our words: the database's own, or one that stands in the place of a vector.
func levelWord(level string, scores ...[]plimsoll.Score) plimsoll.Severity {
	if word := severityWord(level); word != "" {
		return word
	}
	for _, list := range scores {
		for _, s := range list {
			if word := severityWord(s.Score); word != "" {
				return word
			}
		}
	}
	return ""
}

// vectors is the best of the CVSS vectors in a list that can be read; others are ignored.
func vectors(list []plimsoll.Score) (best rating, ok bool) {
	for _, s := range list {
		score, version, valid := baseScore(s.Score)
		if !valid {
			continue
		}
		best, ok = pick(best, ok, rating{severity: band(score), score: score, source: s.Type, version: version}), true
	}
	return best, ok
}

// maxVector bounds a vector, in bytes: the longest complete CVSS 4.0 vector has under 250.
const maxVector = 512

// baseScore computes the score of a CVSS vector of version 2, 3 (30 and 31) or 4; valid is false for anything else, and for
// a score that is no number from 0 to 10.
func baseScore(vector string) (score float64, version int, valid bool) {
	if len(vector) > maxVector {
		return 0, 0, false
	}
	score, version, err := scoreOf(vector)
	if err != nil || math.IsNaN(score) || score < 0 || score > 10 {
		return 0, 0, false
	}
	return score, version, true
}

func scoreOf(vector string) (float64, int, error) {
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		v, err := gocvss40.ParseVector(vector)
		if err != nil {
			return 0, 0, err
		}
		return v.Score(), 4, nil
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		v, err := gocvss31.ParseVector(vector)
		if err != nil {
			return 0, 0, err
		}
		return v.BaseScore(), 3, nil
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		v, err := gocvss30.ParseVector(vector)
		if err != nil {
			return 0, 0, err
		}
		return v.BaseScore(), 3, nil
	}
	v, err := gocvss20.ParseVector(strings.Trim(strings.TrimPrefix(vector, "CVSS:2.0/"), "()"))
	if err != nil {
		return 0, 0, err
	}
	return v.BaseScore(), 2, nil
}

// band is the word for a score: CVSS 3.1 specification, table 14 (4.0 has the same).
func band(score float64) plimsoll.Severity {
	switch {
	case score >= 9:
		return plimsoll.SeverityCritical
	case score >= 7:
		return plimsoll.SeverityHigh
	case score >= 4:
		return plimsoll.SeverityMedium
	case score > 0:
		return plimsoll.SeverityLow
	}
	return plimsoll.SeverityNone
}

// severityWord is a database's own level in our words; empty for words that rate nothing.
func severityWord(level string) plimsoll.Severity {
	switch strings.ToLower(strings.TrimSpace(level)) {
	case "critical":
		return plimsoll.SeverityCritical
	case "high", "important":
		return plimsoll.SeverityHigh
	case "medium", "moderate":
		return plimsoll.SeverityMedium
	case "low", "negligible", "minor":
		return plimsoll.SeverityLow
	case "none", "unimportant": // Debian: no security impact in how the package is built or used
		return plimsoll.SeverityNone
	}
	return ""
}

// vendorWord is the word before the colon of a summary such as "Important: kernel security update".
func vendorWord(summary string) plimsoll.Severity {
	word, _, found := strings.Cut(summary, ":")
	if !found {
		return ""
	}
	return severityWord(word)
}

// malicious reports whether a record says that the package itself was published to do harm (https://github.com/ossf/malicious-packages).
func malicious(own []hit) bool {
	return slices.ContainsFunc(own, func(h hit) bool { return strings.HasPrefix(h.record.ID, "MAL-") })
}
