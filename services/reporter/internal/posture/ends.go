package posture

import (
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// teller tells what is said of a package at a moment: by the advisories, and by the table of the last days with fixes.
type teller struct {
	*match.Matcher
	ends *eol.Table
	now  time.Time
}

// Package is what is said of a package.
func (t teller) Package(p plimsoll.Package) match.Result {
	r := t.Matcher.Package(p)
	if f, ok := t.ends.OfPackage(&p); ok && f.Past(t.now) {
		r.Findings = append(r.Findings, f.Finding(&p))
		slices.SortFunc(r.Findings, func(a, b plimsoll.Finding) int { return strings.Compare(a.ID, b.ID) })
	}
	return r
}

// ending is a package whose last day with fixes is known: few of all are.
type ending struct {
	number int32
	over   time.Time // the moment after that day
	past   bool      // its finding stands
}

// mortal notes a package that is new, if its last day is known.
func (s *state) mortal(table *eol.Table, number int32) {
	if f, ok := table.OfPackage(&s.known.packages[number]); ok {
		s.ending = append(s.ending, ending{number, f.Over(), f.Past(s.clock)})
	}
}

// ageEnds finds the packages that came to their end, or did not yet where a clock went back, and lets their images be judged
// again.
func (e *Engine) ageEnds(s *state, now time.Time) {
	var numbers []int32
	for i := range s.ending {
		x := &s.ending[i]
		if past := !now.Before(x.over); past != x.past {
			x.past = past
			numbers = append(numbers, x.number)
		}
	}
	if len(numbers) > 0 {
		e.restate(numbers, now)
	}
}

// ended is when a package last came to its end.
func (s *state) ended() time.Time {
	at, _ := s.endsBetween(time.Time{}, s.clock)
	return at
}

// endsBetween is the last moment after one and up to another at which a package came to its end; false when none did.
func (s *state) endsBetween(after, until time.Time) (at time.Time, ok bool) {
	for _, x := range s.ending {
		if x.over.After(after) && !x.over.After(until) && x.over.After(at) {
			at, ok = x.over, true
		}
	}
	return at, ok
}
