package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// The user's own Docker and Podman configuration must not leak into tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"HOME", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		_ = os.Setenv(name, dir)
	}
	_ = os.Unsetenv("REGISTRY_AUTH_FILE")
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// quick are limits in which nothing waits for long.
func quick() limits {
	lim := defaultLimits
	lim.dial, lim.handshake, lim.header, lim.documentTime = 2*time.Second, 2*time.Second, 2*time.Second, 2*time.Second
	lim.idle, lim.rateWindow = 2*time.Second, 2*time.Second
	lim.backoff, lim.backoffMax = time.Millisecond, 4*time.Millisecond
	lim.throttle, lim.throttleMax = time.Millisecond, 4*time.Millisecond
	return lim
}

// patient is quick with the times of the product: many megabytes take more than a moment where the machine has other work.
func patient() limits {
	lim := quick()
	lim.header, lim.documentTime = defaultLimits.header, defaultLimits.documentTime
	lim.idle, lim.rateWindow = defaultLimits.idle, defaultLimits.rateWindow
	return lim
}

// fixture is a registry with an image in it and a client for it.
type fixture struct {
	*imagetest.Registry
	conf  plimsoll.Registry
	image v1.Image
	layer imagetest.Blob
}

const repository, tag = "team/app", "1"

// nobody refuses connections. A port that was free a moment ago would not do: another test may be given it.
const nobody = "http://127.0.0.1:1"

func newFixture(t *testing.T) *fixture {
	t.Helper()
	r := imagetest.NewRegistry(imagetest.RegistryOptions{})
	t.Cleanup(r.Close)
	if err := r.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f := &fixture{Registry: r, conf: plimsoll.Registry{ID: "test", URL: r.URL()}, layer: randomLayer()}
	f.image = imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{f.layer}}))
	f.push(t, repository, tag)
	r.ResetStats()
	return f
}

func (f *fixture) push(t *testing.T, repository, tag string) {
	t.Helper()
	if err := imagetest.Push(t.Context(), f.Host(), repository, tag, f.image); err != nil {
		t.Fatal(err)
	}
}

const layerSize = 256 << 10

// randomLayer has bytes that differ everywhere, so that a shift by one byte shows.
var randomLayer = sync.OnceValue(func() imagetest.Blob {
	b := make([]byte, layerSize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return imagetest.Stored(b, "application/vnd.oci.image.layer.v1.tar")
})

func (f *fixture) digest() plimsoll.Digest { return plimsoll.Digest(f.layer.Digest().String()) }

func (f *fixture) manifestDigest() plimsoll.Digest {
	return plimsoll.Digest(imagetest.Must(f.image.Digest()).String())
}

func (f *fixture) client(t *testing.T, lim limits, change ...func(*plimsoll.Registry)) *Client {
	t.Helper()
	conf := f.conf
	for _, c := range change {
		c(&conf)
	}
	c, err := newClient(conf, Options{}, lim)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// clientFor is a client of any server.
func clientFor(t *testing.T, u string, lim limits) *Client {
	t.Helper()
	return (&fixture{conf: plimsoll.Registry{ID: "test", URL: u}}).client(t, lim)
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// wantError checks kind and wording of an error.
func wantError(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want one that is %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %q", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		conf plimsoll.Registry
		word string
	}{
		{"no scheme", plimsoll.Registry{URL: "registry.example"}, "http://"},
		{"other scheme", plimsoll.Registry{URL: "ftp://registry.example"}, "http://"},
		{"credentials", plimsoll.Registry{URL: "https://user:hunter2@registry.example"}, "password_file"},
		{"path", plimsoll.Registry{URL: "https://registry.example/v2/team"}, "repositories"},
		{"no host", plimsoll.Registry{URL: "https://"}, "no host"},
		{"network", plimsoll.Registry{URL: "https://registry.example", AllowNetworks: []string{"ten"}}, "allow_networks"},
		{"ca_file", plimsoll.Registry{URL: "https://registry.example", CAFile: "/nowhere"}, "ca_file"},
		{"half a pair", plimsoll.Registry{URL: "https://registry.example", CertFile: "x"}, "cert_file"},
		{"proxy", plimsoll.Registry{URL: "https://registry.example", Proxy: "::"}, "proxy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(c.conf, Options{})
			if err == nil || !strings.Contains(err.Error(), c.word) {
				t.Errorf("error %v, want one with %q", err, c.word)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestHubHost(t *testing.T) {
	t.Parallel()
	c := clientFor(t, "https://docker.io", quick())
	if got := c.base.String(); got != "https://registry-1.docker.io" {
		t.Errorf("docker.io is %s", got)
	}
}

// TestSweepRequests counts what a sweep is judged on: a request a tag and the listings, nothing else.
func TestSweepRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const tags = 40
	for i := range tags {
		f.push(t, "many", fmt.Sprintf("t%02d", i))
	}
	f.ResetStats()
	c := f.client(t, quick())
	var wait sync.WaitGroup
	next := ""
	for {
		page, after, err := c.Tags(t.Context(), "many", next, 15)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range page {
			wait.Go(func() {
				if _, err := c.Head(t.Context(), "many", tag); err != nil {
					t.Error(err)
				}
			})
		}
		if next = after; next == "" {
			break
		}
	}
	wait.Wait()
	s := f.Stats()
	if s.Requests["HEAD manifest"] != tags || s.Requests["GET tags"] != 3 || s.Total() != tags+3 {
		t.Errorf("requests %v, want %d HEADs and 3 listings", s.Requests, tags)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var mu sync.Mutex
	var now, most int
	f.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			next.ServeHTTP(w, req)
			mu.Lock()
			now--
			mu.Unlock()
		})
	})
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.Concurrency = 3 })
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			if _, err := c.Head(t.Context(), repository, tag); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if most > 3 {
		t.Errorf("%d requests at once, want at most 3", most)
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.RequestsPerSecond = 20 })
	start := time.Now()
	for range 26 { // 20 at once, then one every 50 ms
		if _, err := c.Head(t.Context(), repository, tag); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 250*time.Millisecond {
		t.Errorf("26 requests took %s at 20 a second", took)
	}
}

// lookups answers for names that no name server knows.
func lookups(c *Client, names map[string]string) {
	c.guard.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		if a, ok := names[host]; ok {
			return []netip.Addr{netip.MustParseAddr(a)}, nil
		}
		return nil, fmt.Errorf("no such host: %s", host)
	}
}

func rewrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
