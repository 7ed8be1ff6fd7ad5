package match

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/osv-scalibr/semantic"

	"github.com/plimsoll/plimsoll"
)

// maxVersion bounds a version, in bytes: the longest real ones (Go pseudo-versions, Debian snapshots) have under 100, and
// comparing numbers of a megabyte of digits costs seconds.
const maxVersion = 1024

// Order is how one ecosystem orders versions.
type Order struct{ name string }

// String says whose order it is: the package manager's name, or the ecosystem's.
func (o Order) String() string {
	switch o.name {
	case apk:
		return "apk"
	case deb:
		return "dpkg"
	case rpm:
		return "rpm"
	case "npm", "Go", "crates.io", "Hex", "Julia", "Bitnami", "SwiftURL", "ConanCenter", "Bioconductor", "GHC":
		return "SemVer"
	}
	return o.name
}

// OrderOf finds the order of an ecosystem, with or without release; false when there is none.
func OrderOf(ecosystem string) (Order, bool) {
	e, ok := of(ecosystem)
	return Order{e.order}, ok
}

// Version is one version that can be compared with others of its order.
type Version struct {
	text   string
	parsed semantic.Version // of every order but dpkg's
	deb    debVersion
}

// shapes are the letters that versions of an order are made of. osv-scalibr takes any text, and orders some of what lies outside in
// circles, which would say something where nothing can be said.
var shapes = map[string]*regexp.Regexp{
	apk:         regexp.MustCompile(`^[0-9A-Za-z.][0-9A-Za-z._~-]*$`),
	"Maven":     regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._+-]*$`),
	"Packagist": regexp.MustCompile(`^([vV]?[0-9]|dev-)[0-9A-Za-z._+-]*$`),
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
	if o.name == deb {
		v, err := parseDeb(text)
		return Version{text: text, deb: v}, err
	}
	if shape := shapes[o.name]; shape != nil && !shape.MatchString(text) {
		return Version{}, fmt.Errorf("version %.80q: %w: %s knows no such version", text, plimsoll.ErrInvalid, o)
	}
	defer recovered(&err, text)
	parsed, err := semantic.Parse(text, o.name)
	if err != nil {
		return Version{}, fmt.Errorf("version %.80q: %w: %w", text, plimsoll.ErrInvalid, err)
	}
	return Version{text: text, parsed: parsed}, nil
}

// Compare is -1, 0 or +1 as v stands before, with or after w.
func (v Version) Compare(w Version) (order int, err error) {
	if v.text == w.text {
		return 0, nil
	}
	if v.parsed == nil || w.parsed == nil {
		return v.deb.compare(w.deb), nil
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
