package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

var (
	// headerForm is a header's name (RFC 9110, "token") as people write one.
	headerForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	// subjectForm is a NATS subject without wildcards.
	subjectForm = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	// queueForm is the path of an SQS queue's URL: account and name.
	queueForm = regexp.MustCompile(`^/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$`)
	// subscriptionForm is the full name of a Pub/Sub subscription.
	subscriptionForm = regexp.MustCompile(`^projects/[a-z][a-z0-9.:-]{0,79}/subscriptions/[A-Za-z][A-Za-z0-9._~+%-]{2,254}$`)
)

// ownSubjects begin the subjects of Plimsoll's own streams.
const ownSubjects = "plimsoll"

// hook checks how a registry tells of pushes: fields of another dialect are faults, because they would do nothing.
func (c *checker) hook(at string, h plimsoll.Hook) {
	dialect := h.Dialect
	if dialect == "" {
		dialect = plimsoll.HookDistribution
	}
	if !slices.Contains(plimsoll.HookDialects, dialect) {
		c.faultf(at+".dialect", "%.80q; write one of %s", dialect, strings.Join(plimsoll.HookDialects, ", "))
		return
	}
	c.only(at+".header", h.Header, dialect, plimsoll.HookDistribution, plimsoll.HookHarbor, plimsoll.HookACR, plimsoll.HookECR, plimsoll.HookZot)
	c.only(at+".repository", h.Repository, dialect, plimsoll.HookArtifactory, plimsoll.HookNexus)
	c.only(at+".nats_subject", h.NATSSubject, dialect, plimsoll.HookZot)
	c.only(at+".sqs_queue", h.SQSQueue, dialect, plimsoll.HookECR)
	c.only(at+".pubsub_subscription", h.Subscription, dialect, plimsoll.HookGoogle)
	c.only(at+".audience", h.Audience, dialect, plimsoll.HookGoogle)
	c.only(at+".service_account", h.ServiceAccount, dialect, plimsoll.HookGoogle)
	c.only(at+".keys", h.Keys, dialect, plimsoll.HookGoogle)
	if dialect == plimsoll.HookGoogle {
		if h.SecretFile != "" {
			c.faultf(at+".secret_file", "given, and Pub/Sub shows no secret: it signs; write audience and service_account in its place")
		}
		c.pair(at+".audience", h.Audience, at+".service_account", h.ServiceAccount)
	}
	if h.Header != "" && !headerForm.MatchString(h.Header) {
		c.faultf(at+".header", "%.80q; write a header's name, as X-Plimsoll-Secret", h.Header)
	}
	if h.NATSSubject != "" && (!subjectForm.MatchString(h.NATSSubject) || strings.Split(h.NATSSubject, ".")[0] == ownSubjects) {
		c.faultf(at+".nats_subject", "%.80q; write a subject without wildcards that does not begin with %s, as zot.events", h.NATSSubject, ownSubjects)
	}
	if h.SQSQueue != "" {
		c.check(at+".sqs_queue", checkQueueURL(h.SQSQueue))
	}
	if h.Subscription != "" && !subscriptionForm.MatchString(h.Subscription) {
		c.faultf(at+".pubsub_subscription", "%.80q; write its full name, as projects/corp/subscriptions/plimsoll", h.Subscription)
	}
	if isURL(h.Keys) {
		c.check(at+".keys", checkKeysURL(h.Keys))
	}
}

// checkKeysURL takes https alone: who can alter the keys on their way can sign.
func checkKeysURL(s string) string {
	if !strings.HasPrefix(s, "https://") {
		return fmt.Sprintf("%.80q; write an https URL, or a file", s)
	}
	return checkURL(s, true)
}

// checkQueueURL takes http for this machine alone, where emulators are: who can alter the replies on their way can tell of pushes.
func checkQueueURL(s string) string {
	const write = "write the queue's URL, as https://sqs.eu-central-1.amazonaws.com/123456789012/plimsoll"
	u, err := url.Parse(s)
	if err != nil || !queueForm.MatchString(u.Path) {
		return fmt.Sprintf("%.80q; %s", redact(s), write)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Sprintf("%.80q is no https URL; %s", s, write)
	}
	return checkURL(s, true)
}

// only reports a field that is given with a dialect that has no use for it.
func (c *checker) only(field, value, dialect string, uses ...string) {
	if value != "" && !slices.Contains(uses, dialect) {
		c.faultf(field, "given with dialect %s, which has no use for it; leave it out (it is for %s)", dialect, strings.Join(uses, ", "))
	}
}

// subjects reports a NATS subject, a queue or a subscription that two registries share: each event goes to one of them, and does
// not say to which.
func (c *checker) subjects(rs []plimsoll.Registry) {
	for field, of := range map[string]func(plimsoll.Hook) string{
		"nats_subject":        func(h plimsoll.Hook) string { return h.NATSSubject },
		"sqs_queue":           func(h plimsoll.Hook) string { return h.SQSQueue },
		"pubsub_subscription": func(h plimsoll.Hook) string { return h.Subscription },
	} {
		first := map[string]int{}
		for i, r := range rs {
			name := of(r.Hook)
			if name == "" {
				continue
			}
			if j, twice := first[name]; twice {
				c.faultf(fmt.Sprintf("registries[%d].hook.%s", i, field), "%q is that of registries[%d] too; write another", name, j)
			} else {
				first[name] = i
			}
		}
	}
}
