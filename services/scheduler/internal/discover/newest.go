package discover

import (
	"cmp"
	"slices"
	"strings"
)

// Newest are the n newest tags of a repository, in no promised order.
//
// Where the vendor tells when tags were pushed, the last pushed are the newest; a tag without a time counts as just pushed, because
// what is not known is not left out. Where no tag has a time, names decide: higher versions are newer, with numbers in them
// compared as numbers, and names without any digit (latest, stable) come before all versions. That is no order of time; the
// documentation says so.
func Newest(tags []Tag, n int) []Tag {
	if n <= 0 || len(tags) <= n {
		return tags
	}
	tags = slices.Clone(tags)
	if slices.ContainsFunc(tags, func(t Tag) bool { return !t.Pushed.IsZero() }) {
		slices.SortStableFunc(tags, func(a, b Tag) int {
			if a.Pushed.IsZero() != b.Pushed.IsZero() {
				return map[bool]int{true: -1, false: 1}[a.Pushed.IsZero()]
			}
			return cmp.Or(b.Pushed.Compare(a.Pushed), -natural(a.Name, b.Name))
		})
	} else {
		slices.SortStableFunc(tags, func(a, b Tag) int { return byVersion(a.Name, b.Name) })
	}
	return tags[:n]
}

// byVersion orders names newest first.
func byVersion(a, b string) int {
	av, bv := strings.ContainsAny(a, digits), strings.ContainsAny(b, digits)
	if av != bv {
		return map[bool]int{true: 1, false: -1}[av]
	}
	// 1.0-rc1 is older than 1.0, though its name is longer.
	ar, as := cutSuffix(a)
	br, bs := cutSuffix(b)
	if c := natural(ar, br); c != 0 {
		return -c
	}
	if (as == "") != (bs == "") {
		return map[bool]int{true: -1, false: 1}[as == ""]
	}
	return -natural(as, bs)
}

const digits = "0123456789"

// cutSuffix parts a version from what follows its first dash; a leading v does not count.
func cutSuffix(s string) (version, suffix string) {
	if rest, ok := strings.CutPrefix(s, "v"); ok && rest != "" && strings.IndexByte(digits, rest[0]) >= 0 {
		s = rest
	}
	version, suffix, _ = strings.Cut(s, "-")
	return version, suffix
}

// natural compares texts with the numbers in them as numbers, however long these are.
func natural(a, b string) int {
	for a != "" && b != "" {
		an, ar := number(a)
		bn, br := number(b)
		if an != "" && bn != "" {
			an, bn = strings.TrimLeft(an, "0"), strings.TrimLeft(bn, "0")
			if c := cmp.Or(cmp.Compare(len(an), len(bn)), strings.Compare(an, bn)); c != 0 {
				return c
			}
			a, b = ar, br
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// number is the digits that s begins with, and the rest.
func number(s string) (digit, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}
