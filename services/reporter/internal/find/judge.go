package find

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// Status is what a search says of a package or an image.
type Status string

// The statuses, in the order in which lists show them. Unknown is never clean: it stands before fixed.
const (
	Affected Status = "affected" // a version in the range
	Unknown  Status = "unknown"  // not read, no version, or one that cannot be compared
	Fixed    Status = "fixed"    // it is there, and its version is not in the range
)

// Statuses are all of them, in that order.
var Statuses = []Status{Affected, Unknown, Fixed}

// rank orders statuses.
func (s Status) rank() int { return slices.Index(Statuses, s) }

// judge decides packages by one query. It is used by one goroutine.
type judge struct {
	query  Query
	bounds map[match.Order]bounds
}

// bounds are the versions of a query, parsed in one order.
type bounds struct {
	any   [][]bound
	epoch bool // one of them names an epoch
	err   error
}

type bound struct {
	op string
	at match.Version
}

func newJudge(q Query) *judge { return &judge{query: q, bounds: map[match.Order]bounds{}} }

// in gives the bounds in an order.
func (j *judge) in(o match.Order) bounds {
	if b, ok := j.bounds[o]; ok {
		return b
	}
	var out bounds
	for _, a := range j.query.any {
		terms := make([]bound, 0, len(a))
		for _, t := range a {
			at, err := o.Parse(t.version)
			if err != nil && out.err == nil {
				out.err = err
			}
			terms = append(terms, bound{t.op, at})
			out.epoch = out.epoch || strings.Contains(t.version, ":")
		}
		out.any = append(out.any, terms)
	}
	j.bounds[o] = out
	return out
}

// names reports whether a package goes by a name: its own, its source package's, or of a jar its artifact's. Names are compared
// as the ecosystem compares them.
func names(p *plimsoll.Package, name string) (version string, ok bool) {
	family, _, _ := strings.Cut(p.Ecosystem, ":")
	wanted := advisory.NormaliseName(family, name)
	switch {
	case advisory.NormaliseName(family, p.Name) == wanted:
		return p.Version, true
	case p.Source != "" && advisory.NormaliseName(family, p.Source) == wanted:
		return cmp.Or(p.SourceVersion, p.Version), true
	case family == "Maven" && strings.HasSuffix(p.Name, ":"+name):
		return p.Version, true
	}
	return "", false
}

// decide says whether a version of an ecosystem is in the range, and why.
func (j *judge) decide(ecosystem, version string) (Status, string) {
	o, ok := match.OrderOf(ecosystem)
	switch {
	case !ok:
		return Unknown, fmt.Sprintf("versions of %s cannot be compared", cmp.Or(ecosystem, "a package without ecosystem"))
	case version == "":
		return Unknown, "its version is not known"
	}
	b := j.in(o)
	if b.err != nil {
		return Unknown, fmt.Sprintf("the range is none of %s: %v", ecosystem, b.err)
	}
	if !b.epoch {
		version = withoutEpoch(o, version)
	}
	v, err := o.Parse(version)
	if err != nil {
		return Unknown, err.Error()
	}
	for _, terms := range b.any {
		in, err := within(v, terms)
		if err != nil {
			return Unknown, err.Error()
		}
		if in {
			return Affected, ""
		}
	}
	return Fixed, ""
}

func within(v match.Version, terms []bound) (bool, error) {
	for _, t := range terms {
		order, err := v.Compare(t.at)
		if err != nil || !holds(t.op, order) {
			return false, err
		}
	}
	return true, nil
}

// withoutEpoch cuts the epoch off a deb or rpm version: whoever asks for "<3.0.16" means upstream's numbers, and with its epoch
// "1:1.1.1k-9.el8" would be after all of them.
func withoutEpoch(o match.Order, version string) string {
	if s := o.String(); s != "dpkg" && s != "rpm" {
		return version
	}
	if epoch, rest, ok := strings.Cut(version, ":"); ok && epoch != "" && strings.Trim(epoch, "0123456789") == "" {
		return rest
	}
	return version
}
