package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

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
	Pace         *pace                      `json:"pace"`
	Next         *time.Time                 `json:"next"`
	Events       *plimsoll.PushCount        `json:"push_events"`
	Pushes       *int                       `json:"pushes_overtaking"`
	Bounds       *bounds                    `json:"bounds"`
	Gaps         []gap                      `json:"gaps"`
	Fault        string                     `json:"fault"`
	Recent       []plimsoll.Sweep           `json:"recent"`
}

type pace struct {
	Expected int        `json:"expected"`
	Done     int        `json:"done"`
	Waiting  int        `json:"waiting"`
	Rate     float64    `json:"images_per_second"`
	ETA      *time.Time `json:"eta"`
}

// bounds are what a registry's requests are bound to.
type bounds struct {
	Concurrency int     `json:"concurrency"`
	Rate        float64 `json:"requests_per_second"`
}

type gap struct {
	Cause   string             `json:"cause"`
	State   plimsoll.ReadState `json:"state"`
	Reason  string             `json:"reason"`
	Images  int                `json:"images"`
	Example string             `json:"example"`
	Since   time.Time          `json:"since"`
	Retry   string             `json:"retry"`
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
			code, running = sweepTable{p, time.Now(), a.again()}.show(s)
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
	counts := map[string]int{}
	for _, r := range s.Items {
		counts[r.state()]++
	}
	running = counts["running"] > 0
	short := len(s.Items) - counts["running"] - counts["green"]
	if short == 0 {
		return 0, "all green or running", running
	}
	var said []string
	for _, word := range []string{"RED", "stale", "never", "cancelled", "not known"} {
		if n := counts[word]; n > 0 {
			said = append(said, fmt.Sprintf("%d %s", n, strings.Replace(strings.ToLower(word), "never", "never swept", 1)))
		}
	}
	return exitShort, strings.Join(said, ", "), running
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
	case r.Sweep.State == plimsoll.SweepRunning:
		return "not known" // the orchestrator cannot be asked whether it does
	}
	return string(r.Sweep.State)
}

type sweepTable struct {
	*text.Printer
	now   time.Time
	again string // flags that the commands which it shows need
}

func (t sweepTable) show(s sweeps) (code int, running bool) {
	t.Line("%s", t.Paint(text.Bold, fmt.Sprintf("%-15s %-9s %-18s %-25s %10s   %s", "REGISTRY", "STATE", "COVERED", "LAST COMPLETE LISTING", "READ", "NEXT")))
	for _, r := range s.Items {
		t.Line("%-15s %s %-18s %-25s %10s   %s", t.Short(r.ID, 15), text.Pad(t.state(r.state()), 9),
			fmt.Sprintf("%7s of %7s", text.Count(r.Covered), text.Count(r.Images)), r.listed(), r.read(), r.next())
	}
	for _, r := range s.Items {
		if r.Fault != "" {
			t.Line("")
			t.Line("%s: whether a sweep runs cannot be told: %s", t.Short(r.ID, 15), t.Short(r.Fault, 80))
		}
		if r.Running != nil {
			t.running(r)
		}
	}
	t.gaps(s)
	if len(s.Items) == 1 {
		t.nights(s.Items[0])
	}
	t.events(s)
	t.credentials(s)
	t.Line("")
	code, why, running := s.exitCode()
	t.Line("exit %d: %s", code, why)
	t.hints(s)
	return code, running
}

// listed is when the last complete listing was, and how long the sweep took.
func (r registrySweep) listed() string {
	if r.LastComplete == nil {
		return "never"
	}
	at := r.LastComplete.UTC().Format("2 Jan 15:04")
	for _, s := range r.Recent {
		if s.Listed.Equal(*r.LastComplete) && !s.Ended.IsZero() {
			return fmt.Sprintf("%s (%s)", at, text.Took(s.Ended.Sub(s.Started)))
		}
	}
	return at
}

// read is what the last sweep brought over the wire.
func (r registrySweep) read() string {
	if r.Sweep == nil || r.Sweep.State == plimsoll.SweepRunning {
		return "-"
	}
	return text.Bytes(r.Sweep.Counts.LayerBytes)
}

