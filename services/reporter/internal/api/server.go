package api

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// Sweeps starts, ends and watches sweeps. Errors wrap ErrUnavailable when the orchestrator cannot be reached, and
// ErrNotFound when no sweep runs.
type Sweeps interface {
	Start(ctx context.Context, registry, actor string) (joined bool, err error)
	Cancel(ctx context.Context, registry, actor string) error
	Progress(ctx context.Context, registry string) (plimsoll.Sweep, error)
	// Plan starts to find out what a sweep would do, or joins who does; Planned is the last plan, or running while one is made.
	Plan(ctx context.Context, registry, actor string) (joined bool, err error)
	Planned(ctx context.Context, registry string) (plan plimsoll.SweepPlan, running bool, err error)
	// Retry queues again what a cause keeps from being covered. It waits a moment for the count; done tells whether there is one.
	Retry(ctx context.Context, registry, cause, actor string) (got plimsoll.Retry, done bool, err error)
}

// Feed reads the advisory feeds again, and takes our own records; the generation's id is the one in force afterwards.
type Feed interface {
	// Update takes with accept feeds too that were stopped because they lost records or went back in time.
	Update(ctx context.Context, actor string, accept bool) (generation string, changed bool, err error)
	// Add keeps a file of our own records and puts them in force. An error wraps [plimsoll.ErrInvalid] when the file is wrong.
	Add(ctx context.Context, actor string, file []byte) (ids []string, generation string, err error)
}

// Config is what the API needs.
type Config struct {
	View func() *posture.View // nil before the first fold
	// Replay is the posture at a past moment; without it calls answer as of now alone.
	Replay func(context.Context, time.Time) (*posture.Moment, error)
	// Moved says why the posture moved between two moments.
	Moved func(ctx context.Context, from, to time.Time, registry string) (*history.Moved, error)
	// Timeline says how the tag of a row stood until a moment.
	Timeline   func(ctx context.Context, r *posture.Row, until time.Time) (*history.Timeline, error)
	Reports    *report.Writer
	Sweeps     Sweeps
	Around     func() list.Around // what is known of the engines around
	Feed       Feed
	Uses       InUse
	Registries []plimsoll.Registry
	StaleAfter time.Duration
	Version    string
	Parts      func() map[string]string // how the parts around stand: "ok" or what is wrong
	Now        func() time.Time
	Log        *slog.Logger
}

// Server answers /api/v1.
type Server struct {
	Config
	gates *prometheus.CounterVec
}

// New is a server.
func New(c Config) *Server {
	return &Server{c, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plimsoll_gate_answers_total", Help: "Answers of the gate: 0, 1 and 2 as its exit says, unknown for an image that is not stored, away while nothing can be told.",
	}, []string{"answer"})}
}

// Collectors are the API's metrics, to be registered by the caller.
func (s *Server) Collectors() []prometheus.Collector { return []prometheus.Collector{s.gates} }

//go:embed openapi.yaml
var openAPI []byte

// route is one call: changing ones need the role operator, the others viewer where the listener is exposed.
type route struct {
	pattern string
	role    access.Role
	handler http.HandlerFunc
}

func (s *Server) routes() []route {
	return []route{
		{"GET /api/v1/images", access.Viewer, s.images},
		{"GET /api/v1/images/{digest}", access.Viewer, s.image},
		{"GET /api/v1/images/{digest}/packages", access.Viewer, s.packages},
		{"GET /api/v1/images/{digest}/secrets", access.Viewer, s.secrets},
		{"GET /api/v1/images/{digest}/files", access.Viewer, s.files},
		{"GET /api/v1/images/{digest}/hidden", access.Viewer, s.removed},
		{"GET /api/v1/images/{digest}/explain/{id...}", access.Viewer, s.explain},
		{"GET /api/v1/find", access.Viewer, s.holders},
		{"GET /api/v1/images/{digest}/lineage", access.Viewer, s.lineage},
		{"GET /api/v1/compare", access.Viewer, s.compare},
		{"GET /api/v1/compare/findings", access.Viewer, s.comparedFindings},
		{"GET /api/v1/compare/packages", access.Viewer, s.comparedPackages},
		{"GET /api/v1/history", access.Viewer, s.history},
		{"GET /api/v1/bases", access.Viewer, s.bases},
		{"GET /api/v1/actions", access.Viewer, s.actions},
		{"GET /api/v1/repositories", access.Viewer, s.repositories},
		{"GET /api/v1/findings", access.Viewer, s.findings},
		{"GET /api/v1/findings/unique", access.Viewer, s.uniques},
		{"GET /api/v1/advisories", access.Viewer, s.advisories},
		{"GET /api/v1/advisories/{id...}", access.Viewer, s.advisory},
		{"POST /api/v1/advisories/update", access.Operator, s.update},
		{"POST /api/v1/advisories/own", access.Operator, s.addOwn},
		{"POST /api/v1/in-use", access.Operator, s.inUse},
		{"GET /api/v1/coverage", access.Viewer, s.coverage},
		{"GET /api/v1/coverage/gaps", access.Viewer, s.gaps},
		{"GET /api/v1/coverage/feeds", access.Viewer, s.feeds},
		{"GET /api/v1/posture", access.Viewer, s.posture},
		{"GET /api/v1/moved", access.Viewer, s.moved},
		{"GET /api/v1/moved/changes", access.Viewer, s.moves},
		{"GET /api/v1/status", access.Viewer, s.status},
		{"GET /api/v1/changes", access.Viewer, s.changes},
		{"GET /api/v1/search", access.Viewer, s.search},
		{"GET /api/v1/sweeps", access.Viewer, s.sweeps},
		{"POST /api/v1/sweeps", access.Operator, s.startSweep},
		{"POST /api/v1/sweeps/cancel", access.Operator, s.cancelSweep},
		{"POST /api/v1/sweeps/retry", access.Operator, s.retrySweep},
		{"POST /api/v1/sweeps/plan", access.Operator, s.planSweep},
		{"GET /api/v1/dead-letters", access.Viewer, s.deadLetters},
		{"GET /api/v1/sweeps/plan", access.Viewer, s.plannedSweep},
		{"GET /api/v1/reports", access.Viewer, s.reports},
		{"POST /api/v1/reports", access.Operator, s.makeReport},
		{"GET /api/v1/reports/draft", access.Viewer, s.draft},
		{"GET /api/v1/reports/{period}/{file}", access.Viewer, s.reportFile},
		{"GET /api/v1/scan", access.Viewer, s.scan},
		{"GET /api/v1/gate", access.Viewer, s.gate},
		{"GET /api/v1/openapi.yaml", access.Viewer, s.document},
	}
}

// Register adds the API to mux, each call behind guard.
func (s *Server) Register(mux *http.ServeMux, guard func(access.Role, http.Handler) http.Handler) {
	for i, r := range s.routes() {
		mux.Handle(r.pattern, guard(r.role, conditionally(s.inTime(i, r))))
	}
	mux.Handle("/api/", guard(access.Viewer, http.HandlerFunc(s.missing)))
}

func (s *Server) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPI) // an error here is the caller's connection
}

// host is how people write a registry; the id itself where it is not configured.
func (s *Server) host(id string) string {
	for _, r := range s.Registries {
		if r.ID == id {
			return r.Host()
		}
	}
	return id
}

// registryID is the id of a registry by id or host; empty when none is configured so.
func (s *Server) registryID(name string) string {
	for _, r := range s.Registries {
		if r.ID == name || r.Host() == name {
			return r.ID
		}
	}
	return ""
}
