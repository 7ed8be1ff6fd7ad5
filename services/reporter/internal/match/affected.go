package match

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Types of ranges that are evaluated.
const (
	rangeSemver    = "SEMVER"
	rangeEcosystem = "ECOSYSTEM"
)

// ground is why an entry says what it says; [answer.text] puts it into words.
type ground int

const (
	nothingNamed ground = iota // neither ranges nor a list
	unversioned                // the package's version is not known
	undecided                  // versions that cannot be compared
	isListed                   // in the list of versions
	notListed                  // not in the list, and there are no ranges
	insideRange                // from low on, and before high
	atFix                      // at or after the fix (low)
	beforeFirst                // before it was introduced (high)
	afterLast                  // after the last affected version (low)
	atLimit                    // at or after the range's limit (low)
	otherModule                // built for another stream of a module, or for none
)

// answer says whether a version is affected, by what it is fixed, and why.
type answer struct {
	affected bool
	fixed    string // the lowest fixed version above the installed one; empty when none is named
	err      error  // why it cannot be decided; nil for nearly all
	ground   ground
	low      *event // the events between which the version stands; nil where there is none
	high     *event
}

// asked is an installed version, parsed once for all records.
type asked struct {
	text    string
	version Version
	err     error
}

func ask(o Order, text string) asked {
	if text == "" {
		return asked{}
	}
	v, err := o.Parse(text)
	return asked{text, v, err}
}

// event is one event with its version parsed; introduced "0" stands before every version.
type event struct {
	plimsoll.Event
	at    Version
	start bool // introduced "0"
}

// text is the version that an event names.
func (e *event) text() string { return e.Introduced + e.Fixed + e.LastAffected + e.Limit }

// line is one range: its events in the order of their versions.
type line struct {
	events []event
	err    error // why they cannot be ordered
}

// compile orders the events of one range. What cannot be compared is an error of this range alone.
func compile(o Order, events []plimsoll.Event) line {
	sorted, err := sortEvents(o, events)
	return line{slices.Clip(cancel(sorted)), err}
}

// evaluate is OSV's evaluation (https://ossf.github.io/osv-schema/#evaluation): affected when the version is listed or
// inside one of the ranges. A version that nobody knows is affected, like osv-scanner has it: a false alarm is better than
// silence.
func (e *entry) evaluate(v asked) answer {
	if len(e.lines) == 0 && len(e.affected.Versions) == 0 {
		return answer{ground: nothingNamed}
	}
	if v.text == "" {
		return answer{affected: true, ground: unversioned}
	}
	out := answer{ground: notListed}
	if e.lists(v.text) {
		out.affected, out.ground = true, isListed
	}
	if len(e.lines) == 0 {
		return out
	}
	if v.err != nil {
		if !out.affected {
			out.ground, out.err = undecided, v.err
		}
		return out
	}
	return e.evaluateLines(out, v.version)
}

// evaluateLines adds to an answer what the ranges say.
func (e *entry) evaluateLines(out answer, v Version) answer {
	var err error
	var lowest *event
	for i := range e.lines {
		l := &e.lines[i]
		at, fix := l.place(v)
		err = first(err, at.err)
		if fix != nil && (lowest == nil || compareLoosely(fix.at, lowest.at) < 0) {
			lowest = fix
		}
		switch {
		case out.affected || at.err != nil:
		case at.affected, out.ground == notListed, at.ground == atFix && out.ground != atFix:
			out = at
		}
	}
	switch {
	case out.affected && lowest != nil:
		out.fixed = lowest.at.text
	case !out.affected && err != nil:
		out = answer{ground: undecided, err: err}
	}
	return out
}

// place walks the events of one range in the order of their versions. fix is the first fixed version above v.
func (l *line) place(v Version) (at answer, fix *event) {
	if l.err != nil {
		return answer{err: l.err}, nil
	}
	inside, limited, below := false, false, false
	var limit *event
	for i := range l.events {
		e := &l.events[i]
		order := 1
		if !e.start && e.Limit != "*" {
			var err error
			if order, err = v.Compare(e.at); err != nil {
				return answer{err: err}, nil
			}
		}
		switch {
		case e.Limit != "":
			limited, limit = true, e
			below = below || order < 0 || e.Limit == "*"
			continue
		case e.Introduced != "" && order >= 0:
			inside, at.low = true, e
			continue
		case e.Fixed != "" && order >= 0, e.LastAffected != "" && order > 0:
			inside, at.low = false, e
			continue
		case e.Fixed != "" && fix == nil:
			fix = e
		}
		if at.high == nil {
			at.high = e
		}
	}
	at.affected = inside && (!limited || below)
	switch {
	case at.affected:
		at.ground = insideRange
	case inside:
		at.ground, at.low = atLimit, limit
	case at.low == nil:
		at.ground = beforeFirst
	case at.low.Fixed != "":
		at.ground = atFix
	default:
		at.ground = afterLast
	}
	return at, fix
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// bare is a version without the "v" with which some tags are written.
func bare(version string) string { return strings.TrimPrefix(version, "v") }

func sortEvents(o Order, events []plimsoll.Event) ([]event, error) {
	out := make([]event, 0, len(events))
	for _, e := range events {
		x := event{Event: e, start: e.Introduced == "0"}
		if text := x.text(); !x.start && text != "*" {
			at, err := o.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("event: %w", err)
			}
			x.at = at
		}
		out = append(out, x)
	}
	var err error
	slices.SortStableFunc(out, func(a, b event) int {
		switch {
		case a.start || b.Limit == "*":
			return -1
		case b.start || a.Limit == "*":
			return 1
		}
		order, cerr := a.at.Compare(b.at)
		err = first(err, cerr)
		return order
	})
	return out, err
}

// cancel removes an introduced and a fixed event of the same version: one line ends where the next begins, or a range is
// empty, and either way nothing changes there. The order in which a record lists the two must not matter.
func cancel(sorted []event) (out []event) {
	for _, e := range sorted {
		at := len(out) - 1
		for at >= 0 && !e.start && !out[at].start && e.Limit != "*" && compareLoosely(out[at].at, e.at) == 0 && !opposite(out[at], e) {
			at--
		}
		if at >= 0 && opposite(out[at], e) && compareLoosely(out[at].at, e.at) == 0 {
			out = slices.Delete(out, at, at+1)
			continue
		}
		out = append(out, e)
	}
	return out
}

func opposite(a, b event) bool {
	return !a.start && !b.start && (a.Introduced != "" && b.Fixed != "" || a.Fixed != "" && b.Introduced != "")
}

// compareLoosely orders versions that were compared before; where two cannot be, they are equal.
func compareLoosely(a, b Version) int {
	order, err := a.Compare(b)
	if err != nil {
		return 0
	}
	return order
}
