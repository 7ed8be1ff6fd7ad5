package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// Word is what a record, or all of them, say of one flaw in one package.
type Word string

// The words. Unknown is never clean: a version or release that nobody can judge is neither of the others.
const (
	Affected    Word = "affected"
	NotAffected Word = "not affected"
	Unknown     Word = "unknown"
)

// Explanation is why a package is affected by a flaw, or is not. Its Word is "affected" exactly when [Matcher.Package] finds the
// flaw, because both ask [Matcher.judge].
type Explanation struct {
	Flaw     string            `json:"flaw"` // the name under which it is known
	Aliases  []string          `json:"aliases"`
	Word     Word              `json:"verdict"`
	Reason   string            `json:"reason"` // the one that decides
	Finding  *plimsoll.Finding `json:"finding,omitempty"`
	Evidence []Evidence        `json:"evidence"`   // one a record, or one a range of versions where a record has several; what decides first
	Ratings  []Rated           `json:"severities"` // by every source
	// Enrichment is what others say of the flaw beyond its advisories: exploited, how likely. Nil when they say nothing.
	Enrichment *plimsoll.Enrichment `json:"enrichment,omitempty"`
}

// Evidence is what one record says.
type Evidence struct {
	Record     string    `json:"record"`
	Feed       string    `json:"feed"` // OSV's ecosystem from whose feed it came; empty when that is not known
	Checked    time.Time `json:"checked,omitzero"`
	Generation string    `json:"generation"`
	Published  time.Time `json:"published,omitzero"`
	Modified   time.Time `json:"modified,omitzero"`
	Summary    string    `json:"summary,omitempty"`
	// Ecosystem and Package are as the record names them; Versions are its ranges in the syntax of find (">=1.0,<1.2"), or its
	// list of versions.
	Ecosystem string `json:"ecosystem"`
	Package   string `json:"package"`
	Versions  string `json:"versions,omitempty"`
	// Comparer is whose order of versions was used; AskedName and AskedVersion are what the record was asked for. All are empty
	// when the record was not asked, because it is about something else.
	Comparer     string `json:"comparer,omitempty"`
	AskedName    string `json:"asked_name,omitempty"`
	AskedVersion string `json:"asked_version,omitempty"`
	Word         Word   `json:"verdict"`
	Reason       string `json:"reason"`

	far int // of a record that was not asked: how far it is from the package
}

// Rated is how bad one source says that a flaw is.
type Rated struct {
	Source   string            `json:"source"` // the record's id
	By       string            `json:"by"`     // "CVSS_V3", "level", "vendor's word"
	Severity plimsoll.Severity `json:"severity"`
	Score    float64           `json:"score"`            // 0 when only a word is known
	Vector   string            `json:"vector,omitempty"` // as published
	Counts   bool              `json:"counts,omitempty"` // it is the one that the finding shows
}

// maxVersionsText bounds the ranges or versions of one piece of evidence, in bytes: a record may list every version there was.
const maxVersionsText = 300

// Explain says why a package is affected by a flaw or is not, record by record. The flaw may be named by any of its ids.
func (m *Matcher) Explain(p plimsoll.Package, id string) Explanation {
	flaw, records, many := m.recordsAbout(id)
	out := Explanation{Flaw: flaw, Aliases: m.Aliases(flaw), Evidence: []Evidence{}, Ratings: []Rated{}}
	if out.Aliases == nil {
		out.Aliases = []string{}
	}
	said := map[string][]judged{}
	m.judge(p, true, func(j judged) { said[j.entry.record.ID] = append(said[j.entry.record.ID], j) })
	for i := range records {
		r := &records[i]
		switch all := said[r.ID]; {
		case p.NotMatched != "":
			out.Evidence = append(out.Evidence, m.apart(p, r))
		case len(all) == 0:
			out.Evidence = append(out.Evidence, m.apart(p, r))
		default:
			for _, j := range all {
				out.Evidence = append(out.Evidence, m.evidence(p, j))
			}
		}
	}
	slices.SortStableFunc(out.Evidence, func(a, b Evidence) int { return weight(a) - weight(b) })
	out.conclude(m, p)
	out.Finding = m.findingOf(p, flaw, many)
	out.Ratings = m.ratings(records, out.Finding)
	if e, ok := m.index.Enrichment(flaw); ok {
		out.Enrichment = &e
	}
	return out
}

