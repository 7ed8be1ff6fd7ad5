package hooks

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what Nexus signs with; HMAC does not need collision resistance
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strings"
)

// shown says that the header is the secret, as senders of fixed headers give it: as it is, or in the forms of HTTP's schemes
// Bearer and Basic (the secret is then user:password).
func shown(m message, secret string) bool {
	given := m.header.Get(m.shows)
	// All are compared, whatever the first says, and by their hashes, so that time tells neither length nor content.
	basic := base64.StdEncoding.EncodeToString([]byte(secret))
	return same(given, secret)|same(given, "Bearer "+secret)|same(given, "Basic "+basic) == 1
}

// inPath says that the path after the registry's id is the secret: for senders that can show nothing else.
func inPath(m message, secret string) bool { return same(m.rest, secret) == 1 }

func shownOrInPath(m message, secret string) bool {
	if m.rest != "" {
		return inPath(m, secret)
	}
	return shown(m, secret)
}

// shownOrSigned takes the secret itself, or the body's signature: Artifactory's two settings of one header.
func shownOrSigned(m message, secret string) bool {
	given := m.header.Get(m.shows)
	return same(given, secret) == 1 || signs(given, m.body, secret, sha256.New)
}

// signedSHA256 says that the header is the body's HMAC-SHA256 in hexadecimal, with GitHub's prefix.
func signedSHA256(m message, secret string) bool {
	given, found := strings.CutPrefix(m.header.Get(m.shows), "sha256=")
	return found && signs(given, m.body, secret, sha256.New)
}

// signedByGitea takes the same without a prefix, under Gitea's name or Forgejo's, and GitHub's form, which both send too.
func signedByGitea(m message, secret string) bool {
	if given := firstOf(m, "X-Gitea-Signature", "X-Forgejo-Signature"); given != "" {
		return signs(given, m.body, secret, sha256.New)
	}
	m.shows = "X-Hub-Signature-256"
	return signedSHA256(m, secret)
}

// signedSHA1 says that the header is the HMAC-SHA1 of the body, or of the body without white space: Nexus' documentation has
// the latter.
func signedSHA1(m message, secret string) bool {
	given := m.header.Get(m.shows)
	if signs(given, m.body, secret, sha1.New) {
		return true
	}
	var compact bytes.Buffer
	return json.Compact(&compact, m.body) == nil && signs(given, compact.Bytes(), secret, sha1.New)
}

// signs says, in constant time, that given is the body's HMAC in hexadecimal.
func signs(given string, body []byte, secret string, kind func() hash.Hash) bool {
	sum, err := hex.DecodeString(given)
	mac := hmac.New(kind, []byte(secret))
	mac.Write(body)
	return err == nil && hmac.Equal(sum, mac.Sum(nil))
}

func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}
