package access

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Role is what a token may do. Each role may do what those before it may.
type Role string

// The roles, from the weakest on.
const (
	Viewer   Role = "viewer"   // reads
	Operator Role = "operator" // starts sweeps and updates
	Approver Role = "approver" // decides: policies and waivers
	Admin    Role = "admin"    // everything
)

var roles = []Role{Viewer, Operator, Approver, Admin}

// Includes says whether r may do what min may. A role that does not exist includes nothing and is included by none.
func (r Role) Includes(min Role) bool {
	need := slices.Index(roles, min)
	return need >= 0 && slices.Index(roles, r) >= need
}

const (
	// prefix lets secret scanners and people recognise a token.
	prefix = "plm_"
	// tokenBytes of randomness: as many as the hash has, so that guessing one is no easier than the other.
	tokenBytes = 32
	// maxTokens bounds the file: every one is compared at each call, a few microseconds for so many.
	maxTokens = 1000
	// maxFile and maxLine bound it in bytes: a path given by mistake must not be read whole.
	maxFile = 1 << 20
	maxLine = 1 << 10
	// maxFaults are told at once; the rest of a file that is no tokens file would say the same.
	maxFaults = 20
)

// nameForm keeps names readable in logs, change log and reports, whatever shows them.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// ownActors are the names under which the product itself writes to the change log.
var ownActors = []string{"sweep", "push", "scan"}

type token struct {
	name string
	role Role
	hash [sha256.Size]byte
}

// New makes a token and the line of the tokens file that lets it in. The token is shown once: the line holds its hash.
func New(name string, role Role) (secret string, line string, err error) {
	if err := errors.Join(checkName(name), checkRole(role)); err != nil {
		return "", "", fmt.Errorf("make a token: %w", err)
	}
	var b [tokenBytes]byte
	rand.Read(b[:]) // cannot fail: crypto/rand ends the process instead
	secret = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(secret))
	return secret, fmt.Sprintf("%s %s sha256:%s", name, role, hex.EncodeToString(sum[:])), nil
}

func checkName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%w: name %.80q; use 1 to 64 letters, digits, dots, dashes, underscores and @", plimsoll.ErrInvalid, name)
	}
	if slices.Contains(ownActors, name) {
		return fmt.Errorf("%w: name %q is how Plimsoll names its own doings in the change log; choose another", plimsoll.ErrInvalid, name)
	}
	return nil
}

func checkRole(r Role) error {
	if !slices.Contains(roles, r) {
		return fmt.Errorf("%w: role %.80q; use viewer, operator, approver or admin", plimsoll.ErrInvalid, r)
	}
	return nil
}

// parse reads a tokens file. All faults are reported, each with its line.
func parse(path string, b []byte) ([]token, error) {
	var tokens []token
	var faults []error
	seen := map[[sha256.Size]byte]int{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	n := 0
	for lines.Scan() && len(faults) < maxFaults {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		t, err := parseLine(text)
		if err == nil && seen[t.hash] > 0 {
			err = fmt.Errorf("%w: the same token as in line %d; each token has one line", plimsoll.ErrInvalid, seen[t.hash])
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", path, n, err))
			continue
		}
		seen[t.hash] = n
		tokens = append(tokens, t)
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("%s:%d: %w: line longer than %d bytes", path, n+1, plimsoll.ErrInvalid, maxLine))
	}
	if len(tokens) > maxTokens {
		faults = append(faults, fmt.Errorf("%s: %w: %d tokens, more than %d", path, plimsoll.ErrLimit, len(tokens), maxTokens))
	}
	return tokens, errors.Join(faults...)
}

// parseLine never shows the line itself in an error: it may be the token instead of its hash.
func parseLine(text string) (token, error) {
	fields := strings.Fields(strings.TrimPrefix(text, "- "))
	if len(fields) != 3 {
		return token{}, fmt.Errorf("%w: %d words; write: name role sha256:<hash>, as \"plimsoll token NAME ROLE\" prints it", plimsoll.ErrInvalid, len(fields))
	}
	t := token{name: fields[0], role: Role(fields[1])}
	if strings.Contains(t.name, prefix) || strings.HasPrefix(string(t.role), prefix) {
		return t, fmt.Errorf("%w: a token stands where its name or role belongs; the file holds hashes only: make a new one", plimsoll.ErrInvalid)
	}
	if err := errors.Join(checkName(t.name), checkRole(t.role)); err != nil {
		return t, err
	}
	digest, err := plimsoll.ParseDigest(fields[2])
	if err != nil {
		return t, fmt.Errorf("%w: third word is no \"sha256:\" and 64 lower-case hexadecimal digits; the file holds the token's hash, never the token", plimsoll.ErrInvalid)
	}
	_, err = hex.Decode(t.hash[:], []byte(digest.Hex()))
	return t, err
}
