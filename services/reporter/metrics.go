package reporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// gauges show the posture as numbers, read from the view when they are asked for.
type gauges struct {
	view       func() *posture.View
	staleAfter time.Duration
}

var (
	readDesc    = prometheus.NewDesc("plimsoll_images_stored", "Stored images by how far they were read.", []string{"read"}, nil)
	verdictDesc = prometheus.NewDesc("plimsoll_images_active", "Active images by verdict.", []string{"verdict"}, nil)
	feedDesc    = prometheus.NewDesc("plimsoll_feeds", "Advisory feeds by state.", []string{"state"}, nil)
	madeDesc    = prometheus.NewDesc("plimsoll_generation_timestamp_seconds", "When the generation of advisories in force was made.", nil, nil)
	formedDesc  = prometheus.NewDesc("plimsoll_posture_timestamp_seconds", "When the posture shown was formed.", nil, nil)
	faultsDesc  = prometheus.NewDesc("plimsoll_posture_faults", "What could not be read of the bucket.", nil, nil)
)

// Describe implements prometheus.Collector.
func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readDesc, verdictDesc, feedDesc, madeDesc, formedDesc, faultsDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Before the first fold there are no numbers, rather than zeros.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	v := g.view()
	if v == nil {
		return
	}
	gauge := func(d *prometheus.Desc, n float64, label ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, label...)
	}
	reads := list.Reads(v.Rows())
	for _, s := range []plimsoll.ReadState{plimsoll.ReadComplete, plimsoll.ReadNotApplicable, plimsoll.ReadStale, plimsoll.ReadWaiting, plimsoll.ReadPartial, plimsoll.ReadFailed} {
		gauge(readDesc, float64(reads[s]), string(s))
	}
	n := list.Verdicts(list.Filter{}.Rows(v))
	gauge(verdictDesc, float64(n.Pass), "pass")
	gauge(verdictDesc, float64(n.Warn), "warn")
	gauge(verdictDesc, float64(n.Fail), "fail")
	gauge(verdictDesc, float64(n.Unknown), "unknown")
	states := map[list.FeedState]int{list.FeedFresh: 0, list.FeedStale: 0, list.FeedFailed: 0}
	for _, f := range list.Feeds(v, time.Now(), g.staleAfter) {
		states[f.State]++
	}
	for s, n := range states {
		gauge(feedDesc, float64(n), string(s))
	}
	if made := v.Generation().Created; !made.IsZero() {
		gauge(madeDesc, float64(made.Unix()))
	}
	gauge(formedDesc, float64(v.At().Unix()))
	gauge(faultsDesc, float64(len(v.Faults())))
}
