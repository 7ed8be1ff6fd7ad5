package list

import (
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Fix is one upgrade and what it removes within a filter.
type Fix struct {
	Package   string   `json:"package"`
	Ecosystem string   `json:"ecosystem"`
	Version   string   `json:"version"` // installed, where all places have the same
	To        []string `json:"to"`      // the highest fixed version named; all of them where they cannot be compared
	Path      string   `json:"path"`
	Findings  int      `json:"findings"`
	Critical  int      `json:"critical"`
	High      int      `json:"high"`
	Images    int      `json:"images"`
}

// Fixes are the upgrades that remove most, most critical first. Each is one package of one ecosystem; a fix is known for
// every finding counted.
func Fixes(v *posture.View, f Filter, n int) []Fix {
	type key struct{ pkg, eco string }
	all, found := map[key]*Fix{}, map[*plimsoll.Finding]key{}
	fixable := f.With("fixable", "yes").selects(v)
	images := reach(fixable, func(x *plimsoll.Finding, at posture.Spot) key {
		k := key{x.Package, x.Ecosystem}
		if all[k] == nil {
			all[k] = &Fix{Package: x.Package, Ecosystem: x.Ecosystem, Version: x.Version, Path: at.Path}
		}
		found[x] = k
		return k
	})
	for x, n := range reach(fixable, func(x *plimsoll.Finding, _ posture.Spot) *plimsoll.Finding { return x }) {
		all[found[x]].add(x, n.Places)
	}
	for k, n := range images {
		all[k].Images = n.Rows
	}
	out := make([]Fix, 0, len(all))
	for _, x := range all {
		slices.Sort(x.To)
		x.To = highest(x.Ecosystem, x.To)
		out = append(out, *x)
	}
	o := order(out, func(x Fix) string {
		return down(x.Critical*1_000_000+x.High*1_000+min(x.Findings, 999)) + x.Package + "\x00" + x.Ecosystem
	})
	return o.Rows[:min(n, len(o.Rows))]
}

// add takes in a distinct finding that stands in some places.
func (u *Fix) add(x *plimsoll.Finding, places int) {
	u.Findings += places
	switch x.Severity {
	case plimsoll.SeverityCritical:
		u.Critical += places
	case plimsoll.SeverityHigh:
		u.High += places
	}
	if x.Version != u.Version {
		u.Version = ""
	}
	if !slices.Contains(u.To, x.Fixed) {
		u.To = append(u.To, x.Fixed)
	}
}

// highest is the version that fixes all that the others fix too. Where the ecosystem has no order, or one of them is no
// version, all stay: to leave one out could advise too little.
func highest(ecosystem string, versions []string) []string {
	how, ok := match.OrderOf(ecosystem)
	if !ok || len(versions) < 2 {
		return versions
	}
	best := versions[0]
	for _, text := range versions[1:] {
		a, err := how.Parse(best)
		if err != nil {
			return versions
		}
		b, err := how.Parse(text)
		if err != nil {
			return versions
		}
		if order, err := a.Compare(b); err != nil {
			return versions
		} else if order < 0 {
			best = text
		}
	}
	return []string{best}
}
