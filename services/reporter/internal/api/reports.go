package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// reportAnswer is a manifest with its digest.
type reportAnswer struct {
	report.Manifest
	Digest plimsoll.Digest `json:"digest"`
}

func (s *Server) reports(w http.ResponseWriter, r *http.Request) {
	all, err := s.Reports.List(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := page[reportAnswer]{Items: []reportAnswer{}, Total: len(all)}
	for _, m := range all {
		out.Items = append(out.Items, reportAnswer{m, m.Digest})
	}
	answer(w, http.StatusOK, out)
}

// makeReport makes the report of a week that has ended: 201 when this call made it, 200 when it was there.
func (s *Server) makeReport(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Period string `json:"period"`
	}
	if r.ContentLength != 0 {
		if err := body(w, r, &in); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	m, made, err := s.Reports.Make(r.Context(), cmp.Or(in.Period, s.Reports.Last()), time.Time{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	answer(w, status, reportAnswer{m, m.Digest})
}

func (s *Server) draft(w http.ResponseWriter, r *http.Request) {
	m, err := s.Reports.Draft(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var out bytes.Buffer
	switch format := r.URL.Query().Get("format"); format {
	case "", "html":
		err = report.HTML(&out, m)
		if err == nil {
			sendFile(w, "report.html", "text/html; charset=utf-8", out.Bytes())
		}
	case "csv":
		err = report.CSV(&out, m)
		if err == nil {
			sendFile(w, "findings.csv", "text/csv; charset=utf-8", out.Bytes())
		}
	case "json":
		answer(w, http.StatusOK, m)
	default:
		err = fmt.Errorf("format %.20q: %w: want html, csv or json", format, plimsoll.ErrInvalid)
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

func (s *Server) reportFile(w http.ResponseWriter, r *http.Request) {
	f, b, err := s.Reports.Read(r.Context(), r.PathValue("period"), r.PathValue("file"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("ETag", `"`+f.Digest.Hex()+`"`)
	sendFile(w, f.Name, f.Type, b)
}

// sendFile sends one file of a report. Its policy allows its own style, by hash, and nothing else.
func sendFile(w http.ResponseWriter, name, kind string, b []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src "+styleHash(b))
	if name != "report.html" {
		h.Set("Content-Disposition", "attachment; filename="+name)
	}
	_, _ = w.Write(b) // an error here is the caller's connection
}

// styleHash is the source expression of the one style element (CSP level 3, 8.3).
func styleHash(page []byte) string {
	_, rest, ok := bytes.Cut(page, []byte("<style>"))
	style, _, closed := bytes.Cut(rest, []byte("</style>"))
	if !ok || !closed {
		return "'none'"
	}
	sum := sha256.Sum256(style)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
