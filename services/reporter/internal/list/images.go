package list

import (
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Name is how lists call a row's image: registry id, repository and tag, or its digest where it has no tag.
func Name(r *posture.Row) string {
	ref := r.Reference
	if ref.Tag != "" {
		ref.Digest = ""
	}
	return ref.String()
}

// Images is the list of images: one row a platform of a tag.
func Images(v *posture.View, f Filter) Ordered[*posture.Row] {
	return order(f.Rows(v), imageKey(f.Get("sort")))
}

func imageKey(sort string) func(*posture.Row) string {
	return func(r *posture.Row) string {
		who := Name(r) + "\x00" + r.Platform.String() + "\x00" + string(r.Digest)
		c, h := down(r.Counts[plimsoll.SeverityCritical]), down(r.Counts[plimsoll.SeverityHigh])
		switch sort {
		case "name":
			return who
		case "pushed":
			return down(int(r.Moved.Unix()/60)) + who
		case "critical":
			return c + h + who
		case "high":
			return h + c + who
		case "fixable":
			return down(r.Fixable) + who
		case "coverage":
			return down(r.Coverage.State.Rank()) + who
		}
		return verdictKey(r.Verdict.State) + c + h + who
	}
}

// verdictKey orders verdicts: fail, unknown, warn, pass, and none at the end.
func verdictKey(s plimsoll.VerdictState) string {
	if s == "" {
		return "9"
	}
	return strconv.Itoa(s.Rank())
}

// Totals stand above a list: the images of a filter, and the findings in them that the filter wants.
type Totals struct {
	Images int
	Unique int // distinct (advisory, package)
	Places int // (image, finding)
}

// Count counts the rows of a filter and what the filter wants of their findings.
func Count(v *posture.View, f Filter) (t Totals) {
	distinct := map[*plimsoll.Finding]bool{}
	for _, found := range f.match(v) {
		t.Images++
		for x := range found {
			t.Places++
			distinct[x] = true
		}
	}
	t.Unique = pairs(distinct)
	return t
}

// pairs counts (advisory, package) among findings: several versions of a package have one each.
func pairs(all map[*plimsoll.Finding]bool) int {
	seen := map[pair]bool{}
	for x := range all {
		seen[pair{x.ID, x.Package}] = true
	}
	return len(seen)
}

// CountSeverities is [Count] for each severity, in one go.
func CountSeverities(v *posture.View, f Filter) map[plimsoll.Severity]Totals {
	distinct, last := map[plimsoll.Severity]map[*plimsoll.Finding]bool{}, map[plimsoll.Severity]*posture.Row{}
	out := map[plimsoll.Severity]Totals{}
	for r, found := range f.match(v) {
		for x := range found {
			n := out[x.Severity]
			n.Places++
			if last[x.Severity] != r {
				last[x.Severity] = r
				n.Images++
			}
			out[x.Severity] = n
			if distinct[x.Severity] == nil {
				distinct[x.Severity] = map[*plimsoll.Finding]bool{}
			}
			distinct[x.Severity][x] = true
		}
	}
	for s, n := range out {
		n.Unique = pairs(distinct[s])
		out[s] = n
	}
	return out
}

// Verdicts counts rows by verdict. What is no image at all has none and is not counted.
func Verdicts(rows []*posture.Row) (n plimsoll.Verdicts) {
	for _, r := range rows {
		switch r.Verdict.State {
		case plimsoll.VerdictPass:
			n.Pass++
		case plimsoll.VerdictWarn:
			n.Warn++
		case plimsoll.VerdictFail:
			n.Fail++
		case plimsoll.VerdictUnknown:
			n.Unknown++
		}
	}
	return n
}

// Reads counts rows by read state.
func Reads(rows []*posture.Row) map[plimsoll.ReadState]int {
	n := map[plimsoll.ReadState]int{}
	for _, r := range rows {
		n[r.Coverage.State]++
	}
	return n
}

// Image is a row as the API writes it.
type Image struct {
	Reference  string                        `json:"reference"`
	Registry   string                        `json:"registry"`
	Repository string                        `json:"repository"`
	Tag        string                        `json:"tag"`
	Digest     plimsoll.Digest               `json:"digest"` // of the platform's manifest
	Index      plimsoll.Digest               `json:"index"`  // what the tag names
	Platform   string                        `json:"platform"`
	Verdict    plimsoll.VerdictState         `json:"verdict"`
	Violations []plimsoll.Violation          `json:"violations"`
	Reasons    []string                      `json:"reasons"`
	Coverage   plimsoll.Coverage             `json:"coverage"`
	Read       map[string]plimsoll.Coverage  `json:"read"`
	Known      map[string]plimsoll.Knowledge `json:"known"`
	Counts     map[plimsoll.Severity]int     `json:"counts"`
	Findings   int                           `json:"findings"`
	Fixable    int                           `json:"fixable"`
	Packages   int                           `json:"packages"`
	Size       int64                         `json:"size"`
	Layers     int                           `json:"layers"`
	Active     bool                          `json:"active"`
	First      time.Time                     `json:"first_seen,omitzero"`
	Moved      time.Time                     `json:"moved,omitzero"`
	Behind     plimsoll.Digest               `json:"behind,omitempty"`
}

// ImageOf is r as the API writes it.
func ImageOf(r *posture.Row) Image {
	im := Image{
		Reference: Name(r), Registry: r.Reference.Registry, Repository: r.Reference.Repository, Tag: r.Reference.Tag,
		Digest: r.Digest, Index: r.Reference.Digest, Platform: r.Platform.String(),
		Verdict: r.Verdict.State, Violations: some(r.Verdict.Violations), Reasons: some(r.Verdict.Reasons),
		Coverage: r.Coverage, Read: r.Read, Known: r.Known, Counts: map[plimsoll.Severity]int{},
		Findings: r.Findings, Fixable: r.Fixable, Packages: r.Packages, Size: r.Size, Layers: r.Layers,
		Active: r.Active, First: r.First, Moved: r.Moved, Behind: r.Behind,
	}
	for _, s := range plimsoll.Severities {
		im.Counts[s] = r.Counts[s]
	}
	if im.Read == nil {
		im.Read = map[string]plimsoll.Coverage{}
	}
	if im.Known == nil {
		im.Known = map[string]plimsoll.Knowledge{}
	}
	return im
}

// some makes an absent slice an empty one, so that JSON says [] and never null.
func some[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
