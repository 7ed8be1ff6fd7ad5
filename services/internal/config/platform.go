package config

import (
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// MatchPlatform reports whether a platform is among those wanted, as registries[].platforms names them. All are where none is
// named, and so is one that cannot be told: a scope never leaves out what it does not know.
func MatchPlatform(wanted []string, p plimsoll.Platform) bool {
	return len(wanted) == 0 || p.OS == "" || p.Architecture == "" || slices.ContainsFunc(wanted, func(want string) bool { return fits(p, want) })
}

// fits compares with a platform as written. Without a variant it means all of them; 64-bit ARM has one that is often left unsaid.
func fits(p plimsoll.Platform, want string) bool {
	parts := append(strings.SplitN(want, "/", 3), "", "")
	if p.OS != parts[0] || p.Architecture != parts[1] {
		return false
	}
	variant := p.Variant
	if p.Architecture == "arm64" && variant == "" {
		variant = "v8"
	}
	return parts[2] == "" || parts[2] == variant
}
