package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/<pid>/stat: USER_HZ, which is 100 on every architecture Go runs on (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// usage is what a part has used since it started, with its children.
type usage struct {
	cpu     time.Duration
	memory  int64 // bytes it holds itself now: RssAnon + RssShmem
	files   int   // open file descriptors now
	threads int
}

// usage reads what the process uses. One that has ended uses nothing.
func (p *process) usage() (u usage) {
	if p == nil || p.cmd.Process == nil {
		return u
	}
	root := p.cmd.Process.Pid
	names, _ := filepath.Glob("/proc/[0-9]*/stat") //nolint:errcheck // the pattern is well-formed
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from field 3, the state, on
		if len(fields) < 18 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if parent, _ := strconv.Atoi(fields[1]); pid != root && parent != root {
			continue // the parts have children, and those none
		}
		for _, f := range fields[11:15] { // user and system time, its own and that of children it has waited for
			n, _ := strconv.ParseInt(f, 10, 64)
			u.cpu += time.Duration(n) * tick
		}
		u.memory += held(pid)
		open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)) //nolint:errcheck // as above
		u.files += len(open)
		threads, _ := strconv.Atoi(fields[17])
		u.threads += threads
	}
	return u
}

func held(pid int) (sum int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if name == "RssAnon" || name == "RssShmem" {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			sum += kb << 10
		}
	}
	return sum
}

// size is what a folder holds, in bytes.
func size(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a file that has gone meanwhile holds nothing
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
