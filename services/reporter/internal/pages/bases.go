package pages

import (
	"net/http"

	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// basesActions is how many actions the page names above the list.
const basesActions = 8

type basesPage struct {
	listing
	Actions []actionLine
	Every   exports // of all actions
	Rows    []baseLine
}

// actionLine is one action over all images of a filter. Its numbers link where a list has the same rows.
type actionLine struct {
	list.Action
	ImagesLink, OfLink number
}

type baseLine struct {
	list.Base
	ImagesLink number
	OfLink     number
}

func (s *Server) bases(w http.ResponseWriter, r *http.Request) {
	l, ok := s.start(r, "bases", "Bases", "/bases")
	p := basesPage{listing: l}
	if !ok {
		s.show(w, r, status(p.Fault), "bases", p)
		return
	}
	v := s.View()
	p.count(v)
	p.Chips = []chipGroup{{"", either(p.Path, p.Filter, "scope", list.ScopeActive, list.ScopeStored)}}
	p.Set = setChips(p.Path, p.Filter, "scope", "registry", "sort", "group")
	nameBases(v, p.Set)
	p.Actions, p.Every = actionLines(v, p.Filter, basesActions), exportsOf(r, "/actions", p.Filter.Query())
	for _, b := range paged(&p.listing, r, list.Bases(v, p.Filter)) {
		on := p.Filter.With("base", string(b.Digest))
		p.Rows = append(p.Rows, baseLine{
			Base: b, ImagesLink: number{N: b.Images, URL: link("/images", on.Query())}, OfLink: number{N: b.Of.All, URL: link("/findings", on.Query())},
		})
	}
	s.show(w, r, status(p.Fault), "bases", p)
}
