package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cronField is one of the five, with the numbers and names it takes.
type cronField struct {
	name     string
	low, top int
	names    []string // of low, low+1, …
}

var cronFields = []cronField{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// checkCron returns what is wrong with a schedule and what to write, or "". It accepts five fields of *, numbers, names,
// ranges a-b, steps /n and lists: what Temporal's schedules take and crontab(5) describes, with 0 for Sunday.
func checkCron(s string) string {
	if s == Off {
		return ""
	}
	fields := strings.Fields(s)
	if len(fields) != len(cronFields) || strings.HasPrefix(s, "@") {
		return fmt.Sprintf("%.80q has %d fields; write five, minute hour day month weekday, as \"0 1 * * *\", or off", s, len(fields))
	}
	for i, f := range cronFields {
		for item := range strings.SplitSeq(fields[i], ",") {
			if !f.accepts(item) {
				return fmt.Sprintf("%.80q: %s %.20q; write numbers from %d to %d, as %d, %d-%d, */%d, or *", s, f.name, item, f.low, f.top, f.low+1, f.low+1, f.low+3, f.low+2)
			}
		}
	}
	return ""
}

func (f cronField) accepts(item string) bool {
	span, step, stepped := strings.Cut(item, "/")
	if n, ok := number(step); stepped && (!ok || n < 1 || n > f.top) {
		return false
	}
	if span == "*" {
		return true
	}
	from, to, ranged := strings.Cut(span, "-")
	low, ok := f.number(from)
	if !ok || !ranged {
		return ok
	}
	top, ok := f.number(to)
	return ok && low <= top
}

// number is the value of a number or name of this field.
func (f cronField) number(s string) (int, bool) {
	if i := slices.Index(f.names, strings.ToLower(s)); i >= 0 {
		return f.low + i, true
	}
	n, ok := number(s)
	return n, ok && n >= f.low && n <= f.top
}

// number reads one or two digits and nothing else.
func number(s string) (int, bool) {
	if len(s) < 1 || len(s) > 2 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