// Concerns tells the packages that records about a flaw name, by any of its ids, in whatever release and version: those that are
// worth explaining. subjects are what the records name: "openssl (Debian)", sorted.
func (m *Matcher) Concerns(id string) (concerned func(plimsoll.Package) bool, subjects []string) {
	_, records, _ := m.recordsAbout(id)
	all := map[advisory.Name]bool{}
	for i := range records {
		for _, a := range records[i].Affected {
			family, _, _ := strings.Cut(a.Ecosystem, ":")
			all[advisory.Name{Family: family, Package: normalised(family, a.Package)}] = true
			subjects = append(subjects, a.Package+" ("+family+")")
		}
	}
	slices.Sort(subjects)
	return func(p plimsoll.Package) bool {
		return slices.ContainsFunc(Names(p), func(n advisory.Name) bool { return all[n] })
	}, slices.Compact(subjects)
}

// recordsAbout are the records that an id leads to: those of its flaw, or, for a record about many flaws (a DSA), itself.
func (m *Matcher) recordsAbout(id string) (flaw string, records []plimsoll.Advisory, many bool) {
	if all := m.Records(id); len(all) > 0 {
		return id, all, false
	}
	flaw = m.Flaw(id)
	if r, ok := m.index.Record(id); ok {
		flaws := m.Flaws(r)
		if len(flaws) != 1 {
			return id, []plimsoll.Advisory{r}, true
		}
		flaw = flaws[0]
	}
	return flaw, m.Records(flaw), false
}

// findingOf is the package's finding of a flaw; of a record about many flaws, the worst that it matched.
func (m *Matcher) findingOf(p plimsoll.Package, flaw string, many bool) (worst *plimsoll.Finding) {
	for _, f := range m.Package(p).Findings {
		named := f.ID == flaw || many && slices.ContainsFunc(f.Matched, func(x plimsoll.Match) bool { return x.ID == flaw })
		if named && (worst == nil || f.Severity.Rank() < worst.Severity.Rank()) {
			worst = &f
		}
	}
	return worst
}

// weight orders evidence: what says affected, what could not be decided, what says not affected, what was not asked, the nearest
// first.
func weight(e Evidence) int {
	switch {
	case e.Word == Affected:
		return 0
	case e.Word == Unknown:
		return 1
	case e.AskedName != "":
		return 2
	}
	return 3 + e.far
}

// conclude takes the word and the reason of the evidence that decides.
func (x *Explanation) conclude(m *Matcher, p plimsoll.Package) {
	nothing := m.nothingKnown(p.Ecosystem)
	switch {
	case p.NotMatched != "":
		x.Word, x.Reason = NotAffected, leftTo(p)
	case len(x.Evidence) > 0 && (x.Evidence[0].Word != NotAffected || x.Evidence[0].AskedName != ""):
		x.Word, x.Reason = x.Evidence[0].Word, x.Evidence[0].Reason
	case nothing != "":
		x.Word, x.Reason = Unknown, nothing
	case len(x.Evidence) > 0:
		x.Word, x.Reason = NotAffected, x.Evidence[0].Reason
	default:
		x.Word, x.Reason = NotAffected, fmt.Sprintf("no record of generation %s is about %s; one that was withdrawn counts no more", cmp.Or(m.index.Generation().ID, "none"), x.Flaw)
	}
}

// leftTo says who judges a package that is not judged itself.
func leftTo(p plimsoll.Package) string { return "not judged itself: " + p.NotMatched }

