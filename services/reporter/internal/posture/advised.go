package posture

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// advised is how far one flaw reaches over stored rows.
type advised struct {
	id       string
	severity plimsoll.Severity
	score    float64
	packages map[string]bool
	images   int
	fixable  bool
	numbers  []int32 // packages that have it
}

// advise gathers what the counts say of each flaw, once a view and only when a page asks.
func (v *View) advise() {
	v.advised = map[string]*advised{}
	for pkg := range int32(v.places.len()) {
		if v.places.at(pkg) == 0 {
			continue
		}
		f := v.found.by.at(pkg)
		for i := range f.findings {
			v.adviseOne(pkg, &f.findings[i], f.flaws[i])
		}
	}
}

func (v *View) adviseOne(pkg int32, f *plimsoll.Finding, flaw int32) {
	a := v.advised[f.ID]
	if a == nil {
		a = &advised{id: f.ID, severity: f.Severity, packages: map[string]bool{}, images: int(v.flawed.at(flaw))}
		v.advised[f.ID] = a
	}
	if f.Severity.Rank() < a.severity.Rank() {
		a.severity = f.Severity
	}
	a.score = max(a.score, f.Score)
	a.packages[f.Package] = true
	a.fixable = a.fixable || f.Fixed != ""
	a.numbers = append(a.numbers, pkg)
}

func (a *advised) listed() Listed {
	return Listed{
		ID: a.id, Severity: a.severity, Score: a.score, Packages: slices.Sorted(maps.Keys(a.packages)),
		Unique: len(a.packages), Images: a.images, Fixable: a.fixable,
	}
}

// lookup gathers one flaw, or what one record that is about several flaws affects.
func (v *View) lookup(id string) (Advised, bool) {
	record, isRecord := v.matcher.Index().Record(id)
	flaws := []string{v.matcher.Flaw(id)}
	switch {
	case v.advised[id] != nil: // a name that affects something as a flaw is that flaw's, whoever else claims it as an alias
		flaws = []string{id}
	case isRecord:
		flaws = v.matcher.Flaws(record)
	}
	out := Advised{ID: flaws[0], Severity: plimsoll.SeverityNotRated}
	only := "" // the record that places must have matched
	if len(flaws) > 1 {
		out.ID, out.Aliases, only = id, flaws, id
		out.Records = []plimsoll.Advisory{record}
	} else {
		out.Aliases, out.Records = v.matcher.Aliases(flaws[0]), v.matcher.Records(flaws[0])
	}
	if len(out.Records) == 0 && !slices.ContainsFunc(flaws, func(flaw string) bool { return v.advised[flaw] != nil }) {
		return Advised{}, false
	}
	v.gather(&out, flaws, only)
	if len(out.Places) == 0 {
		out.Severity, out.Score = v.matcher.Rate(flaws[0])
	}
	return out, true
}

// Recorded is the flaw that an id names in the advisory data, or the id of a record that is about several, whether or not it
// affects anything here.
func (v *View) Recorded(id string) (flaw string, ok bool) {
	if r, ok := v.matcher.Index().Record(id); ok {
		if flaws := v.matcher.Flaws(r); len(flaws) == 1 {
			return flaws[0], true
		}
		return id, true
	}
	flaw = v.matcher.Flaw(id)
	return flaw, len(v.matcher.Records(flaw)) > 0
}

// gather fills in the places of some flaws.
func (v *View) gather(out *Advised, flaws []string, only string) {
	wanted := map[int32]bool{}
	for _, flaw := range flaws {
		if a := v.advised[flaw]; a != nil {
			for _, n := range a.numbers {
				wanted[n] = true
			}
		}
	}
	holds := v.holding(func(pkg int32) bool { return wanted[pkg] })
	packages := map[string]bool{}
	for _, r := range v.rows {
		here := len(out.Places)
		if holds(r) {
			v.placesOf(out, r, wanted, flaws, only)
		}
		if len(out.Places) > here {
			if r.Active {
				out.Active++
			}
			continue
		}
		if undecided(r) {
			out.Undecided++
		}
	}
	for i, p := range out.Places {
		packages[p.Finding.Package] = true
		if i == 0 || p.Finding.Severity.Rank() < out.Severity.Rank() {
			out.Severity = p.Finding.Severity
		}
		out.Score = max(out.Score, p.Finding.Score)
	}
	out.Unique = len(packages)
	sortPlaces(out.Places)
}

func (v *View) placesOf(out *Advised, r *Row, wanted map[int32]bool, flaws []string, only string) {
	for at, layer := range r.image.hits(&v.found.hits) {
		if !wanted[at.pkg] {
			continue
		}
		for _, f := range v.found.by.at(at.pkg).findings {
			fits := only == "" || slices.ContainsFunc(f.Matched, func(m plimsoll.Match) bool { return m.ID == only })
			if fits && slices.Contains(flaws, f.ID) {
				f.Layer, f.Path = int(layer), v.found.texts[at.path]
				out.Places = append(out.Places, Place{Row: r, Finding: f})
			}
		}
	}
}

// holding answers whether a row holds a package with findings that is wanted. Each stack is looked at once, however many rows
// share it.
func (v *View) holding(wanted func(pkg int32) bool) func(*Row) bool {
	in := make([]bool, v.stacks.len())
	for i := 1; i < len(in); i++ {
		x := v.stacks.at(int32(i))
		in[i] = in[x.below] || x.segment.list != nil && v.holdingIn(x.segment, wanted)
	}
	return func(r *Row) bool { return in[r.stack] }
}

func (v *View) holdingIn(x segment, wanted func(pkg int32) bool) bool {
	for at := range x.spots(v.found.hits.at(x.list.number)) {
		if wanted(at.pkg) {
			return true
		}
	}
	return false
}

// undecided reports whether a row that does not show a flaw may have it all the same.
func undecided(r *Row) bool {
	if r.Verdict.State == "" && !r.Coverage.Short() {
		return false
	}
	if r.Coverage.Short() {
		return true
	}
	for _, k := range r.Known {
		if k.State == plimsoll.KnownNone {
			return true
		}
	}
	return false
}

func sortPlaces(all []Place) {
	slices.SortStableFunc(all, func(a, b Place) int {
		return cmp.Or(
			compareRows(a.Row, b.Row),
			strings.Compare(a.Finding.ID, b.Finding.ID),
			strings.Compare(a.Finding.PURL, b.Finding.PURL),
			strings.Compare(a.Finding.Path, b.Finding.Path))
	})
}
