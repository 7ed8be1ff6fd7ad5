package advisory

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Cache is a folder that keeps compiled indexes from one start to the next; several processes may share it. The empty one
// keeps nothing. What stands there can be compiled again at any time: a file that is damaged, cut short or of another
// version counts as none.
type Cache string

const (
	indexExt = ".index"
	// keptIndexes is how many index files stay: the one in force, and the one before, whose feeds the next may share.
	keptIndexes = 2
	// maxIndex bounds an index file, in bytes: osv.dev's records, ten times those that 40 MB hold.
	maxIndex = 4 << 30
)

func (c Cache) file(key string) string { return filepath.Join(string(c), key[:32]+indexExt) }

// open opens the index of a generation.
func (c Cache) open(g plimsoll.Generation) (*Index, error) {
	if c == "" {
		return nil, fs.ErrNotExist
	}
	key := keyOf(g)
	b, err := readLimited(c.file(key), maxIndex)
	if err != nil {
		return nil, err
	}
	x, err := openIndex(b, key, g)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.file(key), err)
	}
	return x, nil
}

func readLimited(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %w: %d bytes, more than %d: is it the right file?", name, plimsoll.ErrLimit, info.Size(), limit)
	}
	return os.ReadFile(name)
}

// newest is the newest index file that can be read, whatever its generation: feeds that did not change since need not be
// compiled again.
func (c Cache) newest() *Index {
	for _, name := range c.list() {
		b, err := readLimited(name, maxIndex)
		if err != nil {
			continue
		}
		if x, err := openIndex(b, "", plimsoll.Generation{}); err == nil {
			return x
		}
	}
	return Empty()
}

// list names the index files, the newest first.
func (c Cache) list() []string {
	entries, err := os.ReadDir(string(c))
	if err != nil {
		return nil
	}
	type file struct {
		name string
		at   int64
	}
	var files []file
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(e.Name(), indexExt) {
			files = append(files, file{filepath.Join(string(c), e.Name()), info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(cmp.Compare(b.at, a.at), strings.Compare(a.name, b.name)) })
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.name
	}
	return out
}

// keep writes the index and removes those that nobody will open again.
func (c Cache) keep(x *Index) (err error) {
	if c == "" {
		return nil
	}
	if err := os.MkdirAll(string(c), 0o700); err != nil {
		return fmt.Errorf("keep the compiled advisories: %w", err)
	}
	// Under another name first: nobody may open half a file.
	f, err := os.CreateTemp(string(c), "new-*")
	if err != nil {
		return fmt.Errorf("keep the compiled advisories: %w", err)
	}
	key := keyOf(x.generation)
	err = errors.Join(x.writeTo(f, key), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.file(key))
	}
	if err != nil {
		return fmt.Errorf("keep the compiled advisories: %w", errors.Join(err, os.Remove(f.Name())))
	}
	for _, name := range c.list()[min(keptIndexes, len(c.list())):] {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old compiled advisories: %w", err)
		}
	}
	return nil
}
