package eol

import (
	"cmp"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// theDistribution is why a distribution that stands among packages is not matched as one (see [Distribution]).
const theDistribution = "the distribution itself"

// IsDistribution reports whether a package is one that [Distribution] made: it counts as no package anywhere.
func IsDistribution(p *plimsoll.Package) bool { return p.NotMatched == theDistribution }

// releasePath is where os-release(5) has a distribution tell its name.
const releasePath = "etc/os-release"

// families are the distributions by the ID of os-release(5) whose families OSV names otherwise.
var families = map[string]string{
	"rhel": "Red Hat", "almalinux": "AlmaLinux", "rocky": "Rocky Linux", "centos": "CentOS", "amzn": "Amazon Linux", "ol": "Oracle Linux",
	"azurelinux": "Azure Linux", "mariner": "Azure Linux", "sles": "SUSE", "photon": "Photon OS",
}

// Distribution is the distribution of an image as if it were a package of its own, so that it is counted, followed and blamed on
// a layer as packages are: on the lowest that brought a package of its ecosystem. Its version is the release. ok is false where
// the image names no distribution with a release.
func Distribution(inv *plimsoll.Inventory) (p plimsoll.Package, ok bool) {
	family, release := named(inv.Release)
	p = plimsoll.Package{Layer: -1, Path: releasePath, NotMatched: theDistribution}
	for i := range inv.Packages {
		x := &inv.Packages[i]
		if !ofSystem(x) {
			continue
		}
		of, its, _ := strings.Cut(x.Ecosystem, ":")
		if family == "" {
			family, release, p.Path = of, its, x.Path
		}
		if strings.EqualFold(of, family) && (p.Layer < 0 || x.Layer < p.Layer) {
			p.Layer = x.Layer
		}
	}
	if family == "" || release == "" {
		return plimsoll.Package{}, false
	}
	name := slug(family)
	p.Name, p.Version, p.Ecosystem, p.Layer = name, strings.TrimPrefix(clean(family, release), "v"), family+":"+release, max(p.Layer, 0)
	p.PURL = "pkg:generic/" + name + "@" + p.Version
	return p, p.Version != ""
}

// ofSystem reports whether a package is the distribution's: its ecosystem has a release then.
func ofSystem(p *plimsoll.Package) bool {
	for _, kind := range []string{"pkg:deb/", "pkg:apk/", "pkg:rpm/"} {
		if strings.HasPrefix(p.PURL, kind) {
			return strings.Contains(p.Ecosystem, ":")
		}
	}
	return false
}

// named is how OSV names a distribution and its release; empty where os-release tells neither.
func named(r plimsoll.OSRelease) (family, release string) {
	if r.ID == "" || r.VersionID == "" {
		return "", ""
	}
	family = cmp.Or(families[r.ID], strings.ToUpper(r.ID[:1])+r.ID[1:])
	if r.ID == "alpine" {
		if strings.Contains(r.VersionID, "_alpha") || r.VersionID == "edge" {
			return family, "edge"
		}
		parts := strings.SplitN(r.VersionID, ".", 3)
		return family, "v" + strings.Join(parts[:min(2, len(parts))], ".")
	}
	return family, r.VersionID
}

// titles are how people write the names of run-times.
var titles = map[string]string{"node": "Node.js", "python": "Python", "php": "PHP", "ruby": "Ruby", "go": "Go", "java": "Java"}

// OfPackage is the end of life of what a package is: a distribution (see [Distribution]), or a run-time that no distribution
// maintains. ok is false of every other package, and of what the table does not know.
func (t *Table) OfPackage(p *plimsoll.Package) (f Fact, ok bool) {
	switch {
	case t == nil:
		return Fact{}, false
	case p.NotMatched == theDistribution:
		return t.OfEcosystem(p.Ecosystem)
	case p.NotMatched != "": // another answers for it: its distribution
		return Fact{}, false
	case p.Name == "stdlib" && p.Ecosystem == "Go":
		return t.Of("go", p.Version)
	case strings.HasPrefix(p.PURL, "pkg:bitnami/"), strings.HasPrefix(p.PURL, "pkg:generic/"):
		return t.Of(p.Name, p.Version)
	}
	return Fact{}, false
}

// Finding is what a fact says of a package, once its date has passed. Nobody rates it; it is high, because what is found from now on
// is not fixed any more.
func (f Fact) Finding(p *plimsoll.Package) plimsoll.Finding {
	release := strings.TrimPrefix(f.Release, "v")
	text := cmp.Or(titles[strings.ToLower(f.Product)], f.Product) + " " + release + " has had no fixes since " + f.Date.Format("2 Jan 2006")
	return plimsoll.Finding{
		ID: "EOL-" + slug(f.Product) + "-" + release, Class: plimsoll.ClassEndOfLife, Aliases: []string{}, Matched: []plimsoll.Match{},
		PURL: p.PURL, Severity: plimsoll.SeverityHigh, Status: "affected", Text: text,
		Package: p.Name, Version: p.Version, Ecosystem: p.Ecosystem, Source: f.Source,
	}
}

// slug is a name as a part of an id or a package URL.
func slug(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
}
