package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
)

// variant is one way to run the worker: which analysers are on.
type variant struct {
	Name string
	Off  []string // worker.off; nil: the field is not written
}

// variants in the order of the tables. "inventory" is what peers do too; "files" is what the floor's target is about;
// "secrets" has everything on.
var variants = []variant{
	{"inventory", []string{"files", "secrets"}},
	{"files", []string{"secrets"}},
	{"secrets", []string{}},
	{"default", nil},
}

func variantNamed(name string) (variant, bool) {
	for _, v := range variants {
		if v.Name == name {
			return v, true
		}
	}
	return variant{}, false
}

const (
	startLimit = time.Minute      // a worker that is not ready after this is broken
	stopLimit  = 30 * time.Second // the worker's own time to drain is 20 s
	maxSaid    = 16 << 10         // bytes of a program's output that are kept for its error
)

// bed is what a worker stands on: registry, S3 server, accounts, folders.
type bed struct {
	registry *registry
	accounts *accounts
	bucket   blob.Config
	buckets  string // folder that the S3 server keeps buckets in; empty: it is not ours
	stopS3   func()
	dir      string // folder of one run of the benchmark, removed at the end
	binary   string
	slots    int
	warmUp   image
	runs     int
}

func newBed(o options, binary string, say func(string, ...any)) (b *bed, err error) {
	b = &bed{binary: binary, slots: o.slots}
	if b.dir, err = os.MkdirTemp(o.work, "run-"); err != nil {
		return nil, err
	}
	if b.warmUp, err = warmUp.keep(o); err != nil {
		return nil, err
	}
	if b.registry, err = startRegistry(); err != nil {
		return nil, err
	}
	s3 := filepath.Join(b.dir, "s3")
	if b.bucket, b.stopS3, err = blobtest.Start(s3); err != nil {
		return nil, err
	}
	if os.Getenv(blobtest.Server) == "" {
		b.buckets = filepath.Join(s3, "bucket")
	}
	b.registry.add(b.warmUp)
	var why error
	if b.accounts, why = newAccounts(); why != nil {
		say("skip: cgroups (%v); processor time is summed over /proc", why)
	}
	return b, nil
}

func (b *bed) close() {
	b.registry.close()
	b.stopS3()
	os.RemoveAll(b.dir)
}

// workerProcess is one running worker with a bucket, a temporary folder and an account of its own or shared ones.
type workerProcess struct {
	cmd     *exec.Cmd
	address string
	account account
	temp    string
	said    *tail
	ended   chan struct{}
	failure error // of the process, when ended is closed
}

// newBucket is an empty bucket; remove frees its space.
func (b *bed) newBucket() (c blob.Config, remove func()) {
	b.runs++
	c = b.bucket
	c.Bucket = fmt.Sprintf("bench-%d-%d", os.Getpid(), b.runs)
	return c, func() {
		if b.buckets != "" {
			os.RemoveAll(filepath.Join(b.buckets, c.Bucket))
		}
	}
}

// start runs a worker over a bucket and waits until it answers. environment is added to the little that it gets.
func (b *bed) start(ctx context.Context, v variant, bucket blob.Config, slots int, environment ...string) (w *workerProcess, err error) {
	dir, err := os.MkdirTemp(b.dir, "worker-")
	if err != nil {
		return nil, err
	}
	w = &workerProcess{temp: filepath.Join(dir, "tmp"), said: &tail{}, ended: make(chan struct{})}
	if err := os.Mkdir(w.temp, 0o700); err != nil {
		return nil, err
	}
	file, err := w.configure(dir, b.registry.url, v, bucket, slots)
	if err != nil {
		return nil, err
	}
	if w.account, err = b.accounts.open(); err != nil {
		return nil, err
	}
	w.cmd = exec.Command(b.binary, "--config", file)
	w.cmd.Dir = dir
	w.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + w.temp}, environment...)
	w.cmd.Stdout, w.cmd.Stderr = w.said, w.said
	if err := w.cmd.Start(); err != nil {
		w.account.close()
		return nil, err
	}
	go func() { w.failure = w.cmd.Wait(); close(w.ended) }()
	if err := w.account.add(w.cmd.Process.Pid); err != nil {
		w.stop()
		return nil, err
	}
	if err := w.ready(ctx); err != nil {
		w.stop()
		return nil, fmt.Errorf("start worker: %w: %s", err, w.said)
	}
	return w, nil
}

