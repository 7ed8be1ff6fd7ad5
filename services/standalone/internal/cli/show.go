package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// shown is how a scan is printed.
type shown struct {
	*text.Printer
	all   bool   // every finding, not only the worst
	note  string // what the run cost: "23 s · 412 MB read"
	fixes []fix  // the upgrades that the server names for the one image
	// lineage is what the one image stands on, and what to do first.
	lineage lineageDocument
	// exploitation is set where a list of exploited flaws was read: without one, none found says nothing.
	exploitation bool
}

var marks = map[plimsoll.VerdictState]string{
	plimsoll.VerdictPass: "✓ pass", plimsoll.VerdictWarn: "▲ warn", plimsoll.VerdictFail: "✗ fail", plimsoll.VerdictUnknown: "▨ unkn.",
}

func (s shown) verdict(v plimsoll.VerdictState, word string) string {
	style := map[plimsoll.VerdictState]text.Style{plimsoll.VerdictPass: text.Green, plimsoll.VerdictWarn: text.Yellow, plimsoll.VerdictFail: text.Red}[v]
	if style == "" {
		style = text.Dim
	}
	return s.Paint(style, word)
}

// document prints one image in full, several as a line each, and the last line with the exit code and why.
func (s shown) document(d document) (code int) {
	code, why := d.exitCode()
	s.exploitation = d.exploitation()
	if len(d.Images) == 1 {
		s.image(d, d.Images[0])
	} else {
		s.images(d)
	}
	if len(d.Images) == 1 && code != exitFailed {
		for _, im := range d.Images {
			if n, reasons := unknownKnowledge(im); n > 0 {
				why += "; known is short: " + reasons
			}
		}
	}
	s.Line("exit %d: %s", code, s.Short(why, text.Columns-len("exit 0: ")))
	return code
}

// images is the table of many: worst first, then the totals.
func (s shown) images(d document) {
	images := slices.Clone(d.Images)
	slices.SortStableFunc(images, func(a, b imageDocument) int {
		ca, cb := a.count(), b.count()
		return cmp.Or(cmp.Compare(rank(a), rank(b)),
			cmp.Compare(b.exploited(), a.exploited()),
			cmp.Compare(cb[plimsoll.SeverityCritical], ca[plimsoll.SeverityCritical]),
			cmp.Compare(cb[plimsoll.SeverityHigh], ca[plimsoll.SeverityHigh]), strings.Compare(a.Reference, b.Reference))
	})
	s.Line("%s", s.Paint(text.Bold, fmt.Sprintf("%-8s %-30s %-10s %-16s %5s %5s %5s %7s %5s", "VERDICT", "IMAGE", "COVERED", "BASE", "C", "H", "EXPL", "N.RATED", "SECR")))
	states, covered := map[plimsoll.VerdictState]int{}, 0
	for _, im := range images {
		states[im.Verdict]++
		short, worst := im.short()
		if !short {
			covered++
		}
		s.Line("%s %s %s %s %s", text.Pad(s.verdict(im.Verdict, cmp.Or(marks[im.Verdict], "  n/a")), 8), text.Pad(s.Short(s.name(im), 30), 30),
			text.Pad(shortState(worst.State), 10), text.Pad(s.Short(baseCell(im, worst), 16), 16), s.columns(im, worst))
	}
	s.gaps(images)
	s.Line("%s: %d pass, %d warn, %d fail, %d unknown · coverage %d of %d%s", text.Plural(len(images), "image"),
		states[plimsoll.VerdictPass], states[plimsoll.VerdictWarn], states[plimsoll.VerdictFail], states[plimsoll.VerdictUnknown],
		covered, len(images), s.note)
}

// rank puts what is no image last: it has no verdict.
func rank(im imageDocument) int {
	if _, ok := marks[im.Verdict]; !ok {
		return 9
	}
	return im.Verdict.Rank()
}

func (s shown) name(im imageDocument) string {
	name := im.Reference
	if _, rest, ok := strings.Cut(name, "/"); ok && !s.Wide {
		name = rest
	}
	if im.Platform != "" && im.Platform != "linux/amd64" {
		name += " (" + im.Platform + ")"
	}
	return name
}

// columns are the counts, of secrets at the end; what was not read has no number.
func (s shown) columns(im imageDocument, worst plimsoll.Coverage) string {
	n := im.count()
	cells := make([]string, 0, 6)
	for _, sev := range []plimsoll.Severity{plimsoll.SeverityCritical, plimsoll.SeverityHigh} {
		cells = append(cells, text.PadLeft(countCell(im, worst, n[sev]), 5))
	}
	cells = append(cells, text.PadLeft(s.exploitedCell(im, worst, im.exploited()), 5),
		text.PadLeft(countCell(im, worst, n[plimsoll.SeverityNotRated]), 7), text.PadLeft(secretCell(im, worst), 5))
	return strings.Join(cells, " ")
}

