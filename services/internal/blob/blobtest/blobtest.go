// Package blobtest starts a real S3 server for tests: versitygw, as a process of its own (command gateway below), or the
// server that PLIMSOLL_TEST_S3 names ("host:port,access key,secret key"), in which each Start gets a bucket of its own.
//
//	func TestMain(m *testing.M) { os.Exit(blobtest.Main(m, &bucket)) }
package blobtest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const (
	// Server names a running S3 server to use instead.
	Server = "PLIMSOLL_TEST_S3"
	// startLimit allows for compiling the gateway: a minute on two busy cores, nothing when it is cached.
	startLimit = 5 * time.Minute
	module     = "github.com/plimsoll/plimsoll/services/internal"
)

// Main runs the tests of a package with a bucket; its Config stands in *c meanwhile. It returns the exit code.
func Main(m *testing.M, c *blob.Config) int {
	dir, err := os.MkdirTemp("", "plimsoll-s3-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "start S3:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	config, stop, err := Start(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start S3:", err)
		return 1
	}
	defer stop()
	*c = config
	return m.Run()
}

// Start serves dir as a new, empty bucket until stop is called or this process ends. It may be called more than once in
// a process, with another dir each time; a dir used before gives what it held.
func Start(dir string) (c blob.Config, stop func(), err error) {
	if c, ok, err := given(); ok || err != nil {
		return c, func() {}, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return blob.Config{}, nil, err
	}
	c = blob.Config{Bucket: "plimsoll", Region: blob.DefaultRegion, AccessKey: "plimsoll", SecretKey: rand.Text()}
	p, err := launch(dir, c)
	if err != nil {
		return blob.Config{}, nil, fmt.Errorf("start versitygw over %s: %w", dir, err)
	}
	if c.Endpoint, err = p.address(); err != nil {
		p.stop()
		return blob.Config{}, nil, fmt.Errorf("start versitygw over %s: %w", dir, err)
	}
	return c, p.stop, nil
}

func given() (blob.Config, bool, error) {
	s := os.Getenv(Server)
	if s == "" {
		return blob.Config{}, false, nil
	}
	parts := strings.Split(s, ",")
	if len(parts) != 3 {
		return blob.Config{}, false, errors.New(Server + ": want host:port,access key,secret key")
	}
	bucket := "plimsoll-test-" + strings.ToLower(rand.Text())
	return blob.Config{Endpoint: parts[0], Bucket: bucket, Region: blob.DefaultRegion, AccessKey: parts[1], SecretKey: parts[2]}, true, nil
}

// process is one running gateway; it ends when its standard input does.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	line  chan string // its first line; closed when its output ends
	said  bytes.Buffer
}

func launch(dir string, c blob.Config) (*process, error) {
	source, err := sourceDir()
	if err != nil {
		return nil, err
	}
	// go run keeps the linked program in the build cache. GOWORK=off: the versions of this module alone, so that every
	// module's tests share that one program.
	cmd := exec.Command("go", "run", "./blob/blobtest/gateway", "-dir", dir, "-access", c.AccessKey, "-region", c.Region)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "GATEWAY_SECRET="+c.SecretKey)
	p := &process{cmd: cmd, line: make(chan string, 1)}
	cmd.Stderr = &p.said
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.line)
		out := bufio.NewScanner(stdout)
		if out.Scan() {
			p.line <- out.Text()
		}
		io.Copy(io.Discard, stdout)
	}()
	return p, nil
}

// sourceDir is this module's folder. A binary built with -trimpath does not know it, the go command does.
func sourceDir() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if filepath.IsAbs(dir) {
		return dir, nil
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the source of %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (p *process) address() (string, error) {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case addr, ok := <-p.line:
		if !ok {
			err := p.cmd.Wait()
			return "", fmt.Errorf("it ended at once: %w: %s", err, p.said.Bytes())
		}
		return addr, nil
	case <-limit.C:
		return "", fmt.Errorf("it does not answer after %s", startLimit)
	}
}

func (p *process) stop() {
	p.stdin.Close()
	for range p.line { // until its output has ended: Wait would cut that short
	}
	p.cmd.Wait() // its exit status says nothing that a test's result does not
}
