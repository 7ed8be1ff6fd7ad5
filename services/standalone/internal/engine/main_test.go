package engine

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.temporal.io/sdk/client"
)

// childEnv makes the test binary run engines instead of tests, with the options in its value. A process can run only one
// set of engines, and only a process can be killed, so most tests talk to such children.
const childEnv = "PLIMSOLL_ENGINE_TEST_CHILD"

func TestMain(m *testing.M) {
	if v := os.Getenv(childEnv); v != "" {
		os.Exit(runChild(v))
	}
	os.Exit(m.Run())
}

// childOptions are Options that pass through the environment.
type childOptions struct {
	Data      string
	Transient bool
	SideCar   bool
}

// runChild starts engines, writes them to standard output as one line of JSON, and stops when standard input ends.
func runChild(v string) int {
	var o childOptions
	if err := json.Unmarshal([]byte(v), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	e, err := Start(context.Background(), Options{Data: o.Data, Transient: o.Transient, sideCar: o.SideCar})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(e); err != nil {
		return 3
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A child is a running child process and its engines.
type child struct {
	*Engines
	cmd *exec.Cmd
	in  io.Closer
	out io.ReadCloser
}

func childCommand(t *testing.T, o childOptions) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(b))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func startChild(t *testing.T, o childOptions) *child {
	t.Helper()
	cmd := childCommand(t, o)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c := &child{Engines: &Engines{}, cmd: cmd, in: in, out: out}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("child did not start: %v", err)
	}
	if err := json.Unmarshal(line, c.Engines); err != nil {
		t.Fatalf("child wrote %q to its standard output: %v", line, err)
	}
	return c
}

// stop ends the child in the orderly way.
func (c *child) stop(t *testing.T) {
	t.Helper()
	if err := c.in.Close(); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(c.out); len(rest) > 0 {
		t.Errorf("child wrote to its standard output, which belongs to the program: %q", rest)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("child ended with %v", err)
	}
}

// kill ends the child as a crash or the kernel would.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func testLog(t testing.TB) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// execSQL changes a database behind the back of its owner.
func execSQL(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+uriPath(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// querySQL returns the one value that a query yields.
func querySQL(t *testing.T, path, query string) (value string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+uriPath(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func dialS3(t *testing.T, s S3) *minio.Client {
	t.Helper()
	c, err := minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dialNATS(t *testing.T, n NATS) jetstream.JetStream {
	t.Helper()
	c, err := nats.Connect(n.URL, nats.UserInfo(n.User, n.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func dialTemporal(t testing.TB, tp Temporal) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: tp.Address, Namespace: tp.Namespace, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
