package list

import (
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Repository is one repository and the images of a filter that it holds.
type Repository struct {
	Registry   string                `json:"registry"`
	Repository string                `json:"repository"`
	Verdict    plimsoll.VerdictState `json:"verdict"` // the worst of its images
	Coverage   plimsoll.ReadState    `json:"coverage"`
	Images     int                   `json:"images"`
	Fail       int                   `json:"fail"`
	Unknown    int                   `json:"unknown"`
	Short      int                   `json:"short"` // images whose coverage is short
	Critical   int                   `json:"critical"`
	High       int                   `json:"high"`
	Fixable    int                   `json:"fixable"`
	Exploited  *int                  `json:"exploited,omitempty"` // findings; absent where no list of exploited flaws was read
	Secret     int                   `json:"secret"`              // images that hold a secret, hidden ones too
	Moved      time.Time             `json:"moved,omitzero"`      // the newest
}

func (x Repository) exploited() int {
	if x.Exploited == nil {
		return 0
	}
	return *x.Exploited
}

// Repositories is the list of repositories that hold an image of the filter, worst first.
func Repositories(v *posture.View, f Filter) Ordered[Repository] {
	type key struct{ registry, repository string }
	all := map[key]*Repository{}
	selected := f.selects(v)
	sum := selected.weights()
	for _, r := range selected.rows {
		k := key{r.Reference.Registry, r.Reference.Repository}
		if all[k] == nil {
			all[k] = &Repository{Registry: k.registry, Repository: k.repository, Verdict: r.Verdict.State, Coverage: r.Coverage.State}
			if v.Exploitation() {
				all[k].Exploited = new(int)
			}
		}
		all[k].add(r, sum(r))
	}
	out := make([]Repository, 0, len(all))
	for _, x := range all {
		out = append(out, *x)
	}
	return order(out, func(x Repository) string {
		return verdictKey(x.Verdict) + down(x.exploited()) + down(x.Critical) + down(x.High) + x.Registry + "\x00" + x.Repository
	})
}

// weights gives for each row how many of its selected findings are critical, high, fixable, and exploited.
func (s *selection) weights() func(*posture.Row) [posture.Sums]int32 {
	weigh := func(x *plimsoll.Finding) (w [posture.Sums]int32) {
		switch x.Severity {
		case plimsoll.SeverityCritical:
			w[0] = 1
		case plimsoll.SeverityHigh:
			w[1] = 1
		}
		if x.Fixed != "" {
			w[2] = 1
		}
		if x.Exploited() {
			w[3] = 1
		}
		return w
	}
	if s.narrow == nil {
		return s.having.Sum(weigh)
	}
	return func(r *posture.Row) (sum [posture.Sums]int32) {
		for x := range s.found(r) {
			w := weigh(x)
			for i := range sum {
				sum[i] += w[i]
			}
		}
		return sum
	}
}

// add counts a row, and of its findings the critical, high, fixable, and exploited ones.
func (x *Repository) add(r *posture.Row, found [posture.Sums]int32) {
	x.Images++
	x.Critical, x.High, x.Fixable = x.Critical+int(found[0]), x.High+int(found[1]), x.Fixable+int(found[2])
	if x.Exploited != nil {
		*x.Exploited += int(found[3])
	}
	if r.Coverage.Short() {
		x.Short++
	}
	if HoldsSecret(r) {
		x.Secret++
	}
	switch r.Verdict.State {
	case plimsoll.VerdictFail:
		x.Fail++
	case plimsoll.VerdictUnknown:
		x.Unknown++
	}
	if verdictKey(r.Verdict.State) < verdictKey(x.Verdict) {
		x.Verdict = r.Verdict.State
	}
	if r.Coverage.State.Rank() > x.Coverage.Rank() {
		x.Coverage = r.Coverage.State
	}
	if r.Moved.After(x.Moved) {
		x.Moved = r.Moved
	}
}
