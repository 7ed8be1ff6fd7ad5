package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// outline is a check in short: "✓ resolve ✗ tls - auth - list - manifest - blob", and its steps by name.
func outline(ctx context.Context, c *Client) (string, map[string]Step) {
	var marks []string
	steps := map[string]Step{}
	for s := range c.Check(ctx, nil) {
		mark := "✗"
		if s.OK {
			mark = "✓"
		} else if s.Skipped {
			mark = "-"
		}
		marks = append(marks, mark+s.Name)
		steps[s.Name] = s
	}
	return strings.Join(marks, " "), steps
}

const allGood = "✓resolve ✓tls ✓auth ✓list ✓manifest ✓blob"

// wantStep checks the words of a step, in its detail or its fix, and that both are one line.
func wantStep(t *testing.T, s Step, words ...string) {
	t.Helper()
	text := s.Detail + " | " + s.Fix
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("step %s says %q, which lacks %q", s.Name, text, w)
		}
	}
	if strings.Contains(text, "\n") || strings.Contains(text, password) {
		t.Errorf("step %s: %q", s.Name, text)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.client(t, quick())
	got, steps := outline(t.Context(), c)
	if got != allGood {
		t.Fatalf("%s: %+v", got, steps)
	}
	wantStep(t, steps["resolve"], "127.0.0.1 (loopback)")
	wantStep(t, steps["tls"], "plain HTTP")
	wantStep(t, steps["auth"], "asks for none")
	wantStep(t, steps["list"], "catalog: 1 repositories", repository+" has 1 tags")
	wantStep(t, steps["manifest"], repository+":"+tag, f.manifestDigest().Short())
	wantStep(t, steps["blob"], fmt.Sprintf("byte 1 of %d", f.size()))
	for _, s := range steps {
		if s.Fix != "" {
			t.Errorf("step %s has nothing wrong and a fix: %s", s.Name, s.Fix)
		}
	}
	for range c.Check(t.Context(), nil) { // whoever stops listening stops the check
		break
	}
}

func TestCheckGivenRepositories(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	given := func(names ...string) *Client {
		return f.client(t, quick(), func(r *plimsoll.Registry) { r.Repositories = names })
	}
	got, steps := outline(t.Context(), given("gone", repository))
	if got != allGood {
		t.Fatalf("%s: %+v", got, steps)
	}
	wantStep(t, steps["list"], "2 repositories by configuration")
	got, steps = outline(t.Context(), given("gone"))
	if got != "✓resolve ✓tls ✓auth ✗list -manifest -blob" {
		t.Errorf("%s: %+v", got, steps)
	}
	wantStep(t, steps["list"], "check the names under repositories")
	wantStep(t, steps["manifest"], "needs list")
}

func TestCheckIndexAndEmpty(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	index := imagetest.Must(imagetest.Index(imagetest.Child{Image: f.image}))
	if err := imagetest.Push(t.Context(), f.Host(), "multi", "1", index); err != nil {
		t.Fatal(err)
	}
	got, steps := outline(t.Context(), f.client(t, quick(), func(r *plimsoll.Registry) { r.Repositories = []string{"multi"} }))
	if got != allGood {
		t.Errorf("%s: %+v", got, steps)
	}
	empty := imagetest.NewRegistry(imagetest.RegistryOptions{})
	t.Cleanup(empty.Close)
	s := httptest.NewServer(empty)
	defer s.Close()
	got, steps = outline(t.Context(), clientFor(t, s.URL, quick()))
	if got != "✓resolve ✓tls ✓auth ✓list -manifest -blob" {
		t.Errorf("%s: %+v", got, steps)
	}
	wantStep(t, steps["manifest"], "no image yet")
}

func TestCheckAuth(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := newAuth(t, authOptions{})
	f.Intercept(a.guard)
	got, steps := outline(t.Context(), f.client(t, quick(), a.credentials))
	if got != allGood {
		t.Fatalf("%s: %+v", got, steps)
	}
	wantStep(t, steps["auth"], "as "+user, "token", a.server.URL)
	wrong := write(t, "wrong")
	got, steps = outline(t.Context(), f.client(t, quick(), func(r *plimsoll.Registry) { r.Username, r.PasswordFile = user, wrong }))
	if got != "✓resolve ✓tls ✗auth -list -manifest -blob" {
		t.Errorf("%s: %+v", got, steps)
	}
	wantStep(t, steps["auth"], "401", wrong, user)
	_, steps = outline(t.Context(), f.client(t, quick()))
	wantStep(t, steps["auth"], "give username and password_file")
	_, steps = outline(t.Context(), f.client(t, quick(), func(r *plimsoll.Registry) { r.Username, r.PasswordFile = user, "/nowhere" }))
	wantStep(t, steps["auth"], "/nowhere")
}

