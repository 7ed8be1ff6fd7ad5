package api

import (
	"net/http"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// fixFirst is how many actions an image is given: what one can do this week.
const fixFirst = 5

// lineageAnswer is what an image stands on, which link brought what, and what to do first.
type lineageAnswer struct {
	Digest   plimsoll.Digest `json:"digest"`
	Platform string          `json:"platform"`
	OwnFrom  int             `json:"own_from"` // the lowest layer that the image itself adds
	Chain    []list.Link     `json:"chain"`
	Claim    *list.Claim     `json:"claim,omitempty"`
	FixFirst []list.Action   `json:"fix_first"`
}

func (s *Server) lineage(w http.ResponseWriter, r *http.Request) {
	v, im, ok := s.lookup(w, r)
	if !ok {
		return
	}
	row := im.Rows[0]
	answer(w, http.StatusOK, lineageAnswer{
		Digest: row.Digest, Platform: row.Platform.String(), OwnFrom: v.OwnFrom(row), Chain: list.Chain(v, row),
		Claim: list.ClaimOf(v, row, im.Image, s.host), FixFirst: list.FixFirst(v, row, fixFirst),
	})
}

func (s *Server) bases(w http.ResponseWriter, r *http.Request) {
	if v, f, ok := s.filtered(w, r); ok {
		sendList(s, w, r, "bases", list.Bases(v, f), list.BaseColumns, same)
	}
}

func (s *Server) actions(w http.ResponseWriter, r *http.Request) {
	if v, f, ok := s.filtered(w, r); ok {
		all, _ := list.RebuildFirst(v, f)
		sendList(s, w, r, "actions", list.InOrder(all), list.ActionColumns, same)
	}
}
