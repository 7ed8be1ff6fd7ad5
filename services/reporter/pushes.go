package reporter

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// pushes tells what became of pushes: how long they took as a metric, each one in the log, and as the last step of its trace.
type pushes struct {
	seconds prometheus.Histogram
	tracer  trace.Tracer
	log     *slog.Logger
}

func newPushes(t trace.Tracer, log *slog.Logger) *pushes {
	return &pushes{tracer: t, log: log, seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "plimsoll_push_to_verdict_seconds", Help: "Time from the event of a push to its verdict being shown.",
		Buckets: []float64{0.1, 0.2, 0.4, 0.6, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800},
	})}
}

// shown takes a push whose verdict is shown from now on.
func (p *pushes) shown(push posture.Push) {
	p.seconds.Observe(push.Took.Seconds())
	verdict := strings.Trim(fmt.Sprint(push.Verdicts), "[]")
	p.log.Debug("push has its verdict", "registry", push.Registry, "repository", push.Repository, "tag", push.Tag,
		"verdict", verdict, "took", push.Took, "trace", push.Trace)
	_, span := p.tracer.ContinueAt(context.Background(), push.Read, push.Span, "verdict", trace.Inside, "plimsoll.registry", push.Registry,
		"plimsoll.repository", push.Repository, "plimsoll.tag", push.Tag, "plimsoll.digest", string(push.Digest), "plimsoll.verdict", verdict)
	span.End(nil)
}
