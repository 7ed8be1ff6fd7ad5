package pages

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

var tileNumber = regexp.MustCompile(`<h2>([^<]*)</h2><p class="big">(?:<a class="n" href="[^"]*">|<span[^>]*>)([0-9,]+)`)

// tileNumbers are the overview's large numbers by title.
func tileNumbers(page string) map[string]string {
	out := map[string]string{}
	for _, m := range tileNumber.FindAllStringSubmatch(page, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// TestSparksAreTheTiles: each number of a spark is what the tile says in the replay of that day's first instant, of all and of one
// registry.
func TestSparksAreTheTiles(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 60)
	b := browse(t, w)
	for day := 1; day <= 5; day++ {
		w.At = w.At.AddDate(0, 0, 1)
		someDay(w, day)
		w.Advance()
	}
	if text := b.page("/"); strings.Contains(text, `class="spark"`) {
		t.Error("a line is drawn through days that nobody has counted")
	}
	if err := b.days.Fill(t.Context(), w.At); err != nil {
		t.Fatal(err)
	}
	compared, changed := 0, map[string]bool{}
	for _, registry := range []string{"", "harbor"} {
		for _, d := range b.days.Until(registry, w.At) {
			if d.Numbers == (history.Numbers{}) {
				continue
			}
			says := tileNumbers(b.page(atMoment("/?registry="+registry, d.Time)))
			for title, n := range map[string]*int{
				"Must act now": d.Numbers.Urgent, "Overdue": d.Numbers.Overdue, "New this week": d.Numbers.Fresh, "Not covered": d.Numbers.Short,
			} {
				if n == nil || fmt.Sprint(*n) != says[title] {
					t.Errorf("%s of %q on %s: the tile says %q", title, registry, d.Time, says[title])
				} else {
					compared++
					changed[fmt.Sprint(title, *n)] = true
				}
			}
		}
	}
	if compared != 2*4*5 || len(changed) < 8 {
		t.Errorf("%d numbers compared, with %d different ones", compared, len(changed))
	}
	text := b.page("/")
	if got := strings.Count(text, `<svg class="spark"`); got != 4 || !strings.Contains(text, `aria-label="day by day: `) || !strings.Contains(text, "not known on 85 of 91 days") {
		t.Errorf("%d sparks, want one in each of four tiles, with what is not known", got)
	}
}

// TestSpark: a day that is not known is a gap and no zero, and one known day alone is no line.
func TestSpark(t *testing.T) {
	t.Parallel()
	at := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	urgent := func(n history.Numbers) *int { return n.Urgent }
	days := func(numbers ...int) (out []history.Day) {
		for i, n := range numbers {
			d := history.Day{Time: at(1 + i)}
			if n >= 0 {
				d.Numbers.Urgent = &n
			}
			out = append(out, d)
		}
		return out
	}
	now := at(5).Add(time.Hour)
	for name, tt := range map[string]struct {
		days    []history.Day
		present *int
		path    string
		label   string
	}{
		"gap":             {days(0, -1, 22, 11), new(11), "M0 23h0M2 1h0L3 12L4 12", "day by day: 0 on 1 Nov, at most 22 on 3 Nov, 11 now; not known on 1 of 5 days"},
		"not known now":   {days(-1, 4, 2, 2), nil, "M1 1h0L2 12L3 12", "day by day: 4 on 2 Nov, at most 4 on 2 Nov, not known now; not known on 2 of 5 days"},
		"nothing at all":  {days(0, 0, 0, 0), new(0), "M0 23h0L1 23L2 23L3 23L4 23", "day by day: 0 on 1 Nov, at most 0 on 1 Nov, 0 now"},
		"the present one": {days(-1, -1, -1, -1), new(3), "", ""},
		"no day":          {days(-1, -1, -1, -1), nil, "", ""},
	} {
		s := sparkOf(tt.days, urgent, now, tt.present)
		switch {
		case s == nil && tt.path != "" || s != nil && tt.path == "":
			t.Errorf("%s: %+v", name, s)
		case s != nil && (s.Path != tt.path || s.Label != tt.label):
			t.Errorf("%s: %s %q, want %s %q", name, s.Path, s.Label, tt.path, tt.label)
		}
	}
}
