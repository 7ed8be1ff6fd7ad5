package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"slices"
	"strconv"
	"strings"

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
	{Name: "verdict", Cell: func(f Finding) string { return string(f.Verdict) }},
}

type changeRow struct {
	Change
	what string
}

var changeColumns = []list.Column[changeRow]{
	{Name: "change", Cell: func(c changeRow) string { return c.what }},
	{Name: "reference", Cell: func(c changeRow) string { return c.Reference }},
	{Name: "platform", Cell: func(c changeRow) string { return c.Platform }},
	{Name: "advisory", Cell: func(c changeRow) string { return c.Advisory }},
	{Name: "package", Cell: func(c changeRow) string { return c.Package }},
	{Name: "severity", Cell: func(c changeRow) string { return string(c.Severity) }},
	{Name: "cause or proof", Cell: func(c changeRow) string { return c.Cause }},
	{Name: "digest", Cell: func(c changeRow) string { return string(c.Digest) }},
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

//go:embed report.html
var page string

var htmlTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"t": list.Visible, "num": list.Comma, "at": instant,
	"state": func(n map[plimsoll.ReadState]int, s string) string { return list.Comma(n[plimsoll.ReadState(s)]) },
	"join":  func(all []string) string { return list.Visible(strings.Join(all, ", ")) },
	"first": func(all []Change, n int) []Change { return all[:min(n, len(all))] },
	"share": func(part, whole int) string { return list.Share(int64(part), int64(whole)) },
	"add3":  func(a, b, c int) int { return a + b + c },
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
