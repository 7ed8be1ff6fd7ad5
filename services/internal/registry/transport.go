package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/plimsoll/plimsoll"
)

// newTransport builds what carries every request: guarded dialling, TLS as configured, proxy, bounds on headers. Bodies are
// never inflated for us (DisableCompression): digests are of the bytes as sent, and a small reply cannot grow.
func newTransport(r plimsoll.Registry, base url.URL, g *guard, proxy proxyFunc, lim limits) (http.RoundTripper, error) {
	tlsConfig, err := newTLS(r)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy:                  proxy,
		DialContext:            g.dial,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    lim.handshake,
		ResponseHeaderTimeout:  lim.header,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        90 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: lim.header, PingTimeout: lim.header},
	}
	if r.CertFile == "" {
		return t, nil
	}
	// The client certificate is for the registry alone: other hosts get a transport without it.
	others := t.Clone()
	others.TLSClientConfig.Certificates = nil
	return &split{origin: origin(&base), own: t, others: others}, nil
}

// split sends the registry's own requests through one transport and redirected ones through another.
type split struct {
	origin      string
	own, others *http.Transport
}

func (s *split) RoundTrip(req *http.Request) (*http.Response, error) {
	if origin(req.URL) == s.origin {
		return s.own.RoundTrip(req)
	}
	return s.others.RoundTrip(req)
}

func (s *split) CloseIdleConnections() {
	s.own.CloseIdleConnections()
	s.others.CloseIdleConnections()
}

func newTLS(r plimsoll.Registry) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			c.RootCAs = x509.NewCertPool()
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s: %w: it holds no PEM certificate", r.CAFile, plimsoll.ErrInvalid)
		}
	}
	if (r.CertFile == "") != (r.KeyFile == "") {
		return nil, fmt.Errorf("cert_file and key_file: %w: give both or neither", plimsoll.ErrInvalid)
	}
	if r.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file %s, key_file %s: %w", r.CertFile, r.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

type proxyFunc = func(*http.Request) (*url.URL, error)

// proxyFor reads the proxy setting and tells the guard which addresses are proxies, since those are the operator's choice.
func proxyFor(setting string, g *guard) (proxyFunc, error) {
	choose := http.ProxyFromEnvironment
	switch setting {
	case "none":
		return nil, nil
	case "":
	default:
		u, err := url.Parse(setting)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("proxy %.200q: %w: write http://host:port, or none", redactText(setting), plimsoll.ErrInvalid)
		}
		choose = http.ProxyURL(u)
	}
	return func(req *http.Request) (*url.URL, error) {
		u, err := choose(req)
		if err != nil || u == nil {
			return u, err
		}
		g.proxies.Store(proxyAddress(u), true)
		if req.URL.Hostname() != g.host {
			if err := g.permitThroughProxy(req.Context(), req.URL.Hostname()); err != nil {
				return nil, err
			}
		}
		return u, nil
	}, nil
}

// proxyAddress is the host:port that the transport will dial for a proxy.
func proxyAddress(u *url.URL) string {
	if u.Port() == "" && u.Scheme == "socks5" {
		return u.Hostname() + ":1080"
	}
	return hostPort(u)
}

var (
	errRedirects = errors.New("too many redirects")
	errScheme    = errors.New("redirect to a scheme other than http and https")
	errDowngrade = errors.New("redirect from https to http")
	errUserInfo  = errors.New("credentials inside a URL")
)

// secretHeaders are those that carry credentials: of registries, and of vendors' APIs.
var secretHeaders = []string{"Authorization", "Private-Token"}

// checkRedirect is the client's policy: bounded, no downgrade, and no credentials to any other origin. net/http alone would
// keep them for other ports and for subdomains.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if err := checkHop(req, via); err != nil {
		return err
	}
	if origin(req.URL) != origin(via[0].URL) {
		for _, name := range secretHeaders {
			req.Header.Del(name)
		}
	}
	return nil
}

func checkHop(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: %w", plimsoll.ErrLimit, errRedirects)
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: %w", plimsoll.ErrDenied, errScheme)
	case req.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https":
		return fmt.Errorf("%w: %w", plimsoll.ErrDenied, errDowngrade)
	case req.URL.User != nil:
		return fmt.Errorf("%w: %w", plimsoll.ErrDenied, errUserInfo)
	}
	// The address we came from is nobody's business: URLs of storage carry signatures.
	req.Header.Del("Referer")
	return nil
}
