package pages

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Bounds of what the advisory page lists beside its places, each with a word on what is left out.
const (
	maxOwners    = 20
	maxBranches  = 5 // of one base
	maxDepth     = 3 // bases upon each other
	maxUnmatched = 20
)

// ownerLine is one team's part.
type ownerLine struct {
	Owner                   string // empty: nobody knows whose the images are
	Active, Stored, Overdue number
	Next                    time.Time // the earliest deadline; zero where the policy sets none
}

// branchLine is one base in the tree of what an advisory reaches.
type branchLine struct {
	Depth    int
	Name     string
	Platform string
	Images   number
	Brought  number // images to which this link brought it
}

// courseChart is how many findings of the advisory stood since it was first seen here, as an area.
type courseChart struct {
	Path       string
	From, To   time.Time
	First, Now int
	Most       int
}

// unmatchedLine is a package that goes by the name and is not affected.
type unmatchedLine struct {
	Package, Version, Ecosystem string
	Word                        match.Word
	Reason                      string
	Images                      int
}

// reach is how far an advisory reaches: whose images, by which bases, since when.
type reach struct {
	Owners      []ownerLine
	MoreOwners  int
	Bases       []branchLine
	Sentence    string
	Own         number // images whose own layers brought it
	Course      *courseChart
	Unmatched   []unmatchedLine
	MoreMatched int
}

// inScope gives the places of an advisory in a registry (all when empty).
func inScope(a *posture.Advised, registry string) iter.Seq[*posture.Place] {
	return func(yield func(*posture.Place) bool) {
		for i := range a.Places {
			p := &a.Places[i]
			if (registry == "" || p.Row.Reference.Registry == registry) && !yield(p) {
				return
			}
		}
	}
}

// owners groups places by owner, those with most overdue first.
func (p *advisoryPage) owners(v *posture.View, now time.Time) {
	type counts struct {
		active, stored, overdue map[*posture.Row]bool
		next                    time.Time
	}
	type clock struct{ registry, repository, pkg, version string }
	all, dues := map[string]*counts{}, map[clock]*posture.Due{}
	for x := range inScope(&p.Advised, p.Registry) {
		c := all[x.Row.Owner]
		if c == nil {
			c = &counts{active: map[*posture.Row]bool{}, stored: map[*posture.Row]bool{}, overdue: map[*posture.Row]bool{}}
			all[x.Row.Owner] = c
		}
		c.stored[x.Row] = true
		if x.Row.Active {
			c.active[x.Row] = true
		}
		k := clock{x.Row.Reference.Registry, x.Row.Reference.Repository, x.Finding.Package, x.Finding.Version}
		due, asked := dues[k]
		if !asked {
			if d, ok := v.Due(x.Row, &x.Finding, now); ok {
				due = &d
			}
			dues[k] = due
		}
		if due == nil {
			continue
		}
		if due.Overdue {
			c.overdue[x.Row] = true
		}
		if c.next.IsZero() || due.At.Before(c.next) {
			c.next = due.At
		}
	}
	own := stored(p.Registry).With("advisory", p.ID)
	for owner, c := range all {
		f := own.With("owner", owner)
		if owner == "" {
			f = own.With("owned", "no")
		}
		p.Reach.Owners = append(p.Reach.Owners, ownerLine{
			Owner: owner, Next: c.next,
			Active:  number{N: len(c.active), URL: link("/images", f.With("scope", list.ScopeActive).Query())},
			Stored:  number{N: len(c.stored), URL: link("/images", f.Query())},
			Overdue: number{N: len(c.overdue), URL: link("/images", f.With("overdue", "yes").Query())},
		})
	}
	slices.SortFunc(p.Reach.Owners, func(a, b ownerLine) int {
		return cmp.Or(b.Overdue.N-a.Overdue.N, b.Active.N-a.Active.N, b.Stored.N-a.Stored.N, strings.Compare(a.Owner, b.Owner))
	})
	p.Reach.MoreOwners = max(0, len(p.Reach.Owners)-maxOwners)
	p.Reach.Owners = p.Reach.Owners[:min(len(p.Reach.Owners), maxOwners)]
}

// branch is a base with affected images on it.
type branch struct {
	base *posture.Base
	rows int
	upon map[*posture.Base]*branch
}

func (b *branch) on(base *posture.Base) *branch {
	next := b.upon[base]
	if next == nil {
		next = &branch{base: base, upon: map[*posture.Base]*branch{}}
		b.upon[base] = next
	}
	return next
}

// bases makes the tree: the bases of the affected images, and to how many each brought it.
func (p *advisoryPage) bases(v *posture.View) {
	root := &branch{upon: map[*posture.Base]*branch{}}
	own, rows := 0, 0
	met := map[*posture.Row][]int{} // layers
	var order []*posture.Row
	for x := range inScope(&p.Advised, p.Registry) {
		if met[x.Row] == nil {
			order = append(order, x.Row)
		}
		met[x.Row] = append(met[x.Row], x.Finding.Layer)
	}
	brought := map[*posture.Base]map[*posture.Row]bool{}
	for _, r := range order {
		rows++
		at, bases := root, v.BasesOf(r)
		for _, b := range bases {
			at = at.on(b)
			at.rows++
		}
		mine := false
		for _, layer := range met[r] {
			i := slices.IndexFunc(bases, func(b *posture.Base) bool { return layer < b.Layers })
			if i < 0 {
				mine = true
				continue
			}
			if brought[bases[i]] == nil {
				brought[bases[i]] = map[*posture.Row]bool{}
			}
			brought[bases[i]][r] = true
		}
		if mine {
			own++
		}
	}
	f := stored(p.Registry).With("advisory", p.ID)
	p.Reach.Own = number{N: own, URL: link("/images", f.With("link", list.LinkOwn).Query())}
	p.branches(root, brought, f, 0)
	p.Reach.Sentence = sentence(brought, rows)
}

