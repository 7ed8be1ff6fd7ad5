package list

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// param is one parameter of a filter: the words it may have (or a check), and its condition on rows or on findings.
type param struct {
	words   []string
	check   func(string) bool
	want    string
	row     func(r *posture.Row, value string, now time.Time) bool
	finding func(f *plimsoll.Finding, value string) bool
}

// ClassVulnerability is the word of the parameter class for what a finding's class leaves empty.
const ClassVulnerability = "vulnerability"

// params is every parameter that a list understands. The OpenAPI document names the same ones (a test compares).
var params = map[string]param{
	"scope": {words: []string{ScopeActive, ScopeStored}},
	"verdict": {words: []string{"pass", "warn", "fail", "unknown"}, row: func(r *posture.Row, v string, _ time.Time) bool {
		return string(r.Verdict.State) == v
	}},
	"coverage": {words: []string{Covered, Short, "complete", "not applicable", "stale", "waiting", "partial", "failed"}, row: rowCoverage},
	"applicable": {words: []string{"yes", "no"}, row: func(r *posture.Row, v string, _ time.Time) bool {
		return (r.Coverage.State != plimsoll.ReadNotApplicable) == (v == "yes")
	}},
	"cause": {check: plimsoll.IsCause, want: "the 12 digits that a gap has", row: func(r *posture.Row, v string, _ time.Time) bool {
		return r.Coverage.Short() && r.Coverage.Cause() == v
	}},
	"hit": {check: plimsoll.IsCause, want: "the 12 digits that a limit has", row: func(r *posture.Row, v string, _ time.Time) bool {
		for _, c := range r.Read {
			if c.Short() && c.Cause() == v {
				return true
			}
		}
		return false
	}},
	"registry": {row: func(r *posture.Row, v string, _ time.Time) bool { return r.Reference.Registry == v }},
	"repository": {row: func(r *posture.Row, v string, _ time.Time) bool {
		return r.Reference.Repository == v
	}},
	"tag":      {row: func(r *posture.Row, v string, _ time.Time) bool { return r.Reference.Tag == v }},
	"platform": {row: func(r *posture.Row, v string, _ time.Time) bool { return r.Platform.String() == v }},
	"digest": {check: isDigest, want: "sha256: and 64 hexadecimal digits", row: func(r *posture.Row, v string, _ time.Time) bool {
		return string(r.Digest) == v || string(r.Reference.Digest) == v
	}},
	"behind": {words: []string{"yes", "no"}, row: func(r *posture.Row, v string, _ time.Time) bool { return (r.Behind != "") == (v == "yes") }},
	"owner":  {row: func(r *posture.Row, v string, _ time.Time) bool { return r.Owner == v }},
	"owned":  {words: []string{"yes", "no"}, row: func(r *posture.Row, v string, _ time.Time) bool { return (r.Owner != "") == (v == "yes") }},
	"moved":  {check: isDays, want: "a number of days, as in 7d", row: rowMoved},
	"known":  {words: []string{"current", "stale", "none"}, row: rowKnown},
	"holds": {want: "an ecosystem", row: func(r *posture.Row, v string, _ time.Time) bool {
		_, ok := r.Known[v]
		return ok
	}},
	"family": {want: "an ecosystem without its release", row: func(r *posture.Row, v string, _ time.Time) bool {
		return slices.Contains(families(r), v)
	}},
	"secret": {words: []string{SecretAny, SecretVisible, SecretHidden, SecretNone, SecretUnknown}, row: rowSecret},
	"file":   {words: []string{FileAltered, FileForeign, FileUnowned}, row: rowFile},
	"act":    {words: []string{ActNow}, row: func(r *posture.Row, _ string, _ time.Time) bool { return Urgent(r) }},
	"q":      {row: func(r *posture.Row, v string, _ time.Time) bool { return rowText(r, v) }},

	"severity": {words: severityWords(), finding: func(f *plimsoll.Finding, v string) bool { return string(f.Severity) == v }},
	"fixable":  {words: []string{"yes", "no"}, finding: func(f *plimsoll.Finding, v string) bool { return (f.Fixed != "") == (v == "yes") }},
	"exploited": {words: []string{"yes", "no"}, finding: func(f *plimsoll.Finding, v string) bool {
		return f.Exploited() == (v == "yes")
	}},
	"class": {words: []string{ClassVulnerability, string(plimsoll.ClassMalicious), string(plimsoll.ClassEndOfLife)}, finding: func(f *plimsoll.Finding, v string) bool {
		return cmp.Or(string(f.Class), ClassVulnerability) == v
	}},
	"advisory": {finding: named},
	"package":  {finding: func(f *plimsoll.Finding, v string) bool { return f.Package == v }},
	"ecosystem": {finding: func(f *plimsoll.Finding, v string) bool {
		return f.Ecosystem == v
	}},
	// These two are of a finding in its repository: see [Filter.timed].
	"overdue":  {words: []string{"yes"}},
	"detected": {check: isDays, want: "a number of days, as in 7d"},
	"base":     {check: isDigest, want: "sha256: and 64 hexadecimal digits"}, // of the view that knows chains: see stands
	"in_use":   {words: []string{InUseYes, InUseNo, InUseUnknown}},           // likewise: see stands
	"link":     {check: isLink, want: "own, base, or the digest of a base"},  // likewise: see within
	"layer":    {check: isNumber, want: "a layer's index, lowest 0"},         // of the spot where a finding stands: see finding

	"sort":  {words: []string{"verdict", "name", "pushed", "critical", "high", "exploited", "fixable", "secrets", "coverage"}},
	"group": {words: []string{"unique", "repository"}},
}

