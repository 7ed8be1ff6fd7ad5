package pages

import (
	"net/url"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/explain"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// evidence is the drawer beside an image that says why it has a flaw, or has not. It has its own URL: the image's with the flaw's id.
type evidence struct {
	explain.Image
	Said saying // of exploitation
	// Enrichment is what Said words; nil when nobody says anything.
	Enrichment *plimsoll.Enrichment
	More       int    // places beyond those that are shown
	Close      string // the page without the drawer
	API        string // the same by the API
}

// Bounds of the drawer.
const (
	// maxEvidenceID bounds the id in its URL, in bytes, as the API does.
	maxEvidenceID = 200
	// maxEvidencePlaces is how many packages it shows: an image may hold a jar a hundred times. The API gives all.
	maxEvidencePlaces = 20
)

// explain fills in the drawer where the URL asks for one.
func (p *imagePage) explain(v *posture.View, query url.Values) {
	id := query.Get("evidence")
	if id == "" || len(id) > maxEvidenceID {
		return
	}
	x := explain.Of(v, p.Image, id)
	p.Evidence = &evidence{
		Image: x, More: max(0, len(x.Places)-maxEvidencePlaces), Close: p.here(query, "evidence", "") + "#findings",
		API: "/api/v1/images/" + string(p.Row.Digest) + "/explain/" + url.PathEscape(id),
	}
	if e, ok := v.Enrichment(x.Flaw); ok {
		p.Evidence.Enrichment = &e
	}
	p.Evidence.Said = sayingOf(v, p.Evidence.Enrichment)
	p.Evidence.Places = x.Places[:len(x.Places)-p.Evidence.More]
}

// Why is the page with the drawer that explains a finding.
func (p imagePage) Why(id string) string { return p.here(p.query, "evidence", id) + "#evidence" }
