package api

import (
	"net/http"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/find"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// foundAnswer is one page of the images that hold a package, and how many there are.
type foundAnswer struct {
	Package   string       `json:"package"`
	Range     string       `json:"range"`
	Ecosystem string       `json:"ecosystem"` // empty: all
	Link      string       `json:"link"`      // the page that asks the same later
	At        time.Time    `json:"at"`        // of the posture that was looked through
	Stored    int          `json:"stored"`    // images that were looked at
	Affected  int          `json:"affected"`  // this and the counts below are of the whole answer, whichever part of it is listed
	Unknown   int          `json:"unknown"`   // not read, no version, or not comparable: never clean
	Fixed     int          `json:"fixed"`
	Owners    []find.Owned `json:"owners"` // an empty owner is a gap: nobody said whose these images are
	Items     []foundImage `json:"items"`
	Total     int          `json:"total"`
	Next      string       `json:"next"` // cursor of the next page; empty on the last
}

// foundImage is one image that holds the package, or may hold it.
type foundImage struct {
	Reference string          `json:"reference"`
	Digest    plimsoll.Digest `json:"digest"`
	Platform  string          `json:"platform"`
	Active    bool            `json:"active"`
	Owner     string          `json:"owner"` // empty: not known
	Status    find.Status     `json:"status"`
	Reason    string          `json:"reason"` // why it is unknown
	Packages  []find.Holding  `json:"packages"`
}

func foundImageOf(im find.Image) foundImage {
	return foundImage{
		Reference: list.Name(im.Row), Digest: im.Row.Digest, Platform: im.Row.Platform.String(), Active: im.Row.Active, Owner: im.Owner,
		Status: im.Status, Reason: im.Reason, Packages: some(im.Packages),
	}
}

func (s *Server) holders(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		return
	}
	params := r.URL.Query()
	q, part, err := find.Read(params, "cursor", "limit", "format")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found := find.Search(v, q).Of(part)
	if format := params.Get("format"); format != "" && format != "json" {
		sendList(s, w, r, "find", found, find.Columns, foundImageOf)
		return
	}
	limit, err := limitOf(params)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p, err := found.Page(params.Get("cursor"), limit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := foundAnswer{
		Package: q.Package, Range: q.Range.String(), Ecosystem: q.Ecosystem, Link: q.Link(part), At: v.At(), Stored: found.Stored,
		Affected: found.Total.Affected, Unknown: found.Total.Unknown, Fixed: found.Total.Fixed, Owners: some(found.Owners),
		Items: []foundImage{}, Total: p.Total, Next: p.Next,
	}
	for _, im := range p.Rows {
		out.Items = append(out.Items, foundImageOf(im))
	}
	answer(w, http.StatusOK, out)
}
