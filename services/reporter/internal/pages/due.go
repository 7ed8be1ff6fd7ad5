package pages

import (
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// dueLine says in one line what of an image is overdue, or due next.
type dueLine struct {
	Text    string
	Link    *number
	Rest    string
	Overdue bool
}

// soon is how long before a deadline an image's page tells of it.
const soon = 7 * 24 * time.Hour

// dueLines are what stands beside an image's verdict: what is overdue, and what will be within days.
func dueLines(v *posture.View, r *posture.Row, own list.Filter, now time.Time) (out []dueLine) {
	n, oldest := v.Overdue(r, now)
	if n > 0 {
		out = append(out, dueLine{
			Text: "beyond its deadline:", Overdue: true, Link: &number{N: n, URL: link("/findings", own.With("overdue", "yes").Query())},
			Rest: fmt.Sprintf("the oldest since %s, %d days", utc(oldest), daysOver(oldest, now)),
		})
	}
	next, at := 0, time.Time{}
	for f := range v.Each(r) {
		if d, ok := v.Due(r, f, now); ok && !d.Overdue && d.At.Sub(now) <= soon {
			next++
			if at.IsZero() || d.At.Before(at) {
				at = d.At
			}
		}
	}
	if next > 0 {
		out = append(out, dueLine{Text: fmt.Sprintf("%d %s due within 7 days", next, plural(next, "finding")), Rest: "the next " + utc(at)})
	}
	return out
}

// daysOver is how many whole days a deadline is over.
func daysOver(deadline, now time.Time) int {
	if deadline.IsZero() || now.Before(deadline) {
		return 0
	}
	return int(now.Sub(deadline) / (24 * time.Hour))
}

// notCaughtUp is why it is not known what is overdue or new.
const notCaughtUp = "the history of findings is being read"

func (s *Server) catchingUp() bool { return s.CatchingUp != nil && s.CatchingUp() }

// dueTiles are the overview's: what is overdue, and what is new this week.
func (s *Server) dueTiles(v *posture.View, active list.Filter) (late, week tile) {
	overdue, fresh := overdueOf(active, s.Now()), freshOf(active, s.Now())
	if s.catchingUp() {
		untold := func(title string) tile {
			return tile{Title: title, number: number{Unsure: notCaughtUp}, Note: "not known yet"}
		}
		return untold("Overdue"), untold("New this week")
	}
	rows := overdue.Rows(v)
	count, news := list.Count(v, overdue), list.Count(v, fresh)
	late = tile{Title: "Overdue", number: number{N: len(rows), URL: link("/images", overdue.Query())}, Class: tone(len(rows), "fail"), Note: "no finding is beyond its deadline"}
	if v.Policy().Deadline == nil {
		late.Note = "the policy sets no deadlines"
	}
	if len(rows) > 0 {
		var oldest time.Time
		for _, r := range rows {
			if _, at := v.Overdue(r, s.Now()); oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
		}
		late.Note = fmt.Sprintf("oldest %d d · ", daysOver(oldest, s.Now()))
		late.Cause = []number{{N: count.Places, Word: plural(count.Places, "finding"), URL: link("/findings", overdue.Query())}}
	}
	return late, tile{
		Title: "New this week", number: number{N: news.Unique, URL: link("/findings", fresh.With("group", "unique").Query())},
		Cause: []number{
			{N: news.Places, Word: plural(news.Places, "place"), URL: link("/findings", fresh.Query())},
			{N: news.Images, Word: plural(news.Images, "image"), URL: link("/images", fresh.Query())},
		},
	}
}
