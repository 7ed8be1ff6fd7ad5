package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"go.temporal.io/server/common/config"
)

// secure makes the listener speak TLS, and the server's own worker with it: that one is a client of the listener too. The
// services behind the listener keep to plain text on loopback.
func (f *TLSFiles) secure(cfg *config.Config) {
	if f == nil {
		return
	}
	own := config.ClientTLS{ServerName: loopback, RootCAFiles: []string{f.CA}}
	cfg.Global.TLS = config.RootTLS{
		Frontend: config.GroupTLS{
			Server: config.ServerTLS{CertFile: f.Cert, KeyFile: f.Key, ClientCAFiles: []string{f.CA}, RequireClientAuth: true},
			Client: own,
		},
		SystemWorker: config.WorkerTLS{CertFile: f.Cert, KeyFile: f.Key, Client: own},
	}
}

// client is what a client of such a listener needs; nil for plain text.
func (f *TLSFiles) client() (*tls.Config, error) {
	if f == nil {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate of temporal: %w", err)
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("authority of temporal: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("authority of temporal: no certificate in " + f.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: loopback, Certificates: []tls.Certificate{pair}}, nil
}
