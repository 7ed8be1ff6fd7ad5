package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// lineageDocument is what an image stands on and what to do first, as the server's API writes it.
type lineageDocument struct {
	OwnFrom  int              `json:"own_from"` // the lowest layer that the image itself adds
	Chain    []linkDocument   `json:"chain"`    // the lowest base first
	FixFirst []actionDocument `json:"fix_first"`
}

type linkDocument struct {
	Name     string                    `json:"name"`
	From     int                       `json:"from"`
	To       int                       `json:"to"`
	Since    time.Time                 `json:"since"`
	Moved    bool                      `json:"moved"`
	Newer    *newerDocument            `json:"newer"`
	Counts   map[plimsoll.Severity]int `json:"counts"`
	Findings int                       `json:"findings"`
}

type newerDocument struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

type actionDocument struct {
	Text    string `json:"text"`
	Base    string `json:"base"`
	Package string `json:"package"`
	Path    string `json:"path"`
	Removes struct {
		Critical int `json:"critical"`
		All      int `json:"all"`
	} `json:"removes"`
}

// maxLinks is how many links of a chain fit side by side; of a longer one the lowest and the last ones are shown.
const maxLinks = 4

// chain shows what the image is built on, and what each link brought.
func (s shown) chain(im imageDocument) {
	all := s.lineage.Chain
	if len(all) < 2 {
		if len(im.Findings) > 0 {
			s.Line("")
			s.Line("%s", text.Pad(s.Paint(text.Bold, "CHAIN"), 12)+"base not known: its lowest layers are those of no image that is stored here")
		}
		return
	}
	if len(all) > maxLinks {
		all = slices.Concat(all[:1], all[len(all)-maxLinks+1:])
	}
	width := (text.Columns - 12) / len(all)
	row := func(head, between string, cell func(linkDocument) string) {
		var b strings.Builder
		for i, l := range all {
			c := s.Short(cell(l), width-4)
			if i < len(all)-1 {
				c = text.Pad(c, width-4) + between
			}
			b.WriteString(c)
		}
		s.Line("%s%s", text.Pad(head, 12), strings.TrimRight(b.String(), " "))
	}
	s.Line("")
	row(s.Paint(text.Bold, "CHAIN"), " →  ", func(l linkDocument) string { return shortName(l.Name) })
	row("  layers", "    ", func(l linkDocument) string { return span(l.From, l.To) })
	row("  findings", "    ", func(l linkDocument) string {
		if n := l.Counts[plimsoll.SeverityCritical]; n > 0 {
			return fmt.Sprintf("%s (%s critical)", text.Count(l.Findings), text.Count(n))
		}
		return text.Count(l.Findings)
	})
	row("  advice", "    ", s.advice)
}

// advice is what to do about a link, in two or three words.
func (s shown) advice(l linkDocument) string {
	switch own := l.Name == s.lineage.Chain[len(s.lineage.Chain)-1].Name; {
	case l.Newer != nil:
		return "newer exists (" + l.Newer.Since.UTC().Format("2 Jan") + ")"
	case l.Moved:
		return "its tag has moved on"
	default:
		for i, a := range s.lineage.FixFirst {
			if a.Base == l.Name || own && a.Package != "" {
				return fmt.Sprintf("see %d", i+1)
			}
		}
	}
	return "-"
}

// shortName is a reference without its registry.
func shortName(name string) string {
	if _, rest, ok := strings.Cut(name, "/"); ok {
		return rest
	}
	return name
}

// span is "1" or "2-5": layers as people count them.
func span(from, to int) string {
	if to <= from+1 {
		return fmt.Sprint(to)
	}
	return fmt.Sprintf("%d-%d", from+1, to)
}

// split tells own findings from those that bases brought.
func (s shown) split(all []findingDocument) (own, base []findingDocument) {
	for _, f := range all {
		if f.Layer < s.lineage.OwnFrom {
			base = append(base, f)
		} else {
			own = append(own, f)
		}
	}
	return own, base
}

