package pages

import (
	"net/http"
	"strings"

	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

type searchPage struct {
	frame
	Text       string
	Result     list.Found
	Images     number
	Advisories []advisoryLine
	Packages   []packageLine
	Find       string // URL that asks which images hold a package of this name; empty where the text is none
	Fault      string
}

// packageLine is a package with what its numbers count.
type packageLine struct {
	list.PackageHit
	ImagesLink, PlacesLink number
	Find                   string // URL that asks for it in a range of versions
}

// search answers one field for everything, grouped. An exact answer goes straight to its page.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	p := searchPage{frame: s.frame(r, "", "Search"), Text: text}
	p.Query = text
	v := s.View()
	if v == nil || text == "" {
		s.show(w, r, http.StatusOK, "search", p)
		return
	}
	found, err := list.Search(v, text, p.Registry)
	if err != nil {
		p.Fault = err.Error()
		s.show(w, r, http.StatusBadRequest, "search", p)
		return
	}
	p.Result, p.Find = found, findPackage(text, "", p.Registry)
	if strings.HasPrefix(text, "pkg:") || strings.HasPrefix(text, "sha256:") {
		p.Find = ""
	}
	for _, a := range found.Advisories {
		one := stored(p.Registry).With("advisory", a.ID)
		p.Advisories = append(p.Advisories, advisoryLine{Advisory: a, ImagesLink: number{N: a.Images, URL: link("/images", one.Query())}})
	}
	for _, h := range found.Packages {
		one := stored(p.Registry).With("package", h.Package).With("ecosystem", h.Ecosystem)
		p.Packages = append(p.Packages, packageLine{
			h, number{N: h.Images, URL: link("/images", one.Query())}, number{N: h.Findings, URL: link("/findings", one.Query())},
			findPackage(h.Package, h.Ecosystem, p.Registry),
		})
	}
	p.Images = number{N: found.ImageTotal, URL: link("/images", stored(p.Registry).With("q", text).Query())}
	s.show(w, r, http.StatusOK, "search", p)
}
