package match

import (
	"regexp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// module is the stream of an rpm module for which a record's packages were built ("nodejs:18"); a module's streams are kept side
// by side, each with its own line of versions.
type module struct {
	known   bool     // it could be told whether the packages belong to one
	modular bool     // they do
	streams []string // to which; empty when the record does not say
}

// modularRelease marks the release of every package that was built for a module: "1:14.18.2-2.module_el8.5.0+2618+8d46dafd".
const modularRelease = ".module"

// streamName finds "name:stream" in a summary such as "Moderate: nodejs:18 security update".
var streamName = regexp.MustCompile(`\b[A-Za-z0-9][A-Za-z0-9._+-]*:[A-Za-z0-9][A-Za-z0-9._+-]*`)

// moduleOf tells the module of an entry: by its own field, or by its fixed versions and the record's summary.
func moduleOf(r *plimsoll.Advisory, a *plimsoll.Affected) module {
	if a.Module != "" {
		return module{known: true, modular: true, streams: []string{a.Module}}
	}
	var m module
	for _, rng := range a.Ranges {
		for _, e := range rng.Events {
			if e.Fixed != "" {
				m.known = true
				m.modular = m.modular || strings.Contains(e.Fixed, modularRelease)
			}
		}
	}
	if m.modular {
		m.streams = streamName.FindAllString(r.Summary, -1)
	}
	return m
}

// fits reports whether an entry speaks of a package: both are built for the same stream, or for none. What is not known fits.
func (m module) fits(p plimsoll.Package) bool {
	if !m.known {
		return true
	}
	if modular := p.Module != "" || strings.Contains(p.Version, modularRelease); modular != m.modular {
		return false
	}
	return p.Module == "" || len(m.streams) == 0 || slices.Contains(m.streams, p.Module)
}

// String names the streams: "nodejs:18", "no module", or "a module" when the record does not say which.
func (m module) String() string {
	switch {
	case !m.modular:
		return "no module"
	case len(m.streams) == 0:
		return "a module"
	}
	return strings.Join(m.streams, ", ")
}

// moduleUnlessNone says what a version tells of a package without a label.
func moduleUnlessNone(p plimsoll.Package) string {
	if strings.Contains(p.Version, modularRelease) {
		return "a module"
	}
	return "no module"
}
