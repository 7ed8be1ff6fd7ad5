package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the driver that the configuration names
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/sirupsen/logrus"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// distribution is the CNCF distribution registry, on disk (its driver for memory leaves repositories out of the catalogue), with
// counters before it.
type distribution struct {
	t         *testing.T
	host      string
	secret    string
	user      string // of the registry's account; empty: anybody may do everything
	password  string
	blobBytes atomic.Int64
	blobReads atomic.Int64
	hold      atomic.Pointer[func(*http.Request)] // called before each blob read
}

// newDistribution starts the registry; hook is where its notifications go ("" for nowhere).
func newDistribution(t *testing.T, hook string) *distribution {
	t.Helper()
	logrus.SetLevel(logrus.PanicLevel) // the registry's own log says nothing to these tests
	d := &distribution{t: t, secret: "e2e-" + strings.ReplaceAll(t.Name(), "/", "-")}
	config := &configuration.Configuration{
		Storage: configuration.Storage{"filesystem": configuration.Parameters{"rootdirectory": t.TempDir()}, "delete": configuration.Parameters{"enabled": true}},
		Catalog: configuration.Catalog{MaxEntries: 1000},
	}
	if hook != "" {
		config.Notifications.Endpoints = []configuration.Endpoint{{
			Name: "plimsoll", URL: hook, Headers: http.Header{"Authorization": {"Bearer " + d.secret}},
			Timeout: 5 * time.Second, Threshold: 1000, Backoff: 100 * time.Millisecond,
		}}
	}
	config.HTTP.Secret = "e2e"
	app := handlers.NewApp(context.Background(), config)
	d.serve(app)
	t.Cleanup(func() { _ = app.Shutdown() })
	return d
}

// serve answers at d.host with what next says, counting.
func (d *distribution) serve(next http.Handler) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			d.blobReads.Add(1)
			if hold := d.hold.Load(); hold != nil {
				(*hold)(r)
			}
			w = &counted{ResponseWriter: w, n: &d.blobBytes}
		}
		next.ServeHTTP(w, r)
	}))
	d.t.Cleanup(srv.Close)
	d.host = strings.TrimPrefix(srv.URL, "http://")
}

type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// configured is the registry as Plimsoll's configuration names it; sweeps start by hand.
func (d *distribution) configured() plimsoll.Registry {
	file := filepath.Join(d.t.TempDir(), "hook-secret")
	if err := os.WriteFile(file, []byte(d.secret+"\n"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	r := plimsoll.Registry{ID: "corp", URL: "http://" + d.host, Hook: plimsoll.Hook{SecretFile: file}, Sweep: plimsoll.Schedule{Cron: "off"}}
	if d.user != "" {
		r.Username, r.PasswordFile = d.user, filepath.Join(d.t.TempDir(), "password")
		if err := os.WriteFile(r.PasswordFile, []byte(d.password+"\n"), 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	return r
}

func (d *distribution) push(repository, tag string, what partial.WithRawManifest) {
	d.t.Helper()
	if err := imagetest.Push(d.t.Context(), d.host, repository, tag, what); err != nil {
		d.t.Fatal(err)
	}
}

func (d *distribution) remove(repository string, digest v1.Hash) {
	d.t.Helper()
	if err := imagetest.Delete(d.t.Context(), d.host, repository, digest.String()); err != nil {
		d.t.Fatal(err)
	}
}

var base = imagetest.Gzip(imagetest.Layer(imagetest.AlpineLike("3.20.1",
	imagetest.Package{Name: "musl", Version: "1.2.5-r0"}, imagetest.Package{Name: "busybox", Version: "1.36.1-r28"},
	imagetest.Package{Name: "libcrypto3", Version: "3.3.0-r2", Source: "openssl"})...))

// app is an image on the base with npm packages, given as name, version, name, version …
func app(t *testing.T, arch string, npm ...string) v1.Image {
	t.Helper()
	var packages []imagetest.Package
	for i := 0; i < len(npm); i += 2 {
		packages = append(packages, imagetest.Package{Name: npm[i], Version: npm[i+1]})
	}
	own := imagetest.Gzip(imagetest.Layer(imagetest.NodeApp("app", packages...)...))
	image, err := imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{base, own}, Platform: v1.Platform{OS: "linux", Architecture: arch}})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func digestOf(t *testing.T, image interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	d, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}
