package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// files are a report's files, the model first.
func files(m Model) []output {
	return []output{
		{modelName, "application/json", nil},
		{"report.html", "text/html; charset=utf-8", func(b *bytes.Buffer) error { return HTML(b, m) }},
		{"findings.csv", "text/csv; charset=utf-8", func(b *bytes.Buffer) error { return list.WriteCSV(b, findingColumns, slices.Values(m.Findings)) }},
		{"coverage.csv", "text/csv; charset=utf-8", func(b *bytes.Buffer) error { return list.WriteCSV(b, list.GapColumns, slices.Values(m.Scope.Gaps)) }},
		{"changes.csv", "text/csv; charset=utf-8", func(b *bytes.Buffer) error {
			return list.WriteCSV(b, changeColumns, slices.Values(allChanges(m.Changes)))
		}},
		{"overdue.csv", "text/csv; charset=utf-8", func(b *bytes.Buffer) error {
			return list.WriteCSV(b, overdueColumns, slices.Values(m.Overdue.Lines))
		}},
		{"content.csv", "text/csv; charset=utf-8", func(b *bytes.Buffer) error {
			return list.WriteCSV(b, contentColumns, slices.Values(allContent(m.Content)))
		}},
	}
}

// CSV writes the findings of a model: the form that a draft is asked for.
func CSV(b *bytes.Buffer, m Model) error {
	return list.WriteCSV(b, findingColumns, slices.Values(m.Findings))
}

var findingColumns = []list.Column[Finding]{
	{Name: "asset", Cell: func(f Finding) string { return f.Asset }},
	{Name: "reference", Cell: func(f Finding) string { return f.Ref }},
	{Name: "platform", Cell: func(f Finding) string { return f.Platform }},
	{Name: "advisory", Cell: func(f Finding) string { return f.ID }},
	{Name: "severity", Cell: func(f Finding) string { return string(f.Severity) }},
	{Name: "score", Cell: func(f Finding) string { return strconv.FormatFloat(f.Score, 'f', 1, 64) }},
	{Name: "severity source", Cell: func(f Finding) string { return f.Source }},
	{Name: "purl", Cell: func(f Finding) string { return f.PURL }},
	{Name: "installed", Cell: func(f Finding) string { return f.Version }},
	{Name: "fixed in", Cell: func(f Finding) string { return f.Fixed }},
	{Name: "layer", Cell: func(f Finding) string { return strconv.Itoa(f.Layer) }},
	{Name: "path", Cell: func(f Finding) string { return f.Path }},
	{Name: "active", Cell: func(f Finding) string { return strconv.FormatBool(f.Active) }},
	{Name: "in use", Cell: func(f Finding) string { return f.InUse }},
	{Name: "verdict", Cell: func(f Finding) string { return string(f.Verdict) }},
	{Name: "owner", Cell: func(f Finding) string { return f.Owner }},
	{Name: "first detected", Cell: func(f Finding) string { return stamp(f.Detected) }},
	{Name: "deadline", Cell: func(f Finding) string { return stamp(f.Deadline) }},
	{Name: "deadline from", Cell: func(f Finding) string { return f.From }},
	{Name: "days over", Cell: func(f Finding) string { return strconv.Itoa(f.Over) }},
	{Name: "closed", Cell: func(f Finding) string { return stamp(f.Closed) }},
	{Name: "proof", Cell: func(f Finding) string { return f.Proof }},
}

// changeRow is one line of changes.csv.
type changeRow struct {
	FindingChange
	what string
}

var changeColumns = []list.Column[changeRow]{
	{Name: "change", Cell: func(c changeRow) string { return c.what }},
	{Name: "id", Cell: func(c changeRow) string { return c.ID }},
	{Name: "registry", Cell: func(c changeRow) string { return c.Registry }},
	{Name: "repository", Cell: func(c changeRow) string { return c.Repository }},
	{Name: "advisory", Cell: func(c changeRow) string { return c.Advisory }},
	{Name: "package", Cell: func(c changeRow) string { return c.Package }},
	{Name: "severity", Cell: func(c changeRow) string { return string(c.Severity) }},
	{Name: "first detected", Cell: func(c changeRow) string { return stamp(c.Detected) }},
	{Name: "cause", Cell: func(c changeRow) string { return c.Cause }},
	{Name: "closed", Cell: func(c changeRow) string { return stamp(c.Closed) }},
	{Name: "proof", Cell: func(c changeRow) string { return c.Proof }},
	{Name: "tag", Cell: func(c changeRow) string { return c.Tag }},
	{Name: "digest", Cell: func(c changeRow) string { return string(c.Digest) }},
	{Name: "scan", Cell: func(c changeRow) string { return c.Scan }},
	{Name: "closed in time", Cell: func(c changeRow) string {
		if c.InTime == nil {
			return ""
		}
		return strconv.FormatBool(*c.InTime)
	}},
}

