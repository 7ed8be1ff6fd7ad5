package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	temporalclient "go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Bounds below which a disk is worth a word, in bytes: facts of an image take some 100 KB, and a full disk stops everything.
const (
	littleSpace = 5 << 30
	noSpace     = 256 << 20
)

// data looks at the folder of the embedded engines.
func data(_ context.Context, p Patient) Result {
	dir := p.File.Data
	if p.File.Bucket.Endpoint != "" && p.File.NATS.URL != "" && p.File.Temporal.Address != "" {
		return skipped("every engine is external: nothing is kept here")
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warning("start Plimsoll once (plimsoll up), or name the folder it uses with --data", "%s is not there yet", dir)
	case err != nil:
		return broken("give the user that runs Plimsoll access to it", "%s: %v", dir, err)
	case !info.IsDir():
		return broken("name a folder with --data", "%s is a file", dir)
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return broken("make it writable for the user that runs Plimsoll, or free some space", "%s cannot be written: %v", dir, err)
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return ok("%s can be written", dir)
	}
	free := int64(s.Bavail) * s.Bsize
	switch text := fmt.Sprintf("%s can be written, %.1f GB are free", dir, float64(free)/1e9); {
	case free < noSpace:
		return broken("free some space or move the folder: what is to be kept cannot be written soon", "%s", text)
	case free < littleSpace:
		return warning("free some space: plimsoll gc --dry-run tells what nobody names any more", "%s", text)
	default:
		return ok("%s", text)
	}
}

// bucket tries what the product needs of the object store.
func bucket(ctx context.Context, p Patient) Result {
	c := p.File.Bucket
	if c.Endpoint == "" {
		return skipped("embedded in the running Plimsoll: it tests it at each start")
	}
	s, err := blob.Open(ctx, c)
	if err != nil {
		what, fix, _ := strings.Cut(err.Error(), "; ")
		return broken(cmp.Or(fix, "check bucket.endpoint, bucket.bucket and the keys"), "%s", what)
	}
	defer s.Close()
	if err := s.SelfTest(ctx); err != nil {
		return broken("check that bucket "+c.Bucket+" exists and that the key may read, write, list and delete in it", "%v", err)
	}
	if !s.Conditional() {
		return warning("run exactly one scheduler and one reporter, or move to an S3 server that has conditional writes", "%s/%s works, but does not honour conditional writes", c.Endpoint, c.Bucket)
	}
	return ok("%s/%s: reads, writes, lists, deletes, and honours conditional writes", c.Endpoint, c.Bucket)
}

// clockSkew is how far two clocks may be apart before tokens and certificates begin to fail.
const clockSkew = 30 * time.Second

// clock compares this machine's with those that answer over HTTP.
func clock(ctx context.Context, p Patient) Result {
	var asked []string
	for _, at := range append([]string{p.Server + "/healthz"}, registryURLs(p)...) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			continue
		}
		resp, err := client.Do(r)
		if err != nil {
			continue // another check tells
		}
		_ = resp.Body.Close()
		theirs, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			continue
		}
		if apart := p.Now().Sub(theirs).Abs(); apart > clockSkew {
			return broken("set both clocks by NTP: tokens, certificates and the order of events go by them", "this clock is %v apart from that of %s", apart.Round(time.Second), at)
		}
		asked = append(asked, at)
	}
	if len(asked) == 0 {
		return skipped("nobody answers whose clock could be compared")
	}
	return ok("within %v of %d others", clockSkew, len(asked))
}

func registryURLs(p Patient) (out []string) {
	for _, r := range p.File.Registries {
		if r.CAFile == "" && r.Proxy == "" { // asked without the registry's own settings
			out = append(out, strings.TrimSuffix(r.URL, "/")+"/v2/")
		}
	}
	return out[:min(len(out), 3)]
}

// queue looks at NATS and the streams.
func queue(ctx context.Context, p Patient) Result {
	c := p.File.NATS
	if c.URL == "" {
		return part(ctx, p, "nats")
	}
	o := []nats.Option{nats.Name("plimsoll-doctor"), nats.Timeout(2 * time.Second)}
	if c.CredentialsFile != "" {
		o = append(o, nats.UserCredentials(c.CredentialsFile))
	}
	if c.CAFile != "" {
		o = append(o, nats.RootCAs(c.CAFile))
	}
	if c.User != "" {
		o = append(o, nats.UserInfo(c.User, c.Password))
	}
	nc, err := nats.Connect(c.URL, o...)
	if err != nil {
		return broken("check that NATS runs, nats.url, its credentials and ca_file; pushes wait at their registries and sweeps hold meanwhile", "%s: %v", c.URL, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		return broken("see the error", "%v", err)
	}
	s, err := js.Stream(ctx, scanv1.StreamRequests)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return broken("switch JetStream on for this server and account (jetstream: {store_dir: …})", "%s has no JetStream", c.URL)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return warning("start a scheduler: it makes the streams", "%s answers, and has no stream %s yet", c.URL, scanv1.StreamRequests)
	case err != nil:
		return broken("check that the account may use JetStream", "%s: %v", c.URL, err)
	}
	state := s.CachedInfo().State
	dead := uint64(0)
	if d, err := js.Stream(ctx, scanv1.StreamDeadLetters); err == nil {
		dead = d.CachedInfo().State.Msgs
	}
	if dead > 0 {
		return warning("see why: the page Coverage, or GET /api/v1/dead-letters", "%s: %d requests, %d dead letters", c.URL, state.Msgs, dead)
	}
	return ok("%s: %d requests, no dead letters", c.URL, state.Msgs)
}

// temporal looks at the orchestrator and the namespace.
func temporal(ctx context.Context, p Patient) Result {
	c := p.File.Temporal
	if c.Address == "" {
		return part(ctx, p, "temporal")
	}
	namespace := c.Namespace
	if namespace == "" {
		namespace = temporalclient.DefaultNamespace
	}
	o := temporalclient.Options{HostPort: c.Address, Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	if c.APIKeyFile != "" {
		key, err := os.ReadFile(c.APIKeyFile)
		if err != nil {
			return broken("check temporal.api_key_file", "%v", err)
		}
		o.Credentials = temporalclient.NewAPIKeyStaticCredentials(strings.TrimSpace(string(key)))
	}
	conf, err := temporalTLS(c.CAFile, c.CertFile, c.KeyFile, c.APIKeyFile)
	if err != nil {
		return broken("check temporal.ca_file, cert_file and key_file", "%v", err)
	}
	o.ConnectionOptions.TLS = conf
	t, err := temporalclient.NewLazyClient(o)
	if err != nil {
		return broken("check temporal.address", "%v", err)
	}
	defer t.Close()
	_, err = t.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	var missing *serviceerror.NamespaceNotFound
	switch {
	case errors.As(err, &missing):
		return broken("create it (temporal operator namespace create "+namespace+"), or name another with temporal.namespace", "%s answers, and has no namespace %s", c.Address, namespace)
	case err != nil:
		return broken("check that Temporal runs and temporal.address, its certificates and keys; nothing is scanned meanwhile, verdicts stay", "%s: %v", c.Address, err)
	}
	return ok("%s, namespace %s", c.Address, namespace)
}

func temporalTLS(ca, cert, key, apiKey string) (*tls.Config, error) {
	if ca == "" && cert == "" && apiKey == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in PEM form", ca)
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
