package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) sweep() *cobra.Command {
	return group("sweep", "Start, watch and cancel sweeps of a running Plimsoll", a.sweepStart(), a.sweepStatus(), a.sweepCancel())
}

func (a *app) sweepStart() *cobra.Command {
	return &cobra.Command{
		Use:   "start REGISTRY",
		Short: "Start a sweep of one registry, or join the one that runs",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer struct {
				Registry string `json:"registry"`
				Joined   bool   `json:"joined"`
			}
			if err := a.change(cmd.Context(), "/api/v1/sweeps", map[string]string{"registry": args[0]}, &answer); err != nil {
				return err
			}
			word := "started"
			if answer.Joined {
				word = "joined the running one"
			}
			fmt.Fprintf(a.out, "sweep of %s: %s. Watch: plimsoll sweep status %s --watch\n", answer.Registry, word, answer.Registry)
			return nil
		},
	}
}

func (a *app) sweepCancel() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel REGISTRY",
		Short: "Cancel the running sweep of one registry",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.change(cmd.Context(), "/api/v1/sweeps/cancel", map[string]string{"registry": args[0]}, nil); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "sweep of %s: asked to end; what is queued still runs\n", args[0])
			return nil
		},
	}
}

// change makes a changing call; on this machine's own Plimsoll the token that up made is used.
func (a *app) change(ctx context.Context, path string, body, v any) error {
	if a.token == "" {
		if _, err := os.Stat(ownToken); err == nil {
			a.token = ownToken
		}
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, path, nil, body, v)
}

// ownToken is where `up` puts the token that it makes, seen from the folder it was started in.
const ownToken = "plimsoll-data/admin.token"

// sweeps is the answer of /api/v1/sweeps as far as it is shown.
type sweeps struct {
	Items []registrySweep `json:"items"`
}

type registrySweep struct {
	ID           string                     `json:"id"`
	Images       int                        `json:"images"`
	Covered      int                        `json:"covered"`
	Read         map[plimsoll.ReadState]int `json:"read"`
	LastComplete *time.Time                 `json:"last_complete_listing"`
	Sweep        *plimsoll.Sweep            `json:"sweep"`
	Running      *plimsoll.Sweep            `json:"running"`
	Fault        string                     `json:"fault"`
	Recent       []plimsoll.Sweep           `json:"recent"`
}

func (a *app) sweepStatus() *cobra.Command {
	var watch bool
	var format string
	c := &cobra.Command{
		Use:   "status [REGISTRY]",
		Short: "Show how the sweeps stand; exit 0 only if all are green or running",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "table" && format != "json" {
				return exit{exitUsage, fmt.Sprintf("--format %q: want table or json", format)}
			}
			return a.showSweeps(cmd.Context(), args, format, watch)
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "show again every 2 s until nothing runs")
	c.Flags().StringVar(&format, "format", "table", "table or json")
	return c
}

func (a *app) showSweeps(ctx context.Context, args []string, format string, watch bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	query := url.Values{}
	if len(args) > 0 {
		query.Set("registry", args[0])
	}
	var result error
	err = every(ctx, 2*time.Second, func() (done bool, err error) {
		var s sweeps
		if err := c.get(ctx, "/api/v1/sweeps", query, &s); err != nil {
			return false, err
		}
		if watch && text.Terminal(a.out) {
			fmt.Fprint(a.out, "\x1b[H\x1b[2J") // a fresh screen; a pipe gets one table after another
		}
		var code int
		var running bool
		if format == "json" {
			enc := json.NewEncoder(a.out)
			enc.SetIndent("", "  ")
			err = enc.Encode(s.Items)
			code, _, running = s.exitCode()
		} else {
			p := text.NewPrinter(a.out)
			code, running = sweepTable{p, time.Now()}.show(s)
			err = p.Err()
		}
		result = exitOf(code)
		return !watch || !running, err
	})
	if errors.Is(err, context.Canceled) { // the person has seen enough
		err = nil
	}
	return cmp.Or(err, result)
}

func (s sweeps) exitCode() (code int, why string, running bool) {
	red, stale := 0, 0
	for _, r := range s.Items {
		switch {
		case r.Running != nil:
			running = true
		case r.state() == "green":
		case r.state() == "RED":
			red++
		default:
			stale++
		}
	}
	if red+stale == 0 {
		return 0, "all green or running", running
	}
	return exitShort, fmt.Sprintf("%d red, %d never swept, stale or not ended", red, stale), running
}