func (r registrySweep) next() string {
	switch {
	case r.Running != nil:
		return "-"
	case r.Next == nil && r.Fault != "":
		return "not known"
	case r.Next == nil:
		return "not scheduled"
	}
	return r.Next.UTC().Format("2 Jan 15:04") + " UTC"
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

// barCells is the width of a bar of progress.
const barCells = 45

// running draws how far a sweep is by what the one before had listed; without one only what is done can be told.
func (t sweepTable) running(r registrySweep) {
	s, c := *r.Running, r.Running.Counts
	t.Line("")
	t.Line("%s", t.Paint(text.Bold, text.Between(fmt.Sprintf("%-8s sweep %s", t.Short(r.ID, 15), s.Started.UTC().Format("2006-01-02T15:04Z")),
		"started "+text.Took(t.now.Sub(s.Started))+" ago")))
	if p := r.Pace; p != nil {
		speed := "speed not known yet"
		if p.Rate > 0 {
			speed = fmt.Sprintf("%.3g images/s", p.Rate)
		}
		if p.Expected > 0 {
			done := min(1, float64(p.Done)/float64(p.Expected))
			full := int(done * barCells)
			line := fmt.Sprintf("  %s%s   %.1f %%", strings.Repeat("█", full), strings.Repeat("░", barCells-full), 100*done)
			if p.ETA != nil {
				line += "   done about " + p.ETA.UTC().Format("15:04") + " UTC"
			}
			t.Line("%s   %s", line, speed)
		} else {
			t.Line("  %s done of what is listed so far; the first sweep does not know how much is to come   %s", text.Count(p.Done), speed)
		}
		t.Line("  listed %s · unchanged %s · to read %s (%s) · waiting %s · failed %s", text.Count(c.Listed), text.Count(c.Unchanged),
			text.Count(c.Enqueued), text.Plural(c.Requests, "request"), text.Count(p.Waiting), text.Count(c.Failed))
	}
	t.Line("  %s", strings.Join(r.limits(), " · "))
}

// limits are what keeps a running sweep from going faster.
func (r registrySweep) limits() []string {
	c, parts := r.Running.Counts, []string{}
	if b := r.Bounds; b != nil {
		rate := "any number of requests/s"
		if b.Rate > 0 {
			rate = fmt.Sprintf("%g requests/s", b.Rate)
		}
		parts = append(parts, fmt.Sprintf("limits: %d at once, %s", b.Concurrency, rate))
	}
	answers := "429 answers: " + text.Count(c.Throttled)
	if c.Waited > 0 {
		answers += fmt.Sprintf(" (waited %s)", text.Took(time.Duration(c.Waited*float64(time.Second))))
	}
	parts = append(parts, answers)
	if r.Pushes != nil {
		parts = append(parts, "pushes overtaking: "+text.Count(*r.Pushes))
	}
	return parts
}

// gapsShown bounds the causes of all registries together.
const gapsShown = 20

func (t sweepTable) gaps(s sweeps) {
	first, shown, rest := true, 0, 0
	heading := func() {
		if first {
			t.Line("")
			t.Line("%s", t.Paint(text.Bold, text.Pad("WHAT IS NOT COVERED", 73)+"IMAGES   SINCE    RETRY"))
			first = false
		}
	}
	for _, r := range s.Items {
		if r.Sweep != nil && r.Running == nil && r.Sweep.Error != "" {
			heading()
			id := t.Short(r.ID, 12)
			for _, line := range text.Wrap(r.Sweep.Error, 84) {
				t.Line("  %-12s %s", id, line)
				id = ""
			}
		}
		for _, g := range r.Gaps {
			heading()
			if shown++; shown > gapsShown && len(s.Items) > 1 {
				rest++
				continue
			}
			reason := cmp.Or(g.Reason, "not read yet")
			since := "-"
			if !g.Since.IsZero() {
				since = g.Since.UTC().Format("2 Jan")
			}
			t.Line("  %-12s %s %7s   %-8s %s", t.Short(r.ID, 12), text.Pad(t.Short(reason+" ("+g.Example+")", 57), 57), text.Count(g.Images), since, g.Retry)
		}
	}
	if rest > 0 {
		t.Line("  … %d more: name a registry", rest)
	}
}

// events are the push events of all registries that have a hook.
func (t sweepTable) events(s sweeps) {
	var sum plimsoll.PushCount
	hooks := false
	for _, r := range s.Items {
		if r.Events != nil {
			sum, hooks = sum.Plus(*r.Events), true
		}
	}
	if hooks {
		t.Line("")
		t.Line("%s   received %s · late %s · duplicate %s · refused %s · missed %s (by listing)", t.Paint(text.Bold, "PUSH EVENTS, 24 h"), text.Count(sum.Received),
			text.Count(sum.Late), text.Count(sum.Duplicate), text.Count(sum.Refused), text.Count(sum.Missed))
	}
}

// credentials names those that end soon or do not work; the others are no news.
func (t sweepTable) credentials(s sweeps) {
	first := true
	for _, r := range s.Items {
		for _, sweep := range r.Recent {
			if len(sweep.Credentials) == 0 {
				continue
			}
			for _, c := range sweep.Credentials {
				if c.State == plimsoll.CredentialGood || c.State == plimsoll.CredentialNotTold {
					continue
				}
				if first {
					t.Line("")
					t.Line("%s", t.Paint(text.Bold, "CREDENTIALS"))
					first = false
				}
				until := ""
				if !c.Expires.IsZero() {
					until = " on " + c.Expires.UTC().Format("2 Jan 2006")
				}
				t.Line("  %-12s %s %s%s   %s", t.Short(r.ID, 12), c.Kind, c.State, until, t.Short(c.Detail, 50))
			}
			break // the newest sweep that tells
		}
	}
}

// hints are the commands that lead on.
func (t sweepTable) hints(s sweeps) {
	for _, r := range s.Items {
		if r.state() == "green" || r.Running != nil {
			continue
		}
		if len(s.Items) > 1 {
			t.Line("  details: plimsoll sweep status %s%s", r.ID, t.again)
		}
		for _, g := range r.Gaps {
			if g.Retry != retryNever {
				t.Line("  retry:   plimsoll sweep retry %s --cause %s%s", r.ID, g.Cause, t.again)
				break
			}
		}
		return
	}
}

// retryNever is the word for what a retry would not mend.
const retryNever = "never"

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
		case plimsoll.SweepCancelled:
			marks = append(marks, "-")
		default:
			marks = append(marks, t.Paint(text.Red, "✗"))
		}
	}
	t.Line("")
	t.Line("last sweeps  %s", strings.Join(marks, " "))
}
