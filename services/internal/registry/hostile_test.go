package registry

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// The rows of the catalogue of hostile inputs that a registry's answers can be, as far as no other test of this package is about them
// already: H20 and H35 are in blob_test.go, H21, H24's endless manifest and H27's other digests in manifest_test.go, H31 and most of
// H34 in token_test.go, H32 in dial_test.go, H33's loops in listing_test.go.

// endless answers with as many bytes as are taken, up to size, and counts them.
func endless(t *testing.T, size int64, header http.Header) (u string, sent *atomic.Int64) {
	t.Helper()
	sent = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		part := bytes.Repeat([]byte(" "), 1<<16)
		for left := size; left > 0; left -= int64(len(part)) {
			n, err := w.Write(part[:min(left, int64(len(part)))])
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, sent
}

// buffered is what may lie in the buffers of both ends of a connection beside what was read: TCP's grow to a few MiB.
const buffered = 16 << 20

// TestLargeManifests is H24: a manifest of 100 MB, of a million layers and of a million annotations is refused at the cap, whether its length is
// stated or not, and no more than the cap is read of it.
func TestLargeManifests(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	stated := http.Header{"Content-Length": {fmt.Sprint(size)}}
	for name, header := range map[string]http.Header{"length stated": stated, "length not stated": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, sent := endless(t, size, header)
			_, _, err := clientFor(t, u, patient()).Manifest(t.Context(), "x", "t")
			wantError(t, err, plimsoll.ErrLimit)
			if n := sent.Load(); n > 4<<20+buffered {
				t.Errorf("%d bytes were sent, want no more than the cap of 4 MiB and what lies in buffers", n)
			}
		})
	}
	layer := `{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:` + strings.Repeat("a", 64) + `","size":1},`
	for name, body := range map[string]string{
		"a million layers":      `{"schemaVersion":2,"layers":[` + strings.Repeat(layer, 1_000_000),
		"a million annotations": `{"schemaVersion":2,"annotations":{` + strings.Repeat(`"a":"b",`, 1_000_000),
	} {
		_, _, err := clientFor(t, documentServer(t, nil, body), patient()).Manifest(t.Context(), "x", "t")
		if wantError(t, err, plimsoll.ErrLimit); err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

// TestTagMoves is H27: between HEAD and GET a tag moves; what is read by digest is what HEAD said, and what is read by tag says its own.
func TestTagMoves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.client(t, quick())
	first, err := c.Head(t.Context(), repository, tag)
	if err != nil {
		t.Fatal(err)
	}
	old := f.manifestDigest()
	f.image = imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{f.layer}, Labels: map[string]string{"moved": "yes"}}))
	f.push(t, repository, tag)
	for reference, want := range map[string]plimsoll.Digest{string(first.Digest): old, tag: f.manifestDigest()} {
		d, body, err := c.Manifest(t.Context(), repository, reference)
		if err != nil || d.Digest != want || plimsoll.DigestOf(body) != want {
			t.Errorf("manifest %s: %s, %v; want %s", reference, d.Digest, err, want)
		}
	}
}

// TestManyTags is H33: ten million tags on one page are cut off at the cap of a page, and an error: a listing that is not whole must never
// pass for one.
func TestManyTags(t *testing.T) {
	t.Parallel()
	u, sent := endless(t, 100<<20, http.Header{"Content-Type": {"application/json"}})
	names, _, err := clientFor(t, u, patient()).Tags(t.Context(), repository, "", 1000)
	wantError(t, err, plimsoll.ErrLimit)
	if len(names) != 0 || sent.Load() > defaultLimits.listing+buffered {
		t.Errorf("%d names of %d bytes sent", len(names), sent.Load())
	}
}

// TestEndlessToken is H34: a realm that answers with a gigabyte.
func TestEndlessToken(t *testing.T) {
	t.Parallel()
	u, sent := endless(t, 1<<30, nil)
	f := newFixture(t)
	a := newAuth(t, authOptions{realm: u + "/token"})
	f.Intercept(a.guard)
	_, err := f.client(t, patient(), a.credentials).Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrLimit, "65536")
	if n := sent.Load(); n > buffered {
		t.Errorf("%d bytes were sent", n)
	}
}

