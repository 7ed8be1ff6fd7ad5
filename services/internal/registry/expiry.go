package registry

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/plimsoll/plimsoll"
)

// noteCertificate keeps when the registry's own certificate ends.
func (c *Client) noteCertificate(resp *http.Response) {
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 || origin(resp.Request.URL) != origin(&c.base) {
		return
	}
	c.notAfter.Store(resp.TLS.PeerCertificates[0].NotAfter.Unix())
}

// Certificates says how long the certificates last that this registry is read with: the registry's own, as it showed it last, and
// the client certificate, as its file is now. Without TLS there is none.
func (c *Client) Certificates(now time.Time) (all []plimsoll.Credential) {
	if end := c.notAfter.Load(); end != 0 {
		all = append(all, plimsoll.NewCredential(plimsoll.CredentialServer, "certificate of "+c.base.Host, time.Unix(end, 0), now))
	}
	if c.conf.CertFile == "" {
		return all
	}
	end, err := certificateEnd(c.conf.CertFile)
	if err != nil {
		return append(all, plimsoll.Credential{Kind: plimsoll.CredentialClient, State: plimsoll.CredentialRefused, Detail: "cert_file: " + err.Error()})
	}
	return append(all, plimsoll.NewCredential(plimsoll.CredentialClient, "cert_file "+c.conf.CertFile, end, now))
}

// certificateEnd reads when the first certificate of a PEM file ends.
func certificateEnd(path string) (time.Time, error) {
	b, err := readSmall(path)
	if err != nil {
		return time.Time{}, err
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %w: %w", path, plimsoll.ErrInvalid, err)
		}
		return cert.NotAfter, nil
	}
	return time.Time{}, fmt.Errorf("%s: %w: it holds no PEM certificate", path, os.ErrNotExist)
}
