package scheduler

import (
	"context"
	"iter"
	"log/slog"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/discover"
)

// finder lists a registry as its sweeps do.
func finder(c *registry.Client) (registry.Finder, error) {
	if kind := c.Registry().Kind; kind == "" || kind == plimsoll.KindDistribution {
		return nil, nil
	}
	s, err := discover.New(c)
	if err != nil {
		return nil, err // not a nil *Source in an interface
	}
	return s, nil
}

// Check tries a registry step by step, as a sweep and a scan would use it, for `plimsoll registry check`. A step that
// fails says what to do; those that need it are skipped.
func Check(ctx context.Context, r plimsoll.Registry) iter.Seq[registry.Step] {
	return func(yield func(registry.Step) bool) {
		c, err := registry.New(r, registry.Options{Log: slog.New(slog.DiscardHandler), UserAgent: userAgent})
		if err != nil {
			yield(registry.Step{Name: "configuration", Detail: err.Error(), Fix: "correct registries[] in the configuration"})
			return
		}
		defer c.Close()
		c.Check(ctx, finder)(yield)
	}
}
