package pages

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// chip is one choice of a filter row.
type chip struct {
	Word, URL string
	On        bool
	Class     string
}

// chipGroup is one filter with its choices.
type chipGroup struct {
	Name  string
	Chips []chip
}

// listing is what the pages with a list have in common.
type listing struct {
	frame
	Path    string
	Filter  list.Filter
	Chips   []chipGroup
	Set     []chip // conditions that have no chip of their own: click to remove
	Totals  totals
	First   int
	Last    int
	Total   int
	Next    string // URL of the next page
	Start   string // URL of the first page, when this is not it
	Exports exports
	Fault   string // why the list cannot be shown
}

type totals struct{ Images, Unique, Places number }

type imagesPage struct {
	listing
	Group        string
	ByImage      string // URL of the flat list
	ByRepository string
	Rows         []imageLine
	Repositories []repositoryLine
}

// imageLine is one row with what its numbers count.
type imageLine struct {
	*posture.Row
	Critical, High split
	FixableLink    number
	ExploitedLink  number
	Secrets        secretCell
	Base           *baseCell // its direct base; nil when none is known
	NoBase         string    // why none is
	Overdue        number
	Over           int // days since the oldest of their deadlines
	InUse          useCell
}

// split is a number of findings by what brought them. Base is not shown where no base is known.
type split struct {
	Own, Base number
	Chained   bool
}

// baseCell is an image's direct base.
type baseCell struct {
	Name, Title string
	URL         string    // the list with what stands on it alone
	Seen        time.Time // when its layers were first seen: they are at least that old; zero when nobody saw that
	Newer       *list.Newer
}

// imageOf is a row of a list; f is the list's filter.
func (s *Server) imageOf(v *posture.View, r *posture.Row, f list.Filter) imageLine {
	own := rowFilter(r)
	unsure := list.Unsure(r)
	findings := func(n int, f list.Filter) number {
		return number{N: n, URL: link("/findings", f.Query()), Unsure: unsure}
	}
	c, h := r.Counts[plimsoll.SeverityCritical], r.Counts[plimsoll.SeverityHigh]
	from, brought := v.OwnFrom(r), map[plimsoll.Severity]int{}
	for x, at := range v.Each(r) {
		if at.Layer < from {
			brought[x.Severity]++
		}
	}
	parts := func(s plimsoll.Severity, n int) split {
		one := own.With("severity", string(s))
		if from == 0 {
			return split{Own: findings(n, one)}
		}
		return split{findings(n-brought[s], one.With("link", list.LinkOwn)), findings(brought[s], one.With("link", list.LinkBase)), true}
	}
	n, oldest := v.Overdue(r, s.Now())
	overdue := findings(n, own.With("overdue", "yes"))
	if s.catchingUp() {
		overdue.Unsure = notCaughtUp
	}
	return imageLine{
		Overdue: overdue, Over: daysOver(oldest, s.Now()),
		Row: r, Critical: parts(plimsoll.SeverityCritical, c), High: parts(plimsoll.SeverityHigh, h), Base: baseOf(v, r, f), NoBase: noBase(r),
		FixableLink:   findings(r.Fixable, own.With("fixable", "yes")),
		ExploitedLink: exploited(v, r, own.With("exploited", "yes")),
		Secrets:       secretCellOf(r),
		InUse:         useOf(v, r, s.Now()),
	}
}

// exploited is a row's count of exploited findings.
func exploited(v *posture.View, r *posture.Row, f list.Filter) number {
	return number{N: r.Exploited, URL: link("/findings", f.Query()), Unsure: list.NotToldExploited(v, r)}
}

// baseOf is the direct base of a row, as its cell shows it.
func baseOf(v *posture.View, r *posture.Row, f list.Filter) *baseCell {
	b := v.DirectBase(r)
	if b == nil {
		return nil
	}
	n := b.Name()
	out := &baseCell{
		Name: list.BaseName(n, n.Reference.Registry), Title: list.BaseName(n, ""), Seen: b.Seen(),
		URL: link("/images", f.With("base", string(n.Reference.Digest)).Query()),
	}
	if x, ok := b.Newer(); ok {
		out.Newer = &list.Newer{Digest: x.Newer.Digest, Since: x.Until}
	}
	return out
}

// noBase is why no base of a row is known.
func noBase(r *posture.Row) string {
	if list.Unread(r) {
		return "not read"
	}
	return "no image that is known here has its lowest layers"
}

