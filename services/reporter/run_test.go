package reporter

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

func TestMain(m *testing.M) { os.Exit(posturetest.Main(m)) }

// settings are a reporter over a new bucket, with no engine behind it: both addresses refuse.
func settings(t *testing.T) Config {
	t.Helper()
	bucket, err := posturetest.Bucket()
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Bucket = bucket
	c.Listen = "127.0.0.1:0"
	c.NATS.URL = "nats://" + refusing(t)
	c.Temporal.Address = refusing(t)
	c.Registries = []plimsoll.Registry{{ID: "harbor", URL: "https://harbor.corp.example"}}
	c.Log = slog.New(slog.DiscardHandler)
	return c
}

// refusing is an address where nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a reporter until the test ends and gives its URL.
func start(t *testing.T, c Config) string {
	t.Helper()
	ready, ended := make(chan string, 1), make(chan error, 1)
	c.Ready = func(a Addresses) { ready <- a.HTTP }
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- Run(ctx, c) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case addr := <-ready:
		return "http://" + addr
	case err := <-ended:
		ended <- nil
		t.Fatalf("Run ended: %v", err)
	}
	return ""
}

func get(t *testing.T, target string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// await polls until what holds, at most for limit.
func await(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %s: not %s", limit, what)
		}
	}
}

// TestServesWithoutEngines starts while NATS and Temporal refuse: pages and API answer, readiness says what is missing.
func TestServesWithoutEngines(t *testing.T) {
	t.Parallel()
	c := settings(t)
	site := start(t, c)
	for _, path := range []string{"/", "/images", "/coverage", "/reports", "/api/v1/status", "/api/v1/posture", "/healthz", "/metrics"} {
		if status, text := get(t, site+path); status != http.StatusOK {
			t.Errorf("%s: %d %.200s", path, status, text)
		}
	}
	await(t, 30*time.Second, "said what is missing", func() bool {
		status, text := get(t, site+"/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(text, partNATS) && strings.Contains(text, partTemporal+": ") &&
			!strings.Contains(text, partFeed) && !strings.Contains(text, partPosture)
	})
	_, text := get(t, site+"/api/v1/sweeps")
	var answer struct {
		Items []struct{ ID, Fault string }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Items) != 1 || answer.Items[0].Fault == "" {
		t.Errorf("sweeps while Temporal is away: %s", text)
	}
}

// natsServer starts a real NATS server with a store of its own; port -1 is any.
func natsServer(t *testing.T, port int) *server.Server {
	t.Helper()
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS does not start")
	}
	return ns
}

// fails writes a tag whose image could not be read, as the scheduler does, and gives no hint.
func fails(t *testing.T, store *blob.Store, tag string) {
	t.Helper()
	now := time.Now()
	ref := plimsoll.Ref{Tag: tag, Digest: plimsoll.DigestOf([]byte("x")), Read: plimsoll.Failed("blob answers 404"), Observed: now.UnixNano(), First: now, Moved: now}
	_, err := store.MergeRefs(t.Context(), "harbor", "shop/orders", func(tags map[string]plimsoll.Ref) []string {
		tags[tag] = ref
		return []string{tag}
	})
	if err != nil {
		t.Fatal(err)
	}
	change := plimsoll.Change{Kind: plimsoll.ChangeCoverage, Repository: "shop/orders", Tag: tag, Digest: ref.Digest, Ref: &ref}
	if _, err := store.Append(t.Context(), "harbor", "push", now, []plimsoll.Change{change}); err != nil {
		t.Fatal(err)
	}
}

// TestHintBringsNews writes into the bucket as the scheduler does, gives the hint, and waits for the row. Then NATS is lost
// with all that it stored (fault F5), and what happened meanwhile is shown when it is back, without any hint.
func TestHintBringsNews(t *testing.T) {
	t.Parallel()
	ns := natsServer(t, server.RANDOM_PORT)
	c := settings(t)
	c.NATS.URL = ns.ClientURL()
	c.AdvisorySet = fstest.MapFS{}
	site := start(t, c)
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	await(t, 10*time.Second, "subscribed", func() bool { return ns.NumSubscriptions() > 0 })
	store, err := blob.Open(t.Context(), c.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	const limit = tailEvery / 2 // sooner than the clock would bring it
	shown := func(tag string) func() bool {
		return func() bool {
			_, text := get(t, site+"/api/v1/gate?image=harbor/shop/orders:"+tag)
			return strings.Contains(text, "blob answers 404")
		}
	}
	fails(t, store, "1")
	if err := nc.Publish(scanv1.ChangesSubject("harbor"), nil); err != nil {
		t.Fatal(err)
	}
	await(t, limit, "shown", shown("1"))

	port := ns.Addr().(*net.TCPAddr).Port
	ns.Shutdown()
	ns.WaitForShutdown()
	fails(t, store, "2")
	if status, _ := get(t, site+"/images"); status != http.StatusOK {
		t.Errorf("while NATS is away: %d", status)
	}
	natsServer(t, port) // the same address, and an empty store
	await(t, limit, "shown after NATS was wiped", shown("2"))
}

func TestExposedNeedsTokens(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.Exposed = true
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("exposed without tokens: %v", err)
	}
	secret, line, err := access.New("vic", access.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	c.TokensFile = filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(c.TokensFile, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	site := start(t, c)
	for path, want := range map[string]int{"/": 401, "/images": 401, "/api/v1/status": 401, "/metrics": 401, "/assets/plimsoll.css": 401, "/healthz": 200} {
		if status, _ := get(t, site+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if status, _ := get(t, strings.Replace(site, "http://", "http://any:"+secret+"@", 1)+path); status != 200 {
			t.Errorf("%s with the token: %d", path, status)
		}
	}
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Config){
		"reporter.policy":      func(c *Config) { c.Policy = filepath.Join(t.TempDir(), "none.yaml") },
		"reporter.report_zone": func(c *Config) { c.ReportZone = "Atlantis" },
		"listen on":            func(c *Config) { c.Listen = "0.0.0.0:0" },
		"temporal.ca_file":     func(c *Config) { c.Temporal.CAFile = filepath.Join(t.TempDir(), "none.pem") },
		"nats.ca_file":         func(c *Config) { c.NATS.CAFile = filepath.Join(t.TempDir(), "none.pem") },
	} {
		c := settings(t)
		spoil(&c)
		if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportSchedule(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	c.ReportZone = "Europe/Berlin"
	s := reportSchedule(c)
	if s.Spec.CronExpressions[0] != "0 6 * * 1" || s.Spec.TimeZoneName != "Europe/Berlin" || s.ID != reportScheduleID || s.CatchupWindow != catchUp {
		t.Errorf("%+v", s)
	}
}
