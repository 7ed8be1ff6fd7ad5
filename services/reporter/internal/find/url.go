package find

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Part is which images of an answer are wanted: all when it is zero.
type Part struct {
	Status  Status // empty: every status
	Owner   string // empty: everybody's
	Unowned bool   // those alone whose owner is not known
}

// takes reports whether an image belongs to the part.
func (p Part) takes(im Image) bool {
	return (p.Status == "" || im.Status == p.Status) && (p.Owner == "" || im.Owner == p.Owner) && (!p.Unowned || im.Owner == "")
}

// parameters of a question and its part, in the order in which errors name them.
var parameters = []string{"package", "range", "ecosystem", "registry", "status", "owner", "owned"}

// Read reads a question and the wanted part of its answer from a URL's query. Parameters named in other are left alone; any other
// is a fault, because a question that is not understood would be answered with too much. Faults wrap [plimsoll.ErrInvalid].
func Read(query url.Values, other ...string) (Question, Part, error) {
	for name, values := range query {
		switch {
		case slices.Contains(other, name):
		case !slices.Contains(parameters, name):
			return Question{}, Part{}, fmt.Errorf("parameter %.40q: %w: want one of %s", name, plimsoll.ErrInvalid, strings.Join(slices.Concat(parameters, other), ", "))
		case len(values) > 1:
			return Question{}, Part{}, fmt.Errorf("parameter %s: %w: it is given %d times", name, plimsoll.ErrInvalid, len(values))
		}
	}
	q, err := Ask(query.Get("package"), query.Get("range"), query.Get("ecosystem"))
	if err != nil {
		return q, Part{}, err
	}
	q.Registry = query.Get("registry")
	p := Part{Status: Status(query.Get("status")), Owner: query.Get("owner")}
	if p.Status != "" && !slices.Contains(Statuses, p.Status) {
		return q, p, fmt.Errorf("status %.40q: %w: want one of %v", p.Status, plimsoll.ErrInvalid, Statuses)
	}
	switch owned := query.Get("owned"); owned {
	case "":
	case "no":
		p.Unowned = true
	default:
		return q, p, fmt.Errorf("owned %.40q: %w: want no", owned, plimsoll.ErrInvalid)
	}
	return q, p, nil
}

// Query is the URL's query that asks for a part of the answer; [Read] reads it.
func (q Question) Query(p Part) string {
	v := url.Values{"package": {q.Package}, "range": {q.Range.String()}}
	owned := ""
	if p.Unowned {
		owned = "no"
	}
	for name, value := range map[string]string{
		"ecosystem": q.Ecosystem, "registry": q.Registry, "status": string(p.Status), "owner": p.Owner, "owned": owned,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

// Link is the page that asks for the same part later: its path and query.
func (q Question) Link(p Part) string { return "/find?" + q.Query(p) }

// Of is the answer with a part of its images. What it counts stays the whole.
func (f Found) Of(p Part) Found {
	if p == (Part{}) {
		return f
	}
	f.Images = slices.DeleteFunc(slices.Clone(f.Images), func(im Image) bool { return !p.takes(im) })
	return f
}
