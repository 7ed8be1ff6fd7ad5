package blob

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/plimsoll/plimsoll"
)

const (
	// maxIdle connections are kept to the one host: the layers, merges and folds that run at once are fewer.
	maxIdle = 64
	// dialTimeout and answerTimeout are generous for a store nearby; a request that hits one is tried again.
	dialTimeout   = 10 * time.Second
	answerTimeout = 60 * time.Second
	idleTimeout   = 90 * time.Second
	// maxCAFile bounds a file of certificates, in bytes: the public roots together are a quarter of it.
	maxCAFile = 1 << 20
)

// newTransport is the HTTP transport to the S3 server. Compression is off: objects are compressed already, and the
// transport must not touch their bytes.
func newTransport(c Config) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConns:          maxIdle,
		MaxIdleConnsPerHost:   maxIdle,
		IdleConnTimeout:       idleTimeout,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		DisableCompression:    true,
	}
	if !c.TLS {
		return t, nil
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := readSmall(c.CAFile, maxCAFile)
	if err != nil {
		return nil, fmt.Errorf("read bucket.ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read bucket.ca_file %s: %w: no PEM certificate inside", c.CAFile, plimsoll.ErrInvalid)
	}
	t.TLSClientConfig.RootCAs = roots
	return t, nil
}
