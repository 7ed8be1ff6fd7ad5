package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// scopeLine is the first thing a report says (REPORT: form).
const scopeLine = "Covers images stored in the registries listed; says nothing of hosts or of what runs, save where “in use” is given."

// eventsRead is how many of the newest events are looked through for what happened in the period.
const eventsRead = 10_000

// build makes the model of a week from the posture as it stands.
func (w *Writer) build(ctx context.Context, v *posture.View, week Week, cutoff time.Time, former []stored) Model {
	m := Model{Front: w.front(v, week, cutoff, former)}
	m.Scope = w.scope(v, week)
	m.Method = w.method(v, week)
	p := w.past(v, week)
	moved, fault := w.waterfall(ctx, v, week)
	m.Ranking, m.Changes, m.Overdue = ranking(v, p, week.Name, former), changes(p, moved), overdue(v, p, v.At())
	m.Page = w.page(v, m)
	if m.Page.Overdue, m.Page.New, m.Page.Closed = m.Overdue.Count, m.Changes.NewCount, m.Changes.Shut; moved != nil {
		m.Page.Moved = &Waterfall{moved.From, moved.To, moved.Before, moved.After, moved.Causes}
	}
	if fault != "" {
		m.Page.Remarks = append(m.Page.Remarks, fault)
	}
	m.Verdicts = verdicts(v, m, former)
	m.Findings = append(findings(v), closedRows(m.Changes)...)
	if n := list.Count(v, all()).Places; n > maxFindings {
		m.Page.Remarks = append(m.Page.Remarks, fmt.Sprintf("The list of findings is cut at %d of %d.", maxFindings, n))
	}
	m.Content = content(v)
	m.Missing = missing()
	return m
}

func all() list.Filter { return list.Filter{}.With("scope", list.ScopeStored) }

func (w *Writer) front(v *posture.View, week Week, cutoff time.Time, former []stored) Front {
	f := Front{
		Organisation: w.Organisation, Period: week.Name, From: week.From, To: week.To, Cutoff: cutoff.In(w.zone), Evaluated: v.At(),
		Made: w.Now(), Zone: w.zone.String(), Revision: 1, Generator: w.Generator, ScopeLine: scopeLine,
	}
	if len(former) > 0 {
		last := former[len(former)-1]
		f.Previous = Previous{last.manifest.Period, last.manifest.Digest}
	}
	return f
}

func (w *Writer) page(v *posture.View, m Model) Page {
	applicable := list.Filter{}.With("applicable", "yes")
	p := Page{
		Active: list.Verdicts(applicable.Rows(v)), Stored: list.Verdicts(all().With("applicable", "yes").Rows(v)),
		Covered: m.Scope.Balance.Covered, Listed: m.Scope.Balance.Listed, Severity: severities(v), Remarks: []string{},
	}
	p.InUse = use(v)
	p.Sentence = sentence(p, m.Method.Policy)
	p.Remarks = w.remarks(v, m)
	p.Decisions = decisions(v, m)
	return p
}

// sentence says in words what the numbers say. Unknown is never clean: "none" is only said of what was read.
func sentence(p Page, policy PolicyName) string {
	name := fmt.Sprintf("%s v%d", policy.Name, policy.Version)
	text := fmt.Sprintf("%d of %d active images fail %s.", p.Active.Fail, p.Active.Total(), name)
	if p.Active.Fail == 0 {
		text = fmt.Sprintf("None of %d active images fails %s in what was read.", p.Active.Total(), name)
	}
	if p.Active.Unknown > 0 {
		text += fmt.Sprintf(" Of %d it cannot be told.", p.Active.Unknown)
	}
	return text
}

func severities(v *posture.View) (out []SeverityCount) {
	n, fixable := list.CountSeverities(v, list.Filter{}), list.CountSeverities(v, list.Filter{}.With("fixable", "yes"))
	for _, s := range plimsoll.Severities {
		out = append(out, SeverityCount{s, n[s].Unique, n[s].Places, n[s].Images, fixable[s].Places})
	}
	return out
}

