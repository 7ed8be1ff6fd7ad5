package match

import (
	"cmp"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// ecosystem is how one of OSV's ecosystems is matched. The names of releases are OSV's: what a record writes after the colon.
type ecosystem struct {
	// order is osv-scalibr's name for the way versions are ordered.
	order string
	// distribution says that its packages are an operating system's: the publisher of the records is the packages' vendor,
	// whose own level comes first (severity.go).
	distribution bool
	// sources says that records name source packages and their versions; elsewhere they name what is installed.
	sources bool
	// epochless says that records leave the epoch of an rpm version out.
	epochless bool
	// modules says that records may be about one stream of an rpm module (module.go).
	modules bool
	// fits says whether a record's release covers the installed one; nil where they must be equal.
	fits func(record, installed string) bool
}

// Ways to order versions, by the names that osv-scalibr has for them.
const (
	apk    = "Alpine"
	deb    = "Debian"
	rpm    = "Red Hat"
	semver = "npm"
)

// ecosystems is the one table: OSV's name without release → how it is matched. Sources: osv-schema's "Defined ecosystems" for
// what names and releases mean, and the records themselves where they differ. An ecosystem that is not here has no comparer:
// what is known of it is none. Versions are never compared as strings.
var ecosystems = map[string]ecosystem{
	// Distributions of deb packages.
	"Debian": {order: deb, distribution: true, sources: true},
	"Echo":   {order: deb, distribution: true, sources: true},
	"Ubuntu": {order: deb, distribution: true, sources: true},

	// Distributions of apk packages.
	"Alpaquita":                    {order: apk, distribution: true, sources: true},
	"Alpine":                       {order: apk, distribution: true, sources: true},
	"BellSoft Hardened Containers": {order: apk, distribution: true, sources: true},
	"Chainguard":                   {order: apk, distribution: true, sources: true},
	"MinimOS":                      {order: apk, distribution: true, sources: true},
	"Wolfi":                        {order: apk, distribution: true, sources: true},

	// Distributions of rpm packages. AlmaLinux and Red Hat list every binary package.
	"AlmaLinux":   {order: rpm, distribution: true, modules: true},
	"Azure Linux": {order: rpm, distribution: true, sources: true},
	"Mageia":      {order: rpm, distribution: true, sources: true, epochless: true},
	"openEuler":   {order: rpm, distribution: true, sources: true, epochless: true},
	"openSUSE":    {order: rpm, distribution: true, sources: true, epochless: true},
	"Photon OS":   {order: rpm, distribution: true},
	"Red Hat":     {order: rpm, distribution: true, modules: true, fits: redHatStream},
	"Rocky Linux": {order: rpm, distribution: true, sources: true, modules: true},
	"SUSE":        {order: rpm, distribution: true, sources: true, epochless: true, fits: suseProduct},

	// Languages and applications.
	"Bioconductor":   {order: "Bioconductor"},
	"Bitnami":        {order: "Bitnami"},
	"ConanCenter":    {order: "ConanCenter"},
	"CRAN":           {order: "CRAN"},
	"crates.io":      {order: "crates.io"},
	"GHC":            {order: "GHC"},
	"GitHub Actions": {order: semver}, // tags of releases
	"Go":             {order: "Go"},
	"Hackage":        {order: "Hackage"},
	"Hex":            {order: "Hex"},
	"Julia":          {order: "Julia"},
	"Kubernetes":     {order: "Go"},
	"Maven":          {order: "Maven", fits: anyRepository},
	"npm":            {order: semver},
	"NuGet":          {order: "NuGet"},
	"opam":           {order: deb}, // opam's manual, "Version ordering": the same as Debian's
	"Packagist":      {order: "Packagist", fits: anyRepository},
	"Pub":            {order: "Pub"},
	"PyPI":           {order: "PyPI"},
	"RubyGems":       {order: "RubyGems"},
	"SwiftURL":       {order: "SwiftURL"},
	"VSCode":         {order: semver, fits: anyRepository},
}

// rooted is the ecosystem of packages that Root has patched: its releases are other ecosystems, "Debian:12" or "PyPI", whose
// order they keep.
const rooted = "Root"

// of finds how an ecosystem is matched, with or without release; false when there is no way.
func of(name string) (ecosystem, bool) {
	family, release, _ := strings.Cut(name, ":")
	if family == rooted {
		family, _, _ = strings.Cut(release, ":")
	}
	e, ok := ecosystems[family]
	return e, ok
}

// anyRepository: the release is a repository ("Packagist:https://packages.drupal.org/8"), and an installed package does not tell
// from which it came.
func anyRepository(string, string) bool { return true }

// redHatStream: advisories are keyed by product, version and repository ("enterprise_linux:9::appstream"), an image names one of
// its repositories ("enterprise_linux:9::baseos"). They fit when the product is the same and its version too: the main product's
// records name the major version, extended updates ("rhel_eus:9.2") the minor one, and apply to their subscribers alone.
func redHatStream(record, installed string) bool {
	rp, rv := product(record)
	ip, iv := product(installed)
	if rp == "enterprise_linux" && ip == rp {
		rv, _, _ = strings.Cut(rv, ".")
		iv, _, _ = strings.Cut(iv, ".")
	}
	return rp == ip && rv == iv
}

// product cuts "enterprise_linux:9::appstream" into product and version. What is no product is the version of the main one: an
// image may tell no more than "9.4".
func product(stream string) (name, version string) {
	stream, _, _ = strings.Cut(stream, "::")
	name, version, ok := strings.Cut(stream, ":")
	if !ok {
		return "enterprise_linux", name
	}
	return name, version
}

// suseProduct: an image calls itself after the server product ("Linux Enterprise Server 15 SP5"); its packages come from modules
// of the same version ("Linux Enterprise Module for Basesystem 15 SP5") and go on under long-term support ("… 15 SP5-LTSS").
func suseProduct(record, installed string) bool {
	if record == installed {
		return true
	}
	const server, module = "Linux Enterprise Server ", "Linux Enterprise Module for "
	version, ok := strings.CutPrefix(installed, server)
	if !ok {
		return false
	}
	if strings.HasPrefix(record, module) {
		return strings.HasSuffix(record, " "+version)
	}
	return strings.TrimSuffix(record, "-LTSS") == installed
}

// normalised is a name as an ecosystem, with or without release, compares names.
func normalised(ecosystem, name string) string {
	family, _, _ := strings.Cut(ecosystem, ":")
	return advisory.NormaliseName(family, name)
}

// question is what the records are asked about one package.
type question struct {
	ecosystem string // with release
	name      string
	version   string
	// otherwise says that records which answered an earlier question are not asked this one.
	otherwise bool
}

// questions says by which names and versions, in which ecosystem, records know a package. It depends on the package alone.
func questions(p plimsoll.Package) []question {
	name, version := Asked(p)
	family, release, _ := strings.Cut(p.Ecosystem, ":")
	all := []question{{ecosystem: p.Ecosystem, name: name, version: version}}
	if family == "Ubuntu" && strings.Contains(version, "esm") {
		// What a record says of Ubuntu Pro counts for its packages; the same record calls the free release unfixed for ever.
		all = []question{
			{ecosystem: "Ubuntu:Pro:" + release, name: name, version: version},
			{ecosystem: p.Ecosystem, name: name, version: version, otherwise: true},
		}
	}
	if patchedByRoot(name) {
		all = append(all, question{ecosystem: rooted + ":" + rootRelease(family, release), name: name, version: version})
	}
	return all
}

// Names are all names by which records are asked for a package.
func Names(p plimsoll.Package) []advisory.Name {
	var out []advisory.Name
	for _, q := range questions(p) {
		family, _, _ := strings.Cut(q.ecosystem, ":")
		out = append(out, advisory.Name{Family: family, Package: advisory.NormaliseName(family, q.name)})
	}
	return out
}

// patchedByRoot reports whether a name is one that Root gives to packages which it has patched.
func patchedByRoot(name string) bool {
	for _, prefix := range []string{"rootio-", "root-", "@rootio/", "@root/", "io.root."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// rootRelease: "Root:Alpine:3.18" and "Root:Ubuntu:22.04" leave out what the distributions add.
func rootRelease(family, release string) string {
	if release == "" {
		return family
	}
	return family + ":" + strings.TrimSuffix(strings.TrimPrefix(release, "v"), ":LTS")
}

// Asked is the name and version by which records know a package: its source package where the distribution's records name
// those, its binary package elsewhere. The version is empty when nobody knows it.
func Asked(p plimsoll.Package) (name, version string) {
	name, version = p.Name, p.Version
	e, _ := of(p.Ecosystem)
	if e.sources && p.Source != "" {
		name, version = p.Source, cmp.Or(sourceVersion(p, e), p.Version)
	}
	if epoch, rest, found := strings.Cut(version, ":"); found && e.epochless && strings.Trim(epoch, "0123456789") == "" {
		version = rest
	}
	switch version {
	case "(devel)", "unknown": // as Go's and osv-scalibr's readers write it
		version = ""
	}
	if e.order == "RubyGems" {
		version = withoutPlatform(version)
	}
	return name, version
}

// sourceVersion adds the epoch, which the file name of a source rpm leaves out.
func sourceVersion(p plimsoll.Package, e ecosystem) string {
	epoch, _, ok := strings.Cut(p.Version, ":")
	if e.order != rpm || !ok || p.SourceVersion == "" || strings.Contains(p.SourceVersion, ":") {
		return p.SourceVersion
	}
	return epoch + ":" + p.SourceVersion
}

// gemPlatforms start the platform of a gem that was built for one: "1.15.4-x86_64-linux". Without the cut it would be taken for
// a version before 1.15.4.
var gemPlatforms = []string{"x86", "x64", "aarch64", "arm", "java", "jruby", "universal", "mingw", "mswin", "ppc64", "powerpc", "s390x", "riscv64", "sparc"}

func withoutPlatform(version string) string {
	bare, platform, ok := strings.Cut(version, "-")
	if !ok {
		return version
	}
	for _, start := range gemPlatforms {
		if strings.HasPrefix(platform, start) {
			return bare
		}
	}
	return version
}
