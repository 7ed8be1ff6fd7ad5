package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) sweep() *cobra.Command {
	return group("sweep", "Start, plan, watch, cancel and retry sweeps of a running Plimsoll",
		a.sweepStart(), a.sweepPlan(), a.sweepStatus(), a.sweepCancel(), a.sweepRetry())
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
			fmt.Fprintf(a.out, "sweep of %s: %s. Watch: plimsoll sweep status %s%s --watch\n", answer.Registry, word, answer.Registry, a.again())
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
			fmt.Fprintf(a.out, "sweep of %s: asked to end; what it has queued is taken back\n", args[0])
			return nil
		},
	}
}

func (a *app) sweepRetry() *cobra.Command {
	var cause string
	c := &cobra.Command{
		Use:   "retry REGISTRY",
		Short: "Read again what a cause keeps from being covered",
		Long: `Queues again every tag of a registry whose reading fell short, and forgets the failed tries of its layers. --cause takes a
part of the reason, in any case, a state (failed, partial), or the 12 digits that name a cause in the API; without it all causes
are retried. What still waits is in the queue already.`,
		Example: "  plimsoll sweep retry ecr-dev --cause 403\n  plimsoll sweep retry harbor --cause quarantine",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var got struct {
				plimsoll.Retry
				Done bool `json:"done"`
			}
			body := map[string]string{"registry": args[0], "cause": cause}
			if err := a.change(cmd.Context(), "/api/v1/sweeps/retry", body, &got); err != nil {
				return err
			}
			switch {
			case !got.Done:
				fmt.Fprintf(a.out, "retry in %s: still being queued. Watch: plimsoll sweep status %s%s\n", args[0], args[0], a.again())
			case got.Tags == 0:
				fmt.Fprintf(a.out, "retry in %s: nothing is kept from being covered by that cause. See them: plimsoll sweep status %s%s\n", args[0], args[0], a.again())
			default:
				fmt.Fprintf(a.out, "retry in %s: %s queued in %s, the failed tries of %s forgotten. Watch: plimsoll sweep status %s%s\n", args[0],
					text.Plural(got.Tags, "tag"), text.Plural(got.Requests, "request"), text.Plural(got.Layers, "layer"), args[0], a.again())
			}
			return nil
		},
	}
	c.Flags().StringVar(&cause, "cause", "", "which: a part of its reason, a state, or its name in the API (default: all)")
	return c
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