// configure writes the worker's configuration: JSON, which is YAML too.
func (w *workerProcess) configure(dir, registryURL string, v variant, bucket blob.Config, slots int) (string, error) {
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(bucket.SecretKey), 0o600); err != nil {
		return "", err
	}
	addresses, err := freeAddresses(2)
	if err != nil {
		return "", err
	}
	w.address = addresses[0]
	worker := map[string]any{"listen": addresses[0], "admin": addresses[1], "slots": slots}
	if v.Off != nil {
		worker["off"] = v.Off
	}
	b, err := json.Marshal(map[string]any{
		"worker": worker,
		"bucket": map[string]any{
			"endpoint": bucket.Endpoint, "bucket": bucket.Bucket, "region": bucket.Region,
			"access_key": bucket.AccessKey, "secret_key_file": secret,
		},
		"registries": []any{map[string]any{"id": registryID, "url": registryURL}},
	})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "plimsoll.yaml")
	return file, os.WriteFile(file, b, 0o600)
}

// freeAddresses are ports that nobody listens on now: the worker tells its own only in its log.
func freeAddresses(n int) (all []string, err error) {
	for range n {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after all are chosen, so that they differ
		all = append(all, l.Addr().String())
	}
	return all, nil
}

// ready waits until the worker answers, or has ended.
func (w *workerProcess) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	go func() {
		select {
		case <-w.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, err := dial(ctx, []string{w.address})
	if err != nil {
		select {
		case <-w.ended:
			return errors.Join(errors.New("it ended at once"), w.failure)
		default:
			return err
		}
	}
	return c.close()
}

// stop ends the worker. What it says about its end is of no interest: it has been measured.
func (w *workerProcess) stop() {
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	limit := time.AfterFunc(stopLimit, func() { _ = w.cmd.Process.Kill() })
	defer limit.Stop()
	<-w.ended
	w.account.close()
	os.RemoveAll(filepath.Dir(w.temp))
}

// tail keeps the end of what a program says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - maxSaid; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}

// programs are what is run.
type programs struct {
	worker string
	floor  string // empty: none
	peers  []peer
}

// buildPrograms builds the worker, its child where this tree has one, and the floor.
func buildPrograms(ctx context.Context, o options, say func(string, ...any)) (p programs, err error) {
	bin := filepath.Join(o.work, "bin")
	p.worker = o.worker
	if p.worker == "" {
		p.worker = filepath.Join(bin, "worker")
		for _, name := range []string{"worker", "plimsoll-analyse"} {
			if _, err := os.Stat(filepath.Join(o.module, "cmd", name)); err != nil {
				say("skip: this tree has no cmd/%s", name)
				continue
			}
			if err := build(ctx, o.module, "./cmd/"+name, filepath.Join(bin, name)); err != nil {
				return p, err
			}
		}
	}
	if o.shared == "" {
		say("skip: the floor and all ratios to it (give SHARED, a folder with bench/floor)")
	} else {
		p.floor = filepath.Join(bin, "floor")
		if err := build(ctx, filepath.Join(o.shared, "bench"), "./floor", p.floor); err != nil {
			return p, err
		}
	}
	p.peers = findPeers(o, say)
	return p, nil
}

func build(ctx context.Context, dir, what, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", to, what)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s in %s: %w: %s", what, dir, err, strings.TrimSpace(string(out)))
	}
	return nil
}
