package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	// severityRule says which source of a severity wins, as matching has it.
	severityRule = "The matching record's own CVSS vector or level, else another record's of the same flaw, else the vendor's word; what nobody rated stays “not rated”."
	// acceptedAfter is how long a finding may be open before it has to be listed as accepted (FedRAMP, vulnerability detection
	// and response).
	acceptedAfter = 192 * 24 * time.Hour
	// overdueImages is how many images of an overdue finding are named; all are counted.
	overdueImages = 5
	// maxOverdue is how many overdue findings are listed; all are counted.
	maxOverdue = 10_000
)

// standing is one finding of one repository that stored images hold now.
type standing struct {
	key     findingKey
	finding *plimsoll.Finding
	rows    []*posture.Row
	first   time.Time
	due     *posture.Due // nil: no deadline
}

type findingKey struct{ registry, repository, pkg, id string }

// name stays the same whatever digests hold the finding.
func (k findingKey) name() string {
	return k.registry + "/" + k.repository + "#" + k.pkg + "#" + k.id
}

// standingOf are the findings that stored images hold, each once a repository, package and flaw, sorted.
func standingOf(v *posture.View, now time.Time) []*standing {
	all := map[findingKey]*standing{}
	for _, r := range v.Rows() {
		for f := range v.Each(r) {
			k := findingKey{r.Reference.Registry, r.Reference.Repository, f.Package, f.ID}
			x := all[k]
			if x == nil {
				x = &standing{key: k, finding: f, first: v.First(r, f)}
				if d, ok := v.Due(r, f, now); ok {
					x.due = &d
				}
				all[k] = x
			}
			if n := len(x.rows); n == 0 || x.rows[n-1] != r {
				x.rows = append(x.rows, r)
			}
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *standing) int { return strings.Compare(a.key.name(), b.key.name()) })
}

// closure is one time that a finding was proved to be gone.
type closure struct {
	*history.Finding
	span   history.Span
	inTime *bool
}

func (c closure) days() float64 { return c.span.Closed.Time.Sub(c.span.First).Hours() / 24 }

// past is what a report needs of the history of findings.
type past struct {
	known    bool
	standing []*standing
	opened   []opening // in the period
	closed   []closure // in the period
	untold   int       // findings that are open and that no image shows
}

// opening is one time that a finding was seen first.
type opening struct {
	*history.Finding
	span history.Span
}

func (w *Writer) past(v *posture.View, week Week) past {
	p := past{standing: standingOf(v, v.At())}
	if w.History == nil {
		return p
	}
	p.known = true
	shown := map[findingKey]bool{}
	for _, s := range p.standing {
		shown[s.key] = true
	}
	for f := range w.History() {
		if f.Open() && !shown[findingKey{f.Registry, f.Repository, f.Package, f.ID}] {
			p.untold++
		}
		for _, s := range f.Spans {
			if within(week, s.First) && !s.First.After(v.At()) {
				p.opened = append(p.opened, opening{f, s})
			}
			if s.Closed != nil && within(week, s.Closed.Time) && !s.Closed.Time.After(v.At()) {
				p.closed = append(p.closed, closureOf(v, f, s))
			}
		}
	}
	return p
}

func closureOf(v *posture.View, f *history.Finding, s history.Span) closure {
	c := closure{Finding: f, span: s}
	if d, ok := v.DueSince(s.First, &plimsoll.Finding{ID: f.ID, Severity: f.Severity}, s.Closed.Time); ok {
		inTime := !d.Overdue
		c.inTime = &inTime
	}
	return c
}

// ranking is section 5.
func ranking(v *posture.View, p past, period string, former []stored) Ranking {
	r := Ranking{Rule: severityRule, Severities: []SeverityDue{}, Trend: []DueWeek{}}
	deadline := v.Policy().Deadline
	if deadline != nil {
		r.From = deadline.Start()
	}
	now := DueWeek{Period: period}
	for _, severity := range plimsoll.Severities {
		x := SeverityDue{Severity: severity, Days: deadline.Of(severity)}
		for _, s := range p.standing {
			if s.finding.Severity != severity {
				continue
			}
			x.Open++
			switch {
			case s.due == nil:
			case s.due.Overdue:
				x.Overdue++
			default:
				x.Within++
			}
		}
		var days []float64
		for _, c := range p.closed {
			if c.Severity != severity {
				continue
			}
			x.Closed++
			days = append(days, c.days())
			if c.inTime != nil && *c.inTime {
				x.InTime++
			}
		}
		slices.Sort(days)
		x.Median, x.P90 = percentile(days, 50), percentile(days, 90)
		r.Severities = append(r.Severities, x)
		if x.Days > 0 {
			now.Open, now.Overdue, now.Closed, now.InTime = now.Open+x.Open, now.Overdue+x.Overdue, now.Closed+x.Closed, now.InTime+x.InTime
		}
	}
	for _, s := range former[max(0, len(former)-trendWeeks+1):] {
		r.Trend = append(r.Trend, s.due)
	}
	r.Trend = append(r.Trend, now)
	return r
}

