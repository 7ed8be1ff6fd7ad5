package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience bounds every wait: far above what anything takes, so that a slow machine fails nothing and a hang still ends.
// PLIMSOLL_FAULT_PATIENCE shortens it where a fault is expected not to heal.
var patience = fromEnv("PLIMSOLL_FAULT_PATIENCE", 4*time.Minute, time.ParseDuration)

func fromEnv[T any](name string, otherwise T, parse func(string) (T, error)) T {
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	got, err := parse(v)
	if err != nil {
		panic(fmt.Sprintf("$%s: %v", name, err))
	}
	return got
}

// A process is one running program.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   *tail
	ended chan struct{}
	err   error // once ended
}

// launch starts a program and returns when ready has taken a line of its standard output. The program dies with this one.
func launch(name string, log *tail, cmd *exec.Cmd, ready func(line string) bool) (*process, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd, log: log, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = in, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	fmt.Fprintf(log, "--- %s starts %s\n", name, time.Now().Format(time.TimeOnly))
	err = cmd.Start()
	_ = in.Close()
	if err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	up := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for waiting := true; lines.Scan(); {
			fmt.Fprintln(log, lines.Text())
			if waiting && ready(lines.Text()) {
				waiting = false
				close(up)
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = out.Close()
	}()
	go func() {
		p.err = cmd.Wait()
		fmt.Fprintf(log, "--- %s ended %s: %v\n", name, time.Now().Format(time.TimeOnly), p.err)
		close(p.ended)
	}()
	select {
	case <-up:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s ended at its start: %v\n%s", name, p.err, log)
	case <-time.After(patience):
		p.kill()
		return nil, fmt.Errorf("%s did not become ready\n%s", name, log)
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// kill ends it as a power cut does, and returns when it is dead: the proof is its wait status.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// killed reports whether the kernel says that SIGKILL ended it.
func (p *process) killed() bool {
	s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && s.Signaled() && s.Signal() == syscall.SIGKILL
}

// stop asks it to end and returns how long that took; one that does not end in time is killed.
func (p *process) stop(limit time.Duration) (took time.Duration, err error) {
	began := time.Now()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return time.Since(began), p.err
	case <-time.After(limit):
		p.kill()
		return limit, fmt.Errorf("%s did not end within %s of SIGTERM", p.name, limit)
	}
}

// freeze and thaw are a pause of the machine under it. state is what the kernel says: T for a frozen process.
func (p *process) freeze() { _ = p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) thaw()   { _ = p.cmd.Process.Signal(syscall.SIGCONT) }

func (p *process) state() string { return procState(p.pid()) }

func procState(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name stands in parentheses and may hold anything; the state is the first field after it.
	_, rest, _ := bytes.Cut(b[bytes.LastIndexByte(b, ')'):], []byte(" "))
	return string(rest[:1])
}

// files is how many file descriptors it holds.
func (p *process) files() int {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid()))
	if err != nil {
		return 0
	}
	return len(all)
}

// children are the processes that it started and that live.
func (p *process) children() (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.pid()))
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for f := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && procState(pid) != "Z" {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// A tail keeps the end of a log.
type tail struct {
	mu    sync.Mutex
	bytes []byte
}

// tailSize is enough for a person to see what went before a failure.
const tailSize = 256 << 10

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes = append(l.bytes, b...)
	if extra := len(l.bytes) - tailSize; extra > 0 {
		l.bytes = append(l.bytes[:0], l.bytes[extra:]...)
	}
	return len(b), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.bytes)
}