// base is what evidence tells of its record.
func (m *Matcher) base(r *plimsoll.Advisory, ecosystem, name string) Evidence {
	e := Evidence{
		Record: r.ID, Generation: m.index.Generation().ID, Published: r.Published, Modified: r.Modified, Summary: r.Summary,
		Ecosystem: ecosystem, Package: name,
	}
	if f, ok := m.index.Feed(ecosystem); ok {
		e.Feed, e.Checked = f.Ecosystem, f.Checked
	}
	return e
}

// evidence puts into words what an entry said.
func (m *Matcher) evidence(p plimsoll.Package, j judged) Evidence {
	e := m.base(j.entry.record, j.entry.affected.Ecosystem, j.entry.affected.Package)
	e.Versions, e.Comparer, e.AskedName, e.AskedVersion = j.entry.text(), j.order.String(), j.name, j.version
	e.Word, e.Reason = NotAffected, j.reason(p)
	switch {
	case j.affected:
		e.Word = Affected
	case j.err != nil:
		e.Word = Unknown
	}
	return e
}

// apart is the evidence of a record that was not asked, because it is about something else, or the package is judged by another.
func (m *Matcher) apart(p plimsoll.Package, r *plimsoll.Advisory) Evidence {
	name, _ := Asked(p)
	family, _, _ := strings.Cut(p.Ecosystem, ":")
	var releases, names, families []string
	for i := range r.Affected {
		a := &r.Affected[i]
		f, _, _ := strings.Cut(a.Ecosystem, ":")
		switch {
		case f != family:
			families = append(families, f)
		case normalised(a.Ecosystem, a.Package) != normalised(p.Ecosystem, name):
			names = append(names, a.Package)
		default:
			releases = append(releases, a.Ecosystem)
		}
	}
	e := m.base(r, "", "")
	e.Word = NotAffected
	switch {
	case p.NotMatched != "":
		e.Reason = leftTo(p)
	case !r.Withdrawn.IsZero():
		e.Reason = "withdrawn on " + r.Withdrawn.Format(time.DateOnly)
	case len(releases) > 0:
		e = m.base(r, releases[0], name)
		e.Word, e.Reason = NotAffected, "other release: the record is about "+several(releases)+", the package of "+p.Ecosystem
	case len(names) > 0:
		e = m.base(r, p.Ecosystem, names[0])
		e.Word, e.far, e.Reason = NotAffected, 1, "other package: the record is about "+several(names)+", not "+name
	case len(families) > 0:
		e = m.base(r, families[0], r.Affected[0].Package)
		e.Word, e.far, e.Reason = NotAffected, 2, "other ecosystem: the record is about packages of "+several(families)
	default:
		e.far, e.Reason = 3, "the record names no package"
	}
	return e
}

// several names at most three different texts.
func several(all []string) string {
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	if len(all) > 3 {
		return strings.Join(all[:3], ", ") + fmt.Sprintf(" and %d more", len(all)-3)
	}
	return strings.Join(all, ", ")
}

// reason says why an entry says what it says: "3.0.17 ≥ fixed 3.0.16".
func (j judged) reason(p plimsoll.Package) string {
	v := shorten(j.version)
	switch j.ground {
	case unversioned:
		return "its version is not known: taken for affected"
	case undecided:
		return "cannot be compared: " + j.err.Error()
	case isListed:
		return v + " is in the record's list of versions"
	case notListed:
		return v + " is not in the record's list of versions"
	case insideRange:
		return inside(v, j.low, j.high)
	case atFix:
		return v + " ≥ fixed " + j.low.text()
	case beforeFirst:
		if j.high == nil {
			return "the range is empty"
		}
		return v + " < introduced " + j.high.text()
	case afterLast:
		return v + " > last affected " + j.low.text()
	case atLimit:
		return v + " ≥ the range's limit " + j.low.text()
	case otherModule:
		return fmt.Sprintf("other module: the record is about %s, the package is built for %s", j.entry.module, cmp.Or(p.Module, moduleUnlessNone(p)))
	}
	return "the record names neither ranges nor versions"
}

