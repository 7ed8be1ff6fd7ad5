package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
)

// system is one Plimsoll over one or more registries, every part a process.
type system struct {
	o   options
	dir string // data and logs

	registries []*fakeRegistry
	queue      *process // NATS and Temporal
	bucket     *process // S3
	worker     *process
	scheduler  *process
	reporter   *process

	env    []string // of the parts
	config string
	api    string // URL of the reporter
	hooks  string // URL of the scheduler
	grpc   string // address of the worker
	token  string

	temporalAt engine.Temporal
	secret     string // of the engines
	links      *links // nil where no engine is killed
}

// fakeRegistry is one manyimages.
type fakeRegistry struct {
	*process
	id, url string
	limit   float64 // requests a second that discovery may make; 0: no bound
}

// freeAddress is an address of loopback that was free a moment ago, below the ports that the kernel hands out.
func freeAddress() (string, error) {
	for range 100 {
		at := fmt.Sprintf("127.0.0.1:%d", 12000+mathrand.IntN(8000))
		l, err := net.Listen("tcp", at)
		if err == nil {
			return at, l.Close()
		}
	}
	return "", errors.New("no free port on loopback")
}

// registryAt starts a registry of n images.
func (s *system) registryAt(ctx context.Context, manyimages, id string, n int) (*fakeRegistry, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := spawn(s.dir, "registry-"+id, nil, manyimages, "-layout", filepath.Join(s.o.corpus, "layout"),
		"-images", strconv.Itoa(n), "-tags", strconv.Itoa(s.o.tags), "-listen", at)
	if err != nil {
		return nil, err
	}
	r := &fakeRegistry{process: p, id: id, url: "http://" + at}
	s.registries = append(s.registries, r)
	return r, until(ctx, 10*time.Minute, 100*time.Millisecond, func() (bool, error) {
		_, err := get(ctx, r.url+"/v2/", "")
		return err == nil, nil
	})
}

// start starts every part over the registries that stand.
func (s *system) start(ctx context.Context) (err error) {
	var queue, bucket addresses
	s.secret = rand.Text()
	// Each process runs all three engines and is used for some of them: an idle one costs next to nothing.
	if s.queue, queue, err = s.engines(ctx, "queue"); err != nil {
		return err
	}
	if s.bucket, bucket, err = s.engines(ctx, "bucket"); err != nil {
		return err
	}
	if s.o.linked {
		if s.links, err = link(&queue, &bucket); err != nil {
			return err
		}
	}
	s.temporalAt = queue.Temporal
	if err := s.tokens(); err != nil {
		return err
	}
	s.env = []string{"PLIMSOLL_BUCKET_SECRET_KEY=" + bucket.S3.SecretKey, "PLIMSOLL_NATS_USER=" + queue.NATS.User, "PLIMSOLL_NATS_PASSWORD=" + queue.NATS.Password}
	s.config = filepath.Join(s.dir, "plimsoll.yaml")
	if err := os.WriteFile(s.config, []byte(s.yaml(queue, bucket, "")), 0o600); err != nil {
		return err
	}
	if s.worker, err = s.part("worker"); err != nil {
		return err
	}
	line, err := s.worker.line(ctx, "worker ready")
	if err != nil {
		return err
	}
	s.grpc = strings.TrimSuffix(strings.Fields(line)[3], ",")
	if err := os.WriteFile(s.config, []byte(s.yaml(queue, bucket, s.grpc)), 0o600); err != nil {
		return err
	}
	if err := s.startScheduler(ctx); err != nil {
		return err
	}
	if err := s.startReporter(ctx); err != nil {
		return err
	}
	// Reading the advisories fills a core for a while; what is measured begins afterwards.
	return until(ctx, startWithin, 200*time.Millisecond, func() (bool, error) {
		b, err := get(ctx, s.api+"/api/v1/status", s.token)
		if err != nil {
			return false, err
		}
		var status struct{ Generation string }
		return json.Unmarshal(b, &status) == nil && status.Generation != "", nil
	})
}

func (s *system) startScheduler(ctx context.Context) (err error) {
	if s.scheduler, err = s.part("scheduler"); err != nil {
		return err
	}
	s.hooks, err = s.scheduler.address(ctx, "scheduler ready")
	return err
}

func (s *system) startReporter(ctx context.Context) (err error) {
	if s.reporter, err = s.part("reporter"); err != nil {
		return err
	}
	if s.api, err = s.reporter.address(ctx, "reporter ready"); err != nil {
		return err
	}
	return until(ctx, startWithin, 50*time.Millisecond, func() (bool, error) {
		_, err := get(ctx, s.api+"/readyz", "")
		return err == nil, nil
	})
}