// state is one word: running, green, RED, or what else it is.
func (r registrySweep) state() string {
	switch {
	case r.Running != nil:
		return "running"
	case r.Sweep == nil:
		return "never"
	case r.Read[plimsoll.ReadStale] > 0:
		return "stale"
	case r.Sweep.State == plimsoll.SweepGreen:
		return "green"
	case r.Sweep.State == plimsoll.SweepRed, r.Sweep.State == plimsoll.SweepFailed:
		return "RED"
	}
	return string(r.Sweep.State)
}

type sweepTable struct {
	*text.Printer
	now time.Time
}

func (t sweepTable) show(s sweeps) (code int, running bool) {
	t.Line("%s", t.Paint(text.Bold, fmt.Sprintf("%-20s %-10s %-20s %-28s %s", "REGISTRY", "STATE", "COVERED", "LAST COMPLETE LISTING", "FAULT")))
	for _, r := range s.Items {
		listed := "never"
		if r.LastComplete != nil {
			listed = r.LastComplete.UTC().Format("2 Jan 15:04") + " UTC"
		}
		t.Line("%-20s %s %-20s %-28s %s", t.Short(r.ID, 20), text.Pad(t.state(r.state()), 10),
			fmt.Sprintf("%7s of %7s", text.Count(r.Covered), text.Count(r.Images)), listed, t.Short(r.Fault, 20))
	}
	for _, r := range s.Items {
		if r.Running != nil {
			t.running(r.ID, *r.Running)
		}
	}
	t.gaps(s)
	if len(s.Items) == 1 {
		t.nights(s.Items[0])
	}
	t.Line("")
	code, why, running := s.exitCode()
	t.Line("exit %d: %s", code, why)
	return code, running
}

func (t sweepTable) state(word string) string {
	switch word {
	case "green":
		return t.Paint(text.Green, word)
	case "RED", "stale":
		return t.Paint(text.Red, word)
	}
	return word
}

// running draws a bar over what is listed so far; how much there is in all is not known before the listing ends.
func (t sweepTable) running(id string, s plimsoll.Sweep) {
	t.Line("")
	t.Line("%s", text.Between(fmt.Sprintf("%s   sweep %s", id, s.Slot), "started "+t.now.Sub(s.Started).Round(time.Second).String()+" ago"))
	c := s.Counts
	t.Line("  listed %s · unchanged %s · to read %s (%s)", text.Count(c.Listed), text.Count(c.Unchanged), text.Count(c.Enqueued), text.Plural(c.Requests, "request"))
	if c.Throttled > 0 {
		t.Line("  429 answers: %s", text.Count(c.Throttled))
	}
}

func (t sweepTable) gaps(s sweeps) {
	first := true
	for _, r := range s.Items {
		if r.Sweep == nil || r.Running != nil {
			continue
		}
		if r.Sweep.Error != "" {
			t.heading(&first)
			t.Line("  %-12s %s", t.Short(r.ID, 12), t.Short(r.Sweep.Error, 84))
		}
		for _, c := range r.Sweep.Causes {
			t.heading(&first)
			since := ""
			if !c.Since.IsZero() {
				since = c.Since.UTC().Format("2 Jan")
			}
			t.Line("  %-12s %s %8s   %s", t.Short(r.ID, 12), text.Pad(t.Short(string(c.State)+": "+c.Reason+" ("+c.Example+")", 66), 66), text.Count(c.Images), since)
		}
	}
}

func (t sweepTable) heading(first *bool) {
	if *first {
		t.Line("")
		t.Line("%s", t.Paint(text.Bold, text.Pad("WHAT IS NOT COVERED", 82)+"IMAGES   SINCE"))
		*first = false
	}
}

// nights is the row of the last 14 sweeps, oldest first.
func (t sweepTable) nights(r registrySweep) {
	if len(r.Recent) == 0 {
		return
	}
	var marks []string
	for i := min(14, len(r.Recent)) - 1; i >= 0; i-- {
		switch r.Recent[i].State {
		case plimsoll.SweepGreen:
			marks = append(marks, t.Paint(text.Green, "✓"))
		case plimsoll.SweepRunning:
			marks = append(marks, "…")
		default:
			marks = append(marks, t.Paint(text.Red, "✗"))
		}
	}
	t.Line("")
	t.Line("last sweeps  %s", strings.Join(marks, " "))
}
