package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
)

// seen is a visitor that writes down what it is given.
type seen struct {
	entries []string
	ignored []string
	fail    error
}

func (s *seen) Visit(path string, h *Header, body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		b = []byte("cut")
	}
	s.entries = append(s.entries, fmt.Sprintf("%s=%.20s", path, b))
	return s.fail
}

func (s *seen) Ignore(reason string) { s.ignored = append(s.ignored, reason) }

type entry struct{ name, body string }

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Typeflag: tar.TypeReg, Size: int64(len(e.body)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func zstdOf(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func diffID(b []byte) plimsoll.DiffID { return plimsoll.DiffID(plimsoll.DigestOf(b)) }

func blobOf(b []byte) Blob { return Blob{Digest: plimsoll.DigestOf(b), Size: int64(len(b))} }

func TestWalk(t *testing.T) {
	t.Parallel()
	plain := tarOf(t, entry{"a", "1"}, entry{"./b//c/../d", "2"})
	visited := []string{"a=1", "b/d=2"}
	long := tarOf(t, entry{"a", strings.Repeat("1", 600)})
	zeros := tarOf(t, entry{"a", "1"}, entry{"zeros", strings.Repeat("\x00", 1<<20)})
	small := DefaultLimits()
	small.RatioFrom, small.Ratio, small.Entries, small.Path, small.Depth = 64<<10, 10, 3, 100, 5
	tests := map[string]struct {
		blob    []byte
		lim     Limits
		entries []string
		ignored []string
		diffID  plimsoll.DiffID
		read    plimsoll.Coverage
	}{
		"plain":                        {plain, DefaultLimits(), visited, nil, diffID(plain), plimsoll.Complete()},
		"gzip":                         {gzipOf(t, plain), DefaultLimits(), visited, nil, diffID(plain), plimsoll.Complete()},
		"gzip in members":              {gzipOf(t, plain[:700], nil, plain[700:]), DefaultLimits(), visited, nil, diffID(plain), plimsoll.Complete()},
		"zstd":                         {zstdOf(t, plain), DefaultLimits(), visited, nil, diffID(plain), plimsoll.Complete()},
		"zstd after a skippable frame": {append([]byte{0x52, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2}, zstdOf(t, plain)...), DefaultLimits(), visited, nil, diffID(plain), plimsoll.Complete()},
		"nothing":                      {nil, DefaultLimits(), nil, nil, diffID(nil), plimsoll.Complete()},
		"no end mark":                  {plain[:3072-1024], DefaultLimits(), visited, nil, diffID(plain[:2048]), plimsoll.Complete()},
		"bytes after the end mark":     {append(bytes.Clone(plain), "trailing"...), DefaultLimits(), visited, nil, diffID(append(bytes.Clone(plain), "trailing"...)), plimsoll.Complete()},
		"bzip2":                        {[]byte("BZh91AY&SY and so on"), DefaultLimits(), nil, nil, "", plimsoll.Failed("unsupported: bzip2 layer")},
		"xz":                           {[]byte("\xfd7zXZ\x00 and so on"), DefaultLimits(), nil, nil, "", plimsoll.Failed("unsupported: xz layer")},
		"text":                         {[]byte(strings.Repeat("<html>", 200)), DefaultLimits(), nil, nil, diffID([]byte(strings.Repeat("<html>", 200))), plimsoll.Partial("tar: archive/tar: invalid tar header")},
		"tar cut in a body":            {long[:700], DefaultLimits(), []string{"a=cut"}, nil, diffID(long[:700]), plimsoll.Partial("tar: unexpected EOF")},
		"gzip cut":                     {gzipOf(t, plain)[:60], DefaultLimits(), nil, nil, "", plimsoll.Partial("unexpected EOF")},
		"gzip with bytes after it":     {append(gzipOf(t, plain), "junk"...), DefaultLimits(), visited, nil, "", plimsoll.Partial("unexpected EOF")},
		"bomb":                         {gzipOf(t, zeros), small, []string{"a=1", "zeros=cut"}, nil, "", plimsoll.Partial("limit reached: the layer inflates to more than 10 times its size")},
		"entries":                      {tarOf(t, entry{"1", ""}, entry{"2", ""}, entry{"3", ""}, entry{"4", ""}), small, []string{"1=", "2=", "3="}, nil, "*", plimsoll.Partial("limit reached: more than 3 entries")},
		"long path":                    {tarOf(t, entry{strings.Repeat("x", 101), ""}, entry{"b", ""}), small, []string{"b="}, []string{"path longer than 100 bytes"}, "*", plimsoll.Partial("limit reached: path longer than 100 bytes")},
		"deep path":                    {tarOf(t, entry{"1/2/3/4/5/6", ""}, entry{"1/2/3/4/5", ""}), small, []string{"1/2/3/4/5="}, []string{"path deeper than 5"}, "*", plimsoll.Partial("limit reached: path deeper than 5")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v seen
			counted := 0
			res, err := Walk(NewSource(t.Context(), bytes.NewReader(tt.blob), blobOf(tt.blob), func(n int) { counted += n }), tt.lim, &v)
			if err != nil {
				t.Fatal(err)
			}
			if tt.diffID == "*" {
				tt.diffID = res.DiffID
			}
			if res.Read != tt.read || res.DiffID != tt.diffID {
				t.Errorf("read %+v, diff ID %.20s; want %+v, %.20s", res.Read, res.DiffID, tt.read, tt.diffID)
			}
			if diff := cmp.Diff(tt.entries, v.entries); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.ignored, v.ignored); diff != "" {
				t.Errorf("ignored (-want +got):\n%s", diff)
			}
			if res.Size != int64(len(tt.blob)) || counted != len(tt.blob) {
				t.Errorf("size %d, counted %d; want %d", res.Size, counted, len(tt.blob))
			}
		})
	}
}

