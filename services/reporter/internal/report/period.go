package report

import (
	"fmt"
	"regexp"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Week is one ISO 8601 week in a zone: From is its Monday's first instant, To the next one's.
type Week struct {
	Name     string
	From, To time.Time
}

var weekForm = regexp.MustCompile(`^(\d{4})-W(\d{2})$`)

// ParseWeek reads a period like 2026-W48.
func ParseWeek(name string, zone *time.Location) (Week, error) {
	m := weekForm.FindStringSubmatch(name)
	if m == nil {
		return Week{}, fmt.Errorf("period %.20q: %w: want an ISO week like 2026-W48", name, plimsoll.ErrInvalid)
	}
	var year, week int
	_, _ = fmt.Sscan(m[1], &year) // four digits: cannot fail
	_, _ = fmt.Sscanf(m[2], "%d", &week)
	w := weekOf(time.Date(year, time.January, 4, 0, 0, 0, 0, zone)) // 4 January is always in week 1
	w = weekOf(w.From.AddDate(0, 0, 7*(week-1)))
	if w.Name != name {
		return Week{}, fmt.Errorf("period %q: %w: there is no such ISO week", name, plimsoll.ErrInvalid)
	}
	return w, nil
}

// WeekOf is the week that t lies in, in t's zone.
func WeekOf(t time.Time) Week { return weekOf(t) }

// LastWeek is the week that ended last before t, in t's zone.
func LastWeek(t time.Time) Week { return weekOf(weekOf(t).From.AddDate(0, 0, -1)) }

func weekOf(t time.Time) Week {
	year, week := t.ISOWeek()
	back := (int(t.Weekday()) + 6) % 7
	from := time.Date(t.Year(), t.Month(), t.Day()-back, 0, 0, 0, 0, t.Location())
	return Week{fmt.Sprintf("%04d-W%02d", year, week), from, from.AddDate(0, 0, 7)}
}
