package list

import (
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Bounds of a query, which comes from outside.
const (
	maxValues = 16  // values of one parameter: more than there are words to choose from
	maxLength = 300 // bytes of one value: a repository name (255) and then some
)

// Scopes: which images a list looks at. Active is the default, because today's work is there.
const (
	ScopeActive = "active" // the tag moved, was pulled or admitted lately
	ScopeStored = "stored" // everything
)

// Words for coverage that stand for several states.
const (
	Covered = "covered" // complete or not applicable
	Short   = "short"   // anything else
)

// Filter says which rows a list has. It is the URL's query: parameters are joined by "and", values of one by "or".
type Filter struct {
	values url.Values
	now    time.Time
	also   func(*plimsoll.Finding) bool // a condition on findings that no parameter says; nil: none
}

// Parse reads a query. Parameters named in other are left alone (a list's own paging); any other unknown parameter or word
// is an error wrapping [plimsoll.ErrInvalid], because a filter that is not understood would show too much.
func Parse(query url.Values, now time.Time, other ...string) (Filter, error) {
	f := Filter{values: url.Values{}, now: now}
	for name, given := range query {
		if slices.Contains(other, name) {
			continue
		}
		p, ok := params[name]
		if !ok {
			return f, fmt.Errorf("filter %.40q: %w: there is no such parameter; there are %s", name, plimsoll.ErrInvalid, paramNames())
		}
		for _, v := range given {
			if err := f.add(name, p, v); err != nil {
				return f, err
			}
		}
	}
	if f.values.Get("scope") == ScopeActive {
		f.values.Del("scope")
	}
	return f, nil
}

func (f Filter) add(name string, p param, value string) error {
	if value == "" {
		return nil
	}
	if len(value) > maxLength {
		return fmt.Errorf("filter %s: %w: longer than %d bytes", name, plimsoll.ErrInvalid, maxLength)
	}
	if p.words != nil && !slices.Contains(p.words, value) {
		return fmt.Errorf("filter %s=%.40q: %w: want one of %s", name, value, plimsoll.ErrInvalid, strings.Join(p.words, ", "))
	}
	if p.check != nil && !p.check(value) {
		return fmt.Errorf("filter %s=%.40q: %w: want %s", name, value, plimsoll.ErrInvalid, p.want)
	}
	if slices.Contains(f.values[name], value) {
		return nil
	}
	if len(f.values[name]) == maxValues {
		return fmt.Errorf("filter %s: %w: more than %d values", name, plimsoll.ErrInvalid, maxValues)
	}
	f.values.Add(name, value)
	return nil
}

// Get is the first value of a parameter; scope is never empty.
func (f Filter) Get(name string) string {
	if v := f.values.Get(name); v != "" || name != "scope" {
		return v
	}
	return ScopeActive
}

// All are the values of a parameter.
func (f Filter) All(name string) []string { return f.values[name] }

// Has reports whether a parameter has this value.
func (f Filter) Has(name, value string) bool {
	return slices.Contains(f.values[name], value) || name == "scope" && f.Get(name) == value
}

// With is f with one parameter set to value; an empty value removes it.
func (f Filter) With(name, value string) Filter {
	out := Filter{values: url.Values{}, now: f.now}
	for k, v := range f.values {
		if k != name {
			out.values[k] = v
		}
	}
	if value != "" && (name != "scope" || value != ScopeActive) {
		out.values.Set(name, value)
	}
	return out
}

// Toggle is f with value added to a parameter, or taken from it where it stands there.
func (f Filter) Toggle(name, value string) Filter {
	out := f.With(name, "")
	for _, v := range f.values[name] {
		if v != value {
			out.values.Add(name, v)
		}
	}
	if !f.Has(name, value) {
		out.values.Add(name, value)
	}
	return out
}

// Query is f as a URL's query, parameters sorted: the same filter is always the same text.
func (f Filter) Query() string { return f.values.Encode() }

// Empty reports whether nothing is filtered but the scope.
func (f Filter) Empty() bool {
	for name := range f.values {
		if name != "scope" && name != "sort" && name != "group" {
			return false
		}
	}
	return true
}

// Rows are the rows of v that the filter wants, in v's order. Conditions on findings hold for a row when one finding meets
// all of them.
func (f Filter) Rows(v *posture.View) []*posture.Row { return f.selects(v).rows }

// selects finds what the filter selects of a view.
func (f Filter) selects(v *posture.View) *selection {
	var s selection
	finding, layers := f.finding(), f.layers()
	s.having, s.narrow = v.Having(finding, layers), f.narrows(v)
	row, stands, some := f.row(), f.stands(v), finding != nil || layers != nil
	for _, r := range v.Rows() {
		if !row(r) || stands != nil && !stands(r) || some && !s.having.In(r) {
			continue
		}
		if s.narrow != nil && empty(s.found(r)) {
			continue
		}
		s.rows = append(s.rows, r)
	}
	return &s
}

// narrows compiles the conditions on findings that hold in one row and not in another; nil when there are none.
func (f Filter) narrows(v *posture.View) func(*posture.Row, findings) findings {
	timed, inLink := f.timed(v), f.within(v)
	if timed == nil && inLink == nil {
		return nil
	}
	return func(r *posture.Row, found findings) findings {
		if timed != nil {
			found = timed(r, found)
		}
		if inLink != nil {
			found = only(found, inLink(r))
		}
		return found
	}
}

// layers is the condition on the layer where a finding stands; nil when there is none.
func (f Filter) layers() func(int) bool {
	values := f.values["layer"]
	if values == nil {
		return nil
	}
	wanted := map[int]bool{}
	for _, text := range values {
		n, _ := strconv.Atoi(text) // Parse has looked at it
		wanted[n] = true
	}
	return func(n int) bool { return wanted[n] }
}

func empty(all findings) bool {
	for range all {
		return false
	}
	return true
}

// row compiles the conditions on a row.
func (f Filter) row() func(*posture.Row) bool {
	var all []func(*posture.Row) bool
	if f.Get("scope") == ScopeActive {
		all = append(all, func(r *posture.Row) bool { return r.Active })
	}
	for name, values := range f.values {
		cond := params[name].row
		if cond == nil {
			continue
		}
		all = append(all, func(r *posture.Row) bool {
			return slices.ContainsFunc(values, func(v string) bool { return cond(r, v, f.now) })
		})
	}
	return func(r *posture.Row) bool {
		for _, cond := range all {
			if !cond(r) {
				return false
			}
		}
		return true
	}
}

// finding compiles the conditions on a finding itself; nil when there are none.
func (f Filter) finding() func(*plimsoll.Finding) bool {
	var all []func(*plimsoll.Finding) bool
	for name, values := range f.values {
		if cond := params[name].finding; cond != nil {
			all = append(all, func(x *plimsoll.Finding) bool {
				return slices.ContainsFunc(values, func(v string) bool { return cond(x, v) })
			})
		}
	}
	if f.also != nil {
		all = append(all, f.also)
	}
	if all == nil {
		return nil
	}
	return func(x *plimsoll.Finding) bool {
		for _, cond := range all {
			if !cond(x) {
				return false
			}
		}
		return true
	}
}

// at is the time that relative conditions count from: the view's own where none was given.
func (f Filter) at(v *posture.View) time.Time {
	if f.now.IsZero() {
		return v.At()
	}
	return f.now
}

// findings are findings of a row, each with its spot.
type findings = iter.Seq2[*plimsoll.Finding, posture.Spot]

// timed compiles the conditions on a finding in its repository: how long it has stood, and whether that is too long. It gives
// nil when there are none.
func (f Filter) timed(v *posture.View) func(*posture.Row, findings) findings {
	overdue, detected := f.values.Get("overdue") != "", f.values["detected"]
	if !overdue && detected == nil {
		return nil
	}
	now, days := f.at(v), 0
	for _, text := range detected {
		n, _ := strconv.Atoi(strings.TrimSuffix(text, "d")) // Parse has looked at it
		days = max(days, n)
	}
	wanted := func(r *posture.Row, x *plimsoll.Finding) bool {
		if overdue {
			if d, ok := v.Due(r, x, now); !ok || !d.Overdue {
				return false
			}
		}
		return days == 0 || now.Sub(v.First(r, x)) <= time.Duration(days)*24*time.Hour
	}
	over := v.Overdues(now)
	return func(r *posture.Row, all findings) findings {
		return func(yield func(*plimsoll.Finding, posture.Spot) bool) {
			if n, _ := over(r); overdue && n == 0 {
				return
			}
			for x, at := range all {
				if wanted(r, x) && !yield(x, at) {
					return
				}
			}
		}
	}
}

// At is f with the time that "moved within" counts from.
func (f Filter) At(now time.Time) Filter {
	f.now = now
	return f
}
