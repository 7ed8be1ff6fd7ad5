package list

import (
	"iter"
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
	Secret     int                   `json:"secret"`         // images that hold a secret, hidden ones too
	Moved      time.Time             `json:"moved,omitzero"` // the newest
}

// Repositories is the list of repositories that hold an image of the filter, worst first.
func Repositories(v *posture.View, f Filter) Ordered[Repository] {
	type key struct{ registry, repository string }
	all := map[key]*Repository{}
	for r, found := range f.match(v) {
		k := key{r.Reference.Registry, r.Reference.Repository}
		if all[k] == nil {
			all[k] = &Repository{Registry: k.registry, Repository: k.repository, Verdict: r.Verdict.State, Coverage: r.Coverage.State}
		}
		all[k].add(r, found)
	}
	out := make([]Repository, 0, len(all))
	for _, x := range all {
		out = append(out, *x)
	}
	return order(out, func(x Repository) string {
		return verdictKey(x.Verdict) + down(x.Critical) + down(x.High) + x.Registry + "\x00" + x.Repository
	})
}

// add counts a row, and of its findings those that the filter wants.
func (x *Repository) add(r *posture.Row, found iter.Seq2[*plimsoll.Finding, posture.Spot]) {
	x.Images++
	for f := range found {
		switch f.Severity {
		case plimsoll.SeverityCritical:
			x.Critical++
		case plimsoll.SeverityHigh:
			x.High++
		}
		if f.Fixed != "" {
			x.Fixable++
		}
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