func (s *system) part(name string) (*process, error) {
	return spawn(s.dir, name, s.env, filepath.Join(s.o.bin, "plimsoll"), name, "--config", s.config)
}

func (s *system) engines(ctx context.Context, name string) (*process, addresses, error) {
	var at addresses
	self, err := os.Executable()
	if err != nil {
		return nil, at, err
	}
	p, err := spawn(s.dir, name, []string{secretEnv + "=" + s.secret}, self, "-engines", filepath.Join(s.dir, name))
	if err != nil {
		return nil, at, err
	}
	line, err := p.line(ctx, "{")
	if err != nil {
		return p, at, err
	}
	return p, at, json.Unmarshal([]byte(line), &at)
}

// tokens makes the file of tokens, with the one that the bench uses.
func (s *system) tokens() error {
	cmd := exec.Command(filepath.Join(s.o.bin, "plimsoll"), "token", "bench", "admin")
	var line bytes.Buffer
	cmd.Stderr = &line
	token, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	s.token = strings.TrimSpace(string(token))
	return os.WriteFile(filepath.Join(s.dir, "tokens"), line.Bytes(), 0o600)
}

// yaml is the configuration of all parts. The worker's address is known once it runs; nobody else reads it before.
func (s *system) yaml(queue, bucket addresses, worker string) string {
	var b strings.Builder
	worker = cmp.Or(worker, "127.0.0.1:1")
	fmt.Fprintf(&b, "tokens_file: %s\n", filepath.Join(s.dir, "tokens"))
	fmt.Fprintf(&b, "bucket: {endpoint: %q, bucket: %s, region: %s, access_key: %q}\n", bucket.S3.Endpoint, bucket.S3.Bucket, bucket.S3.Region, bucket.S3.AccessKey)
	fmt.Fprintf(&b, "nats: {url: %q}\ntemporal: {address: %q, namespace: %s}\n", queue.NATS.URL, queue.Temporal.Address, queue.Temporal.Namespace)
	b.WriteString("registries:\n")
	for _, r := range s.registries {
		fmt.Fprintf(&b, "  - {id: %s, url: %q, requests_per_second: %g, sweep: {cron: \"off\"}}\n", r.id, r.url, r.limit)
	}
	fmt.Fprintf(&b, "worker: {listen: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\nscheduler: {listen: \"127.0.0.1:0\", workers: [%q]}\n", worker)
	fmt.Fprintf(&b, "reporter: {listen: \"127.0.0.1:0\", cache: %s, advisories: %s, report_cron: \"off\"}\n",
		filepath.Join(s.dir, "index"), filepath.Join(s.o.shared, "data", "osv"))
	return b.String()
}

// stop ends everything, what others need last.
func (s *system) stop() {
	for _, p := range []*process{s.reporter, s.scheduler, s.worker, s.queue, s.bucket} {
		p.stop()
	}
	for _, r := range s.registries {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	}
}

// parts are the processes by name, the registries as one.
func (s *system) parts() map[string][]*process {
	all := map[string][]*process{
		"NATS and Temporal": {s.queue}, "S3": {s.bucket}, "worker": {s.worker}, "scheduler": {s.scheduler}, "reporter": {s.reporter},
	}
	for _, r := range s.registries {
		all["registry"] = append(all["registry"], r.process)
	}
	return all
}

// get is a reading call; any status but 2xx is an error.
func get(ctx context.Context, target, token string) ([]byte, error) {
	return call(ctx, http.MethodGet, target, token, nil)
}

func call(ctx context.Context, method, target, token string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %.300s", target, resp.Status, said)
	}
	return said, err
}

// until asks again and again, until the answer is yes.
func until(ctx context.Context, within, every time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not within %v", within))
	defer cancel()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stats are a registry's counters; reset sets them to zero.
func (r *fakeRegistry) stats(ctx context.Context, reset bool) (map[string]int64, error) {
	target := r.url + "/_stats"
	if reset {
		target += "?reset=1"
	}
	said, err := get(ctx, target, "")
	if err != nil {
		return nil, err
	}
	all := map[string]int64{}
	return all, json.Unmarshal(said, &all)
}

// push makes a new version of a tag and has the registry tell it to a hook; it returns the new digest.
func (r *fakeRegistry) push(ctx context.Context, repository, tag, hook string) (string, error) {
	q := url.Values{"repo": {repository}, "tag": {tag}}
	if hook != "" {
		q.Set("hook", hook)
	}
	said, err := call(ctx, http.MethodPost, r.url+"/_push?"+q.Encode(), "", nil)
	return strings.TrimSpace(string(said)), err
}