// countCell is a number of findings. None found is no number where the image was not read whole or advisories are lacking.
func countCell(im imageDocument, worst plimsoll.Coverage, n int) string {
	switch {
	case worst.State == plimsoll.ReadNotApplicable:
		return "n/a"
	case n == 0 && plimsoll.Unsure(worst, im.Known) != "":
		return "?"
	}
	return text.Count(n)
}

// exploitedCell is a number of exploited findings; none is no number where no list of exploited flaws was read.
func (s shown) exploitedCell(im imageDocument, worst plimsoll.Coverage, n int) string {
	if n == 0 && !s.exploitation && worst.State != plimsoll.ReadNotApplicable {
		return "?"
	}
	return countCell(im, worst, n)
}

// notes stand beside a finding.
func (s shown) notes(f findingDocument) string {
	if f.exploited() {
		return s.Paint(text.Red, "exploited")
	}
	return text.Clean(string(f.Class))
}

// gaps says once what is unknown and why, for all images together.
func (s shown) gaps(images []imageDocument) {
	reasons := map[string]int{}
	for _, im := range images {
		if short, c := im.short(); short {
			reasons["read "+string(c.State)+": "+c.Reason]++
		}
		for eco, k := range im.Known {
			if k.State != plimsoll.KnownCurrent {
				reasons["known "+string(k.State)+": "+eco+": "+cmp.Or(k.Reason, "no advisory data")]++
			}
		}
	}
	if len(reasons) == 0 {
		return
	}
	s.Line("")
	s.Line("%s", s.Paint(text.Bold, text.Pad("WHAT IS NOT KNOWN", 90)+"    IMAGES"))
	keys := make([]string, 0, len(reasons))
	for r := range reasons {
		keys = append(keys, r)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(reasons[b], reasons[a]), strings.Compare(a, b)) })
	for _, r := range keys {
		s.Line("  %s %s", text.Pad(s.Short(r, 88), 88), text.PadLeft(text.Count(reasons[r]), 9))
	}
	s.Line("")
}

func shortState(r plimsoll.ReadState) string {
	if r == plimsoll.ReadNotApplicable {
		return "n/a"
	}
	return string(r)
}

// image prints one image: verdict first, then why, then the findings.
func (s shown) image(d document, im imageDocument) {
	s.Line("%s", text.Between(s.Paint(text.Bold, s.Short(im.Reference, 78)), im.Platform))
	s.Line("%s%s", im.Digest, "")
	s.Line("")
	s.summary(d, im)
	s.chain(im)
	s.Line("")
	s.counts(im)
	s.violations(im)
	s.fixFirst(im)
	s.secrets(im)
	s.files(im)
	s.removed(im)
	s.findings(im)
	s.Line("")
}

func (s shown) summary(d document, im imageDocument) {
	lead := strings.ToUpper(string(im.Verdict))
	switch im.Verdict {
	case plimsoll.VerdictFail, plimsoll.VerdictWarn:
		s.Line("  %s %s of policy %s v%d", text.Pad(s.verdict(im.Verdict, lead), 9), text.Plural(len(im.Violations), "rule"), d.Policy.Name, d.Policy.Version)
	case plimsoll.VerdictPass:
		s.Line("  %s policy %s v%d", text.Pad(s.verdict(im.Verdict, lead), 9), d.Policy.Name, d.Policy.Version)
	default:
		s.Line("  %s no rule failed in what could be read; not a pass", text.Pad(s.verdict(im.Verdict, lead), 9))
	}
	s.covered(im)
	s.content(im)
	s.Line("  %-9s %s", "DATA", s.data(d))
	if n, reasons := unknownKnowledge(im); n > 0 {
		s.Line("  %-9s %d of %d packages: %s", "UNKNOWN", n, len(im.Packages), s.Short(reasons, 66))
	}
}

func (s shown) data(d document) string {
	if d.Data.Generation == "" {
		return "no advisories: give --advisories DIR or URL"
	}
	fresh := 0
	for _, f := range d.Data.Feeds {
		if f.State == "" || f.State == string(plimsoll.KnownCurrent) {
			fresh++
		}
	}
	return fmt.Sprintf("generation %s · %d of %d feeds fresh", d.Data.Generation, fresh, len(d.Data.Feeds))
}

// unknownKnowledge counts packages whose ecosystem has no current data.
func unknownKnowledge(im imageDocument) (packages int, reasons string) {
	var words []string
	for _, eco := range sortedKeys(im.Known) {
		k := im.Known[eco]
		if k.State == plimsoll.KnownCurrent {
			continue
		}
		for _, p := range im.Packages {
			if p.Ecosystem == eco {
				packages++
			}
		}
		words = append(words, eco+" "+string(k.State)+" ("+cmp.Or(k.Reason, "no advisory data")+")")
	}
	return packages, strings.Join(words, ", ")
}

