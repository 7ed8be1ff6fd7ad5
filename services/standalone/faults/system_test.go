package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/standalone/faults/proxy"
	"github.com/plimsoll/plimsoll/services/standalone/internal/demo"
)

// shape is how many of each part a system has, and whose engines it uses.
type shape struct {
	workers, schedulers, reporters int
	// outside gives other engines than the usual ones, and what of the configuration names them; nil: the usual ones, each
	// behind the relays of a part.
	outside func(dir string) (engines, map[string]any, error)
}

// engines are the three back ends.
type engines struct{ nats, temporal, s3 *engineProcess }

// The registries of every system: faults strike corp, and edge must not notice.
const corp, edge = "corp", "edge"

// A system is a whole Plimsoll of separate processes, with a relay between any two of them.
type system struct {
	dir   string
	token string
	began time.Time

	engines
	named      map[string]any // of the configuration, what names engines from outside
	registries map[string]*imagetest.Registry
	direct     map[string]*proxy.Front // to the registries, past all faults and counters
	parts      []*part
	workers    []*part
	schedulers []*part
	reporters  []*part

	mu      sync.Mutex
	rng     *rand.Rand
	images  int               // made so far
	wanted  map[string]string // "registry/repository:tag" → digest
	layers  map[string]int64  // every layer pushed, by digest: its bytes
	crashes int               // layers that may have been read once more
	slack   int64             // bytes that a fault may cost besides
	night   []stored          // left to sweeps
	closed  bool

	passwordFile string // of corp; empty: it asks for none
}

// A part is a worker, a scheduler or a reporter, with links and fronts of its own to all that it talks to.
type part struct {
	kind, name     string
	dir, tmp       string
	bucket         *proxy.Front
	nats, temporal *proxy.Link
	doors          map[string]*proxy.Front // to the registries
	rpc            *proxy.Link             // a worker's gRPC
	log            *tail
	program        string // another build than the one under test; empty: none
	env            []string
	settings       map[string]any // of its own section of the configuration, over the usual ones
	proc           *process
	url            string // its HTTP listener
}

