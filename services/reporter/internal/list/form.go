package list

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Column is one column of a list's CSV.
type Column[T any] struct {
	Name string
	Cell func(T) string
}

// WriteCSV writes rows under their heads (RFC 4180).
func WriteCSV[T any](w io.Writer, columns []Column[T], rows iter.Seq[T]) error {
	out := csv.NewWriter(w)
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = c.Name
	}
	if err := out.Write(record); err != nil {
		return fmt.Errorf("csv: %w", err)
	}
	for r := range rows {
		for i, c := range columns {
			record[i] = Cell(c.Cell(r))
		}
		if err := out.Write(record); err != nil {
			return fmt.Errorf("csv: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

// Cell makes text safe in a spreadsheet: a cell that would start a formula gets a quote before it (OWASP, "CSV Injection").
func Cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// WriteNDJSON writes one JSON document a line.
func WriteNDJSON[T, U any](w io.Writer, rows iter.Seq[T], as func(T) U) error {
	out := json.NewEncoder(w)
	for r := range rows {
		if err := out.Encode(as(r)); err != nil {
			return fmt.Errorf("ndjson: %w", err)
		}
	}
	return nil
}

func count(n int) string { return strconv.Itoa(n) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ImageColumns are the columns of the images list.
var ImageColumns = []Column[*posture.Row]{
	{"reference", Name},
	{"digest", func(r *posture.Row) string { return string(r.Digest) }},
	{"platform", func(r *posture.Row) string { return r.Platform.String() }},
	{"verdict", func(r *posture.Row) string { return string(r.Verdict.State) }},
	{"coverage", func(r *posture.Row) string { return string(r.Coverage.State) }},
	{"reason", func(r *posture.Row) string { return r.Coverage.Reason }},
	{"critical", severityCell(plimsoll.SeverityCritical)},
	{"high", severityCell(plimsoll.SeverityHigh)},
	{"medium", severityCell(plimsoll.SeverityMedium)},
	{"low", severityCell(plimsoll.SeverityLow)},
	{"not rated", severityCell(plimsoll.SeverityNotRated)},
	{"findings", found(func(r *posture.Row) int { return r.Findings })},
	{"fixable", found(func(r *posture.Row) int { return r.Fixable })},
	{"packages", read(func(r *posture.Row) int { return r.Packages })},
	{"secrets", analyzed(plimsoll.AnalyzerSecrets, func(c plimsoll.Content) int { return c.Secrets })},
	{"hidden secrets", analyzed(plimsoll.AnalyzerSecrets, func(c plimsoll.Content) int { return c.HiddenSecrets })},
	{"altered files", analyzed(plimsoll.AnalyzerFiles, func(c plimsoll.Content) int { return c.AlteredFiles })},
	{"unowned set-uid", analyzed(plimsoll.AnalyzerFiles, func(c plimsoll.Content) int { return c.UnownedSetUID })},
	{"removed packages", analyzed(plimsoll.AnalyzerPackages, func(c plimsoll.Content) int { return c.Removed })},
	{"owner", func(r *posture.Row) string { return r.Owner }},
	{"active", func(r *posture.Row) string { return strconv.FormatBool(r.Active) }},
	{"moved", func(r *posture.Row) string { return stamp(r.Moved) }},
}

// Unread reports whether nothing is known of what a row holds: its counts are then no zeros but "not read". A row that
// shows its last good image while a newer one waits is not unread.
func Unread(r *posture.Row) bool { return r.Coverage.Short() && r.Layers == 0 }

func severityCell(s plimsoll.Severity) func(*posture.Row) string {
	return found(func(r *posture.Row) int { return r.Counts[s] })
}

// found writes a count of findings. None found is no zero where something was not read or has no advisories.
func found(n func(*posture.Row) int) func(*posture.Row) string {
	whole := read(n)
	return func(r *posture.Row) string {
		if n(r) == 0 && Unsure(r) != "" && !Unread(r) {
			return "not known"
		}
		return whole(r)
	}
}

// Unsure says why no findings of a row do not mean that there are none; empty when they do.
func Unsure(r *posture.Row) string { return plimsoll.Unsure(r.Coverage, r.Known) }

// read writes a count, or why there is none: an image that was not read never shows a zero.
func read(n func(*posture.Row) int) func(*posture.Row) string {
	return func(r *posture.Row) string {
		switch {
		case Unread(r):
			return "not read"
		case r.Coverage.State == plimsoll.ReadNotApplicable:
			return "n/a"
		}
		return count(n(r))
	}
}

// analyzed writes a count of one analyser, or why there is none: what it did not look at has no zero, and neither has what it
// read in part.
func analyzed(analyzer string, n func(plimsoll.Content) int) func(*posture.Row) string {
	whole := read(func(r *posture.Row) int { return n(r.Content) })
	return func(r *posture.Row) string {
		c, ok := r.Analyzed(analyzer)
		switch {
		case Unread(r) || r.Coverage.State == plimsoll.ReadNotApplicable:
			return whole(r)
		case !ok:
			return "not analysed"
		case n(r.Content) == 0 && c.Short():
			return "not known"
		}
		return whole(r)
	}
}

// PlaceColumns are the columns of the findings list.
var PlaceColumns = []Column[posture.Place]{
	{"advisory", func(p posture.Place) string { return p.Finding.ID }},
	{"class", func(p posture.Place) string { return cmp.Or(string(p.Finding.Class), ClassVulnerability) }},
	{"aliases", func(p posture.Place) string { return strings.Join(p.Finding.Aliases, " ") }},
	{"severity", func(p posture.Place) string { return string(p.Finding.Severity) }},
	{"score", func(p posture.Place) string { return strconv.FormatFloat(p.Finding.Score, 'f', 1, 64) }},
	{"exploited", func(p posture.Place) string { return strconv.FormatBool(p.Finding.Exploited()) }},
	{"kev added", func(p posture.Place) string { return kevAdded(p.Finding.Enrichment) }},
	{"epss", func(p posture.Place) string { return epss(p.Finding.Enrichment) }},
	{"package", func(p posture.Place) string { return p.Finding.Package }},
	{"installed", func(p posture.Place) string { return p.Finding.Version }},
	{"fixed in", func(p posture.Place) string { return p.Finding.Fixed }},
	{"ecosystem", func(p posture.Place) string { return p.Finding.Ecosystem }},
	{"purl", func(p posture.Place) string { return p.Finding.PURL }},
	{"reference", func(p posture.Place) string { return Name(p.Row) }},
	{"digest", func(p posture.Place) string { return string(p.Row.Digest) }},
	{"platform", func(p posture.Place) string { return p.Row.Platform.String() }},
	{"layer", func(p posture.Place) string { return count(p.Finding.Layer) }},
	{"path", func(p posture.Place) string { return p.Finding.Path }},
	{"status", func(p posture.Place) string { return p.Finding.Status }},
	{"first detected", func(p posture.Place) string { return stamp(p.First) }},
	{"deadline", func(p posture.Place) string { return dated(p.Due, func(d *posture.Due) string { return stamp(d.At) }) }},
	{"deadline from", func(p posture.Place) string {
		return dated(p.Due, func(d *posture.Due) string { return string(d.From) })
	}},
	{"overdue", func(p posture.Place) string {
		return dated(p.Due, func(d *posture.Due) string { return strconv.FormatBool(d.Overdue) })
	}},
	{"days over", func(p posture.Place) string {
		return dated(p.Due, func(d *posture.Due) string { return count(d.Over) })
	}},
}

// dated writes a part of a deadline; empty where there is none.
func dated(d *posture.Due, text func(*posture.Due) string) string {
	if d == nil {
		return ""
	}
	return text(d)
}

// kevAdded is the day on which CISA listed a flaw; empty where it did not.
func kevAdded(e *plimsoll.Enrichment) string {
	if e == nil || e.KEV.Added.IsZero() {
		return ""
	}
	return e.KEV.Added.Format(time.DateOnly)
}

// epss is a flaw's EPSS score; empty where there is none.
func epss(e *plimsoll.Enrichment) string {
	if e == nil || e.EPSS == (plimsoll.EPSS{}) {
		return ""
	}
	return strconv.FormatFloat(e.EPSS.Score, 'f', 5, 64)
}

// ExploitedColumn is the images list's count of exploited findings: none is no zero where no list of them was read.
func ExploitedColumn(v *posture.View) Column[*posture.Row] {
	cell := found(func(r *posture.Row) int { return r.Exploited })
	return Column[*posture.Row]{"exploited", func(r *posture.Row) string {
		if why := NotToldExploited(v, r); why != "" && !Unread(r) && r.Coverage.State != plimsoll.ReadNotApplicable {
			return "not known"
		}
		return cell(r)
	}}
}

// NotToldExploited says why no exploited finding of a row does not mean that there is none; empty when it does, or there is one.
func NotToldExploited(v *posture.View, r *posture.Row) string {
	switch {
	case r.Exploited > 0:
		return ""
	case !v.Exploitation():
		return NoExploitation
	}
	return Unsure(r)
}

// NoExploitation is why nothing can be said of what is exploited.
const NoExploitation = "no list of exploited flaws was read"

// OverdueColumn is the column of the images list that needs the view.
func OverdueColumn(v *posture.View, now time.Time) Column[*posture.Row] {
	return Column[*posture.Row]{"overdue", read(func(r *posture.Row) int { n, _ := v.Overdue(r, now); return n })}
}

// UniqueColumns are the columns of the findings list grouped by advisory and package.
var UniqueColumns = []Column[Unique]{
	{"advisory", func(u Unique) string { return u.ID }},
	{"package", func(u Unique) string { return u.Package }},
	{"severity", func(u Unique) string { return string(u.Severity) }},
	{"score", func(u Unique) string { return strconv.FormatFloat(u.Score, 'f', 1, 64) }},
	{"exploited", func(u Unique) string { return strconv.FormatBool(u.Exploited) }},
	{"epss", func(u Unique) string { return epss(u.Enrichment) }},
	{"ecosystems", func(u Unique) string { return strings.Join(u.Ecosystems, " ") }},
	{"fixed in", func(u Unique) string { return strings.Join(u.Fixed, " ") }},
	{"images", func(u Unique) string { return count(u.Images) }},
	{"places", func(u Unique) string { return count(u.Places) }},
}

// AdvisoryColumns are the columns of the advisories list.
var AdvisoryColumns = []Column[Advisory]{
	{"advisory", func(a Advisory) string { return a.ID }},
	{"aliases", func(a Advisory) string { return strings.Join(a.Aliases, " ") }},
	{"severity", func(a Advisory) string { return string(a.Severity) }},
	{"score", func(a Advisory) string { return strconv.FormatFloat(a.Score, 'f', 1, 64) }},
	{"exploited", func(a Advisory) string { return strconv.FormatBool(a.Exploited) }},
	{"epss", func(a Advisory) string { return epss(a.Enrichment) }},
	{"packages", func(a Advisory) string { return strings.Join(a.Packages, " ") }},
	{"images", func(a Advisory) string { return count(a.Images) }},
	{"places", func(a Advisory) string { return count(a.Places) }},
	{"fixable", func(a Advisory) string { return strconv.FormatBool(a.Fixable) }},
}

// RepositoryColumns are the columns of the repositories list.
var RepositoryColumns = []Column[Repository]{
	{"registry", func(r Repository) string { return r.Registry }},
	{"repository", func(r Repository) string { return r.Repository }},
	{"verdict", func(r Repository) string { return string(r.Verdict) }},
	{"coverage", func(r Repository) string { return string(r.Coverage) }},
	{"images", func(r Repository) string { return count(r.Images) }},
	{"fail", func(r Repository) string { return count(r.Fail) }},
	{"unknown", func(r Repository) string { return count(r.Unknown) }},
	{"critical", func(r Repository) string { return count(r.Critical) }},
	{"high", func(r Repository) string { return count(r.High) }},
	{"fixable", func(r Repository) string { return count(r.Fixable) }},
	{"exploited", func(r Repository) string {
		if r.Exploited == nil {
			return "not known"
		}
		return count(*r.Exploited)
	}},
	{"images with a secret", func(r Repository) string { return count(r.Secret) }},
	{"moved", func(r Repository) string { return stamp(r.Moved) }},
}

// GapColumns are the columns of the causes list.
var GapColumns = []Column[Gap]{
	{"registry", func(g Gap) string { return g.Registry }},
	{"cause", func(g Gap) string { return g.Cause }},
	{"state", func(g Gap) string { return string(g.State) }},
	{"reason", func(g Gap) string { return g.Reason }},
	{"images", func(g Gap) string { return count(g.Images) }},
	{"since", func(g Gap) string { return stamp(g.Since) }},
	{"example", func(g Gap) string { return g.Example }},
	{"advice", func(g Gap) string { return g.Advice }},
	{"retry", func(g Gap) string { return g.Retry }},
}

// FeedColumns are the columns of the feeds list.
var FeedColumns = []Column[Feed]{
	{"ecosystem", func(f Feed) string { return f.Ecosystem }},
	{"kind", func(f Feed) string { return string(f.Kind) }},
	{"state", func(f Feed) string { return string(f.State) }},
	{"records", func(f Feed) string { return count(f.Records) }},
	{"withdrawn", func(f Feed) string { return count(f.Withdrawn) }},
	{"skipped", func(f Feed) string { return count(f.Skipped) }},
	{"newest", func(f Feed) string { return stamp(f.Newest) }},
	{"changed", func(f Feed) string { return stamp(f.Changed) }},
	{"checked", func(f Feed) string { return stamp(f.Checked) }},
	{"limit", func(f Feed) string { return f.Limit }},
	{"images", func(f Feed) string { return count(f.Images) }},
	{"error", func(f Feed) string { return f.Error }},
}

// PackageColumns are the columns of an image's packages.
var PackageColumns = []Column[plimsoll.Package]{
	{"name", func(p plimsoll.Package) string { return p.Name }},
	{"version", func(p plimsoll.Package) string { return p.Version }},
	{"source", func(p plimsoll.Package) string { return p.Source }},
	{"ecosystem", func(p plimsoll.Package) string { return p.Ecosystem }},
	{"purl", func(p plimsoll.Package) string { return p.PURL }},
	{"layer", func(p plimsoll.Package) string { return count(p.Layer) }},
	{"path", func(p plimsoll.Package) string { return p.Path }},
}

// SecretColumns are the columns of an image's secrets.
var SecretColumns = []Column[plimsoll.Secret]{
	{"rule", func(s plimsoll.Secret) string { return s.Rule }},
	{"path", func(s plimsoll.Secret) string { return s.Path }},
	{"line", func(s plimsoll.Secret) string { return count(s.Line) }},
	{"last four", func(s plimsoll.Secret) string { return s.Last4 }},
	{"fingerprint", func(s plimsoll.Secret) string { return s.Fingerprint }},
	{"layer", func(s plimsoll.Secret) string { return count(s.Layer) }},
	{"hidden", func(s plimsoll.Secret) string { return strconv.FormatBool(s.Hidden) }},
	{"hidden in", func(s plimsoll.Secret) string { return hiddenIn(s.Hidden, s.HiddenIn) }},
}

// FileColumns are the columns of an image's files.
var FileColumns = []Column[plimsoll.File]{
	{"notes", Notes},
	{"path", func(f plimsoll.File) string { return f.Path }},
	{"owner", func(f plimsoll.File) string { return f.Owner }},
	{"mode", Mode},
	{"capabilities", func(f plimsoll.File) string { return f.Capabilities }},
	{"kind", func(f plimsoll.File) string { return string(f.Kind) }},
	{"size", func(f plimsoll.File) string { return strconv.FormatInt(f.Size, 10) }},
	{"sha256", func(f plimsoll.File) string { return f.SHA256 }},
	{"layer", func(f plimsoll.File) string { return count(f.Layer) }},
}

// RemovedColumns are the columns of the packages that a layer removed.
var RemovedColumns = append(slices.Clip(PackageColumns), Column[plimsoll.Package]{
	"hidden in", func(p plimsoll.Package) string { return count(p.HiddenIn) },
})

// hiddenIn is a layer's index; empty where nothing is hidden.
func hiddenIn(hidden bool, layer int) string {
	if !hidden {
		return ""
	}
	return count(layer)
}
