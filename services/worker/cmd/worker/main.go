// Command worker runs one worker of Plimsoll: services/worker with the configuration file that every part shares.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	// The images hold no CA files: these roots are used where the system has none (crypto/x509.SetFallbackRoots).
	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/plimsoll/plimsoll/services/internal/admin"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/worker"
)

// Exit codes, as of every command of the product.
const (
	exitFailed = 1
	exitUsage  = 3
)

func main() {
	if worker.IsChild() {
		os.Exit(worker.Child())
	}
	os.Exit(run(os.Args[1:], os.Environ(), os.Stderr))
}

func run(args, env []string, out io.Writer) int {
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(out)
	file := flags.String("config", "", "configuration `file` (YAML)")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		fmt.Fprintln(out, "usage: worker --config FILE")
		return exitUsage
	}
	f, err := config.Read(*file, env)
	if err != nil {
		fmt.Fprintln(out, "worker:", err)
		return exitUsage
	}
	if err := f.ValidateFor(config.PartWorker); err != nil {
		fmt.Fprintln(out, "worker:", err)
		return exitUsage
	}
	log, err := admin.Logger(out, f.LogLevel)
	if err != nil {
		fmt.Fprintln(out, "worker:", err)
		return exitUsage
	}
	c := worker.DefaultConfig()
	c.Worker, c.Bucket, c.Registries, c.Log, c.Version = f.Worker, f.Bucket, f.Registries, log, version()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := worker.Run(ctx, c); err != nil {
		log.Error("worker ended", "error", err)
		return exitFailed
	}
	return 0
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}
