package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// TestRedirects is H32: where a blob may be fetched from.
func TestRedirects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, to string
		words    []string
	}{
		{"link-local", "http://169.254.169.254/x?signature=secret", []string{"169.254.169.254", "never"}},
		{"link-local by name", "http://metadata.example/x", []string{"metadata.example (169.254.169.254)", "never"}},
		{"link-local, IPv6", "http://[fe80::1]/x", []string{"never"}},
		{"metadata, IPv6", "http://[fd00:ec2::254]/x", []string{"never"}},
		{"private", "http://storage.example:9000/x", []string{"storage.example (10.1.2.3)", "allow_networks: [10.0.0.0/8]"}},
		{"public", "https://cdn.example/x", []string{"cdn.example (203.0.113.9)", "allow_networks: [203.0.0.0/16]"}},
		{"file", "file:///etc/passwd", []string{"scheme"}},
		{"gopher", "gopher://127.0.0.1/x", []string{"scheme"}},
		{"user information", "http://a:secret@127.0.0.1:1/x", []string{"credentials"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.Intercept(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", c.to)
					w.WriteHeader(http.StatusTemporaryRedirect)
				})
			})
			client := f.client(t, quick())
			lookups(client, map[string]string{"metadata.example": "169.254.169.254", "storage.example": "10.1.2.3", "cdn.example": "203.0.113.9"})
			_, err := client.Blob(t.Context(), repository, f.digest(), f.size())
			wantError(t, err, plimsoll.ErrDenied, c.words...)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a secret: %v", err)
			}
			if n := f.Stats().Total(); n != 1 {
				t.Errorf("%d requests: what is refused is not tried again", n)
			}
		})
	}
}

func TestRedirectLoop(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Intercept(imagetest.Redirect(""))
	_, err := f.client(t, quick()).Blob(t.Context(), repository, f.digest(), f.size())
	wantError(t, err, plimsoll.ErrLimit, "redirects")
}

func TestRedirectDowngrade(t *testing.T) {
	t.Parallel()
	from := httptest.NewRequest(http.MethodGet, "https://registry.example/x", http.NoBody)
	to := httptest.NewRequest(http.MethodGet, "http://registry.example/x", http.NoBody)
	wantError(t, checkHop(to, []*http.Request{from}), plimsoll.ErrDenied, "https to http")
}

// TestAuthorizationStaysHome redirects to another port of the same host, which net/http takes for the same site.
func TestAuthorizationStaysHome(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		reached.Store(true)
		if got := req.Header.Get("Authorization"); got != "" {
			t.Errorf("another port was sent Authorization %q", got)
		}
		_, _ = w.Write(f.layer.Bytes)
	}))
	defer other.Close()
	a := newAuth(t, authOptions{})
	f.Intercept(func(next http.Handler) http.Handler { return a.guard(imagetest.Redirect(other.URL)(next)) })
	if err := f.read(t, f.client(t, quick(), a.credentials), f.size()); err != nil {
		t.Fatal(err)
	}
	if !reached.Load() {
		t.Error("the redirect was not followed")
	}
}

// TestRebinding lets the registry's own name change its mind after the first connection.
func TestRebinding(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.URL = "http://registry.example:" + strings.Split(f.Host(), ":")[1] })
	names := map[string]string{"registry.example": "127.0.0.1"}
	lookups(c, names)
	if _, err := c.Head(t.Context(), repository, tag); err != nil {
		t.Fatal(err)
	}
	c.Close() // so that it has to connect again
	names["registry.example"] = "10.1.2.3"
	_, err := c.Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrDenied, "10.1.2.3", "loopback")
}

// TestSecondAddress has a first address that is refused and a second one that works.
func TestSecondAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.URL = "http://registry.example:" + strings.Split(f.Host(), ":")[1] })
	c.guard.lookup = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("127.0.0.1")}, nil
	}
	if _, err := c.Head(t.Context(), repository, tag); err != nil {
		t.Error(err)
	}
}

// TestAddress reaches a registry by its address alone: its name resolves to nothing, and errors tell the name.
func TestAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.URL, r.Address = "http://images", f.Host() })
	lookups(c, nil)
	if _, err := c.Head(t.Context(), repository, tag); err != nil {
		t.Fatal(err)
	}
	_, err := c.Head(t.Context(), repository, "missing")
	wantError(t, err, plimsoll.ErrNotFound, "http://images/v2/")
	if _, err := New(plimsoll.Registry{ID: "r", URL: "http://images", Address: "somewhere"}, Options{}); !errors.Is(err, plimsoll.ErrInvalid) {
		t.Errorf("an address without a port: %v", err)
	}
}

