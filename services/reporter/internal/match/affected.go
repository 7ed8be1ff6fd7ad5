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

// answer says whether a version is affected and by what it is fixed.
type answer struct {
	affected bool
	fixed    string // the lowest fixed version above the installed one; empty when none is named
}

// evaluate is OSV's evaluation (https://ossf.github.io/osv-schema/#evaluation): affected when the version is listed or
// inside one of the ranges. A version that nobody knows is affected, like osv-scanner has it: a false alarm is better than
// silence. An error means that it cannot be decided.
func evaluate(o Order, version string, a *plimsoll.Affected) (answer, error) {
	if len(a.Ranges) == 0 && len(a.Versions) == 0 {
		return answer{}, nil
	}
	if version == "" {
		return answer{affected: true}, nil
	}
	out := answer{affected: listed(a.Versions, version)}
	v, err := o.Parse(version)
	if err != nil {
		return out, unless(out.affected, err)
	}
	var fixes []Version
	for _, r := range a.Ranges {
		if r.Type != rangeSemver && r.Type != rangeEcosystem {
			continue
		}
		inside, later, rerr := within(o, v, r.Events)
		err = first(err, rerr)
		out.affected = out.affected || inside
		fixes = append(fixes, later...)
	}
	if out.affected {
		out.fixed = lowest(fixes)
		return out, nil
	}
	return out, err
}

// unless drops an error that changes nothing.
func unless(decided bool, err error) error {
	if decided {
		return nil
	}
	return err
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// listed reports whether the versions hold this one, whatever stands before it: tags are written with and without "v".
func listed(versions []string, version string) bool {
	bare := strings.TrimPrefix(version, "v")
	return slices.ContainsFunc(versions, func(v string) bool { return strings.TrimPrefix(v, "v") == bare })
}

// event is one event with its version parsed; introduced "0" stands before every version.
type event struct {
	plimsoll.Event
	at    Version
	start bool // introduced "0"
}

// within walks the events of one range in the order of their versions. later are the fixed versions above v.
func within(o Order, v Version, events []plimsoll.Event) (inside bool, later []Version, err error) {
	sorted, err := sortEvents(o, events)
	if err != nil {
		return false, nil, err
	}
	limited, below := false, false
	for _, e := range cancel(sorted) {
		order := 1
		if !e.start && e.Limit != "*" {
			if order, err = v.Compare(e.at); err != nil {
				return false, nil, err
			}
		}
		switch {
		case e.Introduced != "":
			inside = inside || order >= 0
		case e.Fixed != "":
			if order < 0 {
				later = append(later, e.at)
			}
			inside = inside && order < 0
		case e.LastAffected != "":
			inside = inside && order <= 0
		case e.Limit != "":
			limited = true
			below = below || order < 0 || e.Limit == "*"
		}
	}
	return inside && (!limited || below), later, nil
}

func sortEvents(o Order, events []plimsoll.Event) ([]event, error) {
	out := make([]event, 0, len(events))
	for _, e := range events {
		x := event{Event: e, start: e.Introduced == "0"}
		text := e.Introduced + e.Fixed + e.LastAffected + e.Limit
		if !x.start && text != "*" {
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

// lowest is the lowest of some versions as written; empty for none.
func lowest(versions []Version) string {
	if len(versions) == 0 {
		return ""
	}
	return slices.MinFunc(versions, compareLoosely).text
}

// compareLoosely orders versions that were compared before; where two cannot be, they are equal.
func compareLoosely(a, b Version) int {
	order, err := a.Compare(b)
	if err != nil {
		return 0
	}
	return order
}
