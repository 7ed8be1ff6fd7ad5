package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"
)

// format is the version of the layout under the data folder. It changes when an older Plimsoll could no longer read it.
const format = 1

// ErrFormat is returned when the data folder was written in another format than this Plimsoll's.
var ErrFormat = errors.New("data folder has another format")

// stamp is the content of the version file.
type stamp struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`
	By      string    `json:"by"` // for people: the version that created the folder
}

// openData creates the data folder if it is missing, checks that it can be written and that its format is ours.
func openData(data string) (folders, error) {
	if data == "" {
		return folders{}, errors.New("open data folder: no folder given")
	}
	root, err := filepath.Abs(data)
	if err != nil {
		return folders{}, fmt.Errorf("open data folder %s: %w", data, err)
	}
	dir := foldersOf(root)
	for _, d := range []string{dir.root, dir.nats, dir.temporal, dir.bucket} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return folders{}, explain(root, fmt.Errorf("create folder: %w", err))
		}
	}
	if err := checkFormat(root); err != nil {
		return folders{}, explain(root, err)
	}
	return dir, nil
}

// checkFormat reads the version file, or writes it into a new folder.
func checkFormat(root string) error {
	path := filepath.Join(root, "version")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := writeStamp(root, path); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		b, err = os.ReadFile(path) // another process may have been first
	}
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	var s stamp
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%w: %s is not a Plimsoll version file (%v): give --data another folder", ErrFormat, path, err)
	}
	if s.Format != format {
		return fmt.Errorf("%w: %s is format %d (made by %s), this Plimsoll reads format %d: run the Plimsoll that made it, or give --data another folder",
			ErrFormat, root, s.Format, s.By, format)
	}
	return nil
}

// writeStamp publishes the version file whole or not at all, and never over an existing one.
func writeStamp(root, path string) error {
	b, err := json.Marshal(stamp{Format: format, Created: time.Now().UTC(), By: program()})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(root, ".version-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncPath(root)
}

// syncPath syncs one file or folder.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func program() string {
	version := "(devel)"
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		version = b.Main.Version
	}
	return "plimsoll " + version
}

// explain adds to an error of the file system which folder it is about and what to do.
func explain(root string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrFormat), errors.Is(err, ErrInUse):
		return err
	case isFull(err), full(root): // engines do not always tell why they failed
		return fmt.Errorf("data folder %s is on a full disk: free some space, or give --data another folder: %w", root, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("data folder %s cannot be written: change its permissions, or give --data another folder: %w", root, err)
	default:
		return fmt.Errorf("data folder %s: %w", root, err)
	}
}

// full says whether the file system of a folder has no room left.
func full(dir string) bool {
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && s.Blocks > 0 && s.Bavail == 0
}