// TestProxy sends everything through a proxy on loopback; the registry's own name is known to the proxy alone.
func TestProxy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var seen atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen.Add(1)
		if req.URL.Host != "registry.corp" {
			t.Errorf("the proxy was asked for %s", req.URL)
		}
		f.ServeHTTP(w, req)
	}))
	defer proxy.Close()
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.URL, r.Proxy = "http://registry.corp", proxy.URL })
	lookups(c, nil)
	if _, err := c.Head(t.Context(), repository, tag); err != nil {
		t.Fatal(err)
	}
	if seen.Load() != 1 {
		t.Errorf("the proxy saw %d requests, want 1", seen.Load())
	}
	for _, to := range []string{"http://169.254.169.254", "http://10.1.2.3", "http://127.0.0.1:1"} {
		f.Intercept(imagetest.Redirect(to))
		_, err := c.Blob(t.Context(), repository, f.digest(), f.size())
		wantError(t, err, plimsoll.ErrDenied, "refused to connect")
	}
}

func TestProxyNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.Proxy = "none" })
	if c.proxy != nil {
		t.Error("none is a proxy")
	}
	for in, want := range map[string]string{"http://p": "p:80", "https://p": "p:443", "http://p:3128": "p:3128", "socks5://p": "p:1080"} {
		if got := proxyAddress(imagetest.Must(url.Parse(in))); got != want {
			t.Errorf("proxy %s is dialled at %s, want %s", in, got, want)
		}
	}
}

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key := imagetest.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(1000 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der := imagetest.Must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &authority{imagetest.Must(x509.ParseCertificate(der)), key, write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))}
}

type certificate struct {
	ends  time.Duration // from now
	names []string      // nil: 127.0.0.1
}

func (a *authority) sign(t *testing.T, c certificate) tls.Certificate {
	t.Helper()
	key := imagetest.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: time.Now().Add(-100 * time.Hour), NotAfter: time.Now().Add(c.ends),
		DNSNames: c.names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if c.names == nil {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der := imagetest.Must(x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS puts the fixture's registry behind TLS.
func (f *fixture) serveTLS(t *testing.T, conf *tls.Config) string {
	t.Helper()
	s := httptest.NewUnstartedServer(f)
	s.TLS = conf
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestTLS(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ca := newAuthority(t, "Test Authority")
	for _, c := range []struct {
		name   string
		cert   certificate
		caFile string
		words  []string // nil: it works
	}{
		{"private authority", certificate{ends: time.Hour}, ca.file, nil},
		{"unknown authority", certificate{ends: time.Hour}, "", []string{"ca_file"}},
		{"expired", certificate{ends: -time.Hour}, ca.file, []string{"renew"}},
		{"other name", certificate{ends: time.Hour, names: []string{"registry.example"}}, ca.file, []string{"registry.example", "url"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := f.serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, c.cert)}})
			client := f.client(t, quick(), func(r *plimsoll.Registry) { r.URL, r.CAFile = u, c.caFile })
			_, err := client.Head(t.Context(), repository, tag)
			if c.words != nil {
				wantError(t, err, plimsoll.ErrUnavailable, c.words...)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClientCertificate checks that the registry gets it and that the host it redirects to does not.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ca := newAuthority(t, "Test Authority")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	pair := ca.sign(t, certificate{ends: time.Hour})
	storage := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if len(req.TLS.PeerCertificates) > 0 {
			t.Error("the storage was sent our certificate")
		}
		_, _ = w.Write(f.layer.Bytes)
	}))
	storage.TLS = &tls.Config{Certificates: []tls.Certificate{ca.sign(t, certificate{ends: time.Hour})}, ClientAuth: tls.RequestClientCert}
	storage.StartTLS()
	defer storage.Close()
	f.Intercept(imagetest.Redirect(storage.URL))
	u := f.serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, certificate{ends: time.Hour})}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})

	key := imagetest.Must(x509.MarshalPKCS8PrivateKey(pair.PrivateKey))
	certFile := write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	keyFile := write(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.URL, r.CAFile, r.CertFile, r.KeyFile = u, ca.file, certFile, keyFile })
	if err := f.read(t, c, f.size()); err != nil {
		t.Error(err)
	}
	without := f.client(t, quick(), func(r *plimsoll.Registry) { r.URL, r.CAFile = u, ca.file })
	_, err := without.Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrUnavailable, "cert_file")
}
