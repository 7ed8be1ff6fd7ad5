package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/scheduler"
	"github.com/plimsoll/plimsoll/services/standalone/internal/house"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) registry() *cobra.Command {
	return group("registry", "Check registries", a.registryCheck(), a.registryForget())
}

func (a *app) registryCheck() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "check [NAME|URL]",
		Short: "Try each step that reading a registry takes, and say what to fix",
		Long: `Tries name resolution, TLS, credentials, listing, one manifest and one ranged read of a layer, and prints each with ✓ or ✗
and what to do. NAME is a registry of --config (all of them when left out); a URL or host is tried as it is.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			registries, err := a.registriesToCheck(path, args)
			if err != nil {
				return err
			}
			p, failed := text.NewPrinter(a.out), 0
			for i, r := range registries {
				if i > 0 {
					p.Line("")
				}
				p.Line("%s  %s", p.Paint(text.Bold, r.ID), r.URL)
				ok := true
				for step := range scheduler.Check(cmd.Context(), r) {
					mark := p.Paint(text.Green, "✓")
					switch {
					case step.Skipped:
						mark = "-"
					case !step.OK:
						mark, ok = p.Paint(text.Red, "✗"), false
					}
					for i, line := range text.Wrap(step.Detail, 76) {
						if i > 0 {
							mark, step.Name = " ", ""
						}
						p.Line("  %s %-18s %s", mark, step.Name, line)
					}
					if !step.OK && !step.Skipped && step.Fix != "" {
						p.Line("      fix: %s", text.Clean(step.Fix))
					}
				}
				if !ok {
					failed++
				}
			}
			if failed > 0 {
				p.Line("exit %d: %d of %d registries cannot be read", exitShort, failed, len(registries))
				return exit{code: exitShort}
			}
			p.Line("exit 0: every registry can be read")
			return p.Err()
		},
	}
	c.Flags().StringVar(&path, "config", "", "configuration file")
	return c
}

func (a *app) registriesToCheck(path string, args []string) ([]plimsoll.Registry, error) {
	f, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		if len(f.Registries) == 0 {
			return nil, exit{exitUsage, "no registry to check: name a URL, or give --config a file with registries"}
		}
		return f.Registries, nil
	}
	for _, r := range f.Registries {
		if r.ID == args[0] {
			return []plimsoll.Registry{r}, nil
		}
	}
	r, err := registryOf(args[0])
	if err != nil {
		return nil, fmt.Errorf("%w; or a registry's id from --config", err)
	}
	return []plimsoll.Registry{r}, nil
}

func (a *app) registryForget() *cobra.Command {
	var w place
	c := &cobra.Command{
		Use:   "forget NAME",
		Short: "Take the images of a registry that is not configured any more out of the posture",
		Long: `Images of a registry that was taken out of the configuration stay, stale, until it is forgotten. Its tags then go, and the change log
says why, with the cause "scope"; past moments still show what it held. Layers that nothing else names are for gc.`,
		Example: `  plimsoll registry forget old-harbor --config plimsoll.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := readConfig(w.config)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(f.Registries, func(r plimsoll.Registry) bool { return r.ID == args[0] }) {
				return exit{exitUsage, fmt.Sprintf("registry %s is configured: take it out of %s first, and restart; the next sweep would bring it back", args[0], w.config)}
			}
			return w.use(cmd.Context(), a, false, func(s *blob.Store) error {
				n, err := house.Forget(cmd.Context(), s, args[0], actor(), time.Now().UTC())
				if err != nil {
					return err
				}
				p := text.NewPrinter(a.out)
				p.Line("exit 0: %s of %s went. Layers that nothing else names: plimsoll gc --dry-run", text.Plural(n, "tag"), args[0])
				return p.Err()
			})
		},
	}
	w.flags(c)
	return c
}
