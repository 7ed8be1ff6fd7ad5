package pages

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// analyzers are those that every image is read by unless they are switched off, in the order that pages name them.
var analyzers = []string{plimsoll.AnalyzerPackages, plimsoll.AnalyzerFiles, plimsoll.AnalyzerSecrets, plimsoll.AnalyzerTree}

// readLines says how far each analyser got, also of those that did not look. A row whose image could not be resolved, or is
// none, has an entry of its own and no others.
func readLines(r *posture.Row) (out []readLine) {
	var others []string
	for name := range r.Read {
		if !slices.Contains(analyzers, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	if len(others) < len(r.Read) {
		others = append(slices.Clone(analyzers), others...)
	}
	for _, name := range others {
		c, ok := r.Read[name]
		out = append(out, readLine{name, c, !ok})
	}
	return out
}

// secretCell is what the images list says of secrets: two numbers, or why there are none.
type secretCell struct {
	Word            string // why there is no number; empty where there is
	Visible, Hidden number
}

func secretCellOf(r *posture.Row) secretCell {
	at := func(n int, word string) number {
		path := imagePath(r)
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		return number{N: n, URL: path + sep + "secret=" + word + "#secrets"}
	}
	cell := secretCell{Visible: at(r.Content.Secrets, list.SecretVisible), Hidden: at(r.Content.HiddenSecrets, list.SecretHidden)}
	c, ok := r.Analyzed(plimsoll.AnalyzerSecrets)
	switch {
	case list.HoldsSecret(r):
	case !ok:
		cell.Word = "not analysed"
	case c.Short():
		cell.Word = "none in what was read"
	}
	return cell
}

// contentSections adds secrets, files and removed packages, and the line that leads to them.
func (p *imagePage) contentSections(query url.Values) {
	secret, file := query.Get("secret"), query.Get("file")
	inv := p.Image.Inventory
	fill(p, query, &p.Secrets, list.SecretsOf(inv, p.Layer, secret), part{"secrets", plimsoll.AnalyzerSecrets, "scursor", "secret", secret})
	fill(p, query, &p.Files, list.FilesOf(inv, p.Layer, file), part{"files", plimsoll.AnalyzerFiles, "fcursor", "file", file})
	fill(p, query, &p.Removed, list.RemovedOf(inv, p.Layer), part{"hidden", plimsoll.AnalyzerPackages, "hcursor", "", ""})
	p.Secrets.Chips = p.wordChips(query, "secret", "#secrets", list.SecretVisible, list.SecretHidden)
	p.Files.Chips = p.wordChips(query, "file", "#files", list.FileAltered, list.FileForeign, list.FileUnowned)
	p.holds(inv.Content())
}

// part names one section: its list in the API, the analyser that finds what it holds, its cursor, and the parameter that picks
// from it with its value.
type part struct{ list, analyzer, cursor, param, value string }

// fill takes one page of a list into a section.
func fill[T any](p *imagePage, query url.Values, s *section[T], all list.List[T], of part) {
	c, ok := p.Row.Analyzed(of.analyzer)
	s.Read = readLine{of.analyzer, c, !ok}
	q := url.Values{}
	if p.Layer != "" {
		q.Set("layer", p.Layer)
	}
	if of.value != "" {
		q.Set(of.param, of.value)
	}
	s.Exports = exports{API: link("/api/v1/images/"+string(p.Row.Digest)+"/"+of.list, q.Encode()), Self: p.here(query, "", "") + "#" + of.list, Origin: p.Origin, At: p.AsOf.Moment}
	page, err := all.Page(query.Get(of.cursor), list.PageSize)
	if err != nil {
		s.Fault = err.Error()
		return
	}
	s.Rows, s.Total, s.First, s.Last = page.Rows, page.Total, page.First, page.Last()
	s.paging(p, query, of.cursor, page.Next, "#"+of.list)
}

func (p *imagePage) wordChips(query url.Values, name, anchor string, words ...string) (out []chip) {
	for _, w := range words {
		value := w
		if query.Get(name) == w {
			value = ""
		}
		out = append(out, chip{Word: w, URL: p.here(query, name, value) + anchor, On: value == ""})
	}
	return out
}

// plain is this page with one parameter and none of the others: a number counts all of one thing.
func (p *imagePage) plain(name, value string) string {
	q := url.Values{}
	if value != "" {
		q.Set(name, value)
	}
	if w := p.Row.Platform.String(); w != "" {
		q.Set("platform", w)
	}
	return link("/image/"+pathOf(p.Ref), q.Encode())
}

// holding is one count of what an image holds besides findings. Bad ones call for somebody.
type holding struct {
	number
	Bad bool
}

// holds are the counts that are not zero, each leading to its rows.
func (p *imagePage) holds(c plimsoll.Content) {
	add := func(n int, one, name, value, anchor string, bad bool) {
		if n > 0 {
			p.Holds = append(p.Holds, holding{number{N: n, URL: p.plain(name, value) + anchor, Word: plural(n, one)}, bad})
		}
	}
	add(c.Secrets, "secret", "secret", list.SecretVisible, "#secrets", true)
	add(c.HiddenSecrets, "hidden secret", "secret", list.SecretHidden, "#secrets", true)
	add(c.AlteredFiles, "altered file", "file", list.FileAltered, "#files", true)
	add(c.UnownedSetUID, "unowned set-uid file", "file", list.FileForeign, "#files", true)
	add(c.UnownedFiles, "unowned file", "file", list.FileUnowned, "#files", false)
	add(c.Removed, "removed package", "layer", "", "#hidden", false)
}

// layerContent is what one layer holds, and what of lower layers it hides.
type layerContent struct{ files, secrets, hidesPackages, hidesSecrets int }

func contentByLayer(inv plimsoll.Inventory) map[int]layerContent {
	out := map[int]layerContent{}
	at := func(layer int, change func(*layerContent)) {
		c := out[layer]
		change(&c)
		out[layer] = c
	}
	for _, f := range inv.Files {
		at(f.Layer, func(c *layerContent) { c.files++ })
	}
	for _, s := range inv.Secrets {
		at(s.Layer, func(c *layerContent) { c.secrets++ })
		if s.Hidden {
			at(s.HiddenIn, func(c *layerContent) { c.hidesSecrets++ })
		}
	}
	for _, x := range inv.Hidden {
		at(x.HiddenIn, func(c *layerContent) { c.hidesPackages++ })
	}
	return out
}

// removes says what the layer took away that can still be downloaded; empty when nothing.
func (c layerContent) removes() string {
	var parts []string
	for _, x := range []struct {
		n   int
		one string
	}{{c.hidesPackages, "package"}, {c.hidesSecrets, "secret"}} {
		if x.n > 0 {
			parts = append(parts, strconv.Itoa(x.n)+" "+plural(x.n, x.one))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "hides " + strings.Join(parts, " and ") + " of lower layers, still downloadable"
}
