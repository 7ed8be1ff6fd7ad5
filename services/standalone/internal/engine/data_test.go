package engine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenData(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		version string // content of the version file; none if empty
		is      error
		want    string
	}{
		{name: "new"},
		{name: "ours", version: `{"format":1,"created":"2026-11-25T00:00:00Z","by":"plimsoll v1"}`},
		{name: "newer", version: `{"format":2,"by":"plimsoll v9"}`, is: ErrFormat, want: "is format 2 (made by plimsoll v9), this Plimsoll reads format 1: run the Plimsoll that made it, or give --data another folder"},
		{name: "foreign", version: "12\x00", is: ErrFormat, want: "is not a Plimsoll version file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if tt.version != "" {
				if err := os.WriteFile(filepath.Join(root, "version"), []byte(tt.version), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := openData(root)
			if tt.is == nil {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := openData(root); err != nil {
					t.Errorf("second time: %v", err)
				}
				return
			}
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), root) {
				t.Errorf("got %v\nwant an error that names %s and has %q", err, root, tt.want)
			}
		})
	}
}

func TestDataIsPrivate(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "new")
	dir, err := openData(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir.root, dir.nats, dir.temporal, dir.bucket} {
		fi, err := os.Stat(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.Mode().Perm(); got != 0o700 {
			t.Errorf("%s has mode %o, want 700", d, got)
		}
	}
}

func TestDataUnderAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Data: filepath.Join(file, "data")})
	if !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want ENOTDIR and the folder", err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&os.PathError{Op: "write", Path: "/d/x", Err: syscall.ENOSPC}, "data folder /d is on a full disk: free some space, or give --data another folder"},
		{errors.New("Error creating stream: no space left on device"), "data folder /d is on a full disk"},
		{&os.PathError{Op: "open", Path: "/d/x", Err: syscall.EACCES}, "data folder /d cannot be written: change its permissions, or give --data another folder"},
		{&os.PathError{Op: "open", Path: "/d/x", Err: syscall.EROFS}, "data folder /d cannot be written"},
	} {
		got := explain("/d", tt.err)
		if !strings.HasPrefix(got.Error(), tt.want) || !errors.Is(got, tt.err) {
			t.Errorf("explain(%v) = %v, want it to begin with %q", tt.err, got, tt.want)
		}
	}
}

// TestUnwritableData starts a child that is not root, whom no permission stops.
func TestUnwritableData(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "plimsoll-unwritable-") // not t.TempDir, whose parents another user cannot enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := childCommand(t, childOptions{Data: filepath.Join(dir, "data"), Transient: true})
	if os.Geteuid() == 0 {
		// The test binary lies in a folder of root's own.
		binary := filepath.Join(dir, "engine.test")
		if err := exec.Command("cp", os.Args[0], binary).Run(); err != nil {
			t.Fatal(err)
		}
		cmd.Path, cmd.Dir = binary, "/"
		const nobody = 65534
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "data folder "+dir) || !strings.Contains(string(out), "cannot be written") {
		t.Errorf("got %v, %s\nwant an error that says the folder cannot be written", err, out)
	}
}

// TestFullDisk needs a small file system, which only root can make.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	out, err := childCommand(t, childOptions{Data: dir}).CombinedOutput()
	want := "data folder " + dir + " is on a full disk: free some space, or give --data another folder"
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("got %v, %s\nwant an error with %q", err, out, want)
	}
}

func TestLockData(t *testing.T) {
	t.Parallel()
	dir, err := openData(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mustLock := func(transient bool) *dataLock {
		t.Helper()
		l, err := lockData(dir, transient)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	scan, up := mustLock(true), mustLock(false)
	if _, err := lockData(dir, false); !errors.Is(err, ErrInUse) {
		t.Errorf("second exclusive lock: got %v, want ErrInUse", err)
	}
	mustLock(true) // the refused attempt released what it had, and shared locks still work
	for _, l := range []*dataLock{scan, up} {
		if err := l.release(context.Background()); err != nil {
			t.Error(err)
		}
	}
	mustLock(false)
}

func TestFreePorts(t *testing.T) {
	t.Parallel()
	ports, err := freePorts(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] || p < firstPort || p >= lastPort {
			t.Errorf("port %d was given before or is out of range", p)
		}
		seen[p] = true
	}
}
