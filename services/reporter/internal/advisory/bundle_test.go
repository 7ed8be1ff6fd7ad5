package advisory

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

// keys makes a pair of key files.
func keys(t testing.TB) (private, public string) {
	t.Helper()
	dir := t.TempDir()
	key, pub, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	private, public = filepath.Join(dir, "key"), filepath.Join(dir, "key.pub")
	if err := errors.Join(os.WriteFile(private, key, 0o600), os.WriteFile(public, pub, 0o600)); err != nil {
		t.Fatal(err)
	}
	return private, public
}

func bundled(t testing.TB, source Source, key string) []byte {
	t.Helper()
	private, err := PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if _, err := WriteBundle(t.Context(), &buf, source, nil, private, start); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestBundle: what a bundle holds is what its source has, the same source gives the same file, and one that knows less is
// refused.
func TestBundle(t *testing.T) {
	t.Parallel()
	key, pub := keys(t)
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 30, nil), "crates.io": feedOf(t, 3, nil)})
	folder["enrichment/known_exploited_vulnerabilities.json"] = folderOf(map[string][]byte{"x": []byte(kevFile)})["x/all.zip"]
	older := bundled(t, Files("folder", folder), key)
	if !bytes.Equal(older, bundled(t, Files("elsewhere", folder), key)) {
		t.Error("the same feeds give another bundle")
	}
	file := filepath.Join(t.TempDir(), "osv.bundle")
	write := func(b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(older)
	s, at := newStore(t), start
	open := func(allow bool) *Updater {
		source, err := Open(file, WebOptions{BundleKey: pub})
		if err != nil {
			t.Fatal(err)
		}
		return NewUpdater(s, source, Options{Now: func() time.Time { return at }, AllowOlder: allow})
	}
	u := open(false)
	x, changed, err := u.Update(t.Context())
	if err != nil || !changed || x.Len() != 30 { // crates.io holds some of npm's ids
		t.Fatalf("changed %v, %d records, %v", changed, x.Len(), err)
	}
	if e, ok := x.Enrichment("CVE-2026-4242"); !ok || !e.KEV.Ransomware {
		t.Errorf("enrichment %+v", e)
	}
	if x, changed, err = u.Update(t.Context()); changed || err != nil {
		t.Errorf("the same bundle again: %v, %v", changed, err)
	}
	// A newer bundle takes the place of the file.
	folder["npm/all.zip"].Data = feedOf(t, 30, map[string]string{"GHSA-new.json": strings.Replace(record("GHSA-new", "a", "1.0.0"), "2026-01-02", "2026-11-25", 1)})
	newer := bundled(t, Files("folder", folder), key)
	write(newer)
	at = at.Add(time.Hour)
	if x, changed, err = u.Update(t.Context()); !changed || err != nil || x.Len() != 31 {
		t.Errorf("a newer bundle: changed %v, %d records, %v", changed, x.Len(), err)
	}
	write(older)
	for _, again := range []*Updater{u, open(false)} {
		x, changed, err = again.Update(t.Context())
		if changed || err == nil || !strings.Contains(err.Error(), "--allow-older") || x.Len() != 31 {
			t.Errorf("an older bundle: changed %v, %d records, %v; want it refused", changed, x.Len(), err)
		}
	}
	if x, changed, err = open(true).Update(t.Context()); !changed || err != nil || x.Len() != 30 {
		t.Errorf("an older bundle, allowed: changed %v, %d records, %v", changed, x.Len(), err)
	}
}

// TestTamperedBundle: whatever was changed is refused and named; what stood stays.
func TestTamperedBundle(t *testing.T) {
	t.Parallel()
	key, pub := keys(t)
	_, stranger := keys(t)
	whole := bundled(t, Files("folder", folderOf(map[string][]byte{"npm": feedOf(t, 30, nil), "crates.io": feedOf(t, 3, nil)})), key)
	file := filepath.Join(t.TempDir(), "osv.bundle")
	flip := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return b
	}
	tests := map[string]struct {
		b    []byte
		pub  string
		want string
	}{
		"a feed":            {flip(100), pub, "crates.io/all.zip"}, // sorted: the first
		"the manifest":      {flip(len(whole) - bundleTail - 20), pub, "signature"},
		"the signature":     {flip(len(whole) - bundleTail), pub, "signature"},
		"the tail":          {flip(len(whole) - 1), pub, "no bundle"},
		"the manifest size": {flip(len(whole) - len(bundleMagic) - 4), pub, "signature"},
		"cut short":         {whole[:len(whole)-10], pub, "no bundle"},
		"begun too late":    {whole[10:], pub, "it is not in the file"},
		"something before":  {append([]byte("x"), whole...), pub, "manifest names"},
		"empty":             {nil, pub, "no bundle"},
		"another's key":     {whole, stranger, "signature"},
	}
	for name, tt := range tests {
		if err := os.WriteFile(file, tt.b, 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := Open(file, WebOptions{BundleKey: tt.pub})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Read(t.Context(), source, start)
		if !errors.Is(err, plimsoll.ErrIntegrity) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want integrity and %q", name, err, tt.want)
		}
	}
	if _, err := Open(file, WebOptions{}); !errors.Is(err, plimsoll.ErrInvalid) || !strings.Contains(err.Error(), "--bundle-key") {
		t.Errorf("without a key: %v", err)
	}
	for _, bad := range []string{file, key, file + "x"} {
		if _, err := Open(file, WebOptions{BundleKey: bad}); err == nil {
			t.Errorf("%s as public key is taken", bad)
		}
	}
	if _, err := PrivateKey(pub); err == nil {
		t.Error("a public key signs")
	}
}

func TestBundleNeedsEveryFeed(t *testing.T) {
	t.Parallel()
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 3, nil), "Debian": []byte("no zip")})
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteBundle(t.Context(), &bytes.Buffer{}, Files("folder", folder), nil, key, start); err == nil || !strings.Contains(err.Error(), "Debian") {
		t.Errorf("a bundle without a feed that cannot be read: %v", err)
	}
}

func FuzzBundle(f *testing.F) {
	private, public := keys(f)
	f.Add(bundled(f, Files("folder", folderOf(map[string][]byte{"npm": feedOf(f, 1, nil)})), private))
	pub, err := PublicKey(public)
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "osv.bundle")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		source := Bundle(file, pub)
		if names, err := source.Ecosystems(t.Context()); err == nil {
			for _, n := range names {
				_, _ = source.Zip(t.Context(), n, Stamp{})
			}
			_, _ = source.(Enriching).Enrichment(t.Context(), enrich.KEV, Stamp{})
		}
	})
}
