package list

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
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

// ImageList is the list of images, one row a platform of a tag. There may be a million, so a page is picked out of the rows
// and the rest is not sorted.
type ImageList struct {
	rows []*posture.Row // in the view's order
	sort string
}

// Images is the list of images of a filter, in the order that it asks for.
func Images(v *posture.View, f Filter) ImageList { return ImageList{f.Rows(v), f.Get("sort")} }

// Len is how many images there are.
func (l ImageList) Len() int { return len(l.rows) }

// All gives every image.
func (l ImageList) All() iter.Seq[*posture.Row] {
	sorted := slices.Clone(l.rows)
	slices.SortFunc(sorted, func(a, b *posture.Row) int { return compareKeys(keyOf(a, l.sort), keyOf(b, l.sort)) })
	return slices.Values(sorted)
}

// Page is the page of at most n images after cursor, which holds what the last one seen is sorted by: paging neither repeats
// nor skips an image when others come and go between two requests.
func (l ImageList) Page(cursor string, n int) (Page[*posture.Row], error) {
	p := Page[*posture.Row]{Total: len(l.rows), First: 1}
	after, err := parseRowKey(cursor)
	if err != nil {
		return Page[*posture.Row]{}, err
	}
	next := newPicked(n+1, func(a, b rowKey) int { return compareKeys(a, b) })
	for _, r := range l.rows {
		k := keyOf(r, l.sort)
		if cursor != "" && compareKeys(k, after) <= 0 {
			p.First++
			continue
		}
		next.offer(k)
	}
	keys := next.sorted()
	for _, k := range keys[:min(n, len(keys))] {
		p.Rows = append(p.Rows, k.row)
	}
	if len(keys) > n {
		p.Next = keys[n-1].cursor()
	}
	return p, nil
}

// rowKey is what an image is sorted by: three numbers, ascending, then what people call it.
type rowKey struct {
	first, second, third                int
	registry, repository, tag, platform string
	digest                              string
	row                                 *posture.Row
}

func keyOf(r *posture.Row, sort string) rowKey {
	k := rowKey{
		registry: r.Reference.Registry, repository: r.Reference.Repository, tag: r.Reference.Tag, platform: r.Platform.String(),
		digest: string(r.Digest), row: r,
	}
	c, h := -r.Counts[plimsoll.SeverityCritical], -r.Counts[plimsoll.SeverityHigh]
	switch sort {
	case "name":
	case "pushed":
		k.first = -int(r.Moved.Unix() / 60)
	case "critical":
		k.first, k.second = c, h
	case "high":
		k.first, k.second = h, c
	case "fixable":
		k.first = -r.Fixable
	case "secrets":
		k.first, k.second = -r.Content.Secrets, -r.Content.HiddenSecrets
	case "coverage":
		k.first = -r.Coverage.State.Rank()
	default:
		k.first, k.second, k.third = verdictRank(r.Verdict.State), c, h
	}
	return k
}

// compareKeys takes a step only when the one before found no difference: it is asked of every row for every page.
func compareKeys(a, b rowKey) int {
	switch {
	case a.first != b.first:
		return cmp.Compare(a.first, b.first)
	case a.second != b.second:
		return cmp.Compare(a.second, b.second)
	case a.third != b.third:
		return cmp.Compare(a.third, b.third)
	case a.registry != b.registry:
		return strings.Compare(a.registry, b.registry)
	case a.repository != b.repository:
		return strings.Compare(a.repository, b.repository)
	case a.tag != b.tag:
		return strings.Compare(a.tag, b.tag)
	case a.platform != b.platform:
		return strings.Compare(a.platform, b.platform)
	}
	return strings.Compare(a.digest, b.digest)
}

// cursor is the key as an opaque text.
func (k rowKey) cursor() string {
	return encodeCursor(strconv.Itoa(k.first), strconv.Itoa(k.second), strconv.Itoa(k.third), k.registry, k.repository, k.tag, k.platform, k.digest)
}

