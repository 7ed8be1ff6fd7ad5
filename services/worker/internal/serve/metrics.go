package serve

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the worker's own numbers.
type Metrics struct {
	reg     prometheus.Registerer
	bytes   prometheus.Counter
	layers  *prometheus.CounterVec
	seconds prometheus.Histogram
	asked   prometheus.Counter
	claimed prometheus.Counter
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		reg: reg,
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plimsoll_worker_layer_bytes_total", Help: "Compressed bytes of layers read from registries.",
		}),
		layers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_worker_layers_total", Help: "Layers read, by the state of the worst analyser, or error.",
		}, []string{"state"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "plimsoll_worker_layer_seconds", Help: "Time to read and analyse one layer.",
			Buckets: []float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000},
		}),
	}
	m.asked = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "plimsoll_worker_asked_layers_total", Help: "Layers of the images that were resolved, those of which facts are known too.",
	})
	m.claimed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "plimsoll_worker_asked_layer_bytes_total", Help: "Compressed bytes of the layers of the images that were resolved, as their manifests claim.",
	})
	reg.MustRegister(m.bytes, m.layers, m.seconds, m.asked, m.claimed)
	return m
}

// watch adds what is read from the server itself.
func (m *Metrics) watch(s *Server) {
	m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "plimsoll_worker_slots_busy", Help: "Layers being read now.",
	}, func() float64 { return float64(s.slots.Held()) }))
}
