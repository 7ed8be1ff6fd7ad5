package config

import (
	"fmt"
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

// only reports a field that is given with a dialect that has no use for it.
func (c *checker) only(field, value, dialect string, uses ...string) {
	if value != "" && !slices.Contains(uses, dialect) {
		c.faultf(field, "given with dialect %s, which has no use for it; leave it out (it is for %s)", dialect, strings.Join(uses, ", "))
	}
}

// subjects reports a NATS subject that two registries share: an event does not say whose it is.
func (c *checker) subjects(rs []plimsoll.Registry) {
	first := map[string]int{}
	for i, r := range rs {
		subject := r.Hook.NATSSubject
		if subject == "" {
			continue
		}
		if j, twice := first[subject]; twice {
			c.faultf(fmt.Sprintf("registries[%d].hook.nats_subject", i), "%q is the subject of registries[%d] too; write another", subject, j)
		} else {
			first[subject] = i
		}
	}
}
