package list

import (
	"fmt"
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Advisory is one advisory and how far it reaches within a filter.
type Advisory struct {
	ID       string            `json:"id"`
	Aliases  []string          `json:"aliases"`
	Severity plimsoll.Severity `json:"severity"` // the worst of its places
	Score    float64           `json:"score"`
	Packages []string          `json:"packages"`
	Unique   int               `json:"unique"` // distinct packages
	Images   int               `json:"images"`
	Places   int               `json:"places"`
	Fixable  bool              `json:"fixable"` // a fix is known in one place at least

	Exploited  bool                 `json:"exploited"`
	Enrichment *plimsoll.Enrichment `json:"enrichment,omitempty"` // what is said of exploitation
}

// Advisories is the list of advisories that affect an image of the filter, worst first.
func Advisories(v *posture.View, f Filter) Ordered[Advisory] {
	all := map[string]*Advisory{}
	counts := reach(f.selects(v), func(x *plimsoll.Finding, _ posture.Spot) *Advisory {
		if all[x.ID] == nil {
			all[x.ID] = &Advisory{ID: x.ID, Severity: x.Severity, Aliases: []string{}, Packages: []string{}}
		}
		all[x.ID].learn(x)
		return all[x.ID]
	})
	out := make([]Advisory, 0, len(all))
	for a, n := range counts {
		a.Images, a.Places = n.Rows, n.Places
		slices.Sort(a.Aliases)
		slices.Sort(a.Packages)
		a.Unique = len(a.Packages)
		out = append(out, *a)
	}
	return order(out, func(a Advisory) string {
		return fmt.Sprintf("%d%05d", a.Severity.Rank(), 1000-int(a.Score*10)) + down(a.Images) + a.ID
	})
}

// learn takes in what one finding says of the advisory; asked once a distinct finding.
func (a *Advisory) learn(x *plimsoll.Finding) {
	a.Score = max(a.Score, x.Score)
	a.Exploited = a.Exploited || x.Exploited()
	a.Enrichment = x.Enrichment
	a.Fixable = a.Fixable || x.Fixed != ""
	if x.Severity.Rank() < a.Severity.Rank() {
		a.Severity = x.Severity
	}
	if !slices.Contains(a.Packages, x.Package) {
		a.Packages = append(a.Packages, x.Package)
	}
	for _, id := range x.Aliases {
		if !slices.Contains(a.Aliases, id) {
			a.Aliases = append(a.Aliases, id)
		}
	}
}
