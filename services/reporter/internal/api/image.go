package api

import (
	"fmt"
	"net/http"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// imageAnswer is all that is known of one manifest, without its packages, files and secrets, which are lists of their own.
type imageAnswer struct {
	Digest    plimsoll.Digest               `json:"digest"`
	Platform  string                        `json:"platform"`
	Recipe    plimsoll.Recipe               `json:"recipe"`
	Release   plimsoll.OSRelease            `json:"release"`
	Verdict   plimsoll.Verdict              `json:"verdict"`
	Read      map[string]plimsoll.Coverage  `json:"read"`
	Known     map[string]plimsoll.Knowledge `json:"known"`
	Rows      []list.Image                  `json:"rows"` // where it stands
	Layers    []plimsoll.InventoryLayer     `json:"layers"`
	Packages  int                           `json:"packages"`
	Hidden    int                           `json:"hidden"` // packages that an upper layer removed
	Content   plimsoll.Content              `json:"content"`
	Labels    map[string]string             `json:"labels"`
	History   []plimsoll.HistoryEntry       `json:"history"`
	Faults    []string                      `json:"faults"`
	Findings  []list.Finding                `json:"findings"`
	Fixes     []list.Fix                    `json:"fixes"` // every upgrade that is known, most critical first
	Ecosystem []string                      `json:"ecosystems"`
}

// lookup finds an image by the digest in the path.
func (s *Server) lookup(w http.ResponseWriter, r *http.Request) (*posture.View, *posture.Image, bool) {
	d, err := plimsoll.ParseDigest(r.PathValue("digest"))
	if err != nil {
		s.fail(w, r, err)
		return nil, nil, false
	}
	v := s.view(w, r)
	if v == nil {
		return nil, nil, false
	}
	im, ok := v.Image(d)
	if !ok {
		s.fail(w, r, fmt.Errorf("image %s: %w: no row shows it, or its inventory cannot be read", d, plimsoll.ErrNotFound))
		return nil, nil, false
	}
	return v, im, true
}

func (s *Server) image(w http.ResponseWriter, r *http.Request) {
	v, im, ok := s.lookup(w, r)
	if !ok {
		return
	}
	row := im.Rows[0]
	out := imageAnswer{
		Digest: row.Digest, Platform: row.Platform.String(), Recipe: im.Inventory.Recipe, Release: im.Inventory.Release, Verdict: row.Verdict,
		Read: row.Read, Known: row.Known, Rows: []list.Image{}, Layers: some(im.Inventory.Layers), Packages: len(im.Inventory.Packages),
		Hidden: len(im.Inventory.Hidden), Content: im.Inventory.Content(), Labels: im.Image.Labels, History: some(im.Image.History), Faults: some(im.Image.Faults),
		Findings: []list.Finding{}, Fixes: some(list.Fixes(v, list.Filter{}.With("scope", list.ScopeStored).With("digest", string(row.Digest)), len(im.Inventory.Packages))), Ecosystem: some(im.Inventory.Ecosystems),
	}
	out.Verdict.Violations = some(out.Verdict.Violations)
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	for _, x := range im.Rows {
		out.Rows = append(out.Rows, list.ImageOf(v, x))
	}
	for _, f := range v.Findings(row) {
		out.Findings = append(out.Findings, list.FindingOf(v.Place(row, f, s.Now())))
	}
	answer(w, http.StatusOK, out)
}

func (s *Server) packages(w http.ResponseWriter, r *http.Request) {
	if _, im, ok := s.lookup(w, r); ok {
		sendList(s, w, r, "packages", list.PackagesOf(im.Inventory, r.URL.Query().Get("layer")), list.PackageColumns, same)
	}
}

// part is an image and which part of a list of it is asked for: of one layer, and by one word of a parameter.
func (s *Server) part(w http.ResponseWriter, r *http.Request, param string) (im *posture.Image, layer, word string, ok bool) {
	f, err := list.Parse(r.URL.Query(), s.Now(), "layer", "cursor", "limit", "format")
	if err != nil {
		s.fail(w, r, err)
		return nil, "", "", false
	}
	_, im, ok = s.lookup(w, r)
	return im, r.URL.Query().Get("layer"), f.Get(param), ok
}

func (s *Server) secrets(w http.ResponseWriter, r *http.Request) {
	if im, layer, word, ok := s.part(w, r, "secret"); ok {
		sendList(s, w, r, "secrets", list.SecretsOf(im.Inventory, layer, word), list.SecretColumns, same)
	}
}

func (s *Server) files(w http.ResponseWriter, r *http.Request) {
	if im, layer, word, ok := s.part(w, r, "file"); ok {
		sendList(s, w, r, "files", list.FilesOf(im.Inventory, layer, word), list.FileColumns, fileOf)
	}
}

// fileOf makes absent notes an empty list, so that JSON says [] and never null.
func fileOf(f plimsoll.File) plimsoll.File {
	f.Notes = some(f.Notes)
	return f
}

func (s *Server) removed(w http.ResponseWriter, r *http.Request) {
	if _, im, ok := s.lookup(w, r); ok {
		sendList(s, w, r, "hidden", list.RemovedOf(im.Inventory, r.URL.Query().Get("layer")), list.RemovedColumns, same)
	}
}

// advisoryAnswer is one advisory with its reach.
type advisoryAnswer struct {
	ID        string              `json:"id"`
	Aliases   []string            `json:"aliases"`
	Severity  plimsoll.Severity   `json:"severity"`
	Score     float64             `json:"score"`
	Active    int                 `json:"active_images"`
	Stored    int                 `json:"stored_images"`
	Undecided int                 `json:"undecided_images"` // their coverage is short: it may be there
	Unique    int                 `json:"unique"`
	Places    []list.Finding      `json:"places"` // at most 1,000; all are in /findings?advisory=
	Records   []plimsoll.Advisory `json:"records"`
}

func (s *Server) advisory(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		return
	}
	a, ok := v.Advisory(r.PathValue("id"))
	if !ok {
		s.fail(w, r, fmt.Errorf("advisory %.80q: %w in generation %s", r.PathValue("id"), plimsoll.ErrNotFound, v.Generation().ID))
		return
	}
	active := list.Filter{}.With("advisory", a.ID)
	stored := active.With("scope", list.ScopeStored)
	n := list.Count(v, stored)
	out := advisoryAnswer{
		ID: a.ID, Aliases: some(a.Aliases), Severity: a.Severity, Score: a.Score, Active: list.Count(v, active).Images, Stored: n.Images,
		Undecided: len(list.Filter{}.With("scope", list.ScopeStored).With("coverage", list.Short).Rows(v)), Unique: n.Unique,
		Places: []list.Finding{}, Records: some(a.Records),
	}
	for p := range list.Places(v, stored).All() {
		if len(out.Places) == list.MaxPageSize {
			break
		}
		out.Places = append(out.Places, list.FindingOf(p))
	}
	answer(w, http.StatusOK, out)
}

// some makes an absent slice an empty one, so that JSON says [] and never null.
func some[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
