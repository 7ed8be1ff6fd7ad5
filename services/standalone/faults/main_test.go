package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
)

// Programs that the tests run. PLIMSOLL_BIN names a plimsoll that is built already (plimsoll-analyse lies beside it), and
// PLIMSOLL_NATS_SERVER a nats-server; what is not named is built once.
var programs struct{ plimsoll, nats, dir string }

// roleEnv makes this test binary an engine in place of tests: engines are libraries, and only a process can be killed.
const roleEnv = "PLIMSOLL_FAULTS_ENGINE"

func TestMain(m *testing.M) {
	if v := os.Getenv(roleEnv); v != "" {
		os.Exit(playEngine(v))
	}
	os.Exit(run(m))
}

// engineRole is what a process that is an engine gets to know.
type engineRole struct {
	Engine, Data, Secret string
	TLS                  *engine.TLSFiles
}

// playEngine starts the engine, writes where it listens to standard output as one line of JSON, and stops on SIGTERM.
func playEngine(v string) int {
	var o engineRole
	if err := json.Unmarshal([]byte(v), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	others := slices.DeleteFunc([]string{engine.EngineNATS, engine.EngineTemporal, engine.EngineS3}, func(name string) bool { return name == o.Engine })
	e, err := engine.Start(ctx, engine.Options{Data: o.Data, Without: others, Secret: o.Secret, TemporalTLS: o.TLS, Log: log})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(e); err != nil {
		return 3
	}
	<-ctx.Done()
	stop, done := context.WithTimeout(context.Background(), 30*time.Second)
	defer done()
	if err := e.Stop(stop); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "plimsoll-faults-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs.dir = dir
	if programs.plimsoll = os.Getenv("PLIMSOLL_BIN"); programs.plimsoll == "" {
		programs.plimsoll = filepath.Join(dir, "plimsoll")
		if err := buildProduct(programs.plimsoll); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if programs.nats = os.Getenv("PLIMSOLL_NATS_SERVER"); programs.nats == "" {
		programs.nats = filepath.Join(dir, "nats-server")
		if err := build(programs.nats, "github.com/nats-io/nats-server/v2"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// buildProduct builds plimsoll, and plimsoll-analyse beside it, with flags of go build.
func buildProduct(path string, flags ...string) error {
	if err := build(path, "../cmd/plimsoll", flags...); err != nil {
		return err
	}
	return build(filepath.Join(filepath.Dir(path), "plimsoll-analyse"), "github.com/plimsoll/plimsoll/services/worker/cmd/plimsoll-analyse", flags...)
}

func build(path, pkg string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), pkg)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return nil
}
