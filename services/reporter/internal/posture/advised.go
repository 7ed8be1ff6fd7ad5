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
	last     int // the last row counted in images, plus one
	fixable  bool
	numbers  []int32 // packages that have it
}

// advise finds how far each flaw reaches, once a view and only when a page asks.
func (v *View) advise() {
	used := make([]bool, len(v.found))
	for _, r := range v.rows {
		if r.image != nil {
			for _, p := range r.image.places {
				used[p.pkg] = true
			}
		}
	}
	v.advised = map[string]*advised{}
	by := make([][]*advised, len(v.found))
	for pkg, u := range used {
		if !u {
			continue
		}
		for i := range v.found[pkg].Findings {
			by[pkg] = append(by[pkg], v.adviseOne(int32(pkg), &v.found[pkg].Findings[i]))
		}
	}
	for n, r := range v.rows {
		if r.image == nil {
			continue
		}
		for _, p := range r.image.places {
			for _, a := range by[p.pkg] {
				if a.last != n+1 {
					a.last = n + 1
					a.images++
				}
			}
		}
	}
}

func (v *View) adviseOne(pkg int32, f *plimsoll.Finding) *advised {
	a := v.advised[f.ID]
	if a == nil {
		a = &advised{id: f.ID, severity: f.Severity, packages: map[string]bool{}}
		v.advised[f.ID] = a
	}
	if f.Severity.Rank() < a.severity.Rank() {
		a.severity = f.Severity
	}
	a.score = max(a.score, f.Score)
	a.packages[f.Package] = true
	a.fixable = a.fixable || f.Fixed != ""
	a.numbers = append(a.numbers, pkg)
	return a
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
	if isRecord {
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
	v.gather(&out, flaws, only)
	if len(out.Places) == 0 {
		if len(out.Records) == 0 {
			return Advised{}, false
		}
		out.Severity, out.Score = v.matcher.Rate(flaws[0])
	}
	return out, true
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
	packages := map[string]bool{}
	for _, r := range v.rows {
		here := len(out.Places)
		if r.image != nil {
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
	for _, at := range r.image.places {
		if !wanted[at.pkg] {
			continue
		}
		for _, f := range v.found[at.pkg].Findings {
			fits := only == "" || slices.ContainsFunc(f.Matched, func(m plimsoll.Match) bool { return m.ID == only })
			if fits && slices.Contains(flaws, f.ID) {
				f.Layer, f.Path = int(at.layer), at.path
				out.Places = append(out.Places, Place{Row: r, Finding: f})
			}
		}
	}
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