// TestTokenClock is H34: what a realm says of its clock counts for nothing: tokens of the year 1 and of the year 9999 are used as others.
func TestTokenClock(t *testing.T) {
	t.Parallel()
	for _, issued := range []string{"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "yesterday"} {
		f := newFixture(t)
		a := newAuth(t, authOptions{reply: fmt.Sprintf(`{"token":"t","expires_in":300,"issued_at":%q,"iat":-1,"exp":1}`, issued)})
		a.left["t"] = 100
		f.Intercept(a.guard)
		c := f.client(t, quick(), a.credentials)
		for range 5 {
			if _, err := c.Head(t.Context(), repository, tag); err != nil {
				t.Errorf("issued at %s: %v", issued, err)
			}
		}
	}
}

// TestCompressedAnswer is H36: a document that says it is compressed is a bomb of a thousand to one. It is never inflated, so it is no JSON.
func TestCompressedAnswer(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := io.CopyN(z, zeros{}, 1<<30); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Content-Encoding": {"gzip"}, "Content-Type": {"application/json"}}
	c := clientFor(t, documentServer(t, header, bomb.String()), quick())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, body, err := c.Manifest(t.Context(), "x", "t")
	_, _, listErr := c.Tags(t.Context(), "x", "", 10)
	runtime.ReadMemStats(&after)
	if err == nil && int64(len(body)) > int64(bomb.Len()) {
		t.Errorf("a document of %d bytes became %d", bomb.Len(), len(body))
	}
	if listErr == nil {
		t.Error("a listing was read from a bomb")
	}
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 256<<20 {
		t.Errorf("%d MiB were allocated", grew>>20)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// TestInterimAnswers is H36: a hundred thousand answers of "103 Early Hints" before any other are not waited for.
func TestInterimAnswers(t *testing.T) {
	t.Parallel()
	l := imagetest.Must(net.Listen("tcp", "127.0.0.1:0"))
	defer func() { _ = l.Close() }()
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer func() { _ = conn.Close() }()
				hint := []byte("HTTP/1.1 103 Early Hints\r\nLink: <" + strings.Repeat("x", 1000) + ">\r\n\r\n")
				for range 100_000 {
					if _, err := conn.Write(hint); err != nil {
						return
					}
				}
			})
		}
	})
	lim := quick()
	lim.tries = 1
	began := time.Now()
	_, err := clientFor(t, "http://"+l.Addr().String(), lim).Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrUnavailable)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("gave up after %s", took)
	}
	_ = l.Close()
	wait.Wait()
}

// TestHTTP2Headers is H36: a flood of headers over HTTP/2 ends at the same cap as over HTTP/1.
func TestHTTP2Headers(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Test Authority")
	var proto atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		proto.Store(req.Proto)
		for i := range 20_000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("0123456789", 10))
		}
	}))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.sign(t, certificate{ends: time.Hour})}}
	s.Config.ErrorLog = quiet
	s.StartTLS()
	defer s.Close()
	lim := quick()
	lim.tries = 1
	f := &fixture{conf: plimsoll.Registry{ID: "test", URL: s.URL}}
	_, err := f.client(t, lim, func(r *plimsoll.Registry) { r.CAFile = ca.file }).Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrUnavailable)
	if got, _ := proto.Load().(string); got != "HTTP/2.0" {
		t.Errorf("asked by %q, want HTTP/2.0", got)
	}
}

// TestHostileNames is H46 and H23: no repository, tag or digest of another form is ever asked for.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("%s %s was asked for", req.Method, req.URL)
	}))
	defer s.Close()
	c := clientFor(t, s.URL, quick())
	for _, repository := range []string{"", "..", "../../etc", "A/b", "a//b", "/a", "a/", "a/../b", "lоdash", "a b", "a?x=y", "a#b", "a%2f..", strings.Repeat("a", 256), "a\r\nHost: x", "_catalog"} {
		if _, _, err := c.Manifest(t.Context(), repository, "1"); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("repository %.40q: %v, want invalid", repository, err)
		}
	}
	for _, reference := range []string{"", "../x", ".", "-a", "a b", strings.Repeat("a", 129), "1\n", "é", "sha512:" + strings.Repeat("a", 128), "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("a", 63), "sha256:../../x"} {
		if _, _, err := c.Manifest(t.Context(), "a", reference); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("reference %.40q: %v, want invalid", reference, err)
		}
	}
}
