package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

// checkEvery is how often the file is looked at while calls come in: how long a token that was taken out still works.
const checkEvery = 2 * time.Second

// Keeper knows the tokens of one file and follows its changes.
type Keeper struct {
	path    string // empty: no tokens, so changing calls are refused
	exposed bool
	log     *slog.Logger

	mu      sync.Mutex
	tokens  []token
	fault   error // why the file as it is now is not in force
	info    fs.FileInfo
	checked time.Time
}

// NewKeeper reads the tokens file; an empty path means that there are none. exposed says that the interface can be
// reached from other machines, by whatever way: reading then needs a token too.
func NewKeeper(path string, exposed bool, log *slog.Logger) (*Keeper, error) {
	k := &Keeper{path: path, exposed: exposed, log: log, checked: time.Now()}
	if path == "" {
		if exposed {
			return nil, fmt.Errorf("%w: reachable from other machines and no tokens_file: %s", plimsoll.ErrInvalid, howToMake)
		}
		return k, nil
	}
	var err error
	if k.tokens, k.info, err = load(path); err != nil {
		return nil, fmt.Errorf("read tokens_file: %w", err)
	}
	return k, nil
}

func load(path string) ([]token, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > maxFile {
		return nil, info, fmt.Errorf("%w: %s holds %d bytes, more than %d: is it the right file?", plimsoll.ErrLimit, path, info.Size(), maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, info, err
	}
	tokens, err := parse(path, b)
	return tokens, info, err
}

// Err is why the tokens file as it stands now is not in force; nil when it is. For readiness and status pages.
func (k *Keeper) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.follow(time.Now())
	return k.fault
}

// find looks a token up. Every stored hash is compared, in constant time, so that the time tells nothing.
func (k *Keeper) find(secret string) (token, bool) {
	k.mu.Lock()
	k.follow(time.Now())
	tokens := k.tokens
	k.mu.Unlock()
	sum := sha256.Sum256([]byte(secret))
	found := -1
	for i := range tokens {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], tokens[i].hash[:]), i, found)
	}
	if found < 0 {
		return token{}, false
	}
	return tokens[found], true
}

// follow reads the file again when it has changed. A file with faults, as an editor may leave for a moment, does not
// replace the tokens in force; a file that is gone takes them all away.
func (k *Keeper) follow(now time.Time) {
	if k.path == "" || now.Sub(k.checked) < checkEvery {
		return
	}
	k.checked = now
	info, err := os.Stat(k.path)
	if err == nil && k.info != nil && os.SameFile(info, k.info) && info.ModTime().Equal(k.info.ModTime()) && info.Size() == k.info.Size() {
		return
	}
	tokens, info, err := load(k.path)
	switch {
	case err == nil:
		k.log.Info("tokens file read again", "file", k.path, "tokens", len(tokens))
		k.tokens = tokens
	case errors.Is(err, fs.ErrNotExist):
		if k.fault == nil {
			k.log.Error("tokens file is gone: no token is accepted", "file", k.path)
		}
		k.tokens = nil
	default:
		k.log.Error("tokens file has faults: the tokens read before stay in force", "file", k.path, "error", err)
	}
	k.info, k.fault = info, err
}
