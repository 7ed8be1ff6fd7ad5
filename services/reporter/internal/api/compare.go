package api

import (
	"net/http"

	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// comparison answers what a call asks to compare; nil when it has answered already.
func (s *Server) comparison(w http.ResponseWriter, r *http.Request) (*list.Comparison, list.Question) {
	v := s.view(w, r)
	if v == nil {
		return nil, list.Question{}
	}
	q, err := list.ParseQuestion(r.URL.Query(), "cursor", "limit", "format")
	if err != nil {
		s.fail(w, r, err)
		return nil, q
	}
	c, err := list.Compare(v, q)
	if err != nil {
		s.fail(w, r, err)
		return nil, q
	}
	return c, q
}

func (s *Server) compare(w http.ResponseWriter, r *http.Request) {
	if c, _ := s.comparison(w, r); c != nil {
		answer(w, http.StatusOK, c)
	}
}

func (s *Server) comparedFindings(w http.ResponseWriter, r *http.Request) {
	if c, q := s.comparison(w, r); c != nil {
		sendList(s, w, r, "compared-findings", c.FindingList(q), list.ComparedFindingColumns, same)
	}
}

func (s *Server) comparedPackages(w http.ResponseWriter, r *http.Request) {
	if c, q := s.comparison(w, r); c != nil {
		sendList(s, w, r, "compared-packages", c.PackageList(q), list.ComparedPackageColumns, same)
	}
}