func TestCheckCatalogAndRange(t *testing.T) {
	t.Parallel()
	r := imagetest.NewRegistry(imagetest.RegistryOptions{NoCatalog: true, NoRange: true})
	t.Cleanup(r.Close)
	if err := r.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	f.Registry, f.conf.URL = r, r.URL()
	f.push(t, repository, tag)
	got, steps := outline(t.Context(), f.client(t, quick()))
	if got != "✓resolve ✓tls ✓auth ✗list -manifest -blob" {
		t.Errorf("%s: %+v", got, steps)
	}
	wantStep(t, steps["list"], "404", "repositories: [")
	got, steps = outline(t.Context(), f.client(t, quick(), func(r *plimsoll.Registry) { r.Repositories = []string{repository} }))
	if got != allGood {
		t.Errorf("%s: %+v", got, steps)
	}
	wantStep(t, steps["blob"], "Range is not supported")
}

func TestCheckTLS(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ca := newAuthority(t, "Test Authority")
	serve := func(c certificate) string {
		return f.serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, c)}})
	}
	day := 24 * time.Hour
	for _, c := range []struct {
		name    string
		cert    certificate
		caFile  string
		outline string
		words   []string
	}{
		{"good", certificate{ends: 100*day + time.Hour}, ca.file, allGood, []string{"TLS 1.3", "issuer Test Authority", "(100 days)"}},
		{"ends soon", certificate{ends: 3*day + time.Hour}, ca.file, allGood, []string{"(3 days)", "renew"}},
		{"ended", certificate{ends: -day}, ca.file, "✓resolve ✗tls -auth -list -manifest -blob", []string{"issuer Test Authority", "renew", "(-1 days)"}},
		{"unknown authority", certificate{ends: 100 * day}, "", "✓resolve ✗tls -auth -list -manifest -blob", []string{"issuer Test Authority", "ca_file"}},
		{"other name", certificate{ends: 100 * day, names: []string{"registry.example"}}, ca.file, "✓resolve ✗tls -auth -list -manifest -blob", []string{"registry.example", "in url"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := serve(c.cert)
			got, steps := outline(t.Context(), f.client(t, quick(), func(r *plimsoll.Registry) { r.URL, r.CAFile = u, c.caFile }))
			if got != c.outline {
				t.Errorf("%s: %+v", got, steps)
			}
			wantStep(t, steps["tls"], c.words...)
		})
	}
}

func TestCheckWrongServers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ca := newAuthority(t, "Test Authority")
	secure := f.serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, certificate{ends: time.Hour})}})
	html := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<!DOCTYPE html><html>Welcome</html>"))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Negotiate")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(odd.Close)
	for _, c := range []struct {
		name, url, outline, step string
		words                    []string
	}{
		{"unknown name", "http://registry.invalid", "✗resolve -tls -auth -list -manifest -blob", "resolve", []string{"registry.invalid"}},
		{"refused", nobody, "✓resolve ✗tls -auth -list -manifest -blob", "tls", []string{"nothing answers"}},
		{"https written for http", strings.Replace(f.URL(), "http:", "https:", 1), "✓resolve ✗tls -auth -list -manifest -blob", "tls", []string{"write http://"}},
		{"http written for https", strings.Replace(secure, "https:", "http:", 1), "✓resolve ✗tls -auth -list -manifest -blob", "tls", []string{"write https://"}},
		{"a web page", html(200), "✓resolve ✓tls ✗auth -list -manifest -blob", "auth", []string{"no registry"}},
		{"a web page, forbidden", html(403), "✓resolve ✓tls ✗auth -list -manifest -blob", "auth", []string{"no registry"}},
		{"no such path", other.URL, "✓resolve ✓tls ✗auth -list -manifest -blob", "auth", []string{"404", "no registry"}},
		{"other scheme of authentication", odd.URL, "✓resolve ✓tls ✗auth -list -manifest -blob", "auth", []string{"Negotiate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := clientFor(t, c.url, quick())
			if c.step == "resolve" {
				client.guard.lookup = func(context.Context, string) ([]netip.Addr, error) {
					return nil, fmt.Errorf("lookup registry.invalid: no such host")
				}
			}
			got, steps := outline(t.Context(), client)
			if got != c.outline {
				t.Errorf("%s, want %s: %+v", got, c.outline, steps)
			}
			wantStep(t, steps[c.step], c.words...)
		})
	}
}

// TestCheckRefusals looks at what only the last step can find: the storage behind the registry.
func TestCheckRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Intercept(imagetest.Redirect("http://10.1.2.3:9000"))
	got, steps := outline(t.Context(), f.client(t, quick()))
	if got != "✓resolve ✓tls ✓auth ✓list ✓manifest ✗blob" {
		t.Errorf("%s: %+v", got, steps)
	}
	wantStep(t, steps["blob"], "refused to connect to 10.1.2.3", "allow_networks: [10.0.0.0/8]")
	if strings.Contains(steps["blob"].Detail, "allow_networks") {
		t.Errorf("the fix stands in the detail too: %q", steps["blob"].Detail)
	}
	f.Intercept(imagetest.Answer(1000, 429, http.Header{"Retry-After": {"3600"}}, imagetest.IsBlob))
	_, steps = outline(t.Context(), f.client(t, quick()))
	wantStep(t, steps["blob"], "429", "requests_per_second")
}
