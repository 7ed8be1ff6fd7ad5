package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/services/standalone/internal/doctor"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) doctor() *cobra.Command {
	var path, data, format string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything around a Plimsoll and say what is wrong and what to do, within 5 s",
		Long: `Makes ten checks side by side: data folder, bucket, clock, queue, orchestrator, workers, registries, advisories, posture and sweeps.
It changes nothing but a small object that it writes to the bucket and removes again. --config names external engines and registries; what
is embedded in plimsoll up is asked of the running Plimsoll at --server. Exit 1 when something is broken, else 2 with a warning, else 0.`,
		Example: "  plimsoll doctor --config plimsoll.yaml\n  plimsoll doctor --server https://plimsoll.corp.example --token-file viewer.token",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return exit{exitUsage, fmt.Sprintf("--format %q: want table or json", format)}
			}
			f, err := readConfig(path)
			if err != nil {
				return err
			}
			set(&f.Data, data)
			if err := absolute(&f.Data); err != nil {
				return err
			}
			remote, err := a.client()
			if err != nil {
				return err
			}
			if a.server == "" && path != "" {
				remote.server = "http://" + strings.Replace(f.Listen, "0.0.0.0", "127.0.0.1", 1)
			}
			results := doctor.Look(cmd.Context(), doctor.Patient{File: f, Server: remote.server, Token: remote.token})
			if format == "json" {
				enc := json.NewEncoder(a.out)
				enc.SetIndent("", "  ")
				if err := enc.Encode(results); err != nil {
					return err
				}
				code, _ := doctorExit(results)
				return exitOf(code)
			}
			return showDoctor(text.NewPrinter(a.out), results)
		},
	}
	c.Flags().StringVar(&path, "config", os.Getenv("PLIMSOLL_CONFIG"), "configuration file")
	c.Flags().StringVar(&data, "data", "", "folder of the embedded engines (default ./plimsoll-data)")
	c.Flags().StringVar(&format, "format", "table", "table or json")
	return c
}

func showDoctor(p *text.Printer, results []doctor.Result) error {
	for _, r := range results {
		mark := p.Paint(text.Green, "✓")
		switch r.State {
		case doctor.Skipped:
			mark = "-"
		case doctor.Warning:
			mark = p.Paint(text.Yellow, "▲")
		case doctor.Broken:
			mark = p.Paint(text.Red, "✗")
		}
		for i, line := range text.Wrap(strings.ReplaceAll(r.Detail, "\n", "; "), 72) {
			if i > 0 {
				mark, r.Name = " ", ""
			}
			p.Line("%s %-24s %s", mark, r.Name, line)
		}
		if r.Fix != "" {
			p.Line("    fix: %s", text.Clean(r.Fix))
		}
	}
	code, why := doctorExit(results)
	p.Line("")
	p.Line("exit %d: %s", code, why)
	if err := p.Err(); err != nil {
		return err
	}
	return exitOf(code)
}

func doctorExit(results []doctor.Result) (code int, why string) {
	n := map[doctor.State]int{}
	for _, r := range results {
		n[r.State]++
	}
	switch {
	case n[doctor.Broken] > 0:
		return 1, fmt.Sprintf("%d broken, %s, %d in order", n[doctor.Broken], text.Plural(n[doctor.Warning], "warning"), n[doctor.OK])
	case n[doctor.Warning] > 0:
		return exitShort, fmt.Sprintf("%s, %d in order", text.Plural(n[doctor.Warning], "warning"), n[doctor.OK])
	}
	return 0, fmt.Sprintf("%d in order", n[doctor.OK])
}
