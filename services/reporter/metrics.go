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
	around     func() list.Around
}

var (
	readDesc       = prometheus.NewDesc("plimsoll_images_stored", "Stored images by how far they were read.", []string{"read"}, nil)
	verdictDesc    = prometheus.NewDesc("plimsoll_images_active", "Active images by verdict.", []string{"verdict"}, nil)
	feedDesc       = prometheus.NewDesc("plimsoll_feeds", "Advisory feeds by state.", []string{"state"}, nil)
	madeDesc       = prometheus.NewDesc("plimsoll_generation_timestamp_seconds", "When the generation of advisories in force was made.", nil, nil)
	formedDesc     = prometheus.NewDesc("plimsoll_posture_timestamp_seconds", "When the posture shown was formed.", nil, nil)
	registryDesc   = prometheus.NewDesc("plimsoll_registry_images", "Stored images of a registry by how far they were read.", []string{"registry", "read"}, nil)
	listedDesc     = prometheus.NewDesc("plimsoll_registry_listing_timestamp_seconds", "When the last complete listing of a registry ended.", []string{"registry"}, nil)
	redDesc        = prometheus.NewDesc("plimsoll_registry_sweeps_not_green", "How many of a registry's last sweeps in a row ended other than green; cancelled ones count neither way.", []string{"registry"}, nil)
	runningDesc    = prometheus.NewDesc("plimsoll_sweep_running", "Whether a sweep of a registry runs.", []string{"registry"}, nil)
	leftDesc       = prometheus.NewDesc("plimsoll_sweep_left_seconds", "How long the running sweep of a registry will take yet, once that can be told.", []string{"registry"}, nil)
	credentialDesc = prometheus.NewDesc("plimsoll_credential_expires_timestamp_seconds", "When a credential of a registry ends, where that is told.", []string{"registry", "kind"}, nil)
	lettersDesc    = prometheus.NewDesc("plimsoll_dead_letters", "Scan requests that failed for good and are kept.", nil, nil)
	faultsDesc     = prometheus.NewDesc("plimsoll_posture_faults", "What could not be read of the bucket.", nil, nil)
)

// Describe implements prometheus.Collector.
func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		readDesc, verdictDesc, feedDesc, madeDesc, formedDesc, registryDesc, listedDesc, redDesc, runningDesc, leftDesc, credentialDesc, lettersDesc, faultsDesc,
	} {
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
	for _, reg := range v.Registries() {
		registryGauges(gauge, reg)
	}
	if letters := g.around().Letters; letters.Fault == "" {
		gauge(lettersDesc, float64(letters.Total))
	}
	gauge(formedDesc, float64(v.At().Unix()))
	gauge(faultsDesc, float64(len(v.Faults())))
}

// registryGauges show one registry.
func registryGauges(gauge func(*prometheus.Desc, float64, ...string), reg posture.Registry) {
	for _, s := range []plimsoll.ReadState{plimsoll.ReadComplete, plimsoll.ReadNotApplicable, plimsoll.ReadStale, plimsoll.ReadWaiting, plimsoll.ReadPartial, plimsoll.ReadFailed} {
		gauge(registryDesc, float64(reg.Read[s]), reg.ID, string(s))
	}
	if !reg.LastComplete.IsZero() {
		gauge(listedDesc, float64(reg.LastComplete.Unix()), reg.ID)
	}
	gauge(redDesc, float64(notGreen(reg.Recent)), reg.ID)
	running := 0.0
	if reg.Sweep != nil && reg.Sweep.State == plimsoll.SweepRunning {
		running = 1
		if eta := list.PaceOf(reg, *reg.Sweep, time.Now()).ETA; eta != nil {
			gauge(leftDesc, max(0, time.Until(*eta).Seconds()), reg.ID)
		}
	}
	gauge(runningDesc, running, reg.ID)
	for _, s := range reg.Recent {
		if len(s.Credentials) == 0 {
			continue
		}
		first := map[plimsoll.CredentialKind]time.Time{}
		for _, c := range s.Credentials {
			if at, known := first[c.Kind]; !c.Expires.IsZero() && (!known || c.Expires.Before(at)) {
				first[c.Kind] = c.Expires
			}
		}
		for kind, at := range first {
			gauge(credentialDesc, float64(at.Unix()), reg.ID, string(kind))
		}
		break // the newest sweep that tells
	}
}

// notGreen counts the last sweeps in a row that ended red or failed.
func notGreen(recent []plimsoll.Sweep) (n int) {
	for _, s := range recent { // newest first
		switch s.State {
		case plimsoll.SweepRed, plimsoll.SweepFailed:
			n++
		case plimsoll.SweepGreen:
			return n
		}
	}
	return n
}
