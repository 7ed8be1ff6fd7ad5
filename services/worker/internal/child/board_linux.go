package child

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// boardFile is where a child finds the shared page: the first descriptor behind the standard ones.
const boardFile = 3

// sharedBoard makes a page that a child can map; the file is to be given to it, and to be closed.
func sharedBoard() (*board, *os.File, error) {
	fd, err := unix.MemfdCreate("plimsoll-board", unix.MFD_CLOEXEC)
	if err != nil {
		return ownBoard(), nil, nil //nolint:nilerr // an old kernel: a fault then names no extractor
	}
	file := os.NewFile(uintptr(fd), "board")
	if err := file.Truncate(boardBytes); err != nil {
		return nil, nil, fmt.Errorf("make a shared page: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, boardBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = file.Close()
		return nil, nil, fmt.Errorf("map a shared page: %w", err)
	}
	return &board{memory: memory, mapped: true}, file, nil
}

// openBoard is the child's side.
func openBoard() *board {
	memory, err := unix.Mmap(boardFile, 0, boardBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return ownBoard()
	}
	_ = unix.Close(boardFile)
	return &board{memory: memory, mapped: true}
}

// unmap gives the memory back; the board is not used any more.
func (b *board) unmap() {
	if b.mapped {
		_ = unix.Munmap(b.memory)
	}
}

// widen makes a pipe hold more, so that reader and writer change places less often. A kernel that says no still works.
func widen(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeBytes) })
}
