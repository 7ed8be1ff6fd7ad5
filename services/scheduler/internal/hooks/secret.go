package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// maxSecret bounds a secret file, in bytes.
const maxSecret = 4 << 10

var (
	errNoSecret = errors.New("no secret is configured: set registries[].hook.secret_file")
	errNoGoogle = errors.New("no audience is configured: set registries[].hook.audience and service_account")
	errNoProof  = errors.New("the secret, or what is signed with it, is missing or wrong")
)

// authorize checks that a message may speak for its registry. Without a configured secret only what cannot come from beyond
// this machine is let in. ErrDenied is returned when it may not, ErrUnavailable when that cannot be told now.
func (h *Handler) authorize(ctx context.Context, d dialect, m message) error {
	hook := m.registry.Hook
	if d.proof == nil {
		if hook.Audience == "" {
			return h.local(errNoGoogle)
		}
		return h.tokens.check(ctx, hook, m.header.Get("Authorization"))
	}
	if hook.SecretFile == "" {
		return h.local(errNoSecret)
	}
	secret, err := readSecret(hook.SecretFile)
	if err != nil {
		return fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
	}
	if !d.proof(m, secret) {
		return fmt.Errorf("%w: %w", plimsoll.ErrDenied, errNoProof)
	}
	return nil
}

// local lets in what is not configured to prove itself, on this machine alone.
func (h *Handler) local(missing error) error {
	if h.Local {
		return nil
	}
	return fmt.Errorf("%w: %w", plimsoll.ErrDenied, missing)
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
