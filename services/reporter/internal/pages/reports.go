package pages

import (
	"net/http"

	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

type reportsPage struct {
	frame
	Reports []report.Manifest
	Fault   string
}

func (s *Server) reports(w http.ResponseWriter, r *http.Request) {
	p := reportsPage{frame: s.frame(r, "reports", "Reports")}
	all, err := s.Reports(r.Context())
	if err != nil {
		p.Fault = err.Error()
	}
	p.Reports = all
	s.show(w, r, http.StatusOK, "reports", p)
}
