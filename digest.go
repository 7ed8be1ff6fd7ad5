package plimsoll

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest is "sha256:" and 64 lower-case hexadecimal digits: the hash of bytes as a registry stores them. Other algorithms
// are refused: facts are keyed by what we hashed ourselves, with one function.
type Digest string

// DiffID has the same form as [Digest] but is the hash of a layer's uncompressed tar. The two cannot be swapped.
type DiffID string

const digestPrefix = "sha256:"

// ParseDigest checks the form of s. Upper case, short hex and other algorithms are errors, because a digest becomes part
// of an object key and of a URL.
func ParseDigest(s string) (Digest, error) {
	if err := checkSHA256(s); err != nil {
		return "", fmt.Errorf("digest %.80q: %w", s, err)
	}
	return Digest(s), nil
}

// ParseDiffID is [ParseDigest] for diff IDs.
func ParseDiffID(s string) (DiffID, error) {
	if err := checkSHA256(s); err != nil {
		return "", fmt.Errorf("diff ID %.80q: %w", s, err)
	}
	return DiffID(s), nil
}

// DigestOf hashes b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// Hex is the digest without its algorithm; empty for an empty digest.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), digestPrefix) }

// Short is what people see: the first 12 hexadecimal digits.
func (d Digest) Short() string { return d.Hex()[:min(12, len(d.Hex()))] }

func checkSHA256(s string) error {
	h, ok := strings.CutPrefix(s, digestPrefix)
	if !ok {
		return fmt.Errorf("%w: only sha256 is accepted", ErrInvalid)
	}
	if len(h) != 2*sha256.Size || strings.Trim(h, "0123456789abcdef") != "" {
		return fmt.Errorf("%w: want 64 lower-case hexadecimal digits after %q", ErrInvalid, digestPrefix)
	}
	return nil
}
