package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) sweepPlan() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "plan REGISTRY",
		Short: "Tell what a sweep would list and read, and what it would leave out",
		Long: `Lists the registry as a sweep would and reads the manifests of what is not read yet; it reads no layer and changes nothing.
A large registry takes as long as its listing. Ctrl-C ends the waiting alone; ask again to see the plan.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "table" && format != "json" {
				return exit{exitUsage, fmt.Sprintf("--format %q: want table or json", format)}
			}
			return a.planSweep(cmd.Context(), args[0], format)
		},
	}
	c.Flags().StringVar(&format, "format", "table", "table or json")
	return c
}

func (a *app) planSweep(ctx context.Context, registry, format string) error {
	if err := a.change(ctx, "/api/v1/sweeps/plan", map[string]string{"registry": registry}, nil); err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	progress := newProgress(a.err)
	defer progress.clear()
	var plan *plimsoll.SweepPlan
	began := time.Now()
	err = every(ctx, time.Second, func() (bool, error) {
		var got struct {
			Running bool                `json:"running"`
			Plan    *plimsoll.SweepPlan `json:"plan"`
		}
		err := c.call(ctx, http.MethodGet, "/api/v1/sweeps/plan", url.Values{"registry": {registry}}, nil, &got)
		plan = got.Plan
		progress.show(fmt.Sprintf("listing %s, %s", registry, text.Took(time.Since(began))))
		return plan != nil, err
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("the plan of %s goes on: ask again to see it", registry)
	}
	if err != nil {
		return err
	}
	progress.clear()
	if format == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		return enc.Encode(plan)
	}
	p := text.NewPrinter(a.out)
	showPlan(p, *plan)
	return p.Err()
}

func showPlan(p *text.Printer, plan plimsoll.SweepPlan) {
	p.Line("%s", p.Paint(text.Bold, text.Between("PLAN  "+p.Short(plan.Registry, 60), "made "+plan.Made.UTC().Format("2 Jan 15:04")+" UTC, recipe "+string(plan.Recipe))))
	p.Line("")
	p.Line("  repositories %12s", text.Count(plan.Repositories))
	p.Line("  tags         %12s   %s read by this recipe already, %s to read", text.Count(plan.Tags), text.Count(plan.Unchanged), text.Count(plan.ToRead))
	p.Line("  images       %12s   behind the tags to read, each once", text.Count(plan.Images))
	for _, name := range slices.Sorted(maps.Keys(plan.Platforms)) {
		p.Line("    %-10s %12s", p.Short(name, 24), text.Count(plan.Platforms[name]))
	}
	p.Line("  layers       %12s   each once: %s have facts, %s to read", text.Count(plan.Layers), text.Count(plan.LayersKnown), text.Count(plan.LayersToRead))
	p.Line("  bytes        %12s   of layers, compressed", text.Bytes(plan.Bytes))
	p.Line("  requests     %12s   about", text.Count(plan.Requests))
	switch {
	case plan.Rate > 0:
		p.Line("  time         %12s   at %g requests a second, without what layers take to be read", text.Took(plan.AtLimit), plan.Rate)
	default:
		p.Line("  time            not known   no bound is set (registries[].requests_per_second)")
	}
	if len(plan.LeftOut) > 0 {
		p.Line("")
		p.Line("%s", p.Paint(text.Bold, text.Pad("LEFT OUT", 60)+"   COUNT   OF"))
		for _, l := range plan.LeftOut {
			p.Line("  %s %7s   %s", text.Pad(p.Short(l.Reason+" ("+l.Example+")", 60), 60), text.Count(l.Count), l.Of)
		}
	}
	for i, why := range plan.NotCounted {
		if i == 0 {
			p.Line("")
			p.Line("%s", p.Paint(text.Bold, "LEFT OUT BY THE SWEEP, AND COUNTED ABOVE"))
		}
		for _, line := range text.Wrap(text.Clean(why), text.Columns-2) {
			p.Line("  %s", line)
		}
	}
	p.Line("")
	p.Line("Start it: plimsoll sweep start %s", plan.Registry)
}
