package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The account of the registry below. The file is in the form of htpasswd: bcrypt of the password.
const (
	debianUser     = "plimsoll"
	debianPassword = "e2e-password"
	debianAccounts = debianUser + ":$2a$04$k/p2rEU.gLOB2UC80.cdaekGngWH39skmisIklQAqtLzQc67s77MW\n"
)

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

// newDebianRegistry starts the registry that Debian packages as docker-registry (distribution 2, the major version before the one
// that these tests hold in memory) as a process, on disk and with an account. Where it is not installed the test is skipped.
func newDebianRegistry(t *testing.T, hook string) *distribution {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skipf("docker-registry is not installed (Debian: docker-registry): %v", err)
	}
	d := &distribution{t: t, secret: "e2e-debian", user: debianUser, password: debianPassword}
	dir := t.TempDir()
	accounts := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(accounts, []byte(debianAccounts), 0o600); err != nil {
		t.Fatal(err)
	}
	// The process must believe that it is reached as the tools reach it, so that it points uploads to the counters too.
	config, err := json.Marshal(map[string]any{
		"version": "0.1",
		"log":     map[string]any{"accesslog": map[string]any{"disabled": true}},
		"storage": map[string]any{"filesystem": map[string]any{"rootdirectory": filepath.Join(dir, "storage")}, "delete": map[string]any{"enabled": true}},
		"http":    map[string]any{"addr": "127.0.0.1:0", "secret": "e2e"},
		"auth":    map[string]any{"htpasswd": map[string]any{"realm": "e2e", "path": accounts}},
		"notifications": map[string]any{"endpoints": []any{map[string]any{
			"name": "plimsoll", "url": hook, "headers": http.Header{"Authorization": {"Bearer " + d.secret}},
			"timeout": "5s", "threshold": 1000, "backoff": "100ms",
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, config, 0o600); err != nil { // JSON is YAML
		t.Fatal(err)
	}
	d.serve(through(t, exec.Command(program, "serve", file)))
	return d
}

// through starts a registry's process and hands requests on to where its log says that it listens.
func through(t *testing.T, cmd *exec.Cmd) http.Handler {
	t.Helper()
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, ended := make(chan string, 1), make(chan struct{})
	said := &buffer{}
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if !strings.Contains(lines.Text(), "response completed") { // what it answers to clients is theirs to tell
				_, _ = said.Write(append(lines.Bytes(), '\n'))
			}
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		_ = cmd.Wait() // it is killed in the end
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("log of %s:\n%s", cmd.Path, strings.TrimSpace(said.String()))
		}
	})
	select {
	case host := <-address:
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: host})
			r.Out.Host = r.In.Host
		}}
	case <-ended:
		t.Fatalf("%s ended\n%s", cmd.Path, said)
	case <-testContext(t).Done():
		t.Fatalf("%s does not listen\n%s", cmd.Path, said)
	}
	return nil
}
