package faults

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/faults/proxy"
	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
)

// TestExternalBackEnds: by configuration alone the parts use engines from outside: nats-server with TLS, client certificates and
// a credentials file of decentralised authentication, one of two addresses being dead; a Temporal server with mutual TLS; an S3
// server behind TLS of a private authority. PLIMSOLL_MINIO names a minio binary to use in place of the gateway.
func TestExternalBackEnds(t *testing.T) {
	if !long {
		t.Skip("acceptance: PLIMSOLL_FAULTS=all starts engines with TLS")
	}
	var front *httptest.Server
	outside := func(dir string) (engines, map[string]any, error) {
		files, err := certificates(dir)
		if err != nil {
			return engines{}, nil, err
		}
		e := engines{newSecuredNATS(dir, files), newSecuredTemporal(dir, files), newS3(dir)}
		creds, err := e.nats.operator(dir)
		if err != nil {
			return engines{}, nil, err
		}
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return engines{}, nil, err
		}
		front = httptest.NewUnstartedServer(proxy.Relay(e.s3.address))
		front.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		front.StartTLS()
		natsAt, err := proxy.NewLink("")
		if err != nil {
			return engines{}, nil, err
		}
		temporalAt, err := proxy.NewLink("")
		if err != nil {
			return engines{}, nil, err
		}
		t.Cleanup(func() { front.Close(); natsAt.Close(); temporalAt.Close() })
		e.nats.moved = append(e.nats.moved, natsAt.Aim)
		e.temporal.moved = append(e.temporal.moved, temporalAt.Aim)
		return e, map[string]any{
			"nats": map[string]any{"url": "tls://127.0.0.1:1,tls://" + natsAt.Address(), "credentials_file": creds,
				"ca_file": files.CA, "cert_file": files.Cert, "key_file": files.Key},
			"temporal": map[string]any{"address": temporalAt.Address(), "namespace": "default",
				"ca_file": files.CA, "cert_file": files.Cert, "key_file": files.Key},
			"bucket": map[string]any{"endpoint": front.Listener.Addr().String(), "access_key": "plimsoll", "tls": true, "ca_file": files.CA},
		}, nil
	}
	s := newSystem(t, t, shape{workers: 2, schedulers: 1, reporters: 1, outside: outside})
	defer func() {
		if t.Failed() {
			t.Logf("%s", s.logs(40))
		}
	}()
	m := s.newImage(t, 4<<10)
	s.push(t, corp, "outside/pushed", "1", m)
	s.put(t, corp, "outside/swept", "1", s.newImage(t, 4<<10))
	if sweep := s.sweep(t, corp); sweep.State != plimsoll.SweepGreen {
		t.Errorf("sweep is %s: %s", sweep.State, sweep.Error)
	}
	s.settle(t)
	s.checkVerdicts(t)
	// Without the certificate nobody gets in: what passed above was not plain text by chance.
	for name, at := range map[string]string{"nats": s.nats.address(), "temporal": s.temporal.address()} {
		if err := withoutCertificate(at, name == "nats"); err == nil {
			t.Errorf("%s takes clients without a certificate", name)
		}
	}
	if resp, err := http.Get("http://" + front.Listener.Addr().String()); err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("the bucket answers %d without TLS", resp.StatusCode)
		}
	}
}

// certificates makes an authority, and one certificate of it that servers and clients use.
func certificates(dir string) (engine.TLSFiles, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return engine.TLSFiles{}, err
	}
	now := time.Now()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caRaw, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return engine.TLSFiles{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return engine.TLSFiles{}, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	raw, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return engine.TLSFiles{}, err
	}
	keyRaw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return engine.TLSFiles{}, err
	}
	files := engine.TLSFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: filepath.Join(dir, "ca.pem")}
	write := func(path, kind string, b []byte) error {
		return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600)
	}
	return files, errors.Join(write(files.CA, "CERTIFICATE", caRaw), write(files.Cert, "CERTIFICATE", raw), write(files.Key, "PRIVATE KEY", keyRaw))
}

func newSecuredTemporal(dir string, files engine.TLSFiles) *engineProcess {
	return &engineProcess{name: engine.EngineTemporal, data: filepath.Join(dir, "temporal"), log: &tail{}, up: func(e *engineProcess) (*process, string, error) {
		return startEmbedded(e, engineRole{Engine: engine.EngineTemporal, Data: e.data, TLS: &files})
	}}
}

// newSecuredNATS is a nats-server with TLS, client certificates and an operator; see operator.
func newSecuredNATS(dir string, files engine.TLSFiles) *engineProcess {
	return &engineProcess{name: "nats", data: filepath.Join(dir, "nats"), log: &tail{}, up: func(e *engineProcess) (*process, string, error) {
		ports := filepath.Join(dir, "nats-ports")
		trust, err := os.ReadFile(filepath.Join(dir, "operator.conf"))
		if err != nil {
			return nil, "", err
		}
		return startNATS(e, ports, fmt.Sprintf(`
			listen: "127.0.0.1:-1"
			server_name: faults
			ports_file_dir: %q
			tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }
			jetstream { store_dir: %q }
			%s
		`, ports, files.Cert, files.Key, files.CA, e.data, trust))
	}}
}

// operator makes an operator, an account with JetStream and a user of it, and returns the user's credentials file.
func (e *engineProcess) operator(dir string) (creds string, err error) {
	operatorKey, err := nkeys.CreateOperator()
	if err != nil {
		return "", err
	}
	accountKey, err := nkeys.CreateAccount()
	if err != nil {
		return "", err
	}
	systemKey, err := nkeys.CreateAccount() // the server's own, without which it has no JetStream
	if err != nil {
		return "", err
	}
	userKey, err := nkeys.CreateUser()
	if err != nil {
		return "", err
	}
	public := func(k nkeys.KeyPair) string {
		p, perr := k.PublicKey()
		err = errors.Join(err, perr)
		return p
	}
	operator := jwt.NewOperatorClaims(public(operatorKey))
	account := jwt.NewAccountClaims(public(accountKey))
	account.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
	system := jwt.NewAccountClaims(public(systemKey))
	user := jwt.NewUserClaims(public(userKey))
	encode := func(c interface {
		Encode(nkeys.KeyPair) (string, error)
	}, by nkeys.KeyPair) string {
		s, eerr := c.Encode(by)
		err = errors.Join(err, eerr)
		return s
	}
	conf := fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }\n", encode(operator, operatorKey),
		public(systemKey), public(accountKey), encode(account, operatorKey), public(systemKey), encode(system, operatorKey))
	seed, serr := userKey.Seed()
	token := encode(user, accountKey)
	if err = errors.Join(err, serr); err != nil {
		return "", err
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return "", err
	}
	creds = filepath.Join(dir, "user.creds")
	return creds, errors.Join(os.WriteFile(creds, text, 0o600), os.WriteFile(filepath.Join(dir, "operator.conf"), []byte(conf), 0o600))
}

// withoutCertificate tries to speak TLS without a certificate of one's own.
func withoutCertificate(address string, infoFirst bool) error {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if infoFirst { // the server speaks first, in plain text
		if _, err := c.Read(make([]byte, 8<<10)); err != nil {
			return err
		}
	}
	secure := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // only whether we are let in
	if err := secure.Handshake(); err != nil {
		return err
	}
	// TLS 1.3 tells of a refused client at the first read.
	if _, err := secure.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	_, err = secure.Read(make([]byte, 1))
	return err
}
