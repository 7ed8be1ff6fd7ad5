package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the images of the product are empty but for the binary

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Part is a service; each needs some of the files that a configuration names.
type Part string

// The parts. All is the product in one process.
const (
	All           Part = ""
	PartScheduler Part = "scheduler"
	PartWorker    Part = "worker"
	PartReporter  Part = "reporter"
)

const (
	// maxSlots, maxConcurrency and maxRate are where a slip of the keyboard is more likely than a wish.
	maxSlots       = 1024
	maxConcurrency = 256
	maxRate        = 10_000
	maxActiveDays  = 3650
	minPoll        = time.Minute // feeds are other people's servers
	// maxOrganisation is what fits into the head of a report, in bytes.
	maxOrganisation = 200
)

// Validate checks every field, and that every file named can be read. All faults come back together, as [Faults].
func (f File) Validate() error { return f.ValidateFor(All) }

// ValidateFor is Validate, with only the files that one part needs.
func (f File) ValidateFor(p Part) error {
	f = f.withDefaults()
	var c checker
	c.file(f)
	c.files(f, p)
	return c.faults.orNil()
}

// checker collects faults.
type checker struct{ faults Faults }

// check adds a fault unless what is "".
func (c *checker) check(field, what string) {
	if what != "" {
		c.faults = append(c.faults, Fault{Field: field, What: what})
	}
}

func (c *checker) faultf(field, what string, args ...any) {
	c.check(field, fmt.Sprintf(what, args...))
}

// file checks the form of every field.
func (c *checker) file(f File) {
	c.check("listen", checkListen(f.Listen))
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, f.LogLevel) {
		c.faultf("log_level", "%.80q; write debug, info, warn or error", f.LogLevel)
	}
	c.bucket(f.Bucket)
	c.nats(f.NATS)
	c.temporal(f.Temporal)
	c.registries(f.Registries)
	c.scheduler(f.Scheduler)
	c.check("worker.listen", checkListen(f.Worker.Listen))
	c.check("worker.admin", checkListen(f.Worker.Admin))
	c.within("worker.slots", f.Worker.Slots, 1, maxSlots)
	for i, name := range f.Worker.Off {
		if name != plimsoll.AnalyzerFiles && name != plimsoll.AnalyzerSecrets {
			c.faultf(fmt.Sprintf("worker.off[%d]", i), "%.80q; write %s or %s: the others are always on", name, plimsoll.AnalyzerFiles, plimsoll.AnalyzerSecrets)
		}
	}
	c.reporter(f.Reporter)
}

func (c *checker) bucket(b blob.Config) {
	if b.Endpoint == "" { // embedded: the rest is not used
		return
	}
	c.check("bucket.endpoint", checkHostPort(b.Endpoint, false))
	if b.AccessKey == "" && (b.SecretKeyFile != "" || b.SecretKey != "") {
		c.faultf("bucket.access_key", "empty, with a secret key given; write the access key that belongs to it")
	}
	if b.AccessKey != "" && b.SecretKeyFile == "" && b.SecretKey == "" {
		c.faultf("bucket.secret_key_file", "empty, with an access key given; write the path of a file with the secret key, or set PLIMSOLL_BUCKET_SECRET_KEY")
	}
	if b.CAFile != "" && !b.TLS {
		c.faultf("bucket.ca_file", "given without TLS; write tls: true beside it")
	}
}

func (c *checker) nats(n NATS) {
	c.pair("nats.cert_file", n.CertFile, "nats.key_file", n.KeyFile)
	if n.URL == "" {
		return
	}
	for u := range strings.SplitSeq(n.URL, ",") {
		parsed, err := url.Parse(strings.TrimSpace(u))
		if err != nil || parsed.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, parsed.Scheme) {
			c.faultf("nats.url", "not a NATS address; write nats://host:4222 or tls://host:4222, several with commas")
		} else if parsed.User != nil {
			c.faultf("nats.url", "holds a user or password; put them into credentials_file, or set PLIMSOLL_NATS_USER and PLIMSOLL_NATS_PASSWORD")
		}
	}
}