// remarks are the boxed lines of page 1: whatever puts the report in doubt, said without being asked.
func (w *Writer) remarks(v *posture.View, m Model) []string {
	out := []string{}
	if late := m.Front.Evaluated.Sub(m.Front.Cutoff); late > time.Minute {
		out = append(out, fmt.Sprintf("The posture was formed at %s, %s after the cut-off: what changed in between is included.",
			instant(m.Front.Evaluated), late.Round(time.Minute)))
	}
	for _, r := range m.Scope.Registries {
		if r.Red > 0 {
			out = append(out, fmt.Sprintf("%s: %d of %d sweeps of the period did not end green.", r.ID, r.Red, r.Sweeps))
		}
		if r.Sweeps == 0 {
			out = append(out, r.ID+": no sweep ended in the period, so its population is not confirmed by a complete listing of this week.")
		}
	}
	for _, f := range m.Method.Feeds {
		if f.State != list.FeedFresh {
			out = append(out, fmt.Sprintf("Advisory data of %s is %s: %s", f.Ecosystem, f.State, cmp.Or(f.Error, "not checked since "+instant(f.Checked))))
		}
	}
	if len(m.Method.Feeds) == 0 {
		out = append(out, "There is no advisory data: no verdict can be a pass.")
	}
	if !m.Scope.Balance.Whole {
		out = append(out, "The reconciliation does not add up: the gaps listed do not explain all that is not covered.")
	}
	for _, fault := range v.Faults() {
		out = append(out, "The posture may lack something: "+fault)
	}
	return out
}

// decisions are what the reader is asked to decide, at most three, from what the numbers point at.
func decisions(v *posture.View, m Model) []string {
	out := []string{}
	for _, x := range list.Fixes(v, list.Filter{}, 1) {
		out = append(out, fmt.Sprintf("Who upgrades %s (%s)? It removes %d findings, %d of them critical, from %d active images.", x.Package, x.Ecosystem, x.Findings, x.Critical, x.Images))
	}
	if len(m.Scope.Gaps) > 0 {
		g := m.Scope.Gaps[0]
		out = append(out, fmt.Sprintf("Who removes the largest gap? %d images of %s are %s: %s", g.Images, g.Registry, g.State, cmp.Or(g.Reason, "not read yet")))
	}
	if len(m.Scope.Lacking) > 0 {
		x := m.Scope.Lacking[0]
		out = append(out, fmt.Sprintf("Is it accepted that nothing is known of %s, which %d images hold?", x.Ecosystem, x.Images))
	}
	return out
}

func (w *Writer) scope(v *posture.View, week Week) Scope {
	s := Scope{Registries: []Registry{}, Gaps: some(list.Gaps(v, "")), Lacking: list.Uncovered(v, ""), Changes: []Change{}}
	for _, r := range v.Registries() {
		s.Registries = append(s.Registries, w.registry(v, r, week))
	}
	s.Analyzers = analyzers(v)
	reads := list.Reads(v.Rows())
	s.Balance = Balance{Listed: len(v.Rows()), Covered: reads[plimsoll.ReadComplete] + reads[plimsoll.ReadNotApplicable]}
	for _, g := range s.Gaps {
		s.Balance.Gaps += g.Images
	}
	s.Balance.Whole = s.Balance.Listed == s.Balance.Covered+s.Balance.Gaps
	for _, e := range v.Events(eventsRead) {
		if e.Change.Kind == plimsoll.ChangeScope && within(week, e.Time) {
			s.Changes = append(s.Changes, Change{Cause: e.Change.Text, Time: e.Time})
		}
	}
	return s
}

func within(w Week, t time.Time) bool { return !t.Before(w.From) && t.Before(w.To) }

func (w *Writer) registry(v *posture.View, r posture.Registry, week Week) Registry {
	rows := all().With("registry", r.ID).Rows(v)
	out := Registry{ID: r.ID, Listing: r.LastComplete, Images: len(rows), Read: list.Reads(rows), Include: []string{}, Exclude: []string{}, Reasons: []string{}}
	for _, c := range w.Registries {
		if c.ID == r.ID {
			out.Host, out.Include, out.Exclude = c.Host(), some(c.Include), some(c.Exclude)
		}
	}
	for i, s := range r.Recent {
		if i == 0 || out.Listed == 0 {
			out.Listed = s.Counts.Listed
		}
		if s.State == plimsoll.SweepRunning || !within(week, s.Ended) {
			continue
		}
		out.Sweeps++
		if s.State != plimsoll.SweepGreen {
			out.Red++
			out.Reasons = append(out.Reasons, redReason(s))
		}
	}
	return out
}

func redReason(s plimsoll.Sweep) string {
	text := s.Error
	if text == "" && len(s.Causes) > 0 {
		text = s.Causes[0].Reason
	}
	return fmt.Sprintf("%s %s: %s", instant(s.Started), s.State, text)
}

