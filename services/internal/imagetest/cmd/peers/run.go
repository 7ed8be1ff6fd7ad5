package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// Bounds of one scan: far above what an honest image of this size takes.
const (
	patience  = 60 * time.Second
	maxMemory = 4 << 30  // bytes of the largest process
	maxOutput = 64 << 20 // bytes of a report that are kept
)

// runAll runs every tool on every case that has no result yet.
func runAll(bin string, only []string, jobs int, dir, file string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return fmt.Errorf("programs: %w", err)
	}
	cases, err := readCases(dir)
	if err != nil {
		return err
	}
	done, err := doneIn(file)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	defer func() { _ = out.Close() }()
	var workers sync.WaitGroup
	todo, results := make(chan hostileCase), make(chan outcome)
	for range jobs {
		workers.Go(func() {
			for c := range todo {
				for _, name := range only {
					if t, ok := toolNamed(bin, name); ok && !done[name+"\t"+c.name] {
						results <- t.try(dir, c)
					}
				}
			}
		})
	}
	go func() {
		for _, c := range cases {
			todo <- c
		}
		close(todo)
		workers.Wait()
		close(results)
	}()
	for o := range results {
		if _, werr := out.WriteString(o.line()); werr != nil && err == nil {
			err = fmt.Errorf("results: %w", werr)
		}
	}
	return err
}

func doneIn(file string) (map[string]bool, error) {
	all, err := readOutcomes(file)
	done := map[string]bool{}
	for _, o := range all {
		done[o.tool+"\t"+o.name] = true
	}
	return done, err
}

// try runs a tool on one case in a scratch folder of its own.
func (t tool) try(dir string, c hostileCase) outcome {
	o := outcome{row: c.row, name: c.name, want: c.want, tool: t.name}
	scratch, err := os.MkdirTemp("", "peers-*")
	if err != nil {
		o.result = "-"
		return o
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	layout, err := filepath.Abs(filepath.Join(dir, c.folder))
	if err != nil {
		o.result = "-"
		return o
	}
	args, err := t.arguments(layout, scratch)
	if err != nil {
		o.result = "-" // this tool cannot be given such an image
		return o
	}
	r := run(t.path, args, scratch)
	o.code, o.mebibytes, o.seconds, o.result = r.Code, r.Memory>>20, r.Took.Seconds(), r.result()
	if t.name == "plimsoll" && o.code == exitShort {
		o.result = "ok" // as it documents: a report, and a word about what was not read or is not known
	}
	if o.result == "ok" {
		found, warned := t.read(r)
		if found == nil {
			o.result = "error" // it ended as if there were a report
		}
		o.packages, o.warned = len(found), warned
		for _, held := range c.holds {
			if !found[held] {
				o.lacks++
			}
		}
	}
	return o
}

// ran is one ended process.
type ran struct {
	measured
	stdout, stderr []byte
}

// measured is how a process ended.
type measured struct {
	Code    int
	Memory  int64 // bytes of the largest process
	Took    time.Duration
	Signal  bool
	Stopped string // timeout or memory, when we ended it; "-" when it could not be started
}

// run starts a program through a process of our own that does nothing else: the kernel counts the memory of the one that starts a
// program as the program's until it runs, and ours holds reports.
func run(path string, args []string, scratch string) ran {
	self, err := os.Executable()
	if err != nil {
		return ran{measured: measured{Stopped: "-"}}
	}
	report := filepath.Join(scratch, "measured.json")
	var out, errOut limited
	cmd := exec.Command(self, append([]string{measureWord, report, path}, args...)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &errOut, scratch
	cmd.Env = append(os.Environ(), "HOME="+scratch, "XDG_CACHE_HOME="+scratch, "TMPDIR="+scratch, "SYFT_CHECK_FOR_APP_UPDATE=false", "TRIVY_CACHE_DIR="+scratch)
	r := ran{}
	if err := errors.Join(cmd.Run(), readJSON(report, &r.measured)); err != nil {
		r.Stopped = "-" // not a word about the tool
	}
	r.stdout, r.stderr = out.Bytes(), errOut.Bytes()
	return r
}

// measureWord is the first argument of the process that measures; it is for run alone.
const measureWord = "measure"

// measure runs a program to its end, or ends it with its children when it takes too long or too much, and writes how it went.
func measure(report, path string, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	m := measured{Stopped: watch(ctx, cmd.Process.Pid, ended), Code: cmd.ProcessState.ExitCode(), Took: time.Since(began)}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		m.Signal = status.Signaled()
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.Memory = usage.Maxrss << 10
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("measured: %w", err)
	}
	return os.WriteFile(report, b, 0o644)
}

// watch waits for the process to end, and ends its group at a bound.
func watch(ctx context.Context, pid int, ended <-chan error) (stopped string) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return stopped
		case <-ctx.Done():
			stopped = "timeout"
		case <-ticker.C:
			if resident(pid) < maxMemory {
				continue
			}
			stopped = "memory"
		}
		if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return stopped
		}
		<-ended
		return stopped
	}
}

// resident is the memory of a process in bytes, 0 when it has gone (proc(5), statm).
func resident(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

var crashed = regexp.MustCompile(`(?m)^(panic: |fatal error: |SIGSEGV|runtime: goroutine stack exceeds)`)

// result is one word for how a process ended.
func (r ran) result() string {
	switch {
	case r.Stopped != "":
		return r.Stopped
	case r.Signal || crashed.Match(r.stderr):
		return "crash"
	case r.Code == 0:
		return "ok"
	}
	return "error"
}

// limited keeps the first maxOutput bytes.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if room := maxOutput - l.Len(); room > 0 {
		l.Buffer.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}
