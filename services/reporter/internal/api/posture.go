package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// registryAnswer is how one registry stands.
type registryAnswer struct {
	ID           string                     `json:"id"`
	Host         string                     `json:"host"`
	Images       int                        `json:"images"`
	Covered      int                        `json:"covered"`
	Read         map[plimsoll.ReadState]int `json:"read"`
	LastComplete *time.Time                 `json:"last_complete_listing"` // null: never
	Sweep        *plimsoll.Sweep            `json:"sweep"`                 // the newest; null before the first
}

type coverageAnswer struct {
	Images     int              `json:"images"`
	Covered    int              `json:"covered"`
	Registries []registryAnswer `json:"registries"`
	Gaps       []list.Gap       `json:"gaps"`
	Feeds      []list.Feed      `json:"feeds"`
	Lacking    []list.Lacking   `json:"ecosystems_without_data"`
	Unowned    []list.Unowned   `json:"repositories_without_owner"`
}

func (s *Server) coverage(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		return
	}
	only := r.URL.Query().Get("registry")
	out := coverageAnswer{
		Registries: []registryAnswer{}, Gaps: some(list.Gaps(v, only)), Feeds: some(list.Feeds(v, s.Now(), s.StaleAfter)), Lacking: some(list.Uncovered(v, only)), Unowned: some(list.WithoutOwner(v, only)),
	}
	for _, reg := range v.Registries() {
		if only == "" || reg.ID == only {
			x := s.registry(reg)
			out.Images += x.Images
			out.Covered += x.Covered
			out.Registries = append(out.Registries, x)
		}
	}
	answer(w, http.StatusOK, out)
}

func (s *Server) registry(reg posture.Registry) registryAnswer {
	x := registryAnswer{ID: reg.ID, Host: s.host(reg.ID), Read: map[plimsoll.ReadState]int{}, Sweep: reg.Sweep}
	for state, n := range reg.Read {
		x.Read[state] = n
		x.Images += n
	}
	x.Covered = x.Read[plimsoll.ReadComplete] + x.Read[plimsoll.ReadNotApplicable]
	if !reg.LastComplete.IsZero() {
		x.LastComplete = &reg.LastComplete
	}
	return x
}

// posture counts by the same functions as the lists, so that a number here has as many rows there.
func (s *Server) posture(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		return
	}
	active := list.Filter{}.With("registry", r.URL.Query().Get("registry"))
	stored := active.With("scope", list.ScopeStored)
	out := plimsoll.Posture{
		At: v.At(), Generation: v.Generation().ID, Policy: v.Policy().Name,
		Active: list.Verdicts(active.Rows(v)), Stored: list.Verdicts(stored.Rows(v)), Read: list.Reads(stored.Rows(v)), Severity: severities(v, active), StoredSeverity: severities(v, stored),
	}
	answer(w, http.StatusOK, out)
}

func severities(v *posture.View, f list.Filter) map[plimsoll.Severity]plimsoll.Counted {
	out := map[plimsoll.Severity]plimsoll.Counted{}
	counts := list.CountSeverities(v, f)
	for _, s := range plimsoll.Severities {
		out[s] = plimsoll.Counted{Unique: counts[s].Unique, Places: counts[s].Places}
	}
	return out
}

type statusAnswer struct {
	Version    string            `json:"version"`
	Ready      bool              `json:"ready"`
	Now        time.Time         `json:"now"`
	At         time.Time         `json:"at,omitzero"` // when the posture was formed
	Position   map[string]int64  `json:"position"`
	Generation string            `json:"generation"`
	Feeds      int               `json:"feeds"`
	Fresh      int               `json:"feeds_fresh"`
	Policy     policyAnswer      `json:"policy"`
	Images     int               `json:"images"`
	Parts      map[string]string `json:"parts"`  // "ok", or what is wrong
	Faults     []string          `json:"faults"` // what could not be read of the bucket
	Losses     []posture.Loss    `json:"losses"` // registries whose past was lost
}

type policyAnswer struct {
	Name    string          `json:"name"`
	Version int             `json:"version"`
	Digest  plimsoll.Digest `json:"digest"`
}

// status answers before the first fold too: it is what one asks when nothing else answers.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	out := statusAnswer{Version: s.Version, Now: s.Now(), Position: map[string]int64{}, Parts: s.Parts(), Faults: []string{}, Losses: []posture.Loss{}}
	if v := s.View(); v != nil {
		p, feeds := v.Policy(), list.Feeds(v, s.Now(), s.StaleAfter)
		out.Ready, out.At, out.Position, out.Generation = true, v.At(), v.Position(), v.Generation().ID
		out.Feeds, out.Fresh, out.Images = len(feeds), list.Fresh(feeds), len(v.Rows())
		out.Policy = policyAnswer{p.Name, p.Version, p.Digest}
		out.Faults, out.Losses = some(v.Faults()), some(v.Losses())
	}
	answer(w, http.StatusOK, out)
}

// event is one line of what happened lately.
type event struct {
	Time   time.Time       `json:"time"`
	Stream string          `json:"stream"`
	Actor  string          `json:"actor"`
	Change plimsoll.Change `json:"change"`
}

// maxEvents is how far back the posture's memory of events is shown; older ones stand in the change log.
const maxEvents = 1000

func (s *Server) changes(w http.ResponseWriter, r *http.Request) {
	n := 100
	if text := r.URL.Query().Get("limit"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > maxEvents {
			s.fail(w, r, fmt.Errorf("limit %.20q: %w: want 1 to %d", text, plimsoll.ErrInvalid, maxEvents))
			return
		}
	}
	v := s.view(w, r)
	if v == nil {
		return
	}
	out := page[event]{Items: []event{}}
	for _, e := range v.Events(n) {
		out.Items = append(out.Items, event{e.Time, e.Stream, e.Actor, e.Change})
	}
	out.Total = len(out.Items)
	answer(w, http.StatusOK, out)
}

type searchAnswer struct {
	Images     []list.Image      `json:"images"`
	ImageTotal int               `json:"images_total"`
	Advisories []list.Advisory   `json:"advisories"`
	Packages   []list.PackageHit `json:"packages"`
	Known      string            `json:"known_advisory"` // in the data, though nothing that was read has it
}

func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("q")
	if text == "" {
		s.fail(w, r, fmt.Errorf("q: %w: write what to look for", plimsoll.ErrInvalid))
		return
	}
	v := s.view(w, r)
	if v == nil {
		return
	}
	found, err := list.Search(v, text, r.URL.Query().Get("registry"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := searchAnswer{Images: []list.Image{}, ImageTotal: found.ImageTotal, Advisories: some(found.Advisories), Packages: some(found.Packages)}
	for _, row := range found.Images {
		out.Images = append(out.Images, list.ImageOf(v, row))
	}
	out.Known = found.Known
	answer(w, http.StatusOK, out)
}
