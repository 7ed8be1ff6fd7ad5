package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// stats are what operators watch.
type stats struct {
	depth     *prometheus.GaugeVec
	oldest    *prometheus.GaugeVec
	dead      *prometheus.CounterVec
	coalesced *prometheus.CounterVec
}

func newStats() *stats {
	lane := []string{"lane"}
	return &stats{
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plimsoll_queue_requests", Help: "Scan requests that have not ended, waiting or held.",
		}, lane),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plimsoll_queue_oldest_seconds", Help: "Age of the oldest scan request that has not ended; 0 when there is none.",
		}, lane),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_queue_dead_letters_total", Help: "Scan requests that failed for good since the start.",
		}, lane),
		coalesced: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_queue_coalesced_total", Help: "Scan requests that a scan begun after them had served already.",
		}, lane),
	}
}

// Collectors are the queue's metrics, to be registered by the caller.
func (q *Queue) Collectors() []prometheus.Collector {
	return []prometheus.Collector{q.stats.depth, q.stats.oldest, q.stats.dead, q.stats.coalesced}
}

// watchEvery is how often the queue is measured: a little below the usual scrape interval.
const watchEvery = 10 * time.Second

// Watch measures the queue until ctx is done.
func (q *Queue) Watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := q.Measure(ctx); err != nil && ctx.Err() == nil {
			q.log.Debug("queue is not measured", "error", err)
		}
		pause(ctx, watchEvery)
	}
}

// Measure sets the gauges once. An error means that they hold their last values.
func (q *Queue) Measure(ctx context.Context) error {
	for lane, subject := range map[string]string{scanv1.LanePush: scanv1.SubjectsPush, scanv1.LaneSweep: scanv1.SubjectsSweep} {
		n, err := q.Left(ctx, subject)
		if err != nil {
			return err
		}
		age, err := q.oldest(ctx, subject)
		if err != nil {
			return err
		}
		q.stats.depth.WithLabelValues(lane).Set(float64(n))
		q.stats.oldest.WithLabelValues(lane).Set(age.Seconds())
	}
	return nil
}

// oldest is the age of the first message on a subject.
func (q *Queue) oldest(ctx context.Context, subject string) (time.Duration, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := q.js.Stream(ctx, scanv1.StreamRequests)
	if err != nil {
		return 0, fmt.Errorf("find the oldest request: %w", classify(err))
	}
	m, err := s.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject))
	switch {
	case isNoMessage(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("find the oldest request: %w", classify(err))
	}
	return time.Since(m.Time), nil
}
