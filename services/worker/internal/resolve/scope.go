package resolve

import (
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/config"
)

// Scope is which images of a reference are read. The zero value is all of them. What cannot be told is read: a scope never leaves
// out what it does not know.
type Scope struct {
	Platforms []string // os/architecture[/variant]; empty: all
	Labels    []string // selectors, as [config.UnmatchedLabel] reads them
}

// platform says why an image of a platform is left out; empty when it is read.
func (s Scope) platform(p plimsoll.Platform) string {
	if config.MatchPlatform(s.Platforms, p) {
		return ""
	}
	return plimsoll.OutOfPlatforms + p.String()
}

// image says why an image is left out, by the platform that its index claims, which is what a pull goes by, or, without one, its own,
// and by its labels.
func (s Scope) image(img plimsoll.Image, claimed plimsoll.Platform) string {
	if claimed.String() == "" {
		claimed = img.Platform
	}
	if why := s.platform(claimed); why != "" {
		return why
	}
	if len(s.Labels) == 0 || slices.ContainsFunc(img.Faults, func(f string) bool { return strings.HasPrefix(f, labelsCut) }) {
		return ""
	}
	if selector := config.UnmatchedLabel(s.Labels, img.Labels); selector != "" {
		return plimsoll.OutOfLabels + selector
	}
	return ""
}
