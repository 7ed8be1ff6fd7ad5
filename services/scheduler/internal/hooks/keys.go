package hooks

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

const (
	// googleKeys is where Google publishes the keys of its tokens ("jwks_uri" of its discovery document).
	googleKeys = "https://www.googleapis.com/oauth2/v3/certs"
	// maxKeys bounds a set of keys, in bytes; Google's has 2 KiB.
	maxKeys = 256 << 10
	// keysAge is how long a set is used: Google replaces keys within days, and tells hours.
	keysAge = time.Hour
	// keysPause is between two looks for a key that is not in the set: a sender may make names up.
	keysPause = time.Minute
	// keysTimeout bounds one look.
	keysTimeout = 10 * time.Second
	// leastModulus is the shortest RSA key that is taken, in bits (NIST SP 800-131A).
	leastModulus = 2048
)

// keys are the sets of keys that are in use, by their source.
type keys struct {
	client *http.Client
	now    func() time.Time

	mu   sync.Mutex
	sets map[string]*keySet
}

type keySet struct {
	at   time.Time // when it was last looked for
	keys map[string]*rsa.PublicKey
}

func newKeys(now func() time.Time) *keys {
	return &keys{client: &http.Client{Timeout: keysTimeout}, now: now, sets: map[string]*keySet{}}
}

// find is the key of this name in a source: a file, an https URL, or Google's for "". ErrDenied is returned when there is none,
// ErrUnavailable when the source cannot be read.
func (k *keys) find(ctx context.Context, source, name string) (*rsa.PublicKey, error) {
	if source == "" {
		source = googleKeys
	}
	k.mu.Lock()
	defer k.mu.Unlock() // while the keys are fetched the others wait: they need them too
	set := k.sets[source]
	if set != nil && set.keys[name] != nil && k.now().Sub(set.at) < keysAge {
		return set.keys[name], nil
	}
	if set == nil || k.now().Sub(set.at) >= keysPause {
		fresh, err := k.read(ctx, source)
		switch {
		case err == nil:
			set = &keySet{k.now(), fresh}
		case set == nil || set.keys[name] == nil:
			return nil, fmt.Errorf("%w: keys for tokens at %s: %w", plimsoll.ErrUnavailable, source, err)
		default:
			set = &keySet{k.now(), set.keys} // a key that was good an hour ago is better than none
		}
		k.sets[source] = set
	}
	if key := set.keys[name]; key != nil {
		return key, nil
	}
	return nil, refuse("the token is signed with the key %.80q, which %s does not have", name, source)
}

func (k *keys) read(ctx context.Context, source string) (map[string]*rsa.PublicKey, error) {
	body, err := k.open(ctx, source)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, maxKeys+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxKeys {
		return nil, fmt.Errorf("%w: more than %d bytes", plimsoll.ErrLimit, maxKeys)
	}
	return parseKeys(b)
}

func (k *keys) open(ctx context.Context, source string) (io.ReadCloser, error) {
	if !strings.Contains(source, "://") {
		return os.Open(source)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("it answers %s", res.Status)
	}
	return res.Body, nil
}

// parseKeys reads a JWKS (RFC 7517) and returns its RSA keys for signatures by their name.
func parseKeys(b []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []struct {
			Kind     string `json:"kty"`
			Name     string `json:"kid"`
			Use      string `json:"use"`
			Modulus  string `json:"n"`
			Exponent string `json:"e"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("keys: %w: %w", plimsoll.ErrInvalid, err)
	}
	all := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		if k.Kind != "RSA" || k.Use != "" && k.Use != "sig" {
			continue
		}
		if key := rsaKey(k.Modulus, k.Exponent); key != nil {
			all[k.Name] = key
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("keys: %w: %w", plimsoll.ErrInvalid, errNoKeys)
	}
	return all, nil
}

var errNoKeys = errors.New("no RSA key for signatures among them")

// rsaKey is nil for what is no key, or one that is too short.
func rsaKey(modulus, exponent string) *rsa.PublicKey {
	n, err := base64.RawURLEncoding.DecodeString(modulus)
	e, err2 := base64.RawURLEncoding.DecodeString(exponent)
	if err != nil || err2 != nil || len(e) == 0 || len(e) > 4 {
		return nil
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if key.N.BitLen() < leastModulus || key.E < 3 || key.E%2 == 0 {
		return nil
	}
	return key
}
