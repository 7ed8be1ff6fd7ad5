package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is one part that runs.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string // of its standard output; closed at its end
}

// spawn starts a part; what it says on standard error goes to a log in dir.
func spawn(dir, name string, env []string, program string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, stdin: in, lines: make(chan string, 64)}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // nobody reads any more
			}
		}
	}()
	return p, nil
}

// startWithin is how long a part may take to be ready: a cold start on a busy machine.
const startWithin = 2 * time.Minute

// line waits for a line with a word in it.
func (p *process) line(ctx context.Context, word string) (string, error) {
	late := time.NewTimer(startWithin)
	defer late.Stop()
	for {
		select {
		case l, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("%s has ended: see its log", p.name)
			}
			if strings.Contains(l, word) {
				return l, nil
			}
		case <-late.C:
			return "", fmt.Errorf("%s is not ready after %v: see its log", p.name, startWithin)
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// address waits for a line with a word in it and returns the address that the line ends with.
func (p *process) address(ctx context.Context, word string) (string, error) {
	l, err := p.line(ctx, word)
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(l, "http")
	if !ok {
		return "", fmt.Errorf("%s says %q, want an address in it", p.name, l)
	}
	return "http" + rest, nil
}

// stop ends a part in order; one that does not end is killed.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
}

// kill ends a part as a crash would.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	var ended *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &ended) {
		return err
	}
	return nil
}

// build compiles a package of another module.
func build(ctx context.Context, module, pkg, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s in %s: %w\n%s", pkg, module, err, said)
	}
	return nil
}