type repositoryLine struct {
	list.Repository
	Link, FailLink, UnknownLink         number
	CriticalLink, HighLink, FixableLink number
	ExploitedLink                       number
	SecretLink                          number
}

// start reads the filter of a list's URL. A filter that is not understood gives a page that says so, never a longer list.
func (s *Server) start(r *http.Request, section, title, path string) (listing, bool) {
	p := listing{frame: s.frame(r, section, title), Path: path}
	f, err := list.Parse(r.URL.Query(), s.Now(), "cursor")
	if err != nil {
		p.Fault = err.Error()
		return p, false
	}
	p.Filter, p.Query = f, f.Get("q")
	p.Exports = exportsOf(r, grouped(path, f.Get("group")), f.With("group", "").Query())
	return p, s.View() != nil
}

// grouped is the API's list of a page's: a grouped one is a list of its own there.
func grouped(path, group string) string {
	switch group {
	case "repository":
		return "/repositories"
	case "unique":
		return "/findings/unique"
	}
	return path
}

// paged fills in where in the list of the page's filter the page stands.
func paged[T any](p *listing, r *http.Request, o list.List[T]) []T {
	return pageOf(p, r, o, p.Filter.Query())
}

// pageOf fills in where in a list the page stands; query is the list's, without the cursor.
func pageOf[T any](p *listing, r *http.Request, o list.List[T], query string) []T {
	cursor := r.URL.Query().Get("cursor")
	page, err := o.Page(cursor, list.PageSize)
	if err != nil {
		p.Fault = err.Error()
		return nil
	}
	p.First, p.Last, p.Total = page.First, page.Last(), page.Total
	if page.Next != "" {
		p.Next = link(p.Path, withCursor(query, page.Next))
	}
	if cursor != "" {
		p.Start = link(p.Path, query)
	}
	return page.Rows
}

func withCursor(query, cursor string) string {
	if query == "" {
		return "cursor=" + cursor
	}
	return query + "&cursor=" + cursor
}

func (p *listing) count(v *posture.View) {
	n := list.Count(v, p.Filter)
	f := p.Filter.With("group", "").With("sort", "")
	p.Totals = totals{
		Images: number{N: n.Images, URL: link("/images", f.Query())},
		Unique: number{N: n.Unique, URL: link("/findings", f.With("group", "unique").Query())},
		Places: number{N: n.Places, URL: link("/findings", f.Query())},
	}
}

func (s *Server) images(w http.ResponseWriter, r *http.Request) {
	l, ok := s.start(r, "images", "Images", "/images")
	p := imagesPage{listing: l}
	if !ok {
		s.show(w, r, status(p.Fault), "images", p)
		return
	}
	v := s.View()
	p.count(v)
	p.Chips = append(imageChips(p.Path, p.Filter), s.platformChips(v, p.listing)...)
	p.Set = setChips(p.Path, p.Filter, "scope", "verdict", "coverage", "severity", "fixable", "exploited=yes", "act", "class="+string(plimsoll.ClassEndOfLife), "overdue", "detected=7d", "platform", "registry", "sort", "group", "in_use",
		"secret="+list.SecretAny, "file="+list.FileAltered, "file="+list.FileForeign)
	nameBases(v, p.Set)
	p.Group = p.Filter.Get("group")
	p.ByImage = link("/images", p.Filter.With("group", "").Query())
	p.ByRepository = link("/images", p.Filter.With("group", "repository").Query())
	if p.Group == "repository" {
		for _, x := range paged(&p.listing, r, list.Repositories(v, p.Filter)) {
			p.Repositories = append(p.Repositories, repositoryOf(p.Filter, x))
		}
	} else {
		for _, row := range paged(&p.listing, r, list.Images(v, p.Filter)) {
			p.Rows = append(p.Rows, s.imageOf(v, row, p.Filter))
		}
	}
	s.show(w, r, status(p.Fault), "images", p)
}

