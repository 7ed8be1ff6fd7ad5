package registry

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

func TestManifest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.client(t, quick())
	raw := imagetest.Must(f.image.RawManifest())
	want := Descriptor{Digest: f.manifestDigest(), MediaType: "application/vnd.oci.image.manifest.v1+json", Size: int64(len(raw))}
	head, err := c.Head(t.Context(), repository, tag)
	if diff := cmp.Diff(want, head); diff != "" || err != nil {
		t.Errorf("head: %v (-want +got):\n%s", err, diff)
	}
	for _, reference := range []string{tag, string(want.Digest)} {
		got, body, err := c.Manifest(t.Context(), repository, reference)
		if diff := cmp.Diff(want, got); diff != "" || err != nil || !bytes.Equal(body, raw) {
			t.Errorf("manifest %s: %v (-want +got):\n%s", reference, err, diff)
		}
	}
	config := imagetest.Must(f.image.RawConfigFile())
	got, err := c.Config(t.Context(), repository, plimsoll.DigestOf(config))
	if err != nil || !bytes.Equal(got, config) {
		t.Errorf("configuration: %v: %q", err, got)
	}
	_, err = c.Head(t.Context(), repository, "gone")
	wantError(t, err, plimsoll.ErrNotFound, repository+":gone")
	_, _, err = c.Manifest(t.Context(), repository, "gone")
	wantError(t, err, plimsoll.ErrNotFound, "MANIFEST_UNKNOWN")
	for _, bad := range []string{"", "a/b", "sha256:ABC", "md5:d41d8cd98f00b204e9800998ecf8427e", "../x", "sha256:../../etc"} {
		_, _, err = c.Manifest(t.Context(), repository, bad)
		wantError(t, err, plimsoll.ErrInvalid)
	}
}

// document serves one body, header and all, for everything.
func documentServer(t *testing.T, header http.Header, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestManifestFaults(t *testing.T) {
	t.Parallel()
	const body = `{"schemaVersion":2}`
	right, wrong := plimsoll.DigestOf([]byte(body)), plimsoll.DigestOf([]byte("other"))
	digest := func(d plimsoll.Digest) http.Header { return http.Header{digestHeader: {string(d)}} }
	schema1 := http.Header{digestHeader: {string(wrong)}, "Content-Type": {"application/vnd.docker.distribution.manifest.v1+prettyjws"}}
	for _, c := range []struct {
		name      string
		header    http.Header
		body      string
		reference string
		kind      error
	}{
		{"right", digest(right), body, "t", nil},
		{"no digest in the answer", nil, body, "t", nil},
		{"by digest", digest(wrong), body, string(right), nil}, // what we hash counts, not what is said
		{"other bytes by digest", digest(wrong), body, string(wrong), plimsoll.ErrIntegrity},
		{"other bytes by tag", digest(wrong), body, "t", plimsoll.ErrIntegrity},
		{"sha512 by tag", http.Header{digestHeader: {"sha512:" + strings.Repeat("0", 128)}}, body, "t", plimsoll.ErrIntegrity},
		{"schema 1", schema1, body, "t", nil},
		{"html", http.Header{"Content-Type": {"text/html"}}, "<html>sign in</html>", "t", plimsoll.ErrInvalid},
		{"huge", nil, body + strings.Repeat(" ", 4<<20), "t", plimsoll.ErrLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, got, err := clientFor(t, documentServer(t, c.header, c.body), quick()).Manifest(t.Context(), "x", c.reference)
			if c.kind != nil {
				wantError(t, err, c.kind, "x", "http://")
				return
			}
			if err != nil || string(got) != body || d.Digest != right {
				t.Errorf("got %q as %s: %v", got, d.Digest, err)
			}
		})
	}
}

func TestHeadFallback(t *testing.T) {
	t.Parallel()
	const body = `{"schemaVersion":2}`
	want := plimsoll.DigestOf([]byte(body))
	for _, c := range []struct {
		name   string
		status int
		digest string
		kind   error
	}{
		{"no digest", 200, "", nil},
		{"HEAD not allowed", 405, "", nil},
		{"digest", 200, string(want), nil},
		{"upper case", 200, strings.ToUpper(string(want)), plimsoll.ErrInvalid},
		{"md5", 200, "md5:d41d8cd98f00b204e9800998ecf8427e", plimsoll.ErrInvalid},
		{"path", 200, "sha256:../../../etc/passwd", plimsoll.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.Method == http.MethodHead {
					if c.digest != "" {
						w.Header().Set(digestHeader, c.digest)
					}
					w.WriteHeader(c.status)
					return
				}
				_, _ = w.Write([]byte(body))
			}))
			defer s.Close()
			d, err := clientFor(t, s.URL, quick()).Head(t.Context(), "x", "t")
			if c.kind != nil {
				wantError(t, err, c.kind)
			} else if err != nil || d.Digest != want {
				t.Errorf("got %s, %v", d.Digest, err)
			}
		})
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	config := imagetest.Must(f.image.RawConfigFile())
	digest := plimsoll.DigestOf(config)
	f.Intercept(imagetest.Flip(1, 5))
	if _, err := f.client(t, quick()).Config(t.Context(), repository, digest); err != nil {
		t.Errorf("one flipped bit: %v, want a second try", err)
	}
	f.Intercept(imagetest.Flip(99, 5))
	_, err := f.client(t, quick()).Config(t.Context(), repository, digest)
	wantError(t, err, plimsoll.ErrIntegrity, string(digest))
	f.Intercept(imagetest.Cut(1, 5))
	if _, err := f.client(t, quick()).Config(t.Context(), repository, digest); err != nil {
		t.Errorf("cut once: %v, want a second try", err)
	}
	f.Intercept(imagetest.Cut(99, 5))
	_, err = f.client(t, quick()).Config(t.Context(), repository, digest)
	wantError(t, err, plimsoll.ErrUnavailable)
}

// TestEndlessManifest reads from a body that never ends, and from one that never goes on.
func TestEndlessManifest(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = fmt.Fprint(w, "{")
		_ = http.NewResponseController(w).Flush()
		if strings.HasSuffix(req.URL.Path, "stall") {
			<-req.Context().Done()
			return
		}
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	lim := quick()
	lim.documentTime, lim.tries = 100*time.Millisecond, 2
	_, _, err := clientFor(t, s.URL, quick()).Manifest(t.Context(), "x", "endless")
	wantError(t, err, plimsoll.ErrLimit, "4194304")
	_, _, err = clientFor(t, s.URL, lim).Manifest(t.Context(), "x", "stall")
	wantError(t, err, plimsoll.ErrUnavailable, "slow")
}
