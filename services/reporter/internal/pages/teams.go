package pages

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// overviewTeams is how many teams the overview shows; the Images list has all by owner.
const overviewTeams = 6

// teamLine is one team's active images.
type teamLine struct {
	Owner                 string // empty: nobody knows whose the images are
	Active, Fail, Overdue number
	Oldest                int // days that the oldest finding is beyond its deadline
	deadline              time.Time
}

// teams groups the images of a filter by owner, those with most overdue first, and says how many teams there are.
func teams(v *posture.View, f list.Filter, now time.Time) (out []teamLine, total int) {
	byOwner := map[string]*teamLine{}
	over := v.Overdues(now)
	for _, r := range f.Rows(v) {
		t := byOwner[r.Owner]
		if t == nil {
			t = &teamLine{Owner: r.Owner}
			byOwner[r.Owner] = t
		}
		t.Active.N++
		if r.Verdict.State == plimsoll.VerdictFail {
			t.Fail.N++
		}
		if n, oldest := over(r); n > 0 {
			t.Overdue.N++
			if t.deadline.IsZero() || oldest.Before(t.deadline) {
				t.deadline = oldest
			}
		}
	}
	for _, t := range byOwner {
		own := f.With("owner", t.Owner)
		if t.Owner == "" {
			own = f.With("owned", "no")
		}
		t.Active.URL = link("/images", own.Query())
		t.Fail.URL = link("/images", own.With("verdict", string(plimsoll.VerdictFail)).Query())
		t.Overdue.URL = link("/images", own.With("overdue", "yes").Query())
		t.Oldest = daysOver(t.deadline, now)
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b teamLine) int {
		return cmp.Or(b.Overdue.N-a.Overdue.N, b.Fail.N-a.Fail.N, b.Active.N-a.Active.N, strings.Compare(a.Owner, b.Owner))
	})
	return out[:min(len(out), overviewTeams)], len(out)
}
