package registry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what the clients of one process measure, by registry.
type Metrics struct {
	answers *prometheus.CounterVec
	waits   *prometheus.CounterVec
}

// NewMetrics makes them; the caller registers their Collectors.
func NewMetrics() *Metrics {
	return &Metrics{
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_registry_answers_total", Help: "Answers of registries by class: 2xx, 3xx, 4xx, 429, 5xx; none where a request had no answer.",
		}, []string{"registry", "class"}),
		waits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_registry_throttled_seconds_total", Help: "Seconds for which a registry asked us to send nothing, by 429 or Retry-After.",
		}, []string{"registry"}),
	}
}

// Collectors are to be registered by the caller.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.answers, m.waits}
}

// answered counts one answer; status 0 is a request without one.
func (m *Metrics) answered(registry string, status int) {
	m.answers.WithLabelValues(registry, statusClass(status)).Inc()
}

func (m *Metrics) waited(registry string, d time.Duration) {
	m.waits.WithLabelValues(registry).Add(d.Seconds())
}

// statusClass is what operators tell answers apart by. 429 is no fault, and so no part of 4xx.
func statusClass(status int) string {
	switch {
	case status == 429:
		return "429"
	case status >= 200 && status <= 599:
		return strconv.Itoa(status/100) + "xx"
	case status == 0:
		return "none"
	}
	return "other"
}