// newSystem starts all of it. What fails ends the test t; what runs is ended with owner, which may be a test around it.
func newSystem(t, owner testing.TB, sh shape) *system {
	t.Helper()
	dir, err := os.MkdirTemp("", "plimsoll-fault-") // short: unix sockets of tests would not matter, logs do
	if err != nil {
		t.Fatal(err)
	}
	s := &system{dir: dir, began: time.Now(), rng: rand.New(rand.NewPCG(1, 1)), wanted: map[string]string{}, layers: map[string]int64{},
		registries: map[string]*imagetest.Registry{}, direct: map[string]*proxy.Front{},
		engines: engines{newNATS(dir), newTemporal(dir), newS3(dir)}}
	owner.Cleanup(func() { s.close(owner) })
	if sh.outside != nil {
		if s.engines, s.named, err = sh.outside(dir); err != nil {
			t.Fatal(err)
		}
	}
	var starting sync.WaitGroup
	errs := make([]error, 3)
	for i, e := range []*engineProcess{s.nats, s.temporal, s.s3} {
		starting.Go(func() { errs[i] = e.tryStart() })
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{corp, edge} {
		s.registries[id] = imagetest.NewRegistry(imagetest.RegistryOptions{})
		if s.direct[id], err = proxy.NewFront(s.registries[id]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	for i := range sh.workers {
		s.workers = append(s.workers, s.newPart(t, "worker", i))
	}
	for i := range sh.schedulers {
		s.schedulers = append(s.schedulers, s.newPart(t, "scheduler", i))
	}
	for i := range sh.reporters {
		s.reporters = append(s.reporters, s.newPart(t, "reporter", i))
	}
	// Workers first: a scheduler asks one how many slots it has, and takes a guess for good where none answers.
	for _, group := range [][]*part{s.workers, append(s.schedulers[:len(s.schedulers):len(s.schedulers)], s.reporters...)} {
		errs := make([]error, len(group))
		for i, p := range group {
			starting.Go(func() { errs[i] = s.tryStart(p) })
		}
		starting.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// prepare writes what the parts share: advisories and tokens.
func (s *system) prepare() error {
	if err := demo.WriteAdvisories(s.advisories()); err != nil {
		return err
	}
	token, line, err := access.New("test", access.Admin)
	if err != nil {
		return err
	}
	s.token = token
	return os.WriteFile(s.tokens(), []byte(line+"\n"), 0o600)
}

func (s *system) advisories() string { return filepath.Join(s.dir, "advisories") }
func (s *system) tokens() string     { return filepath.Join(s.dir, "tokens") }

func (s *system) newPart(t testing.TB, kind string, i int) *part {
	t.Helper()
	p := &part{kind: kind, name: fmt.Sprintf("%s-%d", kind, i), log: &tail{}, doors: map[string]*proxy.Front{}}
	p.dir = filepath.Join(s.dir, p.name)
	p.tmp = filepath.Join(p.dir, "tmp")
	if err := os.MkdirAll(p.tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	var errs []error
	front := func(next http.Handler) *proxy.Front {
		f, err := proxy.NewFront(next)
		errs = append(errs, err)
		return f
	}
	link := func(e *engineProcess) *proxy.Link {
		at := ""
		if e != nil {
			at = e.address()
		}
		l, err := proxy.NewLink(at)
		errs = append(errs, err)
		if e != nil && err == nil {
			e.moved = append(e.moved, l.Aim)
		}
		return l
	}
	p.bucket = front(proxy.Relay(s.s3.address))
	p.nats, p.temporal, p.rpc = link(s.nats), link(s.temporal), link(nil)
	for id, r := range s.registries {
		p.doors[id] = front(r)
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s.parts = append(s.parts, p)
	return p
}

// config is the part's configuration file: everything by its own relays.
func (s *system) config(p *part) map[string]any {
	const any0 = "127.0.0.1:0"
	var registries []plimsoll.Registry
	for _, id := range []string{corp, edge} {
		r := plimsoll.Registry{ID: id, URL: "http://" + p.doors[id].Address(), Sweep: plimsoll.Schedule{Cron: "off"}}
		if p.kind == "reporter" { // it talks to no registry; its references are those that a scan gives
			r.URL = "http://" + s.direct[id].Address()
		}
		if id == corp && s.passwordFile != "" {
			r.Username, r.PasswordFile = "robot", s.passwordFile
		}
		registries = append(registries, r)
	}
	var workers []string
	for _, w := range s.workers {
		workers = append(workers, w.rpc.Address())
	}
	c := map[string]any{
		"log_level":   "info",
		"tokens_file": s.tokens(),
		"bucket":      map[string]any{"endpoint": p.bucket.Address(), "access_key": "plimsoll"},
		"nats":        map[string]any{"url": "nats://" + p.nats.Address()},
		"temporal":    map[string]any{"address": p.temporal.Address()},
		"registries":  registries,
		"worker":      map[string]any{"listen": any0, "admin": any0, "slots": 3},
		"scheduler":   map[string]any{"listen": any0, "workers": workers},
		"reporter":    map[string]any{"listen": any0, "advisories": s.advisories(), "report_cron": "off", "poll": "1m"},
	}
	for name, v := range s.named {
		c[name] = v
	}
	section := c[p.kind].(map[string]any)
	for name, v := range p.settings {
		section[name] = v
	}
	return c
}

var (
	workerReady = regexp.MustCompile(`worker ready: gRPC (\S+), health (http://\S+)`)
	httpReady   = regexp.MustCompile(`ready at (http://\S+)`)
)

func (s *system) start(t testing.TB, p *part) {
	t.Helper()
	if err := s.tryStart(p); err != nil {
		t.Fatal(err)
	}
}

func (s *system) tryStart(p *part) error {
	raw, err := json.Marshal(s.config(p)) // JSON is YAML
	if err != nil {
		return err
	}
	file := filepath.Join(p.dir, "config.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return err
	}
	program := programs.plimsoll
	if p.program != "" {
		program = p.program
	}
	cmd := exec.Command(program, p.kind, "--config", file)
	cmd.Dir = p.dir
	cmd.Env = append(append(os.Environ(), "TMPDIR="+p.tmp, "PLIMSOLL_BUCKET_SECRET_KEY="+s3Secret,
		"PLIMSOLL_NATS_USER="+natsUser, "PLIMSOLL_NATS_PASSWORD="+natsSecret), p.env...)
	p.proc, err = launch(p.name, p.log, cmd, func(line string) bool {
		if m := workerReady.FindStringSubmatch(line); m != nil {
			p.rpc.Aim(m[1])
			p.url = m[2]
			return true
		}
		if m := httpReady.FindStringSubmatch(line); m != nil {
			p.url = m[1]
			return true
		}
		return false
	})
	return err
}

// kill ends a part as a power cut does.
func (s *system) kill(t testing.TB, p *part) {
	t.Helper()
	p.proc.kill()
	p.rpc.Aim("")
	if !p.proc.killed() {
		t.Fatalf("%s was not killed, it had ended: %v\n%s", p.name, p.proc.err, p.log)
	}
}

// crashed allows for n layers that may be read once more, because who read them was lost.
func (s *system) crashed(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashes += n
}

// allow allows for bytes that a fault costs besides: bytes that were sent and are worth nothing.
func (s *system) allow(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slack += bytes
}

// bend puts a fault into the way of some parts to a registry or the bucket; nil takes it away.
func bendDoors(parts []*part, registry string, f proxy.Fault) {
	for _, p := range parts {
		p.doors[registry].Bend(f)
	}
}

func bendBuckets(parts []*part, f proxy.Fault) {
	for _, p := range parts {
		p.bucket.Bend(f)
	}
}

// heal takes away all faults of relays; processes are as the fault left them.
func (s *system) heal() {
	for _, p := range s.parts {
		p.bucket.Bend(nil)
		for _, d := range p.doors {
			d.Bend(nil)
		}
		for _, l := range []*proxy.Link{p.nats, p.temporal, p.rpc} {
			l.Heal()
		}
	}
}

// close ends everything; it may be called again.
func (s *system) close(t testing.TB) {
	if s.closed {
		return
	}
	s.closed = true
	for _, p := range s.parts {
		if p.proc != nil {
			p.proc.thaw()
			p.proc.kill()
		}
	}
	for _, e := range []*engineProcess{s.nats, s.temporal, s.s3} {
		if e.proc != nil {
			e.proc.thaw()
			e.proc.kill()
		}
	}
	for _, p := range s.parts {
		p.bucket.Close()
		for _, l := range []*proxy.Link{p.nats, p.temporal, p.rpc} {
			l.Close()
		}
		for _, d := range p.doors {
			d.Close()
		}
	}
	for id, r := range s.registries {
		s.direct[id].Close()
		r.Close()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Errorf("remove what the system left: %v", err)
	}
}

// logs are the ends of all logs, for a failure.
func (s *system) logs(lines int) string {
	var b strings.Builder
	cut := func(name string, l *tail) {
		all := strings.Split(strings.TrimSpace(l.String()), "\n")
		fmt.Fprintf(&b, "==== %s\n%s\n", name, strings.Join(all[max(0, len(all)-lines):], "\n"))
	}
	for _, e := range []*engineProcess{s.nats, s.temporal, s.s3} {
		cut(e.name, e.log)
	}
	for _, p := range s.parts {
		cut(p.name, p.log)
	}
	return b.String()
}