func repositoryOf(f list.Filter, x list.Repository) repositoryLine {
	one := f.With("group", "").With("registry", x.Registry).With("repository", x.Repository)
	exploited := number{URL: link("/findings", one.With("exploited", "yes").Query()), Unsure: list.NoExploitation}
	if x.Exploited != nil {
		exploited.N, exploited.Unsure = *x.Exploited, ""
	}
	return repositoryLine{
		ExploitedLink: exploited,

		Repository:  x,
		Link:        number{N: x.Images, URL: link("/images", one.Query())},
		FailLink:    verdictNumber(one, x.Fail, plimsoll.VerdictFail),
		UnknownLink: verdictNumber(one, x.Unknown, plimsoll.VerdictUnknown),

		CriticalLink: number{N: x.Critical, URL: link("/findings", one.With("severity", "critical").Query())},
		HighLink:     number{N: x.High, URL: link("/findings", one.With("severity", "high").Query())},
		FixableLink:  number{N: x.Fixable, URL: link("/findings", one.With("fixable", "yes").Query())},
		SecretLink:   number{N: x.Secret, URL: link("/images", one.With("secret", list.SecretAny).Query())},
	}
}

func status(fault string) int {
	if fault != "" {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// chips are the choices of one filter parameter; a click adds or removes one.
func chips(path string, f list.Filter, name string, words ...string) (out []chip) {
	for _, w := range words {
		c := chip{Word: w, URL: link(path, f.Toggle(name, w).Query()), On: f.Has(name, w)}
		if name == "verdict" || name == "severity" {
			c.Class = class(w)
		}
		out = append(out, c)
	}
	return out
}

// either are choices of which one holds.
func either(path string, f list.Filter, name string, words ...string) (out []chip) {
	for _, w := range words {
		on := f.Has(name, w)
		value := w
		if on && name != "scope" {
			value = ""
		}
		out = append(out, chip{Word: w, URL: link(path, f.With(name, value).Query()), On: on})
	}
	return out
}

func imageChips(path string, f list.Filter) []chipGroup {
	return []chipGroup{
		{"", either(path, f, "scope", list.ScopeActive, list.ScopeStored)},
		{"Verdict", chips(path, f, "verdict", "fail", "unknown", "warn", "pass")},
		{"Coverage", chips(path, f, "coverage", "complete", "partial", "failed", "waiting", "stale")},
		{"Severity", chips(path, f, "severity", "critical", "high", "medium", "low", "not rated")},
		{"", []chip{
			{Word: "exploited", URL: link(path, toggleYes(f, "exploited").Query()), On: f.Has("exploited", "yes"), Class: "exploited"},
			{Word: "fixable", URL: link(path, toggleYes(f, "fixable").Query()), On: f.Has("fixable", "yes")},
			{Word: "overdue", URL: link(path, toggleYes(f, "overdue").Query()), On: f.Has("overdue", "yes")},
			toggled(path, f, "detected", "7d", "new this week"),
			toggled(path, f, "act", list.ActNow, "must act now"), toggled(path, f, "class", string(plimsoll.ClassEndOfLife), "end of life"),
		}},
		{"In use", chips(path, f, "in_use", list.InUseYes, list.InUseNo, list.InUseUnknown)},
		{"Holds", []chip{
			toggled(path, f, "secret", list.SecretAny, "secret"), toggled(path, f, "file", list.FileAltered, "altered file"),
			toggled(path, f, "file", list.FileForeign, "unowned set-uid"),
		}},
	}
}

// toggled is a chip whose word is not the parameter's own.
func toggled(path string, f list.Filter, name, value, word string) chip {
	return chip{Word: word, URL: link(path, f.Toggle(name, value).Query()), On: f.Has(name, value)}
}

func toggleYes(f list.Filter, name string) list.Filter {
	if f.Has(name, "yes") {
		return f.With(name, "")
	}
	return f.With(name, "yes")
}

// maxPlatforms is how many platforms get a chip; real registries have few.
const maxPlatforms = 4

// platformChips are the platforms in scope, when there is a choice.
func (s *Server) platformChips(v *posture.View, p listing) []chipGroup {
	seen := map[string]bool{}
	var words []string
	for _, r := range stored(p.Registry).Rows(v) {
		if w := r.Platform.String(); w != "" && !seen[w] && len(words) < maxPlatforms {
			seen[w] = true
			words = append(words, w)
		}
	}
	if len(words) < 2 {
		return nil
	}
	return []chipGroup{{"Platform", chips(p.Path, p.Filter, "platform", words...)}}
}

// setChips are the conditions that the URL has and no chip shows: each can be taken away. shown are parameters, or "name=value"
// where a chip shows one value alone.
func setChips(path string, f list.Filter, shown ...string) (out []chip) {
	for _, name := range list.Params() {
		if slices.Contains(shown, name) {
			continue
		}
		for _, v := range f.All(name) {
			if slices.Contains(shown, name+"="+v) {
				continue
			}
			out = append(out, chip{Word: name + ": " + v, URL: link(path, f.Toggle(name, v).Query()), On: true})
		}
	}
	return out
}

// nameBases puts a base's name in the place of its digest.
func nameBases(v *posture.View, set []chip) {
	for i, c := range set {
		for _, name := range []string{"base: ", "link: "} {
			if d, ok := strings.CutPrefix(c.Word, name); ok {
				if b, ok := v.Base(plimsoll.Digest(d)); ok {
					set[i].Word = name + list.BaseName(b.Name(), "")
				}
			}
		}
	}
}

type findingsPage struct {
	listing
	Group    string
	ByPlace  string
	ByUnique string
	Places   []posture.Place
	Uniques  []uniqueLine
}

type uniqueLine struct {
	list.Unique
	ImagesLink, PlacesLink number
}

func (s *Server) findings(w http.ResponseWriter, r *http.Request) {
	l, ok := s.start(r, "advisories", "Findings", "/findings")
	p := findingsPage{listing: l}
	if !ok {
		s.show(w, r, status(p.Fault), "findings", p)
		return
	}
	v := s.View()
	p.count(v)
	p.Chips = findingChips(p.Path, p.Filter)
	p.Set = setChips(p.Path, p.Filter, "scope", "severity", "fixable", "exploited", "class", "registry", "sort", "group")
	nameBases(v, p.Set)
	p.ByPlace = link("/findings", p.Filter.With("group", "").Query())
	p.ByUnique = link("/findings", p.Filter.With("group", "unique").Query())
	if p.Group = p.Filter.Get("group"); p.Group == "unique" {
		for _, u := range paged(&p.listing, r, list.Uniques(v, p.Filter)) {
			p.Uniques = append(p.Uniques, uniqueOf(p.Filter, u))
		}
	} else {
		p.Places = paged(&p.listing, r, list.Places(v, p.Filter))
	}
	s.show(w, r, status(p.Fault), "findings", p)
}

func uniqueOf(f list.Filter, u list.Unique) uniqueLine {
	one := f.With("group", "").With("advisory", u.ID).With("package", u.Package)
	return uniqueLine{
		Unique:     u,
		ImagesLink: number{N: u.Images, URL: link("/images", one.Query())},
		PlacesLink: number{N: u.Places, URL: link("/findings", one.Query())},
	}
}

func findingChips(path string, f list.Filter) []chipGroup {
	return []chipGroup{
		{"", either(path, f, "scope", list.ScopeActive, list.ScopeStored)},
		{"Severity", chips(path, f, "severity", "critical", "high", "medium", "low", "not rated")},
		{"Exploited", either(path, f, "exploited", "yes", "no")},
		{"Fix known", either(path, f, "fixable", "yes", "no")},
		{"Class", chips(path, f, "class", list.ClassVulnerability, string(plimsoll.ClassMalicious), string(plimsoll.ClassEndOfLife))},
	}
}

type advisoriesPage struct {
	listing
	Rows []advisoryLine
}

type advisoryLine struct {
	list.Advisory
	ImagesLink, PlacesLink number
}

func (s *Server) advisories(w http.ResponseWriter, r *http.Request) {
	l, ok := s.start(r, "advisories", "Advisories", "/advisories")
	p := advisoriesPage{listing: l}
	if !ok {
		s.show(w, r, status(p.Fault), "advisories", p)
		return
	}
	v := s.View()
	p.count(v)
	p.Chips = findingChips(p.Path, p.Filter)
	p.Set = setChips(p.Path, p.Filter, "scope", "severity", "fixable", "exploited", "class", "registry", "sort", "group")
	for _, a := range paged(&p.listing, r, list.Advisories(v, p.Filter)) {
		one := p.Filter.With("advisory", a.ID)
		p.Rows = append(p.Rows, advisoryLine{
			Advisory:   a,
			ImagesLink: number{N: a.Images, URL: link("/images", one.Query())},
			PlacesLink: number{N: a.Places, URL: link("/findings", one.Query())},
		})
	}
	s.show(w, r, status(p.Fault), "advisories", p)
}
