package list

import (
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
	over func(*posture.Row) int // overdue findings; nil where they do not count
}

// Images is the list of images of a filter, in the order that it asks for: by default verdict, overdue, exploited, critical,
// high.
func Images(v *posture.View, f Filter) ImageList {
	l := ImageList{rows: f.Rows(v), sort: f.Get("sort")}
	if now := f.at(v); l.sort == "" || l.sort == "verdict" {
		over := v.Overdues(now)
		l.over = func(r *posture.Row) int { n, _ := over(r); return n }
	}
	return l
}

// key is what a row is sorted by in this list.
func (l ImageList) key(r *posture.Row) rowKey {
	k := keyOf(r, l.sort)
	if l.over != nil {
		k.by[1] = -l.over(r)
	}
	return k
}

// Len is how many images there are.
func (l ImageList) Len() int { return len(l.rows) }

// All gives every image.
func (l ImageList) All() iter.Seq[*posture.Row] {
	sorted := make([]rowKey, len(l.rows))
	for i, r := range l.rows {
		sorted[i] = l.key(r)
	}
	slices.SortFunc(sorted, compareKeys)
	return func(yield func(*posture.Row) bool) {
		for _, k := range sorted {
			if !yield(k.row) {
				return
			}
		}
	}
}

// Page is the page of at most n images after cursor, which holds what the last one seen is sorted by: paging neither repeats
// nor skips an image when others come and go between two requests.
func (l ImageList) Page(cursor string, n int) (Page[*posture.Row], error) {
	p := Page[*posture.Row]{Total: len(l.rows), First: 1}
	after, err := parseRowKey(cursor)
	if err != nil {
		return Page[*posture.Row]{}, err
	}
	next := newPicked(n+1, compareKeys)
	for _, r := range l.rows {
		k := l.key(r)
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

// rowKey is what an image is sorted by: numbers, ascending, then what people call it.
type rowKey struct {
	by  [5]int
	row *posture.Row
}

func keyOf(r *posture.Row, sort string) rowKey {
	k := rowKey{row: r}
	switch sort {
	case "name":
	case "pushed":
		k.by[0] = -int(r.Moved.Unix() / 60)
	case "critical":
		k.by = [5]int{-r.Counts[plimsoll.SeverityCritical], -r.Counts[plimsoll.SeverityHigh]}
	case "high":
		k.by = [5]int{-r.Counts[plimsoll.SeverityHigh], -r.Counts[plimsoll.SeverityCritical]}
	case "exploited":
		k.by = [5]int{-r.Exploited, -r.Counts[plimsoll.SeverityCritical]}
	case "fixable":
		k.by[0] = -r.Fixable
	case "secrets":
		k.by = [5]int{-r.Content.Secrets, -r.Content.HiddenSecrets}
	case "coverage":
		k.by[0] = -r.Coverage.State.Rank()
	default: // overdue stands second, which the list knows
		k.by = [5]int{verdictRank(r.Verdict.State), 0, -r.Exploited, -r.Counts[plimsoll.SeverityCritical], -r.Counts[plimsoll.SeverityHigh]}
	}
	return k
}

// compareKeys takes a step only when the one before found no difference: it is asked of every row for every page.
func compareKeys(a, b rowKey) int {
	if a.by != b.by {
		return slices.Compare(a.by[:], b.by[:])
	}
	return posture.CompareReferences(a.row, b.row)
}

// cursor is the key as an opaque text.
func (k rowKey) cursor() string {
	parts := make([]string, 0, len(k.by)+5)
	for _, n := range k.by {
		parts = append(parts, strconv.Itoa(n))
	}
	r := k.row
	return encodeCursor(append(parts, r.Reference.Registry, r.Reference.Repository, r.Reference.Tag, r.Platform.String(), string(r.Digest))...)
}

func parseRowKey(cursor string) (k rowKey, err error) {
	if cursor == "" {
		return k, nil
	}
	parts, err := decodeCursor(cursor, len(k.by)+5)
	if err != nil {
		return k, err
	}
	for i := range k.by {
		if k.by[i], err = strconv.Atoi(parts[i]); err != nil {
			return k, badCursor(cursor)
		}
	}
	parts = parts[len(k.by):]
	k.row = &posture.Row{
		Reference: plimsoll.Reference{Registry: parts[0], Repository: parts[1], Tag: parts[2]},
		Platform:  platformOf(parts[3]), Digest: plimsoll.Digest(parts[4]),
	}
	return k, nil
}

// platformOf is the platform that is written so.
func platformOf(text string) (p plimsoll.Platform) {
	p.OS, text, _ = strings.Cut(text, "/")
	p.Architecture, p.Variant, _ = strings.Cut(text, "/")
	return p
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
	s := f.selects(v)
	pairs := map[pair]bool{}
	counts := reach(s, func(x *plimsoll.Finding, _ posture.Spot) bool {
		pairs[pair{x.ID, x.Package}] = true
		return true
	})
	return Totals{Images: len(s.rows), Unique: len(pairs), Places: counts[true].Places}
}

// CountSeverities is [Count] for each severity, in one go.
func CountSeverities(v *posture.View, f Filter) map[plimsoll.Severity]Totals {
	pairs := map[plimsoll.Severity]map[pair]bool{}
	counts := reach(f.selects(v), func(x *plimsoll.Finding, _ posture.Spot) plimsoll.Severity {
		if pairs[x.Severity] == nil {
			pairs[x.Severity] = map[pair]bool{}
		}
		pairs[x.Severity][pair{x.ID, x.Package}] = true
		return x.Severity
	})
	out := map[plimsoll.Severity]Totals{}
	for s, n := range counts {
		out[s] = Totals{Images: n.Rows, Unique: len(pairs[s]), Places: n.Places}
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
	Exploited  *int                          `json:"exploited,omitempty"` // findings that somebody says are exploited; absent where no list of them was read
	Packages   int                           `json:"packages"`
	Content    plimsoll.Content              `json:"content"`
	Size       int64                         `json:"size"`
	Layers     int                           `json:"layers"`
	Active     bool                          `json:"active"`
	InUse      *InUse                        `json:"in_use"`            // null: not known
	Overdue    *int                          `json:"overdue,omitempty"` // places of findings beyond their deadline; in the list of images alone
	First      time.Time                     `json:"first_seen,omitzero"`
	Moved      time.Time                     `json:"moved,omitzero"`
	Behind     plimsoll.Digest               `json:"behind,omitempty"`
	Owner      string                        `json:"owner"`          // empty: nobody knows
	Base       string                        `json:"base,omitempty"` // its direct base; absent where none is known
	BaseDigest plimsoll.Digest               `json:"base_digest,omitempty"`
	BaseSeen   time.Time                     `json:"base_first_seen,omitzero"` // see [posture.Base.Seen]
}

// ImageOf is r as the API writes it.
func ImageOf(v *posture.View, r *posture.Row) Image {
	im := Image{
		Reference: Name(r), Registry: r.Reference.Registry, Repository: r.Reference.Repository, Tag: r.Reference.Tag,
		Digest: r.Digest, Index: r.Reference.Digest, Platform: r.Platform.String(),
		Verdict: r.Verdict.State, Violations: some(r.Verdict.Violations), Reasons: some(r.Verdict.Reasons),
		Coverage: r.Coverage, Read: r.Read, Known: r.Known, Counts: map[plimsoll.Severity]int{},
		Findings: r.Findings, Fixable: r.Fixable, Packages: r.Packages, Content: r.Content, Size: r.Size, Layers: r.Layers,
		Active: r.Active, InUse: InUseOf(v, r), First: r.First, Moved: r.Moved, Behind: r.Behind, Owner: r.Owner,
	}
	if v.Exploitation() {
		im.Exploited = &r.Exploited
	}
	if b := v.DirectBase(r); b != nil {
		im.Base, im.BaseDigest, im.BaseSeen = BaseName(b.Name(), ""), b.Name().Reference.Digest, b.Seen()
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