func (c *checker) temporal(t Temporal) {
	if t.Address != "" {
		c.check("temporal.address", checkHostPort(t.Address, true))
	}
	c.pair("temporal.cert_file", t.CertFile, "temporal.key_file", t.KeyFile)
}

func (c *checker) scheduler(s Scheduler) {
	c.check("scheduler.listen", checkListen(s.Listen))
	for i, w := range s.Workers {
		if w == "" || strings.ContainsAny(w, " \t\n") {
			c.faultf(fmt.Sprintf("scheduler.workers[%d]", i), "%.80q; write a gRPC target, as dns:///worker:9090 or 10.0.0.5:9090", w)
		}
	}
	c.within("scheduler.push_slots", s.PushSlots, 1, maxSlots)
	c.within("scheduler.sweep_slots", s.SweepSlots, 1, sweepPerSlot*maxSlots)
}

func (c *checker) reporter(r Reporter) {
	c.check("reporter.listen", checkListen(r.Listen))
	for field, at := range map[string]string{
		"reporter.advisories": r.Advisories, "reporter.enrichment.kev": r.Enrichment.KEV, "reporter.enrichment.ssvc": r.Enrichment.SSVC, "reporter.enrichment.epss": r.Enrichment.EPSS,
	} {
		if isURL(at) {
			c.check(field, checkURL(at, true))
		}
	}
	if r.Poll < minPoll {
		c.faultf("reporter.poll", "%s; write at least %s", r.Poll, minPoll)
	}
	if r.StaleAfter < r.Poll {
		c.faultf("reporter.stale_after", "%s is less than reporter.poll (%s), so that the feed would always be stale; write twice that or more", r.StaleAfter, r.Poll)
	}
	c.within("reporter.active_days", r.ActiveDays, 1, maxActiveDays)
	if len(r.Organisation) > maxOrganisation || strings.ContainsFunc(r.Organisation, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		c.faultf("reporter.organisation", "longer than %d bytes or with control characters; write one line", maxOrganisation)
	}
	if len(r.OwnerLabel) > maxOrganisation || strings.ContainsFunc(r.OwnerLabel, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		c.faultf("reporter.owner_label", "longer than %d bytes or with spaces or control characters; write a label's name, as org.opencontainers.image.vendor", maxOrganisation)
	}
	c.check("reporter.report_cron", checkCron(r.ReportCron))
	c.check("reporter.report_zone", checkZone(r.ReportZone))
}

// pair reports two fields of which only one is set.
func (c *checker) pair(a, valueA, b, valueB string) {
	if (valueA == "") != (valueB == "") {
		missing, given := a, b
		if valueB == "" {
			missing, given = b, a
		}
		c.faultf(missing, "empty, with %s given; write both or none", given)
	}
}

func (c *checker) within(field string, n, low, top int) {
	if n < low || n > top {
		c.faultf(field, "%d; write a number from %d to %d", n, low, top)
	}
}

func checkListen(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Sprintf("%.80q; write host:port, as 127.0.0.1:8080 or 0.0.0.0:8080", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("%.80q: port %d; write a number from 0 (any free one) to 65535", addr, n)
	}
	return checkHost(addr, host)
}

// checkHostPort checks the address of a server; the port may be left out unless needed.
func checkHostPort(addr string, portNeeded bool) string {
	if strings.ContainsAny(addr, "/@? ") {
		return fmt.Sprintf("%.80q; write host:port alone, without a scheme or path", addr)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		if portNeeded || strings.Contains(addr, ":") {
			return fmt.Sprintf("%.80q; write host:port", addr)
		}
		host, port = addr, "443"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return fmt.Sprintf("%.80q; write host:port, the port from 1 to 65535", addr)
	}
	return checkHost(addr, host)
}

// hostForm takes names as resolvers do, underscores (as in some clusters) included.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

func checkHost(addr, host string) string {
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostForm.MatchString(host) {
		return fmt.Sprintf("%.80q: %.80q is no host name or address", addr, host)
	}
	return ""
}

func checkZone(s string) string {
	if _, err := time.LoadLocation(s); err != nil || s == "Local" {
		return fmt.Sprintf("%.80q is no time zone; write an IANA name, as UTC or Europe/Berlin", s)
	}
	return ""
}
