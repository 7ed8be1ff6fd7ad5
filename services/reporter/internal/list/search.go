package list

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// SearchLimit is how many answers a group shows; the images group links to its whole list.
const SearchLimit = 10

// PackageHit is one package with findings whose name or purl holds the text.
type PackageHit struct {
	Package   string `json:"package"`
	Ecosystem string `json:"ecosystem"`
	Findings  int    `json:"findings"`
	Images    int    `json:"images"`
}

// Found are the answers to one search, by group. Packages are those that have a finding.
type Found struct {
	Advisories []Advisory
	Images     []*posture.Row
	ImageTotal int
	Packages   []PackageHit
	Known      string // the flaw that the text names exactly, when it affects nothing
}

// Search looks for text in advisories' ids, images' references and digests, and packages' names and purls. The scope is
// everything stored in a registry (all when empty).
func Search(v *posture.View, text, registry string) (Found, error) {
	if len(text) > maxLength {
		return Found{}, fmt.Errorf("search: %w: longer than %d bytes", plimsoll.ErrInvalid, maxLength)
	}
	var out Found
	scope := Filter{}.With("scope", ScopeStored).With("registry", registry)
	images := Images(v, scope.With("q", text))
	first, err := images.Page("", SearchLimit)
	if err != nil {
		return Found{}, err
	}
	out.ImageTotal, out.Images = images.Len(), first.Rows
	out.Advisories = searchAdvisories(v, scope, text)
	out.Packages = searchPackages(v, scope, text)
	for _, id := range []string{strings.ToUpper(text), text} {
		if flaw, ok := v.Recorded(id); ok && len(out.Advisories) == 0 && out.Known == "" {
			out.Known = flaw
		}
	}
	return out, nil
}

func searchAdvisories(v *posture.View, scope Filter, text string) []Advisory {
	upper := strings.ToUpper(text)
	match := func(id string) bool { return strings.Contains(strings.ToUpper(id), upper) }
	scope.also = func(x *plimsoll.Finding) bool { return match(x.ID) || slices.ContainsFunc(x.Aliases, match) }
	all := Advisories(v, scope).Rows
	return all[:min(SearchLimit, len(all))]
}

func searchPackages(v *posture.View, scope Filter, text string) []PackageHit {
	type key struct{ pkg, eco string }
	all := map[key]*PackageHit{}
	lower := strings.ToLower(text)
	scope.also = func(x *plimsoll.Finding) bool {
		return strings.Contains(strings.ToLower(x.Package), lower) || strings.HasPrefix(strings.ToLower(x.PURL), lower)
	}
	counts := reach(scope.selects(v), func(x *plimsoll.Finding, _ posture.Spot) *PackageHit {
		k := key{x.Package, x.Ecosystem}
		if all[k] == nil {
			all[k] = &PackageHit{Package: x.Package, Ecosystem: x.Ecosystem}
		}
		return all[k]
	})
	hits := make([]PackageHit, 0, len(all))
	for h, n := range counts {
		h.Findings, h.Images = n.Places, n.Rows
		hits = append(hits, *h)
	}
	o := order(hits, func(h PackageHit) string { return down(h.Images) + h.Package + "\x00" + h.Ecosystem })
	return o.Rows[:min(SearchLimit, len(o.Rows))]
}
