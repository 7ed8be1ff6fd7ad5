package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// kinds are the registries whose repositories can be found.
var kinds = []plimsoll.RegistryKind{plimsoll.KindDistribution, plimsoll.KindDockerHub, plimsoll.KindGoogle, plimsoll.KindHarbor, plimsoll.KindGitLab}

// maxNewest bounds newest_tags: no repository has more tags than a sweep lists.
const maxNewest = 1_000_000

// discovery checks how a registry's repositories are found, and what of them is read.
func (c *checker) discovery(at string, r plimsoll.Registry) {
	if r.Kind == "" {
		r.Kind = plimsoll.KindDistribution
	}
	if !slices.Contains(kinds, r.Kind) {
		c.faultf(at+".kind", "%.80q; write distribution, docker-hub, google, harbor or gitlab", r.Kind)
		return
	}
	c.namespaces(at, r)
	switch {
	case r.APIURL != "" && (r.Kind == plimsoll.KindDistribution || r.Kind == plimsoll.KindGoogle):
		c.faultf(at+".api_url", "a registry of kind %s has no other API; leave it out", r.Kind)
	case r.APIURL != "":
		c.check(at+".api_url", checkURL(r.APIURL, false))
	case r.Kind == plimsoll.KindGitLab && len(r.Namespaces) > 0:
		c.faultf(at+".api_url", "missing; write where GitLab itself is, as https://gitlab.example.com")
	}
	c.within(at+".newest_tags", r.NewestTags, 0, maxNewest)
	switch {
	case r.MovedWithin < 0:
		c.faultf(at+".moved_within", "%s; write a duration such as 720h, or 0 for all", r.MovedWithin)
	case r.MovedWithin > 0 && !r.Kind.TellsPushed():
		c.faultf(at+".moved_within", "a registry of kind %s does not tell when tags were pushed; use newest_tags or patterns", r.Kind)
	}
	for i, l := range r.Labels {
		c.check(fmt.Sprintf("%s.labels[%d]", at, i), checkLabel(l))
	}
	for i, p := range r.Platforms {
		c.check(fmt.Sprintf("%s.platforms[%d]", at, i), checkPlatform(p))
	}
}

func (c *checker) namespaces(at string, r plimsoll.Registry) {
	if r.Kind == plimsoll.KindDistribution {
		if len(r.Namespaces) > 0 {
			c.faultf(at+".namespaces", "a registry of kind distribution is listed as a whole; write include: [%s/**] instead, or its kind", r.Namespaces[0])
		}
		return
	}
	if r.Kind != plimsoll.KindHarbor && len(r.Namespaces)+len(r.Repositories) == 0 {
		c.faultf(at+".namespaces", "missing; a registry of kind %s cannot be listed as a whole: write the parts to list, or repositories", r.Kind)
	}
	if len(r.Namespaces) > 0 && len(r.Repositories) > 0 {
		c.faultf(at+".namespaces", "given together with repositories, which say it all; write one of them")
	}
	for i, n := range r.Namespaces {
		field := fmt.Sprintf("%s.namespaces[%d]", at, i)
		switch {
		case !namespace.MatchString(n):
			c.faultf(field, "%.80q; write a name as it stands in URLs, as team or group/project", n)
		case slices.Contains(r.Namespaces[:i], n):
			c.faultf(field, "%q is in the list twice; write it once", n)
		case r.Kind == plimsoll.KindHarbor && strings.Contains(n, "/"), r.Kind == plimsoll.KindDockerHub && strings.Contains(n, "/"):
			c.faultf(field, "%q; write the part before the slash, and the rest as include: [%s/**]", n, n)
		case r.Kind == plimsoll.KindGoogle && !strings.Contains(n, "/"):
			c.faultf(field, "%q; write project/repository", n)
		}
	}
}

// namespace is what vendors allow in names of projects, groups and namespaces. Those of GitLab may have capitals.
var namespace = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9._-]+)*$`)

// checkPlatform checks os/architecture[/variant].
func checkPlatform(s string) string {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.ContainsFunc(parts, func(p string) bool { return !platformPart.MatchString(p) }) {
		return fmt.Sprintf("%.80q; write os/architecture or os/architecture/variant, as linux/amd64 or linux/arm/v7", s)
	}
	return ""
}

var platformPart = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
