package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

func TestSelfTest(t *testing.T) {
	t.Parallel()
	s := open(t, bucket)
	if err := s.SelfTest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.Conditional() {
		t.Error("Conditional() = false, want true: versitygw honours conditional writes")
	}
	for e, err := range s.List(t.Context(), "selftest/", "") {
		t.Errorf("SelfTest left %q, %v", e.Key, err)
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, bucket), t.Context()
	key := "test/" + name(t)

	if _, err := s.Get(ctx, key); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("Get of nothing = %v, want ErrNotFound", err)
	}
	if ok, err := s.Head(ctx, key); ok || err != nil {
		t.Errorf("Head of nothing = %v, %v", ok, err)
	}
	if err := s.Replace(ctx, key, []byte("x"), "0123456789abcdef0123456789abcdef"); !errors.Is(err, blob.ErrExists) || errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("Replace of nothing = %v, want ErrExists and not ErrNotFound", err)
	}
	if err := s.Create(ctx, key, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, key, []byte("one")); !errors.Is(err, blob.ErrExists) {
		t.Errorf("second Create = %v, want ErrExists", err)
	}
	o, err := s.Get(ctx, key)
	if err != nil || string(o.Bytes) != "one" || o.ETag == "" || o.Modified.IsZero() {
		t.Fatalf("Get = %+v, %v", o, err)
	}
	if err := s.Replace(ctx, key, []byte("two"), ""); !errors.Is(err, blob.ErrExists) {
		t.Errorf("Replace with no etag over an object = %v, want ErrExists", err)
	}
	if err := s.Replace(ctx, key, []byte("two"), o.ETag); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(ctx, key, []byte("three"), o.ETag); !errors.Is(err, blob.ErrExists) {
		t.Errorf("Replace with the old etag = %v, want ErrExists", err)
	}
	if err := s.Put(ctx, key, nil); err != nil {
		t.Fatal(err)
	}
	if o, err := s.Get(ctx, key); err != nil || len(o.Bytes) != 0 {
		t.Errorf("Get of an empty object = %q, %v", o.Bytes, err)
	}
	for range 2 {
		if err := s.Delete(ctx, key); err != nil {
			t.Errorf("Delete = %v", err)
		}
	}
	if ok, _ := s.Head(ctx, key); ok {
		t.Error("object is there after Delete")
	}
}

func TestLargeObject(t *testing.T) {
	t.Parallel()
	s, key := open(t, bucket), "test/"+name(t)
	want := bytes.Repeat([]byte("0123456789abcdef"), 2<<20) // 32 MiB: more than one zstd window, and than minio-go's part size
	if err := s.Put(t.Context(), key, want); err != nil {
		t.Fatal(err)
	}
	o, err := s.Get(t.Context(), key)
	if err != nil || !bytes.Equal(o.Bytes, want) {
		t.Errorf("Get = %d bytes, %v", len(o.Bytes), err)
	}
}

func TestCreateOnce(t *testing.T) {
	t.Parallel()
	stores, key := []*blob.Store{open(t, bucket), open(t, bucket)}, "test/"+name(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			err := stores[i%2].Create(t.Context(), key, fmt.Append(nil, i))
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, blob.ErrExists):
				t.Errorf("Create = %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 won, want 1", won.Load())
	}
}

