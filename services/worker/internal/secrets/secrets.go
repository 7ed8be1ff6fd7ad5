package secrets

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// KeyLen is the length of a bucket's fingerprint key in bytes: that of the hash.
const KeyLen = sha256.Size

// MaxHits bounds the secrets of one file: more is a test corpus or an attack.
const MaxHits = 1_000

// MaxLayerHits is the bound for a layer that callers keep; a result of all its files stays below 3 MB.
const MaxLayerHits = 10_000

// Version is raised with each change that finds other secrets, or gives them other places or values, under the same rules:
// of a rule's definition, of a bound, of osv-scalibr.
const Version = 1

// Hit is a secret found. Its value is nowhere kept.
type Hit struct {
	Rule string // what found it: one of Rules
	Line int    // of the value's first byte, from 1; 0 in an image configuration
	// Fingerprint is 32 hexadecimal digits: the same for the same value and rule under one key, telling nothing about it.
	Fingerprint string
	// Last4 are the last four characters of the value; fewer where it has less than 16, so that it never shows more than a
	// quarter. What is not printable ASCII is shown as '.'.
	Last4 string
}

// Finder finds secrets in text. It does not change after New and serves any number of goroutines.
type Finder struct {
	key   []byte
	rules []rule
	sieve *sieve
}

// New makes a finder whose fingerprints are keyed by the bucket's KeyLen random bytes.
func New(key []byte) (*Finder, error) {
	if len(key) != KeyLen {
		return nil, fmt.Errorf("secrets: fingerprint key of %d bytes; want the bucket's %d", len(key), KeyLen)
	}
	rules := table()
	return &Finder{key: slices.Clone(key), rules: rules, sieve: newSieve(rules)}, nil
}

// Rules names what is sought, sorted: for the analyser's configuration hash, together with Version.
func (f *Finder) Rules() []string {
	var names []string
	for i := range f.rules {
		names = append(names, f.rules[i].name)
		names = append(names, f.rules[i].also...)
	}
	slices.Sort(names)
	return names
}

// Find returns the secrets of a whole text, by place: what a Stream finds that the text is written to. The reason says why
// the list is short, "" where it is not; an error is the context's.
func (f *Finder) Find(ctx context.Context, text []byte) (hits []Hit, reason string, err error) {
	s := NewStream(f)
	if err := s.Write(ctx, text); err != nil {
		return nil, "", err
	}
	return s.Close(ctx)
}

// hit makes the public form of a match.
func (f *Finder) hit(m *match, line int) Hit {
	return Hit{Rule: m.rule, Line: line, Fingerprint: f.fingerprint(m.rule, m.value), Last4: last4(m.value)}
}

// fingerprint is the first half of HMAC-SHA256(key, rule || 0 || value) in hexadecimal.
func (f *Finder) fingerprint(rule, value string) string {
	mac := hmac.New(sha256.New, f.key)
	mac.Write([]byte(rule))
	mac.Write([]byte{0})
	mac.Write([]byte(value))
	return hex.EncodeToString(mac.Sum(nil)[:sha256.Size/2])
}

func last4(value string) string {
	tail := value[len(value)-min(4, len(value)/4):]
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '.'
		}
		return r
	}, tail)
}