// percentile is the smallest value that p per cent of sorted ones do not exceed; 0 of none.
func percentile(sorted []float64, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// changes is section 6.
func changes(p past, moved *history.Moved) Changes {
	out := Changes{Known: p.known, New: []FindingChange{}, Closed: []FindingChange{}, ByCause: []CauseCount{}, ByProof: []CauseCount{}, ListLimit: maxChanges}
	if !p.known {
		return out
	}
	out.Untold = p.untold
	why, causes, proofs := causesOf(moved), map[string]int{}, map[string]int{}
	for _, o := range p.opened {
		x := changeOf(o.Finding, o.span)
		x.Cause = why.of(o.Finding)
		out.NewCount++
		causes[x.Cause]++
		if len(out.New) < maxChanges {
			out.New = append(out.New, x)
		}
	}
	for _, c := range p.closed {
		x := changeOf(c.Finding, c.span)
		x.Closed, x.Proof, x.Tag, x.Digest, x.InTime = c.span.Closed.Time, string(c.span.Closed.Proof), c.span.Closed.Tag, c.span.Closed.Digest, c.inTime
		if x.Digest != "" {
			x.Scan = blob.InventoryKey(c.span.Closed.Recipe, x.Digest)
		}
		out.Shut++
		proofs[x.Proof]++
		if len(out.Closed) < maxChanges {
			out.Closed = append(out.Closed, x)
		}
	}
	out.ByCause, out.ByProof = counted(causes), counted(proofs)
	return out
}

func changeOf(f *history.Finding, s history.Span) FindingChange {
	return FindingChange{
		ID: findingKey{f.Registry, f.Repository, f.Package, f.ID}.name(), Registry: f.Registry, Repository: f.Repository,
		Advisory: f.ID, Package: f.Package, Severity: f.Severity, Detected: s.First,
	}
}

func counted(n map[string]int) []CauseCount {
	out := []CauseCount{}
	for what, count := range n {
		out = append(out, CauseCount{what, count})
	}
	slices.SortFunc(out, func(a, b CauseCount) int { return cmp.Or(b.N-a.N, strings.Compare(a.What, b.What)) })
	return out
}

// causes are the causes for which findings appeared in a period, by repository, package and flaw: the first counts.
type causes map[findingKey]posture.Cause

func causesOf(m *history.Moved) causes {
	out := causes{}
	if m == nil {
		return out
	}
	for _, x := range m.Moves {
		for _, f := range x.Appeared {
			k := findingKey{x.Registry, x.Repository, f.Package, f.ID}
			if _, ok := out[k]; !ok {
				out[k] = x.Cause
			}
		}
	}
	return out
}

// of is the cause of a finding, under any of its names.
func (c causes) of(f *history.Finding) string {
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		if cause, ok := c[findingKey{f.Registry, f.Repository, f.Package, id}]; ok {
			return string(cause)
		}
	}
	return "not listed: the list of changes was cut"
}

// overdue is section 7.
func overdue(v *posture.View, p past, now time.Time) Overdue {
	out := Overdue{Lines: []OverdueLine{}, Exploited: []OverdueLine{}, ListLimit: maxOverdue}
	for _, s := range p.standing {
		if now.Sub(s.first) > acceptedAfter {
			out.Old++
		}
		listed, exploited := v.Exploited(s.finding.ID)
		if exploited {
			x := s.line(v)
			x.Listed = listed
			out.Exploited = append(out.Exploited, x)
		}
		if s.due != nil && s.due.Overdue {
			x := s.line(v)
			x.Listed = listed
			out.Lines = append(out.Lines, x)
		}
	}
	byDeadline := func(a, b OverdueLine) int { return a.Deadline.Compare(b.Deadline) }
	slices.SortStableFunc(out.Lines, byDeadline)
	slices.SortStableFunc(out.Exploited, byDeadline)
	out.Count, out.ExploitedCount = len(out.Lines), len(out.Exploited)
	out.Lines, out.Exploited = out.Lines[:min(len(out.Lines), maxOverdue)], out.Exploited[:min(len(out.Exploited), maxOverdue)]
	return out
}

// line is a finding as section 7 lists it.
func (s *standing) line(v *posture.View) OverdueLine {
	x := OverdueLine{
		ID: s.key.name(), Registry: s.key.registry, Repository: s.key.repository, ImageCount: len(s.rows), InUse: anyInUse(v, s.rows, v.At()), Advisory: s.finding.ID, Package: s.finding.Package,
		Version: s.finding.Version, Fixed: s.finding.Fixed, Severity: s.finding.Severity, Detected: s.first,
	}
	if s.due != nil {
		x.Deadline, x.From, x.Over = s.due.At, s.due.From, s.due.Over
	}
	for _, r := range s.rows {
		if len(x.Images) < overdueImages {
			x.Images = append(x.Images, list.Name(r))
		}
		x.Owner = cmp.Or(x.Owner, r.Owner)
	}
	return x
}

// waterfall is why the posture moved in the part of a week that is over; the second value is why it cannot be told.
func (w *Writer) waterfall(ctx context.Context, v *posture.View, week Week) (*history.Moved, string) {
	if w.Moved == nil {
		return nil, ""
	}
	to := week.To
	if v.At().Before(to) {
		to = v.At()
	}
	m, err := w.Moved(ctx, week.From, to, "")
	if err != nil {
		return nil, fmt.Sprintf("It cannot be told why the posture moved: %v", err)
	}
	return m, ""
}

// closedRows are findings.csv's rows of what was closed in the period.
func closedRows(c Changes) (out []Finding) {
	for _, x := range c.Closed {
		out = append(out, Finding{
			Asset: strings.TrimSuffix(x.Registry+"/"+x.Repository+"@"+string(x.Digest), "@"), Ref: strings.TrimSuffix(x.Registry+"/"+x.Repository+":"+x.Tag, ":"), ID: x.Advisory,
			Severity: x.Severity, Package: x.Package, Detected: x.Detected, Closed: x.Closed, Proof: strings.TrimSpace(x.Proof + " " + x.Scan),
		})
	}
	return out
}
