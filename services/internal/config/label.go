package config

import (
	"fmt"
	"strings"
)

// maxLabelSelector bounds one label selector, in bytes. It is well below the length from which labels of images are cut, so that a
// cut value is never taken for the one asked for.
const maxLabelSelector = 1024

// maxLabelName is the longest name, in bytes, that is kept of an image's label.
const maxLabelName = 256

// UnmatchedLabel is the first selector that an image's labels do not fit; empty when they fit all. A selector is name (the label is there), name=value, !name (it is
// not there) or name!=value (not there, or another value).
func UnmatchedLabel(selectors []string, labels map[string]string) string {
	for _, s := range selectors {
		if !matchLabel(s, labels) {
			return s
		}
	}
	return ""
}

func matchLabel(selector string, labels map[string]string) bool {
	name, value, equals, want := splitLabel(selector)
	got, there := labels[name]
	if equals {
		return (there && got == value) == want
	}
	return there == want
}

// splitLabel takes a selector apart; want is false where it must not hold.
func splitLabel(s string) (name, value string, equals, want bool) {
	name, value, equals = strings.Cut(s, "=")
	if !equals {
		name, not := strings.CutPrefix(s, "!")
		return name, "", false, !not
	}
	name, not := strings.CutSuffix(name, "!")
	return name, value, true, !not
}

func checkLabel(s string) string {
	name, _, equals, _ := splitLabel(s)
	switch {
	case len(s) > maxLabelSelector:
		return fmt.Sprintf("selector longer than %d bytes", maxLabelSelector)
	case len(name) > maxLabelName:
		return fmt.Sprintf("a label's name longer than %d bytes", maxLabelName)
	case name == "" || strings.ContainsAny(name, " \t\r\n!"), equals && strings.HasPrefix(s, "!"):
		return fmt.Sprintf("%.80q; write name, name=value, !name or name!=value", s)
	}
	return ""
}