func analyzers(v *posture.View) []AnalyzerCoverage {
	by := map[string]map[plimsoll.ReadState]int{}
	for _, r := range v.Rows() {
		for name, c := range r.Read {
			if by[name] == nil {
				by[name] = map[plimsoll.ReadState]int{}
			}
			by[name][c.State]++
		}
	}
	out := []AnalyzerCoverage{}
	for name, n := range by {
		out = append(out, AnalyzerCoverage{cmp.Or(name, "not resolved"), n})
	}
	slices.SortFunc(out, func(a, b AnalyzerCoverage) int { return strings.Compare(a.Analyzer, b.Analyzer) })
	return out
}

func (w *Writer) method(v *posture.View, week Week) Method {
	g, p := v.Generation(), v.Policy()
	m := Method{
		Generator: w.Generator, Policy: PolicyName{p.Name, p.Version, p.Digest, p.Target}, Generation: g.ID, Made: g.Created, Source: g.Source,
		Feeds: list.Feeds(v, w.Now(), w.StaleAfter), Weaknesses: weaknesses(),
	}
	for _, e := range v.Events(eventsRead) {
		if e.Change.Kind == plimsoll.ChangeGeneration && within(week, e.Time) {
			m.Updates++
		}
	}
	return m
}

// weaknesses are what the method cannot see, said before anybody asks.
func weaknesses() []string {
	return []string{
		"Packages are found by their databases and metadata: software that was copied in without either is not seen.",
		"Secrets are found by the form of known credentials, in text files of moderate size and in the image's configuration: one of no known form, or within a binary or an archive, is not seen.",
		"An altered file is told by the sums that its package keeps: who can change both leaves no trace. Malware and misconfiguration are not analysed.",
		"A distribution's advisory tells of its own packages; what it has not judged yet is not in the data.",
		"Severity is the record's own, else another record's of the same flaw, else the vendor's word; what nobody rated stays “not rated”.",
	}
}

func verdicts(v *posture.View, m Model, former []stored) Verdicts {
	out := Verdicts{Rules: []RuleCount{}, Trend: []TrendWeek{}}
	for _, rule := range v.Policy().Rules {
		c := RuleCount{Rule: rule.ID, Text: rule.Text, Then: rule.Then}
		for _, r := range v.Rows() {
			if slices.ContainsFunc(r.Verdict.Violations, func(x plimsoll.Violation) bool { return x.Rule == rule.ID }) {
				c.Stored++
				if r.Active {
					c.Active++
				}
			}
		}
		out.Rules = append(out.Rules, c)
	}
	for _, s := range former[max(0, len(former)-trendWeeks+1):] {
		out.Trend = append(out.Trend, s.trend)
	}
	out.Trend = append(out.Trend, TrendWeek{m.Front.Period, m.Page.Active, m.Page.Covered, m.Page.Listed})
	return out
}

func findings(v *posture.View) []Finding {
	out := []Finding{}
	for p := range list.Places(v, all()).All() {
		if len(out) == maxFindings {
			break
		}
		r, x := p.Row, p.Finding
		out = append(out, Finding{
			Asset: r.Reference.Registry + "/" + r.Reference.Repository + "@" + string(r.Digest), Ref: list.Name(r), Platform: r.Platform.String(),
			ID: x.ID, Severity: x.Severity, Score: x.Score, Source: x.Source, PURL: x.PURL, Package: x.Package, Version: x.Version,
			Fixed: x.Fixed, Layer: x.Layer, Path: x.Path, Active: r.Active, InUse: list.InUseWord(v, r, v.At()), Verdict: r.Verdict.State, Owner: r.Owner, Detected: p.First,
		})
		if d := p.Due; d != nil {
			f := &out[len(out)-1]
			f.Deadline, f.From, f.Over = d.At, string(d.From), d.Over
		}
	}
	return out
}

// missing are the sections whose data Plimsoll does not hold yet: they stay, and say so.
func missing() []Missing {
	return []Missing{
		{"8 Exceptions", "no waivers and no VEX statements are known yet"},
		{"9 Bases", "the chain of bases is not known yet"},
		{"10 Content: malware", "malware is not analysed"},
		{"11 Changes to the system", "no audit log is kept yet"},
		{"12 Control map", "no controls are mapped yet"},
	}
}

func some[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