func (s shown) counts(im imageDocument) {
	const columns = "%8s %6s %8s %5s %10s %8s %9s %10s"
	s.Line("            "+columns, "CRITICAL", "HIGH", "MEDIUM", "LOW", "NOT RATED", "TOTAL", "FIXABLE", "EXPLOITED")
	_, worst := im.short()
	row := func(head string, all []findingDocument) {
		part := im
		part.Findings = all
		n, fixable := part.count(), 0
		for _, f := range all {
			if f.Fixed != "" {
				fixable++
			}
		}
		cell := func(n int) string { return countCell(im, worst, n) }
		s.Line("  %-9s "+columns, head, cell(n[plimsoll.SeverityCritical]), cell(n[plimsoll.SeverityHigh]), cell(n[plimsoll.SeverityMedium]),
			cell(n[plimsoll.SeverityLow]+n[plimsoll.SeverityNone]), cell(n[plimsoll.SeverityNotRated]), cell(len(all)), cell(fixable),
			s.exploitedCell(im, worst, part.exploited()))
	}
	if s.lineage.OwnFrom == 0 {
		row("findings", im.Findings)
		return
	}
	own, base := s.split(im.Findings)
	row("own", own)
	row("base", base)
}

func (s shown) violations(im imageDocument) {
	if len(im.Violations) == 0 {
		return
	}
	s.Line("")
	heading := "WHAT IT WARNS OF"
	if im.Verdict == plimsoll.VerdictFail {
		heading = "WHY IT FAILS"
	}
	s.Line("%s", s.Paint(text.Bold, heading))
	for _, v := range im.Violations {
		mark := "▲"
		if v.Then == plimsoll.VerdictFail {
			mark = "✗"
		}
		s.Line("  %s %s %s", s.verdict(v.Then, mark), text.Pad(v.Rule, 24), s.Short(v.Text, 70))
	}
}

// fix is one upgrade as the server's image answer names it.
type fix struct {
	Package  string   `json:"package"`
	Version  string   `json:"version"`
	To       []string `json:"to"`
	Findings int      `json:"findings"`
	Critical int      `json:"critical"`
}

func (f fix) to() string { return strings.Join(f.To, " or ") }

// packageFindings are the findings of one package, as tables show them.
type packageFindings struct {
	findings        []findingDocument
	name, installed string
}

func (g packageFindings) worst() findingDocument { return g.findings[0] }

// fixed is the version that fixes all of the package's findings that have a fix, as the server compared them; where it
// named none, that of the worst finding.
func (s shown) fixed(g packageFindings) string {
	for _, f := range s.fixes {
		if f.Package == g.name && (f.Version == g.installed || f.Version == "") {
			return f.to()
		}
	}
	return g.worst().Fixed
}

func grouped(im imageDocument) []packageFindings {
	versions := im.versions()
	byPackage := map[string]*packageFindings{}
	var order []*packageFindings
	for _, f := range im.Findings {
		key := f.PURL + "\x00" + f.Path
		g := byPackage[key]
		if g == nil {
			g = &packageFindings{name: versions[f.PURL][0], installed: versions[f.PURL][1]}
			byPackage[key] = g
			order = append(order, g)
		}
		g.findings = append(g.findings, f)
	}
	out := make([]packageFindings, 0, len(order))
	for _, g := range order {
		slices.SortStableFunc(g.findings, func(a, b findingDocument) int { return cmp.Compare(a.Severity.Rank(), b.Severity.Rank()) })
		out = append(out, *g)
	}
	slices.SortStableFunc(out, func(a, b packageFindings) int {
		return cmp.Or(cmp.Compare(a.worst().Severity.Rank(), b.worst().Severity.Rank()), cmp.Compare(len(b.findings), len(a.findings)), strings.Compare(a.name, b.name))
	})
	return out
}

// everyFinding shows a line a finding, at most so many.
func (s shown) everyFinding(im imageDocument, most int) {
	versions := im.versions()
	s.Line("  %-9s %-20s %-16s %-15s %-15s %5s  %s", "SEVERITY", "ADVISORY", "PACKAGE", "INSTALLED", "FIXED IN", "LAYER", "NOTES")
	for _, f := range im.Findings[:min(most, len(im.Findings))] {
		v := versions[f.PURL]
		s.Line("%s", strings.TrimRight(fmt.Sprintf("  %s %s %s %s %s %5d  %s", text.Pad(s.severity(f.Severity), 9), text.Pad(text.Clean(f.ID), 20), text.Pad(s.Short(v[0], 16), 16),
			text.Pad(s.Short(v[1], 15), 15), text.Pad(s.Short(cmp.Or(f.Fixed, "none yet"), 15), 15), f.Layer+1, s.notes(f)), " "))
	}
}

func (s shown) severity(sev plimsoll.Severity) string {
	word := strings.ToUpper(string(sev))
	switch sev {
	case plimsoll.SeverityCritical, plimsoll.SeverityHigh:
		return s.Paint(text.Red, word)
	case plimsoll.SeverityMedium:
		return s.Paint(text.Yellow, word)
	}
	return word
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
