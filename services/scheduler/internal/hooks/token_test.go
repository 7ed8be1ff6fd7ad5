package hooks

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
)

// signers are two keys, made once: making one takes a while.
var signers = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var both [2]*rsa.PrivateKey
	for i := range both {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		both[i] = key
	}
	return both
})

func encodePart(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings always encode
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func tokenOf(key *rsa.PrivateKey, head, claims map[string]any) string {
	signed := encodePart(head) + "." + encodePart(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func jwks(keys map[string]*rsa.PublicKey) []byte {
	var all []map[string]string
	for name, key := range keys {
		all = append(all, map[string]string{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name,
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())})
	}
	b, err := json.Marshal(map[string]any{"keys": all})
	if err != nil {
		panic(err)
	}
	return b
}

const (
	ourAudience = "https://plimsoll.corp.example/hooks/r"
	ourAccount  = "push@corp.iam.gserviceaccount.com"
)

func TestGoogleTokens(t *testing.T) {
	t.Parallel()
	ours, theirs := signers()[0], signers()[1]
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, jwks(map[string]*rsa.PublicKey{"k1": &ours.PublicKey}), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	with := func(field string, value any) map[string]any {
		c := map[string]any{"iss": "https://accounts.google.com", "aud": ourAudience, "email": ourAccount, "email_verified": true, "sub": "113774264463038321964",
			"exp": now.Add(time.Hour).Unix(), "iat": now.Unix()}
		if value == nil {
			delete(c, field)
		} else {
			c[field] = value
		}
		return c
	}
	head := map[string]any{"alg": "RS256", "kid": "k1", "typ": "JWT"}
	good := tokenOf(ours, head, with("", ""))
	none := encodePart(map[string]any{"alg": "none", "kid": "k1"}) + "." + encodePart(with("", "")) + "."
	tests := []struct {
		name, authorization string
		status              int
	}{
		{"a good one", "Bearer " + good, 202},
		{"one of several audiences", "Bearer " + tokenOf(ours, head, with("aud", []string{"x", ourAudience})), 202},
		{"the shorter issuer", "Bearer " + tokenOf(ours, head, with("iss", "accounts.google.com")), 202},
		{"a little late", "Bearer " + tokenOf(ours, head, with("exp", now.Add(-30*time.Second).Unix())), 202},
		{"none", "", 401},
		{"another scheme", "Basic " + good, 401},
		{"no signature", "Bearer " + none, 401},
		{"another's signature", "Bearer " + tokenOf(theirs, head, with("", "")), 401},
		{"a key that nobody has", "Bearer " + tokenOf(theirs, map[string]any{"alg": "RS256", "kid": "k9"}, with("", "")), 401},
		{"a key of its own", "Bearer " + tokenOf(theirs, map[string]any{"alg": "RS256", "jku": "http://169.254.169.254/", "jwk": map[string]any{"kty": "RSA"}}, with("", "")), 401},
		{"signed by the public key as if it were a secret", "Bearer " + tokenOf(ours, map[string]any{"alg": "HS256", "kid": "k1"}, with("", "")), 401},
		{"expired", "Bearer " + tokenOf(ours, head, with("exp", now.Add(-2*time.Minute).Unix())), 401},
		{"never expires", "Bearer " + tokenOf(ours, head, with("exp", nil)), 401},
		{"from the future", "Bearer " + tokenOf(ours, head, with("iat", now.Add(time.Hour).Unix())), 401},
		{"another issuer", "Bearer " + tokenOf(ours, head, with("iss", "https://accounts.google.com.evil.example")), 401},
		{"another audience", "Bearer " + tokenOf(ours, head, with("aud", "https://other.example")), 401},
		{"no audience", "Bearer " + tokenOf(ours, head, with("aud", nil)), 401},
		{"another account", "Bearer " + tokenOf(ours, head, with("email", "evil@evil.example")), 401},
		{"an account that is not verified", "Bearer " + tokenOf(ours, head, with("email_verified", false)), 401},
		{"words", "Bearer a.b.c", 401},
		{"much", "Bearer " + string(make([]byte, maxToken+1)), 401},
	}
	r := plimsoll.Registry{ID: "r", URL: "https://us-east1-docker.pkg.dev",
		Hook: plimsoll.Hook{Dialect: plimsoll.HookGoogle, Audience: ourAudience, ServiceAccount: ourAccount, Keys: file}}
	for _, test := range tests {
		w := newWorld(true, r)
		if rec := w.post(t, "/hooks/r", fixture(t, "google/push"), "Authorization", test.authorization); rec.Code != test.status {
			t.Errorf("%s: status %d, want %d", test.name, rec.Code, test.status)
		}
	}
	// The signature holds for all that is signed.
	w := newWorld(true, r)
	for i := range len(good) - 2 { // the last character has bits that stand for nothing
		changed := []byte(good)
		changed[i] ^= 1
		if rec := w.post(t, "/hooks/r", fixture(t, "google/push"), "Authorization", "Bearer "+string(changed)); rec.Code == 202 {
			t.Fatalf("a token changed at %d is taken", i)
		}
	}
	r.Hook.Audience, r.Hook.ServiceAccount = "", ""
	if rec := newWorld(false, r).post(t, "/hooks/r", fixture(t, "google/push"), "Authorization", "Bearer "+good); rec.Code != 401 {
		t.Errorf("without an audience, beyond loopback: status %d, want 401", rec.Code)
	}
}

// Keys are fetched once an hour, and when a token names another one, at most once a minute; old ones serve while the source is away.
func TestKeysAreFetchedSeldom(t *testing.T) {
	t.Parallel()
	key, other := &signers()[0].PublicKey, &signers()[1].PublicKey
	var asked atomic.Int64
	var serve atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if b := serve.Load(); b != nil {
			_, _ = w.Write(*b)
			return
		}
		http.Error(w, "away", http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	now := time.Unix(1_800_000_000, 0)
	k := newKeys(func() time.Time { return now })
	find := func(step, name string, want *rsa.PublicKey, fetches int64) {
		t.Helper()
		got, err := k.find(t.Context(), server.URL, name)
		if fmt.Sprint(got) != fmt.Sprint(want) || asked.Load() != fetches {
			t.Errorf("%s: key found %v (%v) after %d fetches, want %v after %d", step, got != nil, err, asked.Load(), want != nil, fetches)
		}
	}
	find("the source is away", "a", nil, 1)
	first := jwks(map[string]*rsa.PublicKey{"a": key})
	serve.Store(&first)
	find("it is there", "a", key, 2)
	find("again", "a", key, 2)
	find("a name made up, at once", "b", nil, 2)
	now = now.Add(keysPause)
	find("a name made up, later", "b", nil, 3)
	second := jwks(map[string]*rsa.PublicKey{"b": other})
	serve.Store(&second)
	now = now.Add(keysPause)
	find("a new key", "b", other, 4)
	find("an old key that is gone", "a", nil, 4)
	serve.Store(nil)
	now = now.Add(keysAge)
	find("old, and the source is away", "b", other, 5)
	find("and again, a little later", "b", other, 5)
}

func TestKeysThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, `{}`, `{"keys":[]}`, `{"keys":[{"kty":"EC","kid":"a"}]}`, `{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`, `{"keys":[{"kty":"RSA","kid":"a","n":"!","e":""}]}`} {
		if got, err := parseKeys([]byte(text)); err == nil {
			t.Errorf("parseKeys(%s) = %d keys, want an error", text, len(got))
		}
	}
}