func TestDamagedObjects(t *testing.T) {
	t.Parallel()
	raw, err := minio.New(bucket.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(bucket.AccessKey, bucket.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	stored, sum, err := sealed.Seal([]byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := sealed.Seal([]byte(`{"a":2}`))
	s := open(t, bucket)
	for _, tc := range []struct {
		name string
		b    []byte
		meta map[string]string
	}{
		{"no zstd", []byte("plain"), map[string]string{"sha256": sum}},
		{"cut", stored[:len(stored)-3], map[string]string{"sha256": sum}},
		{"other bytes", other, map[string]string{"sha256": sum}},
		{"no metadata", stored, nil},
		{"empty", nil, map[string]string{"sha256": sum}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			key := "test/" + name(t)
			if _, err := raw.PutObject(t.Context(), bucket.Bucket, key, bytes.NewReader(tc.b), int64(len(tc.b)), minio.PutObjectOptions{UserMetadata: tc.meta}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), key); !errors.Is(err, plimsoll.ErrIntegrity) || !strings.Contains(err.Error(), key) {
				t.Errorf("Get = %v, want ErrIntegrity that names the key", err)
			}
			// A reader takes it for a miss, does the work again, and must be able to store it.
			if err := blob.CreateJSON(t.Context(), s, key, map[string]int{"a": 1}); err != nil {
				t.Errorf("CreateJSON over it = %v", err)
			}
			if got, err := blob.ReadJSON[map[string]int](t.Context(), s, key); err != nil || got["a"] != 1 {
				t.Errorf("ReadJSON after CreateJSON = %v, %v", got, err)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	s, ctx, key := open(t, bucket), t.Context(), "test/"+name(t)
	want := plimsoll.ChangeBatch{Stream: "a&b<c>", Sequence: 1 << 60, Time: noon, Changes: []plimsoll.Change{{Kind: plimsoll.ChangeTag, Text: "ü"}}}
	for range 2 {
		if err := blob.CreateJSON(ctx, s, key, want); err != nil {
			t.Fatalf("CreateJSON of an equal object = %v", err)
		}
	}
	if err := blob.CreateJSON(ctx, s, key, plimsoll.ChangeBatch{}); !errors.Is(err, blob.ErrExists) {
		t.Errorf("CreateJSON of another object = %v, want ErrExists", err)
	}
	got, err := blob.ReadJSON[plimsoll.ChangeBatch](ctx, s, key)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ReadJSON: %v (-want +got)\n%s", err, diff)
	}
	if o, _ := s.Get(ctx, key); !bytes.Contains(o.Bytes, []byte("a&b<c>")) {
		t.Errorf("stored %s, want no escapes of HTML", o.Bytes)
	}
	if err := blob.PutJSON(ctx, s, key, "now a string"); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.ReadJSON[plimsoll.ChangeBatch](ctx, s, key); !errors.Is(err, plimsoll.ErrIntegrity) {
		t.Errorf("ReadJSON of another type = %v, want ErrIntegrity", err)
	}
	if err := blob.PutJSON(ctx, s, key, func() {}); err == nil {
		t.Error("PutJSON of a function succeeds")
	}
}

// Keys sort by bytes over folders: "-" comes before "/", so "a-b/" stands before "a/", whatever a file system says.
func TestListIsSorted(t *testing.T) {
	t.Parallel()
	s, ctx, p := open(t, bucket), t.Context(), "test/"+name(t)+"/"
	for _, k := range []string{"a/2", "a/10", "a-b/1", "a.c/1", "b", "a0/1", "a/x/y"} {
		if err := s.Put(ctx, p+k, []byte(k)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		prefix, after string
		want          []string
	}{
		{"", "", []string{"a-b/1", "a.c/1", "a/10", "a/2", "a/x/y", "a0/1", "b"}},
		{"", p + "a/10", []string{"a/2", "a/x/y", "a0/1", "b"}},
		{"", p + "a-z", []string{"a.c/1", "a/10", "a/2", "a/x/y", "a0/1", "b"}},
		{"a/", "", []string{"a/10", "a/2", "a/x/y"}},
		{"a", p + "a/z", []string{"a0/1"}},
		{"c", "", nil},
	} {
		var got []string
		for e, err := range s.List(ctx, p+tc.prefix, tc.after) {
			if err != nil || e.Size == 0 || e.Modified.IsZero() {
				t.Fatalf("%+v, %v", e, err)
			}
			got = append(got, strings.TrimPrefix(e.Key, p))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("List(%q, %q) (-want +got)\n%s", tc.prefix, tc.after, diff)
		}
	}
	var folders []string
	for f, err := range s.Folders(ctx, p) {
		if err != nil {
			t.Fatal(err)
		}
		folders = append(folders, f)
	}
	if diff := cmp.Diff([]string{"a-b", "a.c", "a", "a0"}, folders); diff != "" {
		t.Errorf("Folders (-want +got)\n%s", diff)
	}
	for _, err := range s.List(cancelled(t), p, "") {
		if err == nil {
			t.Error("List under a cancelled context gives entries")
		}
	}
}

// More than one page, and a page that fails in between: nothing is lost or given twice.
func TestListPages(t *testing.T) {
	t.Parallel()
	const n = 1100
	p := startProxy(t)
	var pages atomic.Int32
	p.spoil = func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Query().Get("list-type") != "2" || pages.Add(1) != 2 {
			return false
		}
		slowDown(w)
		return true
	}
	s, direct, prefix := open(t, p.Config), open(t, bucket), "test/"+name(t)+"/"
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				if err := direct.Put(t.Context(), fmt.Sprintf("%s%05d", prefix, i), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	i := 0
	for e, err := range s.List(t.Context(), prefix, "") {
		if want := fmt.Sprintf("%s%05d", prefix, i); err != nil || e.Key != want {
			t.Fatalf("entry %d = %q, %v, want %q", i, e.Key, err, want)
		}
		i++
	}
	if i != n {
		t.Errorf("listed %d keys, want %d", i, n)
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	var bad atomic.Int32
	p.spoil = func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		switch n := bad.Add(1); {
		case n%3 == 1:
			slowDown(w)
		case n%3 == 2:
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	}
	s, key := open(t, p.Config), "test/"+name(t)
	if err := s.Put(t.Context(), key, []byte("x")); err != nil {
		t.Errorf("Put = %v", err)
	}
	if o, err := s.Get(t.Context(), key); err != nil || string(o.Bytes) != "x" {
		t.Errorf("Get = %q, %v", o.Bytes, err)
	}
	if ok, err := s.Head(t.Context(), key); !ok || err != nil {
		t.Errorf("Head = %v, %v", ok, err)
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Errorf("Delete = %v", err)
	}
}

// A store that stays away is reported as such, and no longer than the context allows.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	s := open(t, p.Config)
	p.spoil = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	before := p.requests.Load()
	if ok, err := s.Head(t.Context(), "test/x"); ok || !errors.Is(err, plimsoll.ErrUnavailable) {
		t.Errorf("Head = %v, %v, want ErrUnavailable", ok, err)
	}
	if n := p.requests.Load() - before; n != blob.MaxTries {
		t.Errorf("%d requests, want %d", n, blob.MaxTries)
	}
	if err := s.Put(cancelled(t), "test/x", nil); err == nil || errors.Is(err, plimsoll.ErrUnavailable) {
		t.Errorf("Put under a cancelled context = %v", err)
	}
}

// A write that was done but whose answer was lost is not another's write.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	var lose atomic.Bool
	p.spoil = func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		if r.Method == http.MethodPut && lose.CompareAndSwap(true, false) {
			loseAnswer(w, r, forward)
		}
		return false
	}
	s, ctx, key := open(t, p.Config), t.Context(), "test/"+name(t)
	lose.Store(true)
	if err := s.Create(ctx, key, []byte("one")); err != nil {
		t.Errorf("Create = %v", err)
	}
	o, err := s.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	lose.Store(true)
	if err := s.Replace(ctx, key, []byte("two"), o.ETag); err != nil {
		t.Errorf("Replace = %v", err)
	}
	lose.Store(true)
	if err := s.Create(ctx, key, []byte("two")); err != nil && !errors.Is(err, blob.ErrExists) {
		t.Errorf("Create = %v", err)
	}
	lose.Store(true)
	if seq, err := s.Append(ctx, name(t), "sweep", noon, nil); seq != 1 || err != nil {
		t.Errorf("Append = %d, %v", seq, err)
	}
	if seq, err := s.Append(ctx, name(t), "sweep", noon, nil); seq != 2 || err != nil {
		t.Errorf("Append = %d, %v", seq, err)
	}
	if n, err := open(t, bucket).Position(ctx, name(t)); n != 2 || err != nil {
		t.Errorf("Position = %d, %v, want 2", n, err)
	}
}

// Servers that ignore the conditions, and servers that refuse them, are noticed; writes then ask first.
func TestUnconditional(t *testing.T) {
	t.Parallel()
	ignore := func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		r.Header.Del("If-None-Match")
		r.Header.Del("If-Match")
		*r = *signer.SignV4(*r, bucket.AccessKey, bucket.SecretKey, "", bucket.Region)
		return false
	}
	refuse := func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Header.Get("If-None-Match") == "" && r.Header.Get("If-Match") == "" {
			return false
		}
		w.WriteHeader(http.StatusNotImplemented)
		return true
	}
	for what, spoil := range map[string]func(http.ResponseWriter, *http.Request, http.Handler) bool{"ignored": ignore, "refused": refuse} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t)
			p.spoil = spoil
			s, ctx, key := open(t, p.Config), t.Context(), "test/"+name(t)
			if err := s.SelfTest(ctx); err != nil {
				t.Fatal(err)
			}
			if s.Conditional() {
				t.Fatal("Conditional() = true, want false")
			}
			if err := s.Create(ctx, key, []byte("one")); err != nil {
				t.Fatal(err)
			}
			if err := s.Create(ctx, key, []byte("two")); !errors.Is(err, blob.ErrExists) {
				t.Errorf("Create over an object = %v, want ErrExists", err)
			}
			if err := s.Replace(ctx, key, []byte("two"), "0123456789abcdef0123456789abcdef"); !errors.Is(err, blob.ErrExists) {
				t.Errorf("Replace with a wrong etag = %v, want ErrExists", err)
			}
			o, err := s.Get(ctx, key)
			if err != nil || string(o.Bytes) != "one" {
				t.Fatalf("Get = %q, %v", o.Bytes, err)
			}
			if err := s.Replace(ctx, key, []byte("two"), o.ETag); err != nil {
				t.Errorf("Replace = %v", err)
			}
			for want := range int64(3) {
				if seq, err := s.Append(ctx, name(t), "sweep", noon, nil); seq != want+1 || err != nil {
					t.Errorf("Append = %d, %v, want %d", seq, err, want+1)
				}
			}
		})
	}
}

func TestOpenFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	notS3 := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notS3.Close)
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	with := func(change func(*blob.Config)) blob.Config {
		c := bucket
		change(&c)
		return c
	}
	for _, tc := range []struct {
		name string
		c    blob.Config
		want string
	}{
		{"no endpoint", with(func(c *blob.Config) { c.Endpoint = "" }), "bucket.endpoint is empty"},
		{"scheme", with(func(c *blob.Config) { c.Endpoint = "http://x" }), "without a scheme"},
		{"no bucket", with(func(c *blob.Config) { c.Bucket = "" }), "bucket.bucket is empty"},
		{"no secret", with(func(c *blob.Config) { c.SecretKey = "" }), "bucket.secret_key_file"},
		{"no such secret", with(func(c *blob.Config) { c.SecretKeyFile = filepath.Join(dir, "none") }), "no such file"},
		{"huge secret", with(func(c *blob.Config) { c.SecretKeyFile = file("huge", strings.Repeat("x", 5000)) }), "is it the right file"},
		{"wrong secret", with(func(c *blob.Config) { c.SecretKey = "wrong" }), "access denied"},
		{"wrong key", with(func(c *blob.Config) { c.AccessKey = "nobody" }), "access denied"},
		{"no PEM", with(func(c *blob.Config) { c.TLS, c.CAFile = true, file("ca", "x") }), "no PEM certificate"},
		{"unknown authority", with(func(c *blob.Config) { c.TLS, c.Endpoint = true, strings.TrimPrefix(tls.URL, "https://") }), "certificate"},
		{"TLS to a plain server", with(func(c *blob.Config) { c.TLS = true }), "HTTP response to HTTPS"},
		{"no S3 server", with(func(c *blob.Config) { c.Endpoint = strings.TrimPrefix(notS3.URL, "http://") }), "bucket"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := blob.Open(t.Context(), tc.c)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Open = %v, want an error with %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), bucket.SecretKey) {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

// A secret with the line feed that editors leave works.
func TestSecretFile(t *testing.T) {
	t.Parallel()
	c := bucket
	c.SecretKeyFile = filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(c.SecretKeyFile, []byte(c.SecretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.SecretKey = ""
	open(t, c)
}

// Open makes a bucket that is missing; one that is removed under us is never taken for an empty one.
func TestBucketComesAndGoes(t *testing.T) {
	t.Parallel()
	c := bucket
	c.Bucket = "other-" + name(t)
	s := open(t, c)
	if err := s.SelfTest(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := minio.New(c.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.RemoveBucket(t.Context(), c.Bucket); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "x"); err == nil || errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("Get from a removed bucket = %v, want an error that is not ErrNotFound", err)
	}
	for _, err := range s.List(t.Context(), "", "") {
		if err == nil || errors.Is(err, plimsoll.ErrNotFound) {
			t.Errorf("List of a removed bucket = %v, want an error that is not ErrNotFound", err)
		}
	}
}

// Each answer of a real server tells the time.
func TestStoreTellsTheBucketsTime(t *testing.T) {
	t.Parallel()
	const tolerance = 3 * time.Second
	s := open(t, bucket)
	s.SetClock(func() time.Time { return time.Now().Add(-time.Hour) })
	if err := s.Put(t.Context(), name(t), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if off := s.ClockOffset() - time.Hour; off.Abs() > tolerance {
		t.Errorf("clock is corrected by %s, want an hour", s.ClockOffset())
	}
	if off := time.Until(s.Now()); off.Abs() > 2*tolerance {
		t.Errorf("Now is off by %s", off)
	}
}
