package match

import (
	"fmt"
	"strings"

	"github.com/google/osv-scalibr/semantic"

	"github.com/plimsoll/plimsoll"
)

// maxVersion bounds a version, in bytes: the longest real ones (Go pseudo-versions, Debian snapshots) have under 100, and
// comparing numbers of a megabyte of digits costs seconds.
const maxVersion = 1024

// orders is the one table of how ecosystems order versions: OSV's name without release → the name by which osv-scalibr
// knows that order. An ecosystem that is not here has no comparer: what is known of it is none. Versions are never compared
// as strings.
var orders = map[string]string{
	"AlmaLinux":                    "AlmaLinux",
	"Alpaquita":                    "Alpaquita",
	"Alpine":                       "Alpine",
	"Azure Linux":                  "Red Hat", // rpm; osv-scalibr does not know the ecosystem's name
	"BellSoft Hardened Containers": "BellSoft Hardened Containers",
	"Bioconductor":                 "Bioconductor",
	"Bitnami":                      "Bitnami",
	"Chainguard":                   "Chainguard",
	"ConanCenter":                  "ConanCenter",
	"CRAN":                         "CRAN",
	"crates.io":                    "crates.io",
	"Debian":                       "Debian",
	"GHC":                          "GHC",
	"Go":                           "Go",
	"Hackage":                      "Hackage",
	"Hex":                          "Hex",
	"Julia":                        "Julia",
	"Mageia":                       "Mageia",
	"Maven":                        "Maven",
	"MinimOS":                      "MinimOS",
	"npm":                          "npm",
	"NuGet":                        "NuGet",
	"openEuler":                    "openEuler",
	"openSUSE":                     "openSUSE",
	"Packagist":                    "Packagist",
	"Pub":                          "Pub",
	"PyPI":                         "PyPI",
	"Red Hat":                      "Red Hat",
	"Rocky Linux":                  "Rocky Linux",
	"RubyGems":                     "RubyGems",
	"SUSE":                         "SUSE",
	"SwiftURL":                     "SwiftURL",
	"Ubuntu":                       "Ubuntu",
	"Wolfi":                        "Wolfi",
}

// Order is how one ecosystem orders versions.
type Order struct{ name string }

// OrderOf finds the order of an ecosystem, with or without release; false when there is none.
func OrderOf(ecosystem string) (Order, bool) {
	family, _, _ := strings.Cut(ecosystem, ":")
	name, ok := orders[family]
	return Order{name}, ok
}

// Version is one version that can be compared with others of its order.
type Version struct {
	text   string
	parsed semantic.Version
}

// Parse reads a version. An error wraps [plimsoll.ErrInvalid]: the version cannot be compared, and what depends on it is
// not decided.
func (o Order) Parse(text string) (v Version, err error) {
	if len(text) > maxVersion {
		return Version{}, fmt.Errorf("version %.40q…: %w: longer than %d bytes", text, plimsoll.ErrInvalid, maxVersion)
	}
	if strings.TrimSpace(text) == "" {
		return Version{}, fmt.Errorf("version %q: %w: it is empty", text, plimsoll.ErrInvalid)
	}
	defer recovered(&err, text)
	parsed, err := semantic.Parse(text, o.name)
	if err != nil {
		return Version{}, fmt.Errorf("version %.80q: %w: %w", text, plimsoll.ErrInvalid, err)
	}
	return Version{text, parsed}, nil
}

// Compare is -1, 0 or +1 as v stands before, with or after w.
func (v Version) Compare(w Version) (order int, err error) {
	if v.text == w.text {
		return 0, nil
	}
	defer recovered(&err, v.text)
	order, err = v.parsed.Compare(w.parsed)
	if err != nil {
		return 0, fmt.Errorf("compare %.80q with %.80q: %w: %w", v.text, w.text, plimsoll.ErrInvalid, err)
	}
	return order, nil
}

// recovered turns a panic of the version library, which reads what strangers wrote, into an error: one version must not
// stop the others.
func recovered(err *error, text string) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("version %.80q: %w: %v", text, plimsoll.ErrInvalid, r)
	}
}
