package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/demo"
)

// binary is the product, built once for all tests, with the race detector where the tests have it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "plimsoll-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "plimsoll")
	// Without symbols, as the Makefile builds it: the demo makes an image of the program, and one with the race detector is large.
	args := []string{"build", "-ldflags", "-s -w", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
		patience = 8 * time.Minute // the demo's own program alone, of some hundred MB, takes two or three
	}
	for _, args := range [][]string{
		append(args, "../cmd/plimsoll"),
		{"build", "-o", filepath.Join(dir, "plimsoll-analyse"), "github.com/plimsoll/plimsoll/services/worker/cmd/plimsoll-analyse"},
	} {
		build := exec.Command("go", args...)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the product:", err)
			return 1
		}
	}
	return m.Run()
}

// patience bounds every wait: far above what anything takes, so that a slow machine fails nothing and a hang still ends.
var patience = 3 * time.Minute

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(cancel)
	return ctx
}

// server is one running `plimsoll up`.
type server struct {
	t     *testing.T
	cmd   *exec.Cmd
	url   string
	data  string
	token string
	log   *buffer
	ended chan error
}

var readyLine = regexp.MustCompile(`ready at (http://\S+)`)

// setup is what a server is started with.
type setup struct {
	data       string // kept over restarts
	listen     string
	registries []plimsoll.Registry
	advisories string
	nats       string   // empty: the embedded one
	env        []string // besides ours
}

// up starts the product and waits until it is ready.
func up(t *testing.T, s setup) *server {
	t.Helper()
	srv := start(t, s)
	select {
	case u := <-srv.ready(t):
		srv.url = u
	case err := <-srv.ended:
		t.Fatalf("plimsoll up ended: %v\n%s", err, srv.log)
	case <-time.After(patience):
		t.Fatalf("plimsoll up did not become ready\n%s", srv.log)
	}
	token, err := os.ReadFile(filepath.Join(srv.data, "admin.token"))
	if err != nil {
		t.Fatalf("the token that up makes: %v", err)
	}
	srv.token = strings.TrimSpace(string(token))
	return srv
}

func start(t *testing.T, s setup) *server {
	t.Helper()
	if s.data == "" {
		s.data = t.TempDir()
	}
	if s.listen == "" {
		s.listen = "127.0.0.1:0"
	}
	config := map[string]any{
		"listen": s.listen, "data": s.data, "registries": s.registries,
		"reporter": map[string]any{"advisories": s.advisories, "report_cron": "off"},
	}
	if s.nats != "" {
		config["nats"] = map[string]any{"url": s.nats}
	}
	raw, err := json.Marshal(config) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	srv := &server{t: t, data: s.data, log: &buffer{}, ended: make(chan error, 1)}
	srv.cmd = exec.Command(binary, "up", "--config", file)
	srv.cmd.Env = append(os.Environ(), s.env...)
	srv.cmd.Stderr = srv.log
	return srv
}

// ready starts the process and gives its address.
func (s *server) ready(t *testing.T) <-chan string {
	t.Helper()
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(s.log, lines.Text())
			if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		s.ended <- s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("log of plimsoll up:\n%s", s.log)
		}
		if strings.Contains(s.log.String(), "DATA RACE") {
			t.Errorf("data race in plimsoll up:\n%s", s.log)
		}
	})
	return address
}

// stop ends the process as a user does.
func (s *server) stop() {
	if s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		<-s.ended
	}
}

// kill ends it as a power cut does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// buffer is a log that is written and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// scanned is one image of the scan document.
type scanned struct {
	Reference  string                        `json:"reference"`
	Digest     plimsoll.Digest               `json:"digest"`
	Platform   string                        `json:"platform"`
	Verdict    plimsoll.VerdictState         `json:"verdict"`
	Violations []plimsoll.Violation          `json:"violations"`
	Read       map[string]plimsoll.Coverage  `json:"read"`
	Known      map[string]plimsoll.Knowledge `json:"known"`
	Packages   []plimsoll.Package            `json:"packages"`
	Findings   []plimsoll.Finding            `json:"findings"`
}

func (im scanned) has(id string) bool {
	for _, f := range im.Findings {
		if f.ID == id {
			return true
		}
	}
	return false
}

func (im scanned) complete() bool {
	return im.Read[plimsoll.AnalyzerPackages].State == plimsoll.ReadComplete
}

