package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) advisories() *cobra.Command {
	return group("advisories", "See and update the advisories of a running Plimsoll", a.advisoriesStatus(), a.advisoriesUpdate())
}

func (a *app) advisoriesUpdate() *cobra.Command {
	return &cobra.Command{
		Use:   "update",
		Short: "Look at the feed now",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer struct {
				Generation string `json:"generation"`
				Changed    bool   `json:"changed"`
			}
			if err := a.change(cmd.Context(), "/api/v1/advisories/update", map[string]string{}, &answer); err != nil {
				return err
			}
			word := "unchanged"
			if answer.Changed {
				word = "new; every verdict is formed again"
			}
			fmt.Fprintf(a.out, "generation %s: %s\n", answer.Generation, word)
			return nil
		},
	}
}

// feed is one row of /api/v1/coverage/feeds as far as it is shown.
type feed struct {
	Ecosystem string `json:"ecosystem"`
	Records   int    `json:"records"`
	Skipped   int    `json:"skipped"`
	Newest    string `json:"newest"`
	State     string `json:"state"` // fresh or what is wrong
	Error     string `json:"error"`
}

func (a *app) advisoriesStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the generation and its feeds; exit 0 only if all are fresh",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var status struct {
				Generation string `json:"generation"`
			}
			var feeds struct {
				Items []feed `json:"items"`
			}
			if err := cmp.Or(c.get(cmd.Context(), "/api/v1/status", nil, &status), c.get(cmd.Context(), "/api/v1/coverage/feeds", nil, &feeds)); err != nil {
				return err
			}
			return a.showFeeds(status.Generation, feeds.Items)
		},
	}
}

func (a *app) showFeeds(generation string, feeds []feed) error {
	p, bad := text.NewPrinter(a.out), 0
	p.Line("generation %s", cmp.Or(generation, "none: no advisories have been read"))
	p.Line("%s", p.Paint(text.Bold, fmt.Sprintf("%-30s %9s %8s  %-22s %-9s %s", "ECOSYSTEM", "RECORDS", "SKIPPED", "NEWEST RECORD", "STATE", "FAULT")))
	for _, f := range feeds {
		if f.State != "fresh" {
			bad++
		}
		p.Line("%s %9s %8s  %-22s %-9s %s", text.Pad(p.Short(f.Ecosystem, 30), 30), text.Count(f.Records), text.Count(f.Skipped), f.Newest, f.State, p.Short(f.Error, 16))
	}
	code := 0
	if bad > 0 || generation == "" {
		code = exitShort
	}
	p.Line("exit %d: %d of %d feeds fresh", code, len(feeds)-bad, len(feeds))
	return cmp.Or(p.Err(), exitOf(code))
}

func (a *app) report() *cobra.Command {
	var period, dir string
	c := &cobra.Command{
		Use:   "report",
		Short: "Make the weekly report, once a week, and download its files",
		Long:  "Makes the report of a week that has ended, or finds the one made already, and downloads its files.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var m struct {
				Period string `json:"period"`
				Files  []struct {
					Name string `json:"name"`
				} `json:"files"`
			}
			if err := a.change(cmd.Context(), "/api/v1/reports", map[string]string{"period": period}, &m); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			to := filepath.Join(dir, m.Period)
			if err := os.MkdirAll(to, 0o755); err != nil {
				return exit{exitUsage, fmt.Sprintf("--output: %v", err)}
			}
			names := []string{"manifest.json"} // the sums of all others
			for _, f := range m.Files {
				names = append(names, f.Name)
			}
			for _, served := range names {
				name := filepath.Base(served) // the server's word never leaves the folder
				if err := c.download(cmd, "/api/v1/reports/"+url.PathEscape(m.Period)+"/"+url.PathEscape(served), filepath.Join(to, name)); err != nil {
					return err
				}
				fmt.Fprintln(a.out, filepath.Join(to, name))
			}
			return nil
		},
	}
	c.Flags().StringVar(&period, "period", "", "ISO week, as 2026-W48 (default: the last that ended)")
	c.Flags().StringVar(&dir, "output", ".", "folder to write to")
	return c
}

func (c *remote) download(cmd *cobra.Command, path, file string) (err error) {
	body, err := c.open(cmd.Context(), http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	out, err := os.Create(file)
	if err != nil {
		return exit{exitUsage, fmt.Sprintf("--output: %v", err)}
	}
	defer func() { err = cmp.Or(err, out.Close()) }()
	_, err = io.Copy(out, body)
	return err
}

// gate answers one question for a pipeline: may this image go on?
func (a *app) gate() *cobra.Command {
	return &cobra.Command{
		Use:   "gate IMAGE",
		Short: "Ask a running Plimsoll for the verdict of one image; exit 0 no rule failed and it was read, 1 a rule failed, 2 reading fell short",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Image      string                `json:"image"`
				Verdict    plimsoll.VerdictState `json:"verdict"`
				Violations []plimsoll.Violation  `json:"violations"`
				Reasons    []string              `json:"reasons"`
				Exit       int                   `json:"exit"`
				Why        string                `json:"why"`
			}
			if err := c.get(cmd.Context(), "/api/v1/gate", url.Values{"image": {args[0]}}, &answer); err != nil {
				return err
			}
			p := text.NewPrinter(a.out)
			p.Line("%s  %s", cmp.Or(string(answer.Verdict), "not applicable"), text.Clean(cmp.Or(answer.Image, args[0])))
			for _, v := range answer.Violations {
				p.Line("  %s: %s", v.Rule, p.Short(v.Text, 90))
			}
			for _, r := range answer.Reasons {
				p.Line("  %s", p.Short(r, 98))
			}
			p.Line("exit %d: %s", answer.Exit, text.Clean(answer.Why))
			return cmp.Or(p.Err(), exitOf(answer.Exit))
		},
	}
}
