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
	return a.past(&cobra.Command{
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
	})
}
