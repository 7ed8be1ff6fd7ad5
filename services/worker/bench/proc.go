package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc/<pid>/stat: USER_HZ, which is 100 on every architecture Go runs on (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// procStat is what we need of /proc/<pid>/stat.
type procStat struct {
	parent int
	cpu    time.Duration // user and system time, its own and that of children it has waited for
}

// parseStat reads /proc/<pid>/stat (proc_pid_stat(5)): fields 4 and 14 to 17, counted after the name, which is in parentheses
// and may hold any character.
func parseStat(b []byte) (s procStat, err error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return s, fmt.Errorf("stat %.60q: no name in parentheses", b)
	}
	fields := strings.Fields(string(b[end+1:])) // the first is field 3, the state
	const times = 14 - 3
	if len(fields) < times+4 {
		return s, fmt.Errorf("stat %.60q: %d fields after the name, want at least %d", b, len(fields), times+4)
	}
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return s, fmt.Errorf("stat: parent: %w", err)
	}
	for _, f := range fields[times : times+4] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return s, fmt.Errorf("stat: time: %w", err)
		}
		s.cpu += time.Duration(n) * tick
	}
	return s, nil
}

// parseMemory gives RssAnon + RssShmem of /proc/<pid>/status, in bytes: what a process holds itself, without page cache of
// files. A process that is ending has neither line and holds nothing.
func parseMemory(b []byte) (sum int64, err error) {
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "RssAnon" && name != "RssShmem" {
			continue
		}
		kb, ok := strings.CutSuffix(strings.TrimSpace(value), " kB")
		n, err := strconv.ParseInt(strings.TrimSpace(kb), 10, 64)
		if err != nil || !ok {
			return 0, fmt.Errorf("status: %s is %q, want a number of kB", name, strings.TrimSpace(value))
		}
		sum += n << 10
	}
	return sum, nil
}

// parseWritten gives write_bytes of /proc/<pid>/io (proc_pid_io(5)): bytes on their way to a disk, pages in the cache
// included, those of children it has waited for included.
func parseWritten(b []byte) (int64, error) {
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, errors.New("io: no write_bytes")
}

// readProc reads one file of a process; gone tells that the process has ended.
func readProc(pid int, name string) (b []byte, gone bool, err error) {
	b, err = os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return nil, true, nil
	}
	return b, false, err
}

// sumProc adds up one number of each process; those that have ended meanwhile count nothing.
func sumProc(pids []int, name string, parse func([]byte) (int64, error)) (sum int64, err error) {
	for _, pid := range pids {
		b, gone, err := readProc(pid, name)
		if gone {
			continue
		}
		if err != nil {
			return 0, err
		}
		n, err := parse(b)
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		sum += n
	}
	return sum, nil
}

// descendants gives root and every process below it, with its times. It reads all of /proc, since the list of children is
// not in every kernel.
func descendants(root int) (map[int]procStat, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	all := map[int]procStat{}
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue // no process
		}
		b, gone, err := readProc(pid, "stat")
		if gone {
			continue
		}
		if err != nil {
			return nil, err
		}
		if all[pid], err = parseStat(b); err != nil {
			return nil, err
		}
	}
	return below(all, root), nil
}

// below keeps root and what descends from it.
func below(all map[int]procStat, root int) map[int]procStat {
	kept := map[int]procStat{}
	for pid, s := range all {
		for at, steps := pid, 0; steps <= len(all); steps++ { // bounded: the listing is no snapshot and may hold a cycle
			if at == root {
				kept[pid] = s
				break
			}
			up, ok := all[at]
			if !ok {
				break
			}
			at = up.parent
		}
	}
	return kept
}
