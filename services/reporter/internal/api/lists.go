package api

import (
	"bufio"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/columns"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// page is a part of a list as JSON.
type page[T any] struct {
	Items []T    `json:"items"`
	Total int    `json:"total"`
	Next  string `json:"next"` // cursor of the next page; empty on the last
}

// filtered reads the filter of a list and the view that it looks at.
func (s *Server) filtered(w http.ResponseWriter, r *http.Request) (*posture.View, list.Filter, bool) {
	f, err := list.Parse(r.URL.Query(), s.Now(), "cursor", "limit", "format")
	if err == nil && f.Get("group") != "" {
		err = fmt.Errorf("filter group: %w: ask /api/v1/repositories or /api/v1/findings/unique instead", plimsoll.ErrInvalid)
	}
	if err != nil {
		s.fail(w, r, err)
		return nil, f, false
	}
	v := s.view(w, r)
	return v, f, v != nil
}

// sendList answers with a list: one page as JSON, or all of it as NDJSON, CSV or Parquet.
func sendList[T, U any](s *Server, w http.ResponseWriter, r *http.Request, name string, o list.List[T], cells []list.Column[T], as func(T) U) {
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
		sendPage(s, w, r, o, as)
	case "ndjson", "csv", "parquet":
		sendAll(s, w, r, name, o, cells, as)
	default:
		s.fail(w, r, fmt.Errorf("format %.20q: %w: want json, ndjson, csv or parquet", format, plimsoll.ErrInvalid))
	}
}

func sendPage[T, U any](s *Server, w http.ResponseWriter, r *http.Request, o list.List[T], as func(T) U) {
	limit, err := limitOf(r.URL.Query())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p, err := o.Page(r.URL.Query().Get("cursor"), limit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := page[U]{Items: make([]U, 0, len(p.Rows)), Total: p.Total, Next: p.Next}
	for _, row := range p.Rows {
		out.Items = append(out.Items, as(row))
	}
	answer(w, http.StatusOK, out)
}

func limitOf(q url.Values) (int, error) {
	text := q.Get("limit")
	if text == "" {
		return list.PageSize, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > list.MaxPageSize {
		return 0, fmt.Errorf("limit %.20q: %w: want 1 to %d", text, plimsoll.ErrInvalid, list.MaxPageSize)
	}
	return n, nil
}

// sendAll streams every row. An error after the first byte ends the connection, so that half a list is no list.
func sendAll[T, U any](s *Server, w http.ResponseWriter, r *http.Request, name string, o list.List[T], cells []list.Column[T], as func(T) U) {
	out := bufio.NewWriter(streaming(w))
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Total-Count", strconv.Itoa(o.Len()))
	var err error
	switch r.URL.Query().Get("format") {
	case "csv":
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", "attachment; filename="+name+".csv")
		err = list.WriteCSV(out, cells, o.All())
	case "parquet":
		h.Set("Content-Type", columns.MediaType)
		h.Set("Content-Disposition", "attachment; filename="+name+".parquet")
		err = columns.Write(r.Context(), out, each(o.All(), as), columns.About{Name: name, Version: s.Version})
	default:
		h.Set("Content-Type", "application/x-ndjson")
		err = list.WriteNDJSON(out, o.All(), as)
	}
	if err == nil {
		err = out.Flush()
	}
	s.ended(r, err)
}

// ended breaks the connection of an answer that could not be written to its end.
func (s *Server) ended(r *http.Request, err error) {
	if err == nil {
		return
	}
	s.Log.Warn("answer broke off", "path", r.URL.Path, "error", err)
	panic(http.ErrAbortHandler)
}

func same[T any](x T) T { return x }

// each gives rows as the API writes them.
func each[T, U any](rows iter.Seq[T], as func(T) U) iter.Seq[U] {
	return func(yield func(U) bool) {
		for r := range rows {
			if !yield(as(r)) {
				return
			}
		}
	}
}

func (s *Server) images(w http.ResponseWriter, r *http.Request) {
	if v, f, ok := s.filtered(w, r); ok {
		now := s.Now()
		cells := append(slices.Clip(list.ImageColumns), list.ExploitedColumn(v), list.OverdueColumn(v, now), list.InUseColumn(v))
		cells = append(cells, list.DirectBaseColumns(v)...)
		sendList(s, w, r, "images", list.Images(v, f), cells, func(r *posture.Row) list.Image {
			im := list.ImageOf(v, r)
			n, _ := v.Overdue(r, now)
			im.Overdue = &n
			return im
		})
	}
}

func (s *Server) repositories(w http.ResponseWriter, r *http.Request) {
	if v, f, ok := s.filtered(w, r); ok {
		sendList(s, w, r, "repositories", list.Repositories(v, f), list.RepositoryColumns, same)
	}
}

func (s *Server) findings(w http.ResponseWriter, r *http.Request) {
	if v, f, ok := s.filtered(w, r); ok {
		sendList(s, w, r, "findings", list.Places(v, f), list.PlaceColumns, list.FindingOf)
	}
}

func (s *Server) uniques(w http.ResponseWriter, r *http.Request) {
	if v, f, ok := s.filtered(w, r); ok {
		sendList(s, w, r, "findings-unique", list.Uniques(v, f), list.UniqueColumns, same)
	}
}

func (s *Server) advisories(w http.ResponseWriter, r *http.Request) {
	if v, f, ok := s.filtered(w, r); ok {
		sendList(s, w, r, "advisories", list.Advisories(v, f), list.AdvisoryColumns, same)
	}
}

func (s *Server) gaps(w http.ResponseWriter, r *http.Request) {
	if v := s.view(w, r); v != nil {
		sendList(s, w, r, "gaps", list.InOrder(list.Gaps(v, r.URL.Query().Get("registry"))), list.GapColumns, same)
	}
}

func (s *Server) feeds(w http.ResponseWriter, r *http.Request) {
	if v := s.view(w, r); v != nil {
		sendList(s, w, r, "feeds", list.InOrder(list.Feeds(v, s.Now(), s.StaleAfter)), list.FeedColumns, same)
	}
}
