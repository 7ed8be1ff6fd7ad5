package pages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// Config is what the pages need.
type Config struct {
	View func() *posture.View // the posture now; nil before the first fold
	// Replay is the posture at a past moment; without it pages show now alone.
	Replay func(context.Context, time.Time) (*posture.Moment, error)
	// Moved says why the posture moved between two moments, and Lately over the last week, without waiting: nil while that is
	// being found. Without Moved the pages say nothing of it, without Lately they ask Moved.
	Moved  func(ctx context.Context, from, to time.Time, registry string) (*history.Moved, error)
	Lately func(now time.Time, registry string) *history.Moved
	// CatchingUp reports whether it is not known yet since when findings stand; nil when it always is.
	CatchingUp func() bool
	// Timeline is how the tag of a row stood until a moment, and RecentTimeline until about now, with little waiting: nil while
	// that is being found. Without Timeline the pages say nothing of it, without RecentTimeline they ask Timeline.
	Timeline       func(ctx context.Context, r *posture.Row, until time.Time) (*history.Timeline, error)
	RecentTimeline func(ctx context.Context, r *posture.Row, now time.Time) (*history.Timeline, error)
	// Course is how a flaw stood over time, see [history.Tracker.Course]; without it the advisory page has no chart.
	Course func(registry string, packages, names []string, until time.Time) []history.Point
	// Days are the tiles' numbers of the last days, see [history.Days.Until]; without it they have no sparks.
	Days func(registry string, until time.Time) []history.Day
	// Around is what is known of the engines around, for the moment now alone; without it the pages say nothing of them.
	Around     func() list.Around
	Registries []plimsoll.Registry
	Reports    func(context.Context) ([]report.Manifest, error)
	StaleAfter time.Duration // a feed not checked for longer is stale
	ActiveDays int
	Now        func() time.Time
	Log        *slog.Logger
}

//go:embed templates/*.html
var templates embed.FS

//go:embed assets
var assets embed.FS

// contentPolicy lets a page load its own style sheet, script and mark and nothing else: even text that slipped through
// escaping could not run or send anything.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Server answers the pages' URLs.
type Server struct {
	Config
	pages  map[string]*template.Template
	static map[string][]byte
	stamp  string          // of all assets: part of their URLs, so that they may be cached for good
	moment *posture.Moment // that this server's pages show; nil for now
	pasts  pasts
}

// New parses the templates; a fault in them is a fault of the program, found by any test.
func New(c Config) *Server {
	s := &Server{Config: c, pages: map[string]*template.Template{}, static: map[string][]byte{}}
	s.loadAssets()
	layout := template.Must(template.New("layout").Funcs(s.functions()).ParseFS(templates, "templates/layout.html", "templates/parts.html", "templates/evidence.html"))
	for _, name := range []string{"overview", "images", "image", "findings", "advisories", "advisory", "coverage", "bases", "sweep", "reports", "search", "find", "moved", "compare", "problem"} {
		s.pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(templates, "templates/"+name+".html"))
	}
	return s
}

func (s *Server) loadAssets() {
	sum := sha256.New()
	root, _ := fs.Sub(assets, "assets") // embedded: the folder is there or the build fails
	entries, _ := fs.ReadDir(root, ".")
	for _, e := range entries {
		b, _ := fs.ReadFile(root, e.Name())
		s.static[e.Name()] = b
		sum.Write(b)
	}
	s.stamp = hex.EncodeToString(sum.Sum(nil)[:6])
}

// Register adds the pages to mux.
func (s *Server) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.inTime(s.overview))
	mux.HandleFunc("GET /images", s.inTime(s.images))
	mux.HandleFunc("GET /image/{ref...}", s.inTime(s.image))
	mux.HandleFunc("GET /findings", s.inTime(s.findings))
	mux.HandleFunc("GET /compare", s.inTime(s.compare))
	mux.HandleFunc("GET /advisories", s.inTime(s.advisories))
	mux.HandleFunc("GET /advisory/{id...}", s.inTime(s.advisory))
	mux.HandleFunc("GET /coverage", s.inTime(s.coverage))
	mux.HandleFunc("GET /sweep/{registry}/{slot}", s.inTime(s.sweep))
	mux.HandleFunc("GET /bases", s.inTime(s.bases))
	mux.HandleFunc("GET /reports", s.inTime(s.reports))
	mux.HandleFunc("GET /moved", s.inTime(s.moved))
	mux.HandleFunc("GET /search", s.inTime(s.search))
	mux.HandleFunc("GET /find", s.inTime(s.find))
	mux.HandleFunc("GET /assets/{name}", s.asset)
	mux.HandleFunc("/", s.missing)
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	b, ok := s.static[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	types := map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
	_, ext, _ := strings.Cut(r.PathValue("name"), ".")
	w.Header().Set("Content-Type", types[ext])
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.Query().Get("v") == s.stamp {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(b) // the client went away: nothing to do
}

// show renders a page whole before it sends the first byte, so that a fault becomes an error page and never half a page.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, name string, page any) {
	var out bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&out, "layout", page); err != nil {
		s.Log.Error("page could not be rendered", "page", name, "url", r.URL.Path, "error", err)
		http.Error(w, "This page could not be made; the log says why. The rest works: /", http.StatusInternalServerError)
		return
	}
	body := out.Bytes()
	if at := momentOf(r); at != "" && s.moment != nil {
		body = keepMoment(body, at)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// problem is the page for a URL that cannot be answered.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	page := struct {
		frame
		Text string
	}{s.frame(r, "", title), text}
	s.show(w, r, status, "problem", page)
}

func (s *Server) missing(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, http.StatusNotFound, "No such page", "There is nothing at "+r.URL.Path+". The search above finds images, advisories and packages.")
}

// link is a URL from a path and a query.
func link(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}
