package faults

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
)

// The credentials of the engines; they listen on loopback for one test.
const (
	natsUser   = "plimsoll"
	natsSecret = "nats-secret-of-a-test"
	s3Secret   = "bucket-secret-of-a-test"
)

// An engineProcess is NATS, Temporal or the S3 gateway in a process of its own. It may listen elsewhere after each start:
// links and fronts follow.
type engineProcess struct {
	name  string
	data  string
	log   *tail
	proc  *process
	at    atomic.Pointer[string] // host:port; empty while it is down
	up    func(e *engineProcess) (*process, string, error)
	moved []func(at string)
}

func (e *engineProcess) address() string {
	if at := e.at.Load(); at != nil {
		return *at
	}
	return ""
}

func (e *engineProcess) start(t testing.TB) {
	t.Helper()
	if err := e.tryStart(); err != nil {
		t.Fatal(err)
	}
}

func (e *engineProcess) tryStart() error {
	p, at, err := e.up(e)
	if err != nil {
		return err
	}
	e.proc = p
	e.set(at)
	return nil
}

func (e *engineProcess) set(at string) {
	e.at.Store(&at)
	for _, f := range e.moved {
		f(at)
	}
}

// kill ends it at once; it is down until start.
func (e *engineProcess) kill(t testing.TB) {
	t.Helper()
	e.proc.kill()
	e.set("")
	if !e.proc.killed() {
		t.Fatalf("%s was not killed: %v", e.name, e.proc.err)
	}
}

// wipe removes what a dead engine had stored.
func (e *engineProcess) wipe(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(e.data); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(e.data, 0o700); err != nil {
		t.Fatal(err)
	}
}

// newNATS is a real nats-server with JetStream.
func newNATS(dir string) *engineProcess {
	return &engineProcess{name: "nats", data: filepath.Join(dir, "nats"), log: &tail{}, up: func(e *engineProcess) (*process, string, error) {
		ports := filepath.Join(dir, "nats-ports")
		config := fmt.Sprintf(`
			listen: "127.0.0.1:-1"
			server_name: faults
			ports_file_dir: %q
			authorization { user: %q, password: %q }
			jetstream { store_dir: %q, max_file_store: 4G }
		`, ports, natsUser, natsSecret, e.data)
		return startNATS(e, ports, config)
	}}
}

// startNATS starts a nats-server with a configuration and finds the port that it chose.
func startNATS(e *engineProcess, ports, config string) (*process, string, error) {
	for _, dir := range []string{ports, e.data} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, "", err
		}
	}
	file := filepath.Join(filepath.Dir(ports), filepath.Base(ports)+".conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, "", err
	}
	// The server logs to standard error and says nothing on standard output: a shell's echo is the line that launch waits
	// for, and what it started is waited for below.
	cmd := exec.Command("/bin/sh", "-c", `echo started; exec "$0" -c "$1"`, programs.nats, file)
	p, err := launch(e.name, e.log, cmd, func(string) bool { return true })
	if err != nil {
		return nil, "", err
	}
	at, err := natsPort(p, ports)
	if err != nil {
		p.kill()
		return nil, "", fmt.Errorf("%w\n%s", err, e.log)
	}
	return p, at, nil
}

// natsPort waits for the file in which the server tells its ports, and until it answers.
func natsPort(p *process, dir string) (string, error) {
	file := filepath.Join(dir, fmt.Sprintf("%s_%d.ports", filepath.Base(programs.nats), p.pid()))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.ended:
			return "", fmt.Errorf("nats-server ended at its start: %w", p.err)
		default:
		}
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var told struct{ Nats []string }
		if json.Unmarshal(b, &told) != nil || len(told.Nats) == 0 {
			continue
		}
		u, err := url.Parse(told.Nats[0])
		if err != nil {
			return "", err
		}
		return u.Host, nil
	}
	return "", fmt.Errorf("nats-server wrote no %s", file)
}

// newTemporal is Temporal's server over SQLite files, newS3 an S3 gateway over a folder, both as the product embeds them.
func newTemporal(dir string) *engineProcess { return newEmbedded(dir, engine.EngineTemporal) }
func newS3(dir string) *engineProcess       { return newEmbedded(dir, engine.EngineS3) }

func newEmbedded(dir, name string) *engineProcess {
	return &engineProcess{name: name, data: filepath.Join(dir, name), log: &tail{}, up: func(e *engineProcess) (*process, string, error) {
		return startEmbedded(e, engineRole{Engine: name, Data: e.data, Secret: s3Secret})
	}}
}

func startEmbedded(e *engineProcess, role engineRole) (*process, string, error) {
	raw, err := json.Marshal(role)
	if err != nil {
		return nil, "", err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+string(raw))
	var told engine.Engines
	p, err := launch(e.name, e.log, cmd, func(line string) bool { return json.Unmarshal([]byte(line), &told) == nil })
	if err != nil {
		return nil, "", err
	}
	if e.name == engine.EngineTemporal {
		return p, told.Temporal.Address, nil
	}
	return p, told.S3.Endpoint, nil
}

// jetstreams is a connection to the NATS server itself, beside those of the parts, to read its counters from outside.
func (s *system) jetstream(t testing.TB) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect("nats://"+s.nats.address(), nats.UserInfo(natsUser, natsSecret), nats.MaxReconnects(0), nats.Timeout(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}
