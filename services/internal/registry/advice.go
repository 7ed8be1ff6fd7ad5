package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// What people can do, where an error alone does not tell. Field names are those of the configuration.
const (
	fixNoRegistry = "this is perhaps no registry: check the url"
	fixNoCatalog  = "list the registry's repositories in its configuration (repositories: [team/app, …]) or give it credentials that may read the catalog"
	fixNoAnswer   = "nothing answers there: check host and port in url, that the registry runs, and firewalls in between"
)

func fixScheme(scheme string) string {
	return fmt.Sprintf("the server speaks %s: write %s:// in url", strings.ToUpper(scheme), scheme)
}

// advice says what to do about a request that got no answer; empty when the error itself is all we know.
func advice(err error) string {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.fix()
	}
	if fix := adviceTLS(err); fix != "" {
		return fix
	}
	return adviceNetwork(err)
}

func adviceNetwork(err error) string {
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("no host %s is known: check the host name in url, and the name server", dns.Name)
	case errors.As(err, &dns):
		return "the name server gives no answer: check this machine's DNS"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fixNoAnswer
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "no answer came in time: check host and port in url, firewalls and proxy"
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // a TLS alert
		return fixScheme("https")
	}
	return ""
}

func adviceTLS(err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		hostname x509.HostnameError
		record   tls.RecordHeaderError
	)
	switch {
	case isPlainAnswer(err), errors.As(err, &record):
		return fixScheme("http")
	case errors.As(err, &unknown):
		return "this machine does not know the authority that signed the certificate: give the authority's certificate in ca_file"
	case errors.As(err, &hostname):
		return "the certificate is for " + certificateNames(hostname.Certificate) + ": use one of these in url, or have a certificate made for the host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return adviceExpired(invalid.Cert)
	case strings.Contains(err.Error(), "remote error: tls:") && strings.Contains(err.Error(), "certificate"): // an alert; crypto/tls has no type for it
		return "the registry wants a client certificate: give cert_file and key_file"
	}
	return ""
}

func adviceExpired(cert *x509.Certificate) string {
	if time.Now().Before(cert.NotBefore) {
		return fmt.Sprintf("the certificate is valid from %s on: check this machine's clock", cert.NotBefore.Format(time.DateOnly))
	}
	return fmt.Sprintf("the certificate ended on %s: renew it on the registry (or check this machine's clock)", cert.NotAfter.Format(time.DateOnly))
}

// maxNames is how many of a certificate's names are printed.
const maxNames = 5

func certificateNames(cert *x509.Certificate) string {
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{cert.Subject.CommonName}
	}
	if len(names) > maxNames {
		names = append(names[:maxNames:maxNames], "…")
	}
	return clean(strings.Join(names, ", "))
}

// isPlainAnswer tells that https was spoken to a server of http; net/http has no type for it.
func isPlainAnswer(err error) bool {
	return err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}
