package scheduler

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"

	"github.com/plimsoll/plimsoll/services/internal/admin"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/hooks"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/host"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue"
)

type collected interface{ Collectors() []prometheus.Collector }

// newMetrics registers what the parts measure in a registry of this scheduler's own: several may live in one process.
func newMetrics(parts ...collected) *prometheus.Registry {
	m := admin.NewRegistry()
	for _, p := range parts {
		m.MustRegister(p.Collectors()...)
	}
	return m
}

// routes are the scheduler's paths: /hooks/<registry id> beside the usual ones.
func routes(taker *hooks.Handler, metrics *prometheus.Registry, ready func() error) http.Handler {
	mux := admin.Handler(metrics, ready)
	mux.Handle("/hooks/", taker)
	return mux
}

// probeTimeout bounds a readiness probe, whose asker gives up after some seconds.
const probeTimeout = 3 * time.Second

// readiness asks the engines that requests pass through. The bucket and the registries are not asked: their failures are
// values in sweeps and scans.
func readiness(requests *queue.Queue, temporal client.Client) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		if _, err := requests.Created(ctx); err != nil {
			return err
		}
		return host.Healthy(ctx, temporal)
	}
}
