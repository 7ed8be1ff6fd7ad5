package list

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// pair is what "unique" counts: one advisory in one package, wherever it stands.
type pair struct{ id, pkg string }

// distinct keeps keys unique: the n-th row with the same key has n behind it. The order of equal rows is the posture's own,
// which is stable.
func distinct(seen map[string]int, key string) string {
	n := seen[key]
	seen[key]++
	if n == 0 {
		return key
	}
	return key + "\x00" + strconv.Itoa(n)
}

// Unique is one advisory in one package and how far it reaches.
type Unique struct {
	ID         string            `json:"id"`
	Package    string            `json:"package"`
	Severity   plimsoll.Severity `json:"severity"` // the worst of its places
	Score      float64           `json:"score"`
	Ecosystems []string          `json:"ecosystems"`
	Exploited  bool              `json:"exploited"`
	Fixed      []string          `json:"fixed"` // versions that fix it, one a release
	Images     int               `json:"images"`
	Places     int               `json:"places"`

	Enrichment *plimsoll.Enrichment `json:"enrichment,omitempty"` // what is said of exploitation
}

// Uniques is the list of findings, one row an advisory and package.
func Uniques(v *posture.View, f Filter) Ordered[Unique] {
	all := map[pair]*Unique{}
	counts := reach(f.selects(v), func(x *plimsoll.Finding, _ posture.Spot) *Unique {
		k := pair{x.ID, x.Package}
		if all[k] == nil {
			all[k] = &Unique{ID: x.ID, Package: x.Package, Severity: x.Severity, Ecosystems: []string{}, Fixed: []string{}}
		}
		all[k].learn(x)
		return all[k]
	})
	out := make([]Unique, 0, len(all))
	for u, n := range counts {
		u.Images, u.Places = n.Rows, n.Places
		slices.Sort(u.Ecosystems)
		slices.Sort(u.Fixed)
		out = append(out, *u)
	}
	return order(out, func(u Unique) string {
		return fmt.Sprintf("%d%05d", u.Severity.Rank(), 1000-int(u.Score*10)) + down(u.Images) + u.ID + "\x00" + u.Package
	})
}

// learn takes in what one finding says of the pair; asked once a distinct finding.
func (u *Unique) learn(x *plimsoll.Finding) {
	u.Score = max(u.Score, x.Score)
	u.Exploited = u.Exploited || x.Exploited()
	u.Enrichment = x.Enrichment
	if x.Severity.Rank() < u.Severity.Rank() {
		u.Severity = x.Severity
	}
	if x.Ecosystem != "" && !slices.Contains(u.Ecosystems, x.Ecosystem) {
		u.Ecosystems = append(u.Ecosystems, x.Ecosystem)
	}
	if x.Fixed != "" && !slices.Contains(u.Fixed, x.Fixed) {
		u.Fixed = append(u.Fixed, x.Fixed)
	}
}

// Finding is one place as the API writes it: the finding and where it stands.
type Finding struct {
	plimsoll.Finding
	Package   string          `json:"package"`
	Version   string          `json:"version"`
	Ecosystem string          `json:"ecosystem"`
	Source    string          `json:"severity_source"`
	Reference string          `json:"reference"`
	Digest    plimsoll.Digest `json:"digest"`
	Platform  string          `json:"platform"`
	First     time.Time       `json:"first_detected,omitzero"`      // in this repository, by any digest
	Deadline  time.Time       `json:"deadline,omitzero"`            // absent where the policy sets none
	Lost      time.Time       `json:"deadline_since_loss,omitzero"` // when history begins, where the deadline counts from its loss: it may have begun earlier
	From      string          `json:"deadline_from,omitempty"`      // the date that the deadline counts from
	Wanted    string          `json:"deadline_wanted,omitempty"`    // the one that the policy asks for, where its date is not known
	Overdue   bool            `json:"overdue"`
	Over      int             `json:"days_over"`
}

// FindingOf is p as the API writes it.
func FindingOf(p posture.Place) Finding {
	x := p.Finding
	x.Aliases, x.Matched = some(x.Aliases), some(x.Matched)
	out := Finding{
		Finding: x, Package: x.Package, Version: x.Version, Ecosystem: x.Ecosystem, Source: x.Source,
		Reference: Name(p.Row), Digest: p.Row.Digest, Platform: p.Row.Platform.String(), First: p.First,
	}
	if d := p.Due; d != nil {
		out.Lost = d.Lost
		out.Deadline, out.From, out.Overdue, out.Over = d.At, string(d.From), d.Overdue, d.Over
		if d.Wanted != d.From {
			out.Wanted = string(d.Wanted)
		}
	}
	return out
}
