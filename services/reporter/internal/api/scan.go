package api

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/exchange"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// maxExchange is how many images a form that cannot be streamed may hold: each has some hundred packages, all in memory.
const maxExchange = 500

// form is one of the forms that scan writes.
type form struct {
	kind  string
	write func(io.Writer, exchange.Document) error
	whole bool // stands in memory as a whole
}

var forms = map[string]form{
	"json":      {"application/json", exchange.WriteScan, false},
	"sarif":     {"application/sarif+json", exchange.WriteSARIF, true},
	"cyclonedx": {"application/vnd.cyclonedx+json; version=1.6", exchange.WriteCycloneDX, true},
	"spdx":      {"application/spdx+json; version=2.3", exchange.WriteSPDX, true},
}

// scan writes the scan document of a registry, a repository or a tag.
func (s *Server) scan(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	name := q.Get("format")
	if name == "" {
		name = "json"
	}
	how, ok := forms[name]
	if !ok {
		s.fail(w, r, fmt.Errorf("format %.20q: %w: want json, sarif, cyclonedx or spdx", name, plimsoll.ErrUnsupported))
		return
	}
	v := s.view(w, r)
	if v == nil {
		return
	}
	rows, scope, err := s.scanned(v, q.Get("registry"), q.Get("repository"), q.Get("tag"))
	if err == nil && how.whole && len(rows) > maxExchange {
		err = fmt.Errorf("format %s: %w: %d images, more than %d; ask for one repository, or for format=json, which is streamed", name, plimsoll.ErrLimit, len(rows), maxExchange)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", how.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	out := bufio.NewWriterSize(streaming(w), 64<<10)
	err = how.write(out, exchange.Of(v, rows, scope, s.Version, s.host))
	if err == nil {
		err = out.Flush()
	}
	s.ended(r, err)
}

// scanned are the stored rows of a scope. A registry that is neither configured nor in the bucket is an error; one that
// holds nothing gives an empty document.
func (s *Server) scanned(v *posture.View, registry, repository, tag string) ([]*posture.Row, string, error) {
	id := registry
	if known := s.registryID(registry); known != "" {
		id = known
	}
	f := list.Filter{}.With("scope", list.ScopeStored).With("registry", id).With("repository", repository).With("tag", tag)
	rows := f.Rows(v)
	if len(rows) == 0 && registry != "" && s.registryID(registry) == "" {
		return nil, "", s.unknown(registry)
	}
	scope := "all registries"
	if registry != "" {
		scope = plimsoll.Reference{Registry: s.host(id), Repository: repository, Tag: tag}.String()
	}
	return rows, strings.TrimSuffix(scope, "/"), nil
}

// gateAnswer says whether an image may go on. Exit is the code that the command line ends with: 1 a rule failed, else 2
// coverage is short, else 0 (DESIGN: command line).
type gateAnswer struct {
	Image      string                `json:"image"`
	Verdict    plimsoll.VerdictState `json:"verdict"`
	Exit       int                   `json:"exit"`
	Why        string                `json:"why"`
	Coverage   plimsoll.Coverage     `json:"coverage"`
	Violations []plimsoll.Violation  `json:"violations"`
	Reasons    []string              `json:"reasons"`
	Generation string                `json:"generation"`
	Policy     policyAnswer          `json:"policy"`
	Images     []list.Image          `json:"images"` // each platform
}

func (s *Server) gate(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r)
	if v == nil {
		s.gates.WithLabelValues("away").Inc()
		return
	}
	name := r.URL.Query().Get("image")
	rows := s.find(v, name, r.URL.Query().Get("platform"))
	if len(rows) == 0 {
		s.gates.WithLabelValues("unknown").Inc()
		s.fail(w, r, fmt.Errorf("image %.300q: %w: not stored under that name, or not listed yet; it may not pass", name, plimsoll.ErrNotFound))
		return
	}
	worst := rows[0] // the view's order: worst verdict first
	p := v.Policy()
	out := gateAnswer{
		Image: name, Verdict: worst.Verdict.State, Coverage: worst.Coverage, Violations: some(worst.Verdict.Violations), Reasons: some(worst.Verdict.Reasons),
		Generation: v.Generation().ID, Policy: policyAnswer{p.Name, p.Version, p.Digest}, Images: []list.Image{},
	}
	for _, row := range rows {
		out.Images = append(out.Images, list.ImageOf(v, row))
		if row.Coverage.State.Rank() > out.Coverage.State.Rank() {
			out.Coverage = row.Coverage
		}
	}
	out.Exit, out.Why = exit(rows)
	s.gates.WithLabelValues(strconv.Itoa(out.Exit)).Inc()
	answer(w, http.StatusOK, out)
}

// find are the rows that a reference names: registry by id or host, tag or digest.
func (s *Server) find(v *posture.View, name, platform string) (out []*posture.Row) {
	host, rest, _ := strings.Cut(name, "/")
	id := s.registryID(host)
	for _, r := range v.Rows() {
		at := r.Reference
		same := string(r.Digest) == name || string(at.Digest) == name
		if !same && strings.Contains(name, at.Repository) { // names are only put together where they may be the one
			same = list.Name(r) == name || id != "" && at.Registry == id &&
				(rest == at.Repository+":"+at.Tag || rest == at.Repository+"@"+string(r.Digest) || rest == at.Repository+"@"+string(at.Digest))
		}
		if same && name != "" && (platform == "" || r.Platform.String() == platform) {
			out = append(out, r)
		}
	}
	return out
}

func exit(rows []*posture.Row) (int, string) {
	short := ""
	for _, r := range rows {
		if r.Verdict.State == plimsoll.VerdictFail {
			return 1, "policy failed"
		}
		if r.Coverage.Short() || r.Behind != "" {
			short = "coverage short"
		}
	}
	if short != "" {
		return 2, short
	}
	return 0, "no rule failed and coverage is complete"
}
