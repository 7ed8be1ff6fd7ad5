// Package cli is the command line: it parses, calls one package and prints. Text output follows internal/text; exit codes
// stand in exit.go.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/services/internal/admin"
)

// version is set by the linker.
var version = "dev"

// app is what every command shares.
type app struct {
	in       io.Reader
	out, err io.Writer
	server   string
	token    string // file
	at       string // the moment that reading commands ask about; empty: now
	logLevel string
}

// Main runs the command line and returns the exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := New(in, out, errOut)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var e exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		if e.text != "" {
			fmt.Fprintln(errOut, "plimsoll: "+e.text)
		}
		return e.code
	default:
		fmt.Fprintln(errOut, "plimsoll: "+err.Error())
		return exitUsage
	}
}

// New builds the command tree.
func New(in io.Reader, out, errOut io.Writer) *cobra.Command {
	a := &app{in: in, out: out, err: errOut}
	root := &cobra.Command{
		Use:           "plimsoll",
		Short:         "What is inside all our images, is it dangerous, does it meet our policy, what do we rebuild",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "address of a running Plimsoll, as http://host:port (default "+defaultServer+")")
	flags.StringVar(&a.token, "token-file", "", "file with the bearer token for --server")
	flags.StringVar(&a.logLevel, "log-level", "warn", "debug, info, warn or error")
	root.AddCommand(a.demo(), a.up(), a.scan(), a.schedulerPart(), a.workerPart(), a.reporterPart(), a.registry(), a.sweep(),
		a.advisories(), a.report(), a.gate(), a.past(a.explain()), a.past(a.find()), a.tokenCommand(), a.doctor(), a.backup(), a.restore(), a.fsck(), a.gc())
	return root
}

// logger writes logs beside the command's own output.
func (a *app) logger() (*slog.Logger, error) { return admin.Logger(a.err, a.logLevel) }

// group is a command that only holds others; a word that is none of them is an error, not a page of help.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exit{exitUsage, fmt.Sprintf("%s has no command %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(commands...)
	return c
}
