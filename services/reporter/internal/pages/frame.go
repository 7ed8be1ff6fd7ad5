package pages

import (
	"net/http"
	"net/url"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// number is a count that links to the rows it counts: the list at URL has N rows.
type number struct {
	N    int
	URL  string
	Word string // after the number, where the line needs one
	// Unsure says why a zero is none: something was not read, or there is nothing to compare with.
	Unsure string
}

// frame is what stands on every page: the bar, the honest line, the data chip.
type frame struct {
	Title    string
	Section  string // which entry of the bar is current
	Query    string // of the search field
	Registry string // the scope; empty: all
	Scopes   []scope
	Ready    bool // false before the first fold
	Honest   honest
	Data     data
	Origin   string // scheme and host as the reader's browser sees them
	Now      time.Time
	Policy   plimsoll.Policy
	AsOf     asOf
	// CatchingUp: what is overdue or new is not known yet.
	CatchingUp bool
	Losses     []posture.Loss
	Faults     []string // what could not be read of the bucket: while there are any, something may be missing
}

// scope is one entry of the scope picker.
type scope struct {
	Name, URL string
	Current   bool
}

// honest is the line that says how much was looked at.
type honest struct {
	Covered, Total number
	Rest           []number
	Whole          bool // nothing is missing: green may be said
	URL            string
}

// data is the chip that says how old the knowledge is.
type data struct {
	Generation   string
	Created      time.Time
	Fresh, Feeds int
}

func (s *Server) frame(r *http.Request, section, title string) frame {
	f := frame{Title: title, Section: section, Origin: origin(r), Now: s.Now(), Registry: s.known(r.URL.Query().Get("registry"))}
	f.Scopes, f.AsOf = s.scopes(r, f.Registry), s.asOf(r)
	v := s.View()
	if v == nil {
		return f
	}
	f.Ready, f.Policy, f.Faults = true, v.Policy(), v.Faults()
	f.Losses = v.Losses()
	f.CatchingUp = s.catchingUp()
	f.Honest = honestLine(v, f.Registry)
	f.Honest.Whole = f.Honest.Whole && len(f.Faults) == 0
	g := v.Generation()
	feeds := list.Feeds(v, s.Now(), s.StaleAfter)
	f.Data = data{Generation: g.ID, Created: g.Created, Feeds: len(feeds), Fresh: list.Fresh(feeds)}
	return f
}

// known is a registry's id when it is configured: scope never comes from outside unchecked.
func (s *Server) known(id string) string {
	for _, r := range s.Registries {
		if r.ID == id {
			return id
		}
	}
	return ""
}

// scopes are links to this page with another registry; what else the URL says stays, but not where in a list it stood.
func (s *Server) scopes(r *http.Request, current string) []scope {
	at := func(id string) string {
		q := r.URL.Query()
		q.Del("registry")
		q.Del("cursor")
		q.Del("repository")
		q.Del("tag")
		if id != "" {
			q.Set("registry", id)
		}
		return link(r.URL.Path, q.Encode())
	}
	out := []scope{{Name: "All registries", URL: at(""), Current: current == ""}}
	for _, reg := range s.Registries {
		out = append(out, scope{Name: reg.ID, URL: at(reg.ID), Current: current == reg.ID})
	}
	return out
}

func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// Scoped is path within the frame's scope: the bar keeps the registry that was picked.
func (f frame) Scoped(path string) string {
	if f.Registry == "" {
		return path
	}
	return path + "?" + list.Filter{}.With("registry", f.Registry).Query()
}

// stored is the filter of everything in scope.
func stored(registry string) list.Filter {
	return list.Filter{}.With("scope", list.ScopeStored).With("registry", registry)
}

func honestLine(v *posture.View, registry string) honest {
	all := stored(registry)
	rows := all.Rows(v)
	reads := list.Reads(rows)
	covered := reads[plimsoll.ReadComplete] + reads[plimsoll.ReadNotApplicable]
	h := honest{
		Covered: number{N: covered, URL: link("/images", all.With("coverage", list.Covered).Query())},
		Total:   number{N: len(rows), URL: link("/images", all.Query())},
		Whole:   covered == len(rows) && covered > 0,
		URL:     link("/coverage", list.Filter{}.With("registry", registry).Query()),
	}
	for _, state := range []plimsoll.ReadState{plimsoll.ReadWaiting, plimsoll.ReadFailed, plimsoll.ReadPartial, plimsoll.ReadStale} {
		if n := reads[state]; n > 0 {
			h.Rest = append(h.Rest, number{N: n, URL: link("/images", all.With("coverage", string(state)).Query()), Word: string(state)})
		}
	}
	return h
}

// exports are the ways out of a list: the same rows by the API.
type exports struct {
	Self   string // this page
	API    string // the API's URL of the same list
	Origin string
	At     string // the moment that they are of; empty for now
}

// Form is the API's URL in a form.
func (e exports) Form(form string) string {
	sep := "?"
	for i := range e.API {
		if e.API[i] == '?' {
			sep = "&"
		}
	}
	out := e.API + sep + "format=" + form
	if e.At != "" {
		out += "&" + paramAt + "=" + url.QueryEscape(e.At)
	}
	return out
}

func exportsOf(r *http.Request, path, query string) exports {
	return exports{Self: r.URL.RequestURI(), API: link("/api/v1"+path, query), Origin: origin(r), At: momentOf(r)}
}