// Params are the names of all parameters, sorted.
func Params() []string { return slices.Sorted(maps.Keys(params)) }

func paramNames() string { return strings.Join(Params(), ", ") }

func severityWords() []string {
	var out []string
	for _, s := range plimsoll.Severities {
		out = append(out, string(s))
	}
	return out
}

func rowCoverage(r *posture.Row, v string, _ time.Time) bool {
	switch v {
	case Covered:
		return !r.Coverage.Short()
	case Short:
		return r.Coverage.Short()
	}
	return string(r.Coverage.State) == v
}

func rowKnown(r *posture.Row, v string, _ time.Time) bool {
	for _, k := range r.Known {
		if string(k.State) == v {
			return true
		}
	}
	return false
}

func rowMoved(r *posture.Row, v string, now time.Time) bool {
	days, _ := strconv.Atoi(strings.TrimSuffix(v, "d"))
	return now.Sub(r.Moved) <= time.Duration(days)*24*time.Hour
}

// rowText looks for text in what people call the image: its reference, platform and digests.
func rowText(r *posture.Row, text string) bool {
	text = strings.ToLower(text)
	var room [320]byte // longer than most names, so that a search over a million rows makes nothing
	return bytes.Contains(bytes.ToLower(appendName(room[:0], r)), []byte(text)) || strings.Contains(r.Platform.String(), text) ||
		strings.HasPrefix(string(r.Digest), text) || strings.HasPrefix(r.Digest.Hex(), text) ||
		strings.HasPrefix(string(r.Reference.Digest), text) || strings.HasPrefix(r.Reference.Digest.Hex(), text)
}

// appendName appends [Name].
func appendName(b []byte, r *posture.Row) []byte {
	if r.Reference.Tag == "" {
		return append(b, Name(r)...)
	}
	if r.Reference.Registry != "" {
		b = append(append(b, r.Reference.Registry...), '/')
	}
	return append(append(append(b, r.Reference.Repository...), ':'), r.Reference.Tag...)
}

// named reports whether id is the finding's id, an alias, or a record that matched.
func named(f *plimsoll.Finding, id string) bool {
	return f.ID == id || slices.Contains(f.Aliases, id) ||
		slices.ContainsFunc(f.Matched, func(m plimsoll.Match) bool { return m.ID == id })
}

func isDigest(s string) bool { _, err := plimsoll.ParseDigest(s); return err == nil }

func isNumber(s string) bool { n, err := strconv.Atoi(s); return err == nil && n >= 0 }

func isDays(s string) bool {
	n, err := strconv.Atoi(strings.TrimSuffix(s, "d"))
	return err == nil && n > 0 && n <= 3650 && strings.HasSuffix(s, "d")
}
