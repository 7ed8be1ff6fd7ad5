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

// registryID is the form of a registry's name: it stands in object keys, subjects and paths.
var registryID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// registries checks the list of registries.
func (c *checker) registries(rs []plimsoll.Registry) {
	seen := map[string]int{}
	for i, r := range rs {
		at := fmt.Sprintf("registries[%d]", i)
		c.check(at+".id", checkID(r.ID))
		if first, twice := seen[r.ID]; twice && r.ID != "" {
			c.faultf(at+".id", "%q is the id of registries[%d] too; write another", r.ID, first)
		} else {
			seen[r.ID] = i
		}
		c.registry(at, r)
	}
	c.subjects(rs)
}

func checkID(id string) string {
	switch {
	case id == "":
		return "missing; write a short lower-case name that never changes, as harbor"
	case !registryID.MatchString(id):
		return fmt.Sprintf("%.80q; write 1 to 63 of a-z, 0-9 and dashes, not beginning with a dash", id)
	case id == plimsoll.StreamAdvisories, id == plimsoll.StreamDecisions:
		return fmt.Sprintf("%q is the name of a stream of Plimsoll's own; write another", id)
	}
	return ""
}

func (c *checker) registry(at string, r plimsoll.Registry) {
	c.check(at+".url", checkURL(r.URL, false))
	for i, name := range r.Repositories {
		field := fmt.Sprintf("%s.repositories[%d]", at, i)
		if plimsoll.CheckRepository(name) != nil {
			c.faultf(field, "%.80q is no repository name; write it in lower case without registry and tag, as team/app", name)
		} else if slices.Contains(r.Repositories[:i], name) {
			c.faultf(field, "%q is in the list twice; write it once", name)
		}
	}
	c.patterns(at+".include", r.Include)
	c.patterns(at+".exclude", r.Exclude)
	c.discovery(at, r)
	c.pair(at+".username", r.Username, at+".password_file", r.PasswordFile)
	if r.DockerConfig != "" && r.Username != "" {
		c.faultf(at+".docker_config", "given together with username; write one of them")
	}
	c.pair(at+".cert_file", r.CertFile, at+".key_file", r.KeyFile)
	c.check(at+".proxy", checkProxy(r.Proxy))
	for i, n := range r.AllowNetworks {
		c.check(fmt.Sprintf("%s.allow_networks[%d]", at, i), checkNetwork(n))
	}
	c.hook(at+".hook", r.Hook)
	c.check(at+".sweep.cron", checkCron(r.Sweep.Cron))
	c.check(at+".sweep.time_zone", checkZone(r.Sweep.TimeZone))
	c.within(at+".concurrency", r.Concurrency, 1, maxConcurrency)
	if r.RequestsPerSecond < 0 || r.RequestsPerSecond > maxRate {
		c.faultf(at+".requests_per_second", "%g; write a number from 0 (no bound) to %d", r.RequestsPerSecond, maxRate)
	}
}

func (c *checker) patterns(field string, patterns []string) {
	for i, p := range patterns {
		c.check(fmt.Sprintf("%s[%d]", field, i), checkPattern(p))
	}
}

// checkURL checks an http or https URL: of a host alone, or with a path too.
func checkURL(s string, path bool) string {
	const write = "write https://host[:port] or http://host[:port]"
	if s == "" {
		return "missing; " + write
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Sprintf("%.80q; %s", redact(s), write)
	case u.User != nil:
		return "holds a user or password; write them as username and password_file, and the URL without"
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return fmt.Sprintf("%.80q; %s, without ? and #", s, write)
	case !path && u.Path != "" && u.Path != "/":
		return fmt.Sprintf("%.80q; %s: what follows the host is the repository's name, and belongs to repositories or include", s, write)
	case u.Port() == "" && strings.HasSuffix(u.Host, ":"):
		return fmt.Sprintf("%.80q ends with a colon; %s", s, write)
	}
	return checkHostPort(u.Host, false)
}

// redact leaves out what may be a password in a URL that cannot be parsed.
func redact(s string) string {
	if at := strings.LastIndex(s, "@"); at >= 0 {
		return "…" + s[at:]
	}
	return s
}

func checkProxy(s string) string {
	if s == "" || s == "none" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return fmt.Sprintf("%.80q; write http://host:port, https://…, socks5://… or none", redact(s))
	}
	return ""
}

func checkNetwork(s string) string {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Sprintf("%.80q; write a network, as 10.0.0.0/8, 192.168.1.7/32 or fd00::/8", s)
	}
	if p.Masked() != p {
		return fmt.Sprintf("%q has bits beyond its mask; write %s for the network or %s/%d for the address", s, p.Masked(), p.Addr(), p.Addr().BitLen())
	}
	return ""
}
