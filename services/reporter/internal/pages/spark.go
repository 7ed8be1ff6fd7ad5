package pages

import (
	"fmt"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Size of a spark's own coordinates: one a day, and the present at the end.
const sparkWidth, sparkHeight = history.ChartDays, 24

// spark is how a tile's number stood at the start of each day: a line with gaps where it is not known, and the present at its end.
type spark struct {
	Path   string
	First  int
	From   time.Time // of First, the oldest day that is known
	Most   int
	MostOn time.Time
	Label  string // in words, for who does not see it
}

// active is the filter of what the overview looks at: images that tags moved to lately. A chart or a signature has no verdict.
func active(registry string) list.Filter {
	return list.Filter{}.With("registry", registry).With("applicable", "yes")
}

// The filters of the tiles that have a spark; each number counts what its filter selects.
func urgentOf(active list.Filter) list.Filter { return active.With("act", list.ActNow) }

func overdueOf(active list.Filter, now time.Time) list.Filter {
	return active.With("overdue", "yes").At(now)
}

func freshOf(active list.Filter, now time.Time) list.Filter {
	return active.With("detected", "7d").At(now)
}

func shortOf(registry string) list.Filter { return stored(registry).With("coverage", list.Short) }

// Numbers are what the tiles say at a moment, by registry; those of all stand under an empty name.
func Numbers(m *posture.Moment) map[string]history.Numbers {
	out := map[string]history.Numbers{"": numbersOf(m.View, "", m.At)}
	for _, r := range m.View.Registries() {
		out[r.ID] = numbersOf(m.View, r.ID, m.At)
	}
	return out
}

func numbersOf(v *posture.View, registry string, now time.Time) history.Numbers {
	of := active(registry)
	return history.Numbers{
		Urgent:  toldUrgent(v, len(urgentOf(of).Rows(v))),
		Overdue: toldOverdue(v, len(overdueOf(of, now).Rows(v))),
		Fresh:   new(list.Count(v, freshOf(of, now)).Unique),
		Short:   new(len(shortOf(registry).Rows(v))),
	}
}

// toldUrgent is n, or nil where none are known because nothing tells what is exploited.
func toldUrgent(v *posture.View, n int) *int {
	if n == 0 && !v.Exploitation() {
		return nil
	}
	return &n
}

// toldOverdue is n, or nil where the policy sets no deadlines.
func toldOverdue(v *posture.View, n int) *int {
	if v.Policy().Deadline == nil {
		return nil
	}
	return &n
}

// sparkOf draws one number of some days and the present; nil when there is no line to draw.
func sparkOf(days []history.Day, of func(history.Numbers) *int, now time.Time, present *int) *spark {
	s := spark{Most: -1}
	numbers := make([]*int, 0, len(days)+1)
	known := 0
	for _, d := range append(days[:len(days):len(days)], history.Day{Time: now}) {
		n := present
		if len(numbers) < len(days) {
			n = of(d.Numbers)
		}
		numbers = append(numbers, n)
		if n == nil {
			continue
		}
		if known++; known == 1 {
			s.First, s.From = *n, d.Time
		}
		if *n > s.Most {
			s.Most, s.MostOn = *n, d.Time
		}
	}
	if known < 2 {
		return nil
	}
	s.Path = sparkPath(numbers, max(1, s.Most))
	s.Label = fmt.Sprintf("day by day: %d on %s, at most %d on %s, ", s.First, dayMonth(s.From), s.Most, dayMonth(s.MostOn))
	if present != nil {
		s.Label += fmt.Sprintf("%d now", *present)
	} else {
		s.Label += "not known now"
	}
	if gaps := len(numbers) - known; gaps > 0 {
		s.Label += fmt.Sprintf("; not known on %d of %d days", gaps, len(numbers))
	}
	return &s
}

// sparkPath is a line through what is known; a number with none beside it is a dot.
func sparkPath(numbers []*int, most int) string {
	var path strings.Builder
	for i, n := range numbers {
		if n == nil {
			continue
		}
		y := sparkHeight - 1 - *n*(sparkHeight-2)/most
		if i > 0 && numbers[i-1] != nil {
			fmt.Fprintf(&path, "L%d %d", i, y)
		} else {
			fmt.Fprintf(&path, "M%d %dh0", i, y)
		}
	}
	return path.String()
}

func dayMonth(t time.Time) string { return t.UTC().Format("2 Jan") }

// sparks draws the tiles' last days, where they are kept.
func (s *Server) sparks(v *posture.View, registry string, urgent, overdue, fresh, short *tile) {
	if s.Days == nil {
		return
	}
	days, now := s.Days(registry, s.Now()), s.Now()
	if days == nil {
		return
	}
	late, week := toldOverdue(v, overdue.N), &fresh.N
	if s.catchingUp() {
		late, week = nil, nil
	}
	urgent.Spark = sparkOf(days, func(n history.Numbers) *int { return n.Urgent }, now, toldUrgent(v, urgent.N))
	overdue.Spark = sparkOf(days, func(n history.Numbers) *int { return n.Overdue }, now, late)
	fresh.Spark = sparkOf(days, func(n history.Numbers) *int { return n.Fresh }, now, week)
	short.Spark = sparkOf(days, func(n history.Numbers) *int { return n.Short }, now, &short.N)
}