// images asks for the scan document of one registry.
func (s *server) images(ctx context.Context, registry string) ([]scanned, error) {
	var doc struct {
		Images []scanned `json:"images"`
	}
	err := s.call(ctx, http.MethodGet, "/api/v1/scan?"+url.Values{"registry": {registry}}.Encode(), nil, &doc)
	return doc.Images, err
}

func (s *server) call(ctx context.Context, method, path string, body, v any) error {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, payload)
	if err != nil {
		return err
	}
	if method != http.MethodGet {
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// eventually asks until f is content; what it last said is the failure.
func eventually(ctx context.Context, t *testing.T, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-ticker.C:
		}
	}
}

// image waits until the image of a reference's end ("shop/web:1.0") is read completely with this digest ("" for any).
func (s *server) image(ctx context.Context, registry, name string, accept func(scanned) error) scanned {
	s.t.Helper()
	var found scanned
	eventually(ctx, s.t, name, func() error {
		all, err := s.images(ctx, registry)
		if err != nil {
			return err
		}
		for _, im := range all {
			if strings.HasSuffix(im.Reference, "/"+name) {
				if err := accept(im); err != nil {
					found = im
					return err
				}
				found = im
				return nil
			}
		}
		return fmt.Errorf("not among %d images", len(all))
	})
	return found
}

func isComplete(im scanned) error {
	if !im.complete() {
		return fmt.Errorf("read: %v", im.Read)
	}
	return nil
}

// sweep starts a sweep of the registry and waits for its end.
func (s *server) sweep(ctx context.Context, registry string) plimsoll.Sweep {
	s.t.Helper()
	before, err := s.lastSweep(ctx, registry)
	if err != nil {
		s.t.Fatal(err)
	}
	// A sweep's slot is its start to the second: the next one begins in another.
	eventually(ctx, s.t, "another second", func() error {
		if !time.Now().Truncate(time.Second).After(before.Ended) {
			return fmt.Errorf("still the second in which the last sweep ended")
		}
		return nil
	})
	if err := s.call(ctx, http.MethodPost, "/api/v1/sweeps", map[string]string{"registry": registry}, nil); err != nil {
		s.t.Fatal(err)
	}
	var last plimsoll.Sweep
	eventually(ctx, s.t, "sweep of "+registry, func() error {
		last, err = s.lastSweep(ctx, registry)
		if err != nil {
			return err
		}
		if last.Ended.IsZero() || last.Ended.Equal(before.Ended) {
			return fmt.Errorf("sweep %q is %s: %+v", last.Slot, last.State, last.Counts)
		}
		return nil
	})
	return last
}

func (s *server) lastSweep(ctx context.Context, registry string) (plimsoll.Sweep, error) {
	var answer struct {
		Items []struct {
			ID    string          `json:"id"`
			Sweep *plimsoll.Sweep `json:"sweep"`
		} `json:"items"`
	}
	if err := s.call(ctx, http.MethodGet, "/api/v1/sweeps", nil, &answer); err != nil {
		return plimsoll.Sweep{}, err
	}
	for _, r := range answer.Items {
		if r.ID == registry && r.Sweep != nil {
			return *r.Sweep, nil
		}
	}
	return plimsoll.Sweep{}, nil
}

// sampleAdvisories writes the demo's facts as a folder.
func sampleAdvisories(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := demo.WriteAdvisories(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nobody is an address that refuses connections. A port that was free a moment ago would not do: another process may get it.
const nobody = "127.0.0.1:1"

// freeAddress is a loopback address that nobody listens on now. Its port is below those that the kernel gives to outgoing
// connections and to listeners on port 0, and below the engines' own, so that it is still free when the product binds it.
func freeAddress(t *testing.T) string {
	t.Helper()
	const tries, first, ports = 100, 10_000, 10_000
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(ports))
		if l, err := net.Listen("tcp", address); err == nil {
			defer l.Close() // to the end, so that the next call does not find it
			return address
		}
	}
	t.Fatalf("no free port among %d tries", tries)
	return ""
}

// plimsollCommand runs the command line to its end.
func plimsollCommand(ctx context.Context, t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var e *exec.ExitError
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("plimsoll %s: %v", strings.Join(args, " "), err)
	}
	if strings.Contains(errOut.String(), "DATA RACE") {
		t.Errorf("data race in plimsoll %s:\n%s", strings.Join(args, " "), errOut.String())
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}
