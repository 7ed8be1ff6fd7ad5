package pages

import (
	"bytes"
	"context"
	"errors"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// paramAt is the part of every page's URL that says of when it is; without it, of now.
const paramAt = "at"

// maxPasts is how many past moments have their pages ready: as many as are held.
const maxPasts = 4

// pasts are servers of past moments, the latest used last.
type pasts struct {
	mu  sync.Mutex
	all []past
}

type past struct {
	moment *posture.Moment
	site   http.Handler
}

// inTime answers a URL that names a moment by the pages of that moment, and any other by h.
func (s *Server) inTime(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text := r.URL.Query().Get(paramAt)
		if text == "" || s.Replay == nil {
			h(w, r)
			return
		}
		at, err := history.ParseMoment(text)
		var m *posture.Moment
		if err == nil {
			m, err = s.Replay(r.Context(), at)
		}
		if err != nil {
			s.noMoment(w, r, err)
			return
		}
		s.pasts.of(s, m).ServeHTTP(w, withoutMoment(r))
	}
}

// noMoment is the page that says why a moment cannot be shown; its links lead to now.
func (s *Server) noMoment(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, plimsoll.ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, plimsoll.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, plimsoll.ErrUnavailable), r.Context().Err() != nil:
		status = http.StatusServiceUnavailable
	}
	s.problem(w, withoutMoment(r), status, "That moment cannot be shown", err.Error())
}

// withoutMoment is r as the pages of that moment get it: the moment is in its context, for links that are more than a page's.
func withoutMoment(r *http.Request) *http.Request {
	out := r.Clone(context.WithValue(r.Context(), momentKey{}, r.URL.Query().Get(paramAt)))
	rest := slices.DeleteFunc(strings.Split(out.URL.RawQuery, "&"), func(p string) bool { return strings.HasPrefix(p, paramAt+"=") })
	out.URL.RawQuery = strings.Join(rest, "&")
	return out
}

// momentKey is where a request's context has its moment.
type momentKey struct{}

// momentOf is the moment of a request as its URL has it; empty for now.
func momentOf(r *http.Request) string {
	at, _ := r.Context().Value(momentKey{}).(string)
	return at
}

// of is the site at a moment.
func (p *pasts) of(s *Server, m *posture.Moment) http.Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.all, func(x past) bool { return x.moment == m })
	if i < 0 {
		p.all = append(p.all[max(0, len(p.all)-maxPasts+1):], past{m, s.at(m)})
		return p.all[len(p.all)-1].site
	}
	x := p.all[i]
	p.all = append(slices.Delete(p.all, i, i+1), x)
	return x.site
}

// at is a server of the pages of one moment: its clock stands still.
func (s *Server) at(m *posture.Moment) http.Handler {
	c := s.Config
	c.View = func() *posture.View { return m.View }
	c.Now = func() time.Time { return m.At }
	c.Registries, c.ActiveDays, c.StaleAfter, c.Replay = m.Registries, m.ActiveDays, m.StaleAfter, nil
	c.Lately, c.RecentTimeline = nil, nil // asked for by its own moments
	c.Reports = func(ctx context.Context) ([]report.Manifest, error) {
		all, err := s.Reports(ctx)
		return slices.DeleteFunc(all, func(x report.Manifest) bool { return x.Made.After(m.At) }), err
	}
	x := New(c)
	x.moment = m
	mux := http.NewServeMux()
	x.Register(mux)
	return mux
}

// asOf is what the frame says of its moment, and what the time picker needs.
type asOf struct {
	Past   bool
	Text   string // "1 Oct 2026 00:00 UTC"
	Date   string // of the picker
	NowURL string // this page, now
	Moment string // as URLs have it; empty for now
	Keep   []param
}

type param struct{ Name, Value string }

func (s *Server) asOf(r *http.Request) asOf {
	q := r.URL.Query()
	q.Del("cursor")
	a := asOf{Date: s.Now().UTC().Format(time.DateOnly), Past: s.moment != nil, NowURL: link(r.URL.Path, q.Encode()), Moment: momentOf(r)}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		for _, v := range q[name] {
			a.Keep = append(a.Keep, param{name, v})
		}
	}
	if s.moment != nil {
		a.Text = s.moment.At.UTC().Format("2 Jan 2006 15:04 UTC")
	}
	return a
}

var (
	// ownLink is a link to a page or a call of ours. Quotes in text are escaped, so that only templates can write one.
	ownLink = regexp.MustCompile(`href="(/[^"]*)"`)
	// otherForm is a form that asks for another page; the time picker names its moment itself.
	otherForm = regexp.MustCompile(`<form class="(search|compare|find)"[^>]*>`)
)

// keepMoment makes every link and form of a rendered page lead to the same moment, but those that lead to now on purpose
// (data-now) and those to what is the same at any time.
func keepMoment(page []byte, at string) []byte {
	page = ownLink.ReplaceAllFunc(page, func(m []byte) []byte {
		href := string(ownLink.FindSubmatch(m)[1])
		if strings.HasPrefix(href, "/assets/") || strings.HasPrefix(href, "/api/v1/openapi") || strings.HasPrefix(href, "/api/v1/reports/") || hasMoment.MatchString(href) {
			return m
		}
		return []byte(`href="` + withAt(href, at) + `"`)
	})
	page = otherForm.ReplaceAllFunc(page, func(m []byte) []byte {
		return append(slices.Clip(m), []byte(`<input type="hidden" name="at" value="`+html.EscapeString(at)+`">`)...)
	})
	return bytes.ReplaceAll(page, []byte(`data-now="`), []byte(`href="`))
}

var hasMoment = regexp.MustCompile(`[?;&]at=`)

// withAt adds the moment to a URL as it stands in an attribute.
func withAt(href, at string) string {
	path, fragment, cut := strings.Cut(href, "#")
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&amp;"
	}
	out := path + sep + paramAt + "=" + url.QueryEscape(at)
	if cut {
		out += "#" + fragment
	}
	return out
}
