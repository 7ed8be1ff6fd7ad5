package cli

import (
	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/reporter"
	"github.com/plimsoll/plimsoll/services/scheduler"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
	"github.com/plimsoll/plimsoll/services/worker"
)

// part makes the command that runs one service alone, as in a cluster.
func (a *app) part(name, short string, run func(*cobra.Command, config.File, *text.Printer) error) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := readConfig(path)
			if err != nil {
				return err
			}
			if err := f.ValidateFor(config.Part(name)); err != nil {
				return err
			}
			if a.logLevel != "warn" {
				f.LogLevel = a.logLevel
			}
			return run(cmd, f, text.NewPrinter(a.out))
		},
	}
	c.Flags().StringVar(&path, "config", "", "configuration file")
	if err := c.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag is defined one line above
	}
	return c
}

func (a *app) schedulerPart() *cobra.Command {
	return a.part("scheduler", "Run the scheduler alone: discovery, queue, hooks, workflows", func(cmd *cobra.Command, f config.File, p *text.Printer) error {
		a.logLevel = f.LogLevel
		log, err := a.logger()
		if err != nil {
			return err
		}
		return scheduler.Run(cmd.Context(), scheduler.Config{Scheduler: f.Scheduler, Bucket: f.Bucket, NATS: f.NATS, Temporal: f.Temporal,
			Registries: f.Registries, Exposed: !access.Loopback(f.Scheduler.Listen), Log: log,
			Ready: func(at scheduler.Addresses) { p.Line("scheduler ready at http://%s", at.HTTP) }})
	})
}

func (a *app) workerPart() *cobra.Command {
	return a.part("worker", "Run one worker alone: reads layers, keeps no state", func(cmd *cobra.Command, f config.File, p *text.Printer) error {
		a.logLevel = f.LogLevel
		log, err := a.logger()
		if err != nil {
			return err
		}
		return worker.Run(cmd.Context(), worker.Config{Worker: f.Worker, Bucket: f.Bucket, Registries: f.Registries, Log: log,
			Ready: func(at worker.Addresses) { p.Line("worker ready: gRPC %s, health http://%s", at.GRPC, at.Admin) }})
	})
}

func (a *app) reporterPart() *cobra.Command {
	return a.part("reporter", "Run the reporter alone: posture, pages, API, reports", func(cmd *cobra.Command, f config.File, p *text.Printer) error {
		a.logLevel = f.LogLevel
		log, err := a.logger()
		if err != nil {
			return err
		}
		if err := access.CheckListen(f.Reporter.Listen, f.TokensFile); err != nil {
			return err
		}
		return reporter.Run(cmd.Context(), reporter.Config{Reporter: f.Reporter, Bucket: f.Bucket, NATS: f.NATS, Temporal: f.Temporal,
			Registries: f.Registries, TokensFile: f.TokensFile, Exposed: !access.Loopback(f.Reporter.Listen), Log: log,
			Ready: func(at reporter.Addresses) { p.Line("reporter ready at http://%s", at.HTTP) }})
	})
}
