package blob

import (
	"context"
	"errors"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
)

// newRequests counts what was asked of the bucket, each with all its tries as one.
func newRequests() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plimsoll_bucket_requests_total", Help: "Requests to the bucket, by step and by whether it answered in the end.",
	}, []string{"step", "outcome"})
}

// Collectors are the bucket's metrics, to be registered by whoever opened it.
func (s *Store) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.requests, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "plimsoll_clock_offset_seconds", Help: "How far the bucket's clock is ahead of this machine's; 0 within two seconds.",
	}, func() float64 { return s.ClockOffset().Seconds() })}
}

// count counts one request with all its tries. That a key holds nothing, or something else, is an answer; that the caller gave up
// says nothing of the bucket.
func (s *Store) count(ctx context.Context, step string, err error) {
	outcome := "ok"
	switch {
	case err == nil, errors.Is(err, plimsoll.ErrNotFound), errors.Is(err, ErrExists):
	case ctx.Err() != nil:
		return
	default:
		outcome = "failed"
	}
	word, _, _ := strings.Cut(step, " ")
	s.requests.WithLabelValues(word, outcome).Inc()
}