func TestWalkErrors(t *testing.T) {
	t.Parallel()
	b := gzipOf(t, tarOf(t, entry{"a", "1"}, entry{"b", strings.Repeat("x", 1<<20)}))
	broken, stop := errors.New("connection reset"), errors.New("stop")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	huge := blobOf(b)
	huge.Size = DefaultLimits().Compressed + 1
	tests := map[string]struct {
		ctx  context.Context
		r    io.Reader
		want Blob
		v    seen
		err  error
	}{
		"the connection breaks": {t.Context(), io.MultiReader(bytes.NewReader(b[:100]), iotest.ErrReader(broken)), blobOf(b), seen{}, broken},
		"it breaks at once":     {t.Context(), iotest.ErrReader(broken), blobOf(b), seen{}, broken},
		"the visitor stops":     {t.Context(), bytes.NewReader(b), blobOf(b), seen{fail: stop}, stop},
		"the caller stops":      {cancelled, bytes.NewReader(b), blobOf(b), seen{}, stop},
		"other bytes":           {t.Context(), bytes.NewReader(b), blobOf(append(bytes.Clone(b[:len(b)-1]), 'x')), seen{}, ErrDigest},
		"fewer bytes":           {t.Context(), bytes.NewReader(b[:len(b)-1]), blobOf(b), seen{}, plimsoll.ErrIntegrity},
		"more bytes":            {t.Context(), bytes.NewReader(append(bytes.Clone(b), 'x')), blobOf(b), seen{}, plimsoll.ErrIntegrity},
		"a size beyond reading": {t.Context(), bytes.NewReader(b), huge, seen{}, plimsoll.ErrLimit},
	}
	for name, tt := range tests {
		if _, err := Walk(NewSource(tt.ctx, tt.r, tt.want, nil), DefaultLimits(), &tt.v); !errors.Is(err, tt.err) {
			t.Errorf("%s: error %v, want %v", name, err, tt.err)
		}
	}
}

// TestWindowIsBounded: a zstd frame of nine bytes may ask for a window of gigabytes (HOSTILE H17).
func TestWindowIsBounded(t *testing.T) {
	t.Parallel()
	for _, exponent := range []byte{18, 19, 20, 21} { // 2^(10+e): 256 MiB to 2 GiB
		b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, exponent << 3, 0x01, 0x00, 0x00}
		var v seen
		res, err := Walk(NewSource(t.Context(), bytes.NewReader(b), blobOf(b), nil), DefaultLimits(), &v)
		if err != nil || !res.Read.Short() {
			t.Errorf("window 2^%d: %+v, %v; want short", 10+exponent, res.Read, err)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"a": "a", "./a": "a", "/a": "a", "a/": "a", "a//b": "a/b", "../../etc/passwd": "etc/passwd", "a/../../b": "b",
		"": "", ".": "", "/": "", "..": "", "./": "", `C:\x`: `C:\x`, "a/./b/..": "a", "...": "...", "a/.../b": "a/.../b",
	}
	for in, want := range tests {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a", "../a", "/a//b/", "a/./../b", "\x00", "a/.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := Clean(name)
		if want := strings.TrimPrefix(path.Clean("/"+name), "/"); got != want {
			t.Errorf("Clean(%q) = %q, want %q", name, got, want)
		}
		if got == ".." || strings.HasPrefix(got, "../") || strings.HasPrefix(got, "/") {
			t.Errorf("Clean(%q) = %q leads out of the root", name, got)
		}
	})
}

// FuzzWalk: right bytes, however broken inside, give a result and no error, and the same one in any pieces.
func FuzzWalk(f *testing.F) {
	plain := tarOf(f, entry{"a", "1"}, entry{"b", "22"})
	for _, b := range [][]byte{plain, gzipOf(f, plain), zstdOf(f, plain), nil, []byte("BZh9"), plain[:600], gzipOf(f, plain)[:40]} {
		f.Add(b)
	}
	lim := DefaultLimits()
	lim.Inflated, lim.RatioFrom = 8<<20, 1<<20
	f.Fuzz(func(t *testing.T, b []byte) {
		var once, pieces seen
		first, err := Walk(NewSource(t.Context(), bytes.NewReader(b), blobOf(b), nil), lim, &once)
		if err != nil {
			t.Fatalf("right bytes: %v", err)
		}
		if first.Read.Short() == (first.Read.Reason == "") {
			t.Errorf("read %+v: short and reason must go together", first.Read)
		}
		second, err := Walk(NewSource(t.Context(), iotest.HalfReader(bytes.NewReader(b)), blobOf(b), nil), lim, &pieces)
		if err != nil || first != second || !cmp.Equal(once.entries, pieces.entries) {
			t.Errorf("in pieces: %+v %v, at once: %+v (%v)", second, pieces.entries, first, err)
		}
	})
}
