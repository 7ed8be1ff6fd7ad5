package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/plimsoll/plimsoll/services/internal/access"
)

// Files under the data folder, readable by their owner alone.
const (
	tokensFile = "tokens"      // hashes
	tokenFile  = "admin.token" // the one token, for the command line on this machine
)

// ownToken makes a random admin token where no tokens file is configured, once for a data folder: changing calls need one
// even on loopback, and there is no default password.
func ownToken(data string) (file string, err error) {
	file = filepath.Join(data, tokensFile)
	if _, err := os.Stat(file); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	token, line, err := access.New("local-admin", access.Admin)
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	// The hash last: a crash between the two makes both again.
	for _, f := range []struct{ name, text string }{{filepath.Join(data, tokenFile), token}, {file, line}} {
		if err := os.WriteFile(f.name, []byte(f.text+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	return file, nil
}
