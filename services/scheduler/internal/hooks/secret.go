package hooks

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// maxSecret bounds a secret file, in bytes.
const maxSecret = 4 << 10

var errNoSecret = errors.New("no secret is configured: set registries[].hook_secret_file")

// authorize checks that a request may speak for r: its Authorization header is the secret, or "Bearer " and the secret, as
// the notification endpoint's headers in the registry's configuration say. Without a configured secret only what cannot come
// from beyond this machine is let in.
func (h *Handler) authorize(req *http.Request, r plimsoll.Registry) error {
	if r.HookSecret == "" {
		if h.Local {
			return nil
		}
		return fmt.Errorf("%w: %w", plimsoll.ErrDenied, errNoSecret)
	}
	secret, err := readSecret(r.HookSecret)
	if err != nil {
		return fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
	}
	given := req.Header.Get("Authorization")
	// Both are compared, whatever the first says, and by their hashes, so that time tells neither length nor content.
	if same(given, secret)|same(given, "Bearer "+secret) == 0 {
		return fmt.Errorf("%w: wrong or missing Authorization", plimsoll.ErrDenied)
	}
	return nil
}

func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// readSecret reads the file anew each time, so that a secret can be changed without a restart.
func readSecret(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("hook secret: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("hook secret: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" || len(b) > maxSecret {
		return "", fmt.Errorf("hook secret %s: %w: want 1 to %d bytes", file, plimsoll.ErrInvalid, maxSecret)
	}
	return secret, nil
}