// inside: "3.0.15 ≥ introduced 3.0.0 and < fixed 3.0.16".
func inside(v string, low, high *event) string {
	var parts []string
	if low != nil && !low.start {
		parts = append(parts, "≥ introduced "+low.text())
	}
	fix := ""
	switch {
	case high == nil || high.Introduced != "":
		fix = "no fix is named"
	case high.Fixed != "":
		parts = append(parts, "< fixed "+high.text())
	default:
		parts = append(parts, "≤ last affected "+high.text())
	}
	switch {
	case len(parts) == 0:
		return "every version is affected, " + fix
	case fix != "":
		return v + " " + parts[0] + ", " + fix
	}
	return v + " " + strings.Join(parts, " and ")
}

// text is an entry's ranges in the syntax of find, or its list of versions; shortened.
func (e *entry) text() string {
	var parts []string
	for _, r := range e.affected.Ranges {
		parts = append(parts, rangeText(r))
	}
	text := strings.Join(parts, " || ")
	if len(parts) == 0 {
		text = "=" + strings.Join(e.affected.Versions, " || =")
	}
	if len(text) > maxVersionsText {
		return strings.ToValidUTF8(text[:maxVersionsText], "") + "…"
	}
	return text
}

// rangeText: ">=1.0,<1.2 || >=2.0,<2.1"; ">=0" is every version.
func rangeText(r plimsoll.Range) string {
	var parts []string
	for _, e := range r.Events {
		switch {
		case e.Introduced != "":
			parts = append(parts, ">="+e.Introduced)
		case e.Fixed != "" || e.Limit != "":
			parts = append(parts, "<"+e.Fixed+e.Limit)
		default:
			parts = append(parts, "<="+e.LastAffected)
		}
		if n := len(parts); n > 1 && strings.HasPrefix(parts[n-2], ">=") && !strings.HasPrefix(parts[n-1], ">=") {
			parts[n-2] += "," + parts[n-1]
			parts = parts[:n-1]
		}
	}
	return strings.Join(parts, " || ")
}

// ratings are how bad each record says the flaw is.
func (m *Matcher) ratings(records []plimsoll.Advisory, f *plimsoll.Finding) []Rated {
	out := []Rated{}
	for i := range records {
		r := &records[i]
		for j := range max(1, len(r.Affected)) {
			var a *plimsoll.Affected
			if len(r.Affected) > 0 {
				a = &r.Affected[j]
			}
			x := rated(r, a)
			if x.Severity != "" && !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
	}
	if f == nil {
		return out
	}
	for i := range out {
		own := slices.ContainsFunc(f.Matched, func(h plimsoll.Match) bool { return h.ID == out[i].Source })
		out[i].Counts = f.Severity == out[i].Severity && (own && f.Source == "own "+out[i].By || f.Source == out[i].Source+" "+out[i].By || own && f.Source == out[i].By)
	}
	return out
}

func rated(r *plimsoll.Advisory, a *plimsoll.Affected) Rated {
	if x, ok := recordRating(r, a); ok {
		return Rated{Source: r.ID, By: x.source, Severity: x.severity, Score: x.score, Vector: vectorOf(r, a, x)}
	}
	if word := vendorWord(r.Summary); word != "" {
		return Rated{Source: r.ID, By: "vendor's word", Severity: word}
	}
	return Rated{}
}

// vectorOf is the vector that a rating was computed from.
func vectorOf(r *plimsoll.Advisory, a *plimsoll.Affected, x rating) string {
	if x.version == 0 {
		return ""
	}
	var all []plimsoll.Score
	if a != nil {
		all = append(all, a.Severity...)
	}
	for _, s := range append(all, r.Severity...) {
		if score, version, ok := baseScore(s.Score); ok && score == x.score && version == x.version {
			return s.Score
		}
	}
	return ""
}
