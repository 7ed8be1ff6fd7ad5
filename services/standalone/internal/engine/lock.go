package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse is returned when another process holds the data folder.
var ErrInUse = errors.New("in use")

// lockFile is the lock of one engine's folder: the first line is the process id of an exclusive holder.
const lockFile = ".lock"

// A dataLock holds the flocks on the engines' folders. The kernel drops them when the process ends, however it ends.
type dataLock struct {
	files []*os.File
}

// lockData takes the locks that Options.Transient asks for: none may wait, since the holder may run for months.
func lockData(dir folders, transient bool) (*dataLock, error) {
	l := &dataLock{}
	err := l.take(dir.root, dir.bucket, unix.LOCK_SH)
	if err == nil && !transient {
		err = l.take(dir.root, dir.nats, unix.LOCK_EX)
	}
	if err == nil && !transient {
		err = l.take(dir.root, dir.temporal, unix.LOCK_EX)
	}
	if err != nil {
		_ = l.release(context.Background())
		return nil, err
	}
	return l, nil
}

func (l *dataLock) take(root, dir string, how int) error {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return explain(root, fmt.Errorf("open lock: %w", err))
	}
	l.files = append(l.files, f)
	err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("data folder %s is %w by another plimsoll%s: stop it or give --data another folder", root, ErrInUse, holder(f))
	}
	if err != nil {
		return explain(root, fmt.Errorf("lock %s: %w", f.Name(), err))
	}
	if how == unix.LOCK_EX {
		return explain(root, signLock(f))
	}
	return nil
}

// signLock writes our process id for whoever finds the lock taken.
func signLock(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	return nil
}

// holder returns " (pid 1234)", or nothing when the holder left no process id.
func holder(f *os.File) string {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	pid, _, _ := strings.Cut(string(b[:n]), "\n")
	if _, err := strconv.Atoi(pid); err != nil {
		return ""
	}
	return " (pid " + pid + ")"
}

// release drops the locks; the files stay, since removing a lock file lets two processes hold "it" at once.
func (l *dataLock) release(context.Context) error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}