func parseRowKey(cursor string) (k rowKey, err error) {
	if cursor == "" {
		return k, nil
	}
	parts, err := decodeCursor(cursor, 8)
	if err != nil {
		return k, err
	}
	numbers := [3]int{}
	for i := range numbers {
		if numbers[i], err = strconv.Atoi(parts[i]); err != nil {
			return k, badCursor(cursor)
		}
	}
	k.first, k.second, k.third = numbers[0], numbers[1], numbers[2]
	k.registry, k.repository, k.tag, k.platform, k.digest = parts[3], parts[4], parts[5], parts[6], parts[7]
	return k, nil
}

// verdictRank orders verdicts: fail, unknown, warn, pass, and none at the end.
func verdictRank(s plimsoll.VerdictState) int {
	if s == "" {
		return plimsoll.VerdictPass.Rank() + 1
	}
	return s.Rank()
}

// verdictKey is verdictRank as a part of a key that is text.
func verdictKey(s plimsoll.VerdictState) string { return strconv.Itoa(verdictRank(s)) }

// Totals stand above a list: the images of a filter, and the findings in them that the filter wants.
type Totals struct {
	Images int
	Unique int // distinct (advisory, package)
	Places int // (image, finding)
}

// Count counts the rows of a filter and what the filter wants of their findings.
func Count(v *posture.View, f Filter) Totals {
	all := &Totals{}
	by := groupBy(v, func(*plimsoll.Finding, posture.Spot) *Totals { return all })
	images := 0
	pairs := countTotals(by, v, f, func() { images++ })
	all.Images, all.Unique = images, len(pairs[all])
	return *all
}

// CountSeverities is [Count] for each severity, in one go.
func CountSeverities(v *posture.View, f Filter) map[plimsoll.Severity]Totals {
	all := map[plimsoll.Severity]*Totals{}
	by := groupBy(v, func(x *plimsoll.Finding, _ posture.Spot) *Totals {
		if all[x.Severity] == nil {
			all[x.Severity] = &Totals{}
		}
		return all[x.Severity]
	})
	pairs := countTotals(by, v, f, func() {})
	out := map[plimsoll.Severity]Totals{}
	for s, n := range all {
		n.Unique = len(pairs[n])
		out[s] = *n
	}
	return out
}

// countTotals counts the places and images of each group of totals, and gives the pairs of advisory and package in it. Several
// versions of a package have one pair.
func countTotals(g *grouping[Totals], v *posture.View, f Filter, row func()) map[*Totals]map[pair]bool {
	met := make([]bool, v.Distinct())
	pairs := map[*Totals]map[pair]bool{}
	for r, found := range f.match(v) {
		row()
		for x, at := range found {
			n, first := g.of(r, x, at)
			n.Places++
			if first {
				n.Images++
			}
			if met[at.Number] {
				continue
			}
			met[at.Number] = true
			if pairs[n] == nil {
				pairs[n] = map[pair]bool{}
			}
			pairs[n][pair{x.ID, x.Package}] = true
		}
	}
	return pairs
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
	Content    plimsoll.Content              `json:"content"`
	Size       int64                         `json:"size"`
	Layers     int                           `json:"layers"`
	Active     bool                          `json:"active"`
	Overdue    *int                          `json:"overdue,omitempty"` // places of findings beyond their deadline; in the list of images alone
	First      time.Time                     `json:"first_seen,omitzero"`
	Moved      time.Time                     `json:"moved,omitzero"`
	Behind     plimsoll.Digest               `json:"behind,omitempty"`
	Owner      string                        `json:"owner"` // empty: nobody knows
}

// ImageOf is r as the API writes it.
func ImageOf(r *posture.Row) Image {
	im := Image{
		Reference: Name(r), Registry: r.Reference.Registry, Repository: r.Reference.Repository, Tag: r.Reference.Tag,
		Digest: r.Digest, Index: r.Reference.Digest, Platform: r.Platform.String(),
		Verdict: r.Verdict.State, Violations: some(r.Verdict.Violations), Reasons: some(r.Verdict.Reasons),
		Coverage: r.Coverage, Read: r.Read, Known: r.Known, Counts: map[plimsoll.Severity]int{},
		Findings: r.Findings, Fixable: r.Fixable, Packages: r.Packages, Content: r.Content, Size: r.Size, Layers: r.Layers,
		Active: r.Active, First: r.First, Moved: r.Moved, Behind: r.Behind, Owner: r.Owner,
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