// branches writes the tree, the bases with most images first.
func (p *advisoryPage) branches(b *branch, brought map[*posture.Base]map[*posture.Row]bool, f list.Filter, depth int) {
	if depth == maxDepth {
		return
	}
	var all []*branch
	for _, next := range b.upon {
		all = append(all, next)
	}
	name := func(b *branch) string { return list.BaseName(b.base.Name(), p.Registry) }
	slices.SortFunc(all, func(a, b *branch) int {
		return cmp.Or(b.rows-a.rows, strings.Compare(name(a), name(b)), strings.Compare(a.base.Platform.String(), b.base.Platform.String()))
	})
	for _, next := range all[:min(len(all), maxBranches)] {
		digest := string(next.base.Name().Reference.Digest)
		p.Reach.Bases = append(p.Reach.Bases, branchLine{
			Depth: depth, Name: name(next), Platform: next.base.Platform.String(),
			Images:  number{N: next.rows, URL: link("/images", f.With("base", digest).Query())},
			Brought: number{N: len(brought[next.base]), URL: link("/images", f.With("link", digest).Query())},
		})
		p.branches(next, brought, f, depth+1)
	}
}

// sentence says how much of it the fewest bases brought.
func sentence(brought map[*posture.Base]map[*posture.Row]bool, rows int) string {
	var all []*posture.Base
	for b := range brought {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *posture.Base) int {
		return cmp.Or(len(brought[b])-len(brought[a]), strings.Compare(list.BaseName(a.Name(), ""), list.BaseName(b.Name(), "")))
	})
	all = all[:min(len(all), 3)]
	came := map[*posture.Row]bool{}
	for _, b := range all {
		for r := range brought[b] {
			came[r] = true
		}
	}
	if len(all) == 0 || rows == 0 {
		return ""
	}
	bases := "One base"
	if len(all) > 1 {
		bases = fmt.Sprintf("%d bases", len(all))
	}
	return fmt.Sprintf("%s brought it to %d %% of the affected images.", bases, 100*len(came)/rows)
}

// Size of the chart's own coordinates.
const courseWidth, courseHeight = 900, 72

// course is the chart of how many findings stood since the advisory was first seen here.
func (s *Server) course(p *advisoryPage, v *posture.View) {
	if s.Course == nil {
		return
	}
	packages, names := map[string]bool{}, p.names()
	for x := range v.Packages() {
		if names[strings.ToLower(x.Name)] || names[strings.ToLower(x.Source)] {
			packages[x.Name] = true
		}
	}
	for i := range p.Advised.Places {
		packages[p.Advised.Places[i].Finding.Package] = true
	}
	points := s.Course(p.Registry, slices.Sorted(maps.Keys(packages)), append([]string{p.ID}, p.Advised.Aliases...), s.Now())
	if len(points) < 2 {
		return
	}
	last := len(points) - 1
	c := courseChart{From: points[0].Time, To: points[last].Time, First: points[0].Open, Now: points[last].Open, Most: 1}
	for _, x := range points {
		c.Most = max(c.Most, x.Open)
	}
	var path strings.Builder
	fmt.Fprintf(&path, "M0 %d", courseHeight)
	for i, x := range points {
		fmt.Fprintf(&path, " L%d %d", i*courseWidth/last, courseHeight-x.Open*(courseHeight-2)/c.Most)
	}
	fmt.Fprintf(&path, " L%d %d Z", courseWidth, courseHeight)
	c.Path = path.String()
	p.Reach.Course = &c
}

// names are the packages that the records are about, in lower case.
func (p *advisoryPage) names() map[string]bool {
	names := map[string]bool{}
	for _, r := range p.Advised.Records {
		for _, a := range r.Affected {
			names[strings.ToLower(a.Package)] = true
		}
	}
	return names
}

// unmatched are the packages that go by a name of the advisory and are not affected, with the reason, by how many images hold
// them.
func (p *advisoryPage) unmatched(v *posture.View) {
	names := p.names()
	lines := map[*plimsoll.Package]*unmatchedLine{}
	wanted := func(x *plimsoll.Package) bool {
		if !names[strings.ToLower(x.Name)] && !names[strings.ToLower(x.Source)] {
			return false
		}
		e := v.Matcher().Explain(*x, p.ID)
		if e.Word == match.Affected {
			return false
		}
		lines[x] = &unmatchedLine{Package: x.Name, Version: x.Version, Ecosystem: x.Ecosystem, Word: e.Word, Reason: e.Reason}
		return true
	}
	for r, places := range v.Holders(wanted) {
		if p.Registry != "" && r.Reference.Registry != p.Registry {
			continue
		}
		here := map[*plimsoll.Package]bool{}
		for x := range places {
			if !here[x] {
				here[x] = true
				lines[x].Images++
			}
		}
	}
	for _, x := range lines {
		if x.Images > 0 {
			p.Reach.Unmatched = append(p.Reach.Unmatched, *x)
		}
	}
	slices.SortFunc(p.Reach.Unmatched, func(a, b unmatchedLine) int {
		return cmp.Or(
			-strings.Compare(string(a.Word), string(b.Word)), // unknown first
			b.Images-a.Images,
			strings.Compare(a.Package, b.Package), strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Version, b.Version), strings.Compare(a.Reason, b.Reason))
	})
	p.Reach.MoreMatched = max(0, len(p.Reach.Unmatched)-maxUnmatched)
	p.Reach.Unmatched = p.Reach.Unmatched[:min(len(p.Reach.Unmatched), maxUnmatched)]
}
