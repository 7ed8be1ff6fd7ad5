package pages

import (
	"net/http"
	"net/url"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// maxOthers is how many tags of a repository are offered to compare with: the newest ones, on a line or two.
const maxOthers = 10

// comparing is the form that asks for a comparison, and the tags that it offers.
type comparing struct {
	Image, Platform, With string
	Others                []otherTag
}

// otherTag is one tag to compare with.
type otherTag struct {
	Row *posture.Row
	URL string
}

func comparingOf(v *posture.View, r *posture.Row) comparing {
	c := comparing{Image: list.Name(r), Platform: r.Platform.String()}
	for _, x := range list.Others(v, r, maxOthers) {
		c.Others = append(c.Others, otherTag{x, compareURL(list.Question{Image: c.Image, Platform: c.Platform, With: x.Reference.Tag})})
	}
	return c
}

func compareURL(q list.Question) string { return link("/compare", q.Query()) }

type comparePage struct {
	frame
	Form     comparing
	Asked    list.Question
	Fault    string
	Tried    []otherTag       // platforms that there are, where the one asked for is not
	Of       *list.Comparison // nil while nothing is compared
	Swap     string           // the same two the other way round
	Levels   []plimsoll.Severity
	Lines    []changeLine
	Packages []chip
	Chips    []chipGroup
	Findings section[list.ComparedFinding]
	Held     section[list.ComparedPackage]
}

// changeLine is how many findings a change has: of each level, and of all.
type changeLine struct {
	Change list.Change
	Counts []number
	All    number
}

// compare is what another image has against one: its URL is the question.
func (s *Server) compare(w http.ResponseWriter, r *http.Request) {
	p := comparePage{frame: s.frame(r, "images", "Compare")}
	v := s.View()
	if v == nil {
		s.show(w, r, http.StatusOK, "compare", p)
		return
	}
	query := r.URL.Query()
	q, err := list.ParseQuestion(query, "fcursor", "pcursor", "registry")
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "That cannot be compared", err.Error())
		return
	}
	this := list.PickPlatform(list.Named(v, q.Image), q.Platform)
	if this == nil {
		s.problem(w, r, http.StatusNotFound, "No such image", "No stored image is called "+list.Visible(q.Image)+", or it has no "+list.Visible(q.Platform)+".")
		return
	}
	p.Asked, p.Form = q, comparingOf(v, this)
	p.Form.With = q.With
	if q.With == "" {
		s.show(w, r, http.StatusOK, "compare", p)
		return
	}
	c, err := list.Compare(v, q)
	if err != nil {
		p.Fault = err.Error()
		p.platforms(list.Beside(v, this, q.With))
		s.show(w, r, http.StatusNotFound, "compare", p)
		return
	}
	p.fill(c, query)
	s.show(w, r, http.StatusOK, "compare", p)
}

// platforms offers those of the other image.
func (p *comparePage) platforms(rows []*posture.Row) {
	for _, r := range rows {
		q := p.Asked
		q.WithPlatform = r.Platform.String()
		p.Tried = append(p.Tried, otherTag{r, compareURL(q)})
	}
}

// fill shows a comparison.
func (p *comparePage) fill(c *list.Comparison, query url.Values) {
	p.Of = c
	p.Swap = compareURL(list.Question{Image: c.With.Reference, Platform: c.With.Platform, With: c.Image.Reference, WithPlatform: c.Image.Platform})
	p.lines()
	p.chips()
	fillCompared(p, query, &p.Findings, c.FindingList(p.Asked), comparedPart{"findings", "fcursor"})
	fillCompared(p, query, &p.Held, c.PackageList(p.Asked), comparedPart{"packages", "pcursor"})
}

// lines count findings by change and level. Of a level that few advisories use there is a column where it has a finding.
func (p *comparePage) lines() {
	for _, s := range plimsoll.Severities {
		n := 0
		for _, counts := range p.Of.Findings {
			n += counts[s]
		}
		if n > 0 || s != plimsoll.SeverityNone && s != plimsoll.SeverityNotRated {
			p.Levels = append(p.Levels, s)
		}
	}
	unsure := ""
	if len(p.Of.Gaps) > 0 {
		unsure = p.Of.Gaps[0]
	}
	for _, change := range list.FindingChanges {
		line := changeLine{Change: change}
		at := func(n int, s plimsoll.Severity) number {
			return number{N: n, URL: compareURL(p.Asked.Narrow(change, s)) + "#findings", Unsure: unsure}
		}
		all := 0
		for _, s := range p.Levels {
			n := p.Of.Findings[change][s]
			all += n
			line.Counts = append(line.Counts, at(n, s))
		}
		if line.All = at(all, ""); change != list.ChangeUntold || all > 0 {
			p.Lines = append(p.Lines, line)
		}
	}
}

// chips narrow both lists to a change, and findings to a level.
func (p *comparePage) chips() {
	toggle := func(on bool, word, anchor string, to, off list.Question) chip {
		if on {
			to = off
		}
		return chip{Word: word, On: on, URL: compareURL(to) + anchor}
	}
	q := p.Asked
	changes, levels := chipGroup{Name: "Change"}, chipGroup{Name: "Severity"}
	for _, c := range list.FindingChanges {
		changes.Chips = append(changes.Chips, toggle(q.Change == c, string(c), "#findings", q.Narrow(c, q.Severity), q.Narrow("", q.Severity)))
	}
	for _, s := range p.Levels {
		levels.Chips = append(levels.Chips, toggle(q.Severity == s, string(s), "#findings", q.Narrow(q.Change, s), q.Narrow(q.Change, "")))
	}
	p.Chips = []chipGroup{changes, levels}
	for _, c := range list.PackageChanges {
		to, off := q, q
		to.Packages, off.Packages = c, ""
		p.Packages = append(p.Packages, toggle(q.Packages == c, string(c)+" "+list.Comma(p.Of.Packages[c]), "#packages", to, off))
	}
}

// comparedPart is one list of a comparison: its name, in the API and as the page's anchor, and its cursor.
type comparedPart struct{ name, cursor string }

// fillCompared takes one page of a list into a section.
func fillCompared[T any](p *comparePage, query url.Values, s *section[T], all list.List[T], of comparedPart) {
	s.Exports = exports{
		API: link("/api/v1/compare/"+of.name, p.Asked.Query()), Self: compareURL(p.Asked) + "#" + of.name, Origin: p.Origin, At: p.AsOf.Moment,
	}
	page, err := all.Page(query.Get(of.cursor), list.PageSize)
	if err != nil {
		s.Fault = err.Error()
		return
	}
	s.Rows, s.Total, s.First, s.Last = page.Rows, page.Total, page.First, page.Last()
	at := func(cursor string) string {
		to := url.Values{}
		for name, value := range query {
			if name != of.cursor {
				to[name] = value
			}
		}
		if cursor != "" {
			to.Set(of.cursor, cursor)
		}
		return link("/compare", to.Encode()) + "#" + of.name
	}
	if query.Get(of.cursor) != "" {
		s.Start = at("")
	}
	if page.Next != "" {
		s.Next = at(page.Next)
	}
}