// fixFirst names what removes most, each on top of what stands before it.
func (s shown) fixFirst(im imageDocument) {
	if len(s.lineage.FixFirst) == 0 {
		return
	}
	s.Line("")
	s.Line("%s", s.Paint(text.Bold, text.Between("FIX FIRST", "removes")))
	for i, a := range s.lineage.FixFirst {
		removes := fmt.Sprintf("%d of %d", a.Removes.All, len(im.Findings))
		if a.Removes.Critical > 0 {
			removes += fmt.Sprintf("  %d critical", a.Removes.Critical)
		}
		what := a.Text
		if a.Path != "" {
			what += "   " + a.Path
		}
		s.Line("%s", text.Between(fmt.Sprintf("  %d %s", i+1, s.Short(what, text.Columns-6-len(removes))), removes))
	}
}

// baseCell is the image that another one stands on directly, in tables of many.
func baseCell(im imageDocument, worst plimsoll.Coverage) string {
	switch {
	case worst.State == plimsoll.ReadNotApplicable:
		return "n/a"
	case len(im.Base) == 0:
		return "not known"
	}
	return shortName(im.Base[len(im.Base)-1].Reference)
}

// most findings of the image's own layers that are shown one by one, and packages of its bases: a screen.
const (
	mostOwn  = 10
	mostBase = 20
)

// findings shows what the image's own layers brought one by one, then what its bases brought by package; all of it one by
// one where that is asked for.
func (s shown) findings(im imageDocument) {
	if len(im.Findings) == 0 {
		return
	}
	if s.lineage.OwnFrom == 0 {
		s.brought(im, im.Findings, fmt.Sprintf("FINDINGS (%d)", len(im.Findings)), false)
		return
	}
	own, base := s.split(im.Findings)
	layers := s.lineage.OwnFrom
	for _, l := range s.lineage.Chain {
		layers = max(layers, l.To)
	}
	s.brought(im, own, fmt.Sprintf("FINDINGS   own, layers %s (%d)", span(s.lineage.OwnFrom, layers), len(own)), true)
	s.brought(im, base, fmt.Sprintf("FINDINGS   base, layers %s (%d)", span(0, s.lineage.OwnFrom), len(base)), false)
}

// brought shows some findings under a heading: one by one, or by package.
func (s shown) brought(im imageDocument, all []findingDocument, heading string, single bool) {
	if len(all) == 0 {
		return
	}
	part := im
	part.Findings = all
	s.Line("")
	switch {
	case s.all || s.Wide:
		s.Line("%s", s.Paint(text.Bold, heading))
		s.everyFinding(part, len(all))
	case single:
		s.Line("%s", s.Paint(text.Bold, heading))
		s.everyFinding(part, mostOwn)
		if n := len(all) - mostOwn; n > 0 {
			s.Line("            … %s more: --all", text.Count(n))
		}
	default:
		s.Line("%s", s.Paint(text.Bold, heading+": by package, worst first"))
		s.byPackage(part)
	}
}

// byPackage shows a line a package.
func (s shown) byPackage(im imageDocument) {
	groups := grouped(im)
	s.Line("  %-9s %-16s %-15s %-16s %5s  %s", "SEVERITY", "PACKAGE", "INSTALLED", "FIXED IN", "LAYER", "ADVISORIES")
	for _, g := range groups[:min(mostBase, len(groups))] {
		f := g.worst()
		ids := f.ID
		if n := len(g.findings) - 1; n > 0 {
			ids += fmt.Sprintf(" +%d", n)
		}
		if slices.ContainsFunc(g.findings, findingDocument.exploited) {
			ids += " " + s.Paint(text.Red, "exploited")
		}
		s.Line("  %s %s %s %s %5d  %s", text.Pad(s.severity(f.Severity), 9), text.Pad(s.Short(g.name, 16), 16), text.Pad(s.Short(g.installed, 15), 15),
			text.Pad(s.Short(cmp.Or(s.fixed(g), "none yet"), 16), 16), f.Layer+1, ids)
	}
	if n := len(groups) - mostBase; n > 0 {
		s.Line("            … %s: --all", text.Plural(n, "more package"))
	}
}