func allChanges(c Changes) (out []changeRow) {
	for _, x := range c.New {
		out = append(out, changeRow{x, "new"})
	}
	for _, x := range c.Closed {
		out = append(out, changeRow{x, "closed"})
	}
	return out
}

var overdueColumns = []list.Column[OverdueLine]{
	{Name: "id", Cell: func(o OverdueLine) string { return o.ID }},
	{Name: "registry", Cell: func(o OverdueLine) string { return o.Registry }},
	{Name: "repository", Cell: func(o OverdueLine) string { return o.Repository }},
	{Name: "owner", Cell: func(o OverdueLine) string { return o.Owner }},
	{Name: "images", Cell: func(o OverdueLine) string { return strconv.Itoa(o.ImageCount) }},
	{Name: "examples", Cell: func(o OverdueLine) string { return strings.Join(o.Images, " ") }},
	{Name: "in use", Cell: func(o OverdueLine) string { return o.InUse }},
	{Name: "advisory", Cell: func(o OverdueLine) string { return o.Advisory }},
	{Name: "package", Cell: func(o OverdueLine) string { return o.Package }},
	{Name: "installed", Cell: func(o OverdueLine) string { return o.Version }},
	{Name: "fixed in", Cell: func(o OverdueLine) string { return o.Fixed }},
	{Name: "severity", Cell: func(o OverdueLine) string { return string(o.Severity) }},
	{Name: "first detected", Cell: func(o OverdueLine) string { return stamp(o.Detected) }},
	{Name: "deadline", Cell: func(o OverdueLine) string { return stamp(o.Deadline) }},
	{Name: "deadline from", Cell: func(o OverdueLine) string { return string(o.From) }},
	{Name: "days over", Cell: func(o OverdueLine) string { return strconv.Itoa(o.Over) }},
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// signed writes a difference so that nobody takes it for a number.
func signed(n int) string {
	switch {
	case n > 0:
		return "+" + list.Comma(n)
	case n < 0:
		return "−" + list.Comma(-n)
	}
	return "0"
}

//go:embed report.html
var page string

var htmlTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"t": list.Visible, "num": list.Comma, "at": instant,
	"state": func(n map[plimsoll.ReadState]int, s string) string { return list.Comma(n[plimsoll.ReadState(s)]) },
	"join":  func(all []string) string { return list.Visible(strings.Join(all, ", ")) },
	"layer": layerName, "notes": noteText, "maxContent": func() int { return maxContent },
	"add1":         func(n int) int { return n + 1 },
	"firstSecrets": func(all []SecretLine) []SecretLine { return all[:min(maxPrinted, len(all))] },
	"firstFiles":   func(all []FileLine) []FileLine { return all[:min(maxPrinted, len(all))] },
	"first":        func(all []FindingChange, n int) []FindingChange { return all[:min(n, len(all))] },
	"firstOverdue": func(all []OverdueLine, n int) []OverdueLine { return all[:min(n, len(all))] },
	"days":         func(d float64) string { return strconv.FormatFloat(d, 'f', 1, 64) },
	"from":         func(d plimsoll.DeadlineStart) string { return strings.ReplaceAll(string(d), "_", " ") },
	"signed":       signed,
	"share":        func(part, whole int) string { return list.Share(int64(part), int64(whole)) },
	"add3":         func(a, b, c int) int { return a + b + c },
}).Parse(page))

// HTML writes the report as one file: no script, its style inside, A4 in print.
func HTML(b *bytes.Buffer, m Model) error {
	return htmlTemplate.Execute(b, struct {
		Model
		Foot string
	}{m, foot(m)})
}

// foot stands on each printed page.
func foot(m Model) string {
	regs := make([]string, 0, len(m.Scope.Registries))
	for _, r := range m.Scope.Registries {
		regs = append(regs, r.ID)
	}
	text := m.Front.Period + " · " + strings.Join(regs, ", ") + " · generation " + m.Method.Generation + " · revision " + strconv.Itoa(m.Front.Revision)
	if m.Front.Draft {
		text += " · draft"
	}
	return text
}
