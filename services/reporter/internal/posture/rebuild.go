package posture

import (
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// Action is one thing to do, with what it removes by trial.
type Action struct {
	lineage.Action
	Base  *Base    // of a base's rebuild or its newer image; nil of an update
	Newer BaseName // of lineage.BuildOnNewer: the name that moved on, and what it holds now
}

// FixFirst are at most n actions that remove most of a row's findings, each on top of those before it.
func (v *View) FixFirst(r *Row, n int) []Action {
	if r == nil || r.image == nil {
		return nil
	}
	v.chains.once.Do(v.findBases)
	t := &v.trials.one
	t.Lock()
	defer t.Unlock()
	s := v.survey(t.Trier, v.BasesOf(r), func(yield func(*Row) bool) { yield(r) })
	return s.named(s.First(n))
}

// maxRebuildFirst is how many actions are tried on top of each other over all images: more than a page shows.
const maxRebuildFirst = 8

// Rebuild tries actions over rows: all that would remove something by itself, what removes most first, and the first of them
// each on top of those before it, at most 8. The answer is kept with the view under the name of the rows.
func (v *View) Rebuild(name string, rows iter.Seq[*Row]) (all, first []Action) {
	v.chains.once.Do(v.findBases)
	t := &v.trials.all
	t.Lock()
	defer t.Unlock()
	if known, ok := v.rebuilds[name]; ok {
		return known[0], known[1]
	}
	s := v.survey(t.Trier, v.chains.all, rows)
	all, first = s.named(s.Actions()), s.named(s.First(maxRebuildFirst))
	if len(v.rebuilds) < maxRebuilds {
		v.rebuilds[name] = [2][]Action{all, first}
	}
	return all, first
}

// maxRebuilds bounds the answers kept with one view: scopes of people, of which there are few.
const maxRebuilds = 64

// trials remember what versions were tried against one generation: one set for the lists over all images, one for single
// images, so that a page does not wait for a list.
type trials struct {
	matcher  *match.Matcher
	day      time.Time // what is over by then gets no fixes any more
	all, one struct {
		sync.Mutex
		*lineage.Trier
	}
}

func newTrials(m teller) *trials {
	t := &trials{matcher: m.Matcher, day: dayOf(m.now)}
	t.all.Trier, t.one.Trier = lineage.NewTrier(index{m}), lineage.NewTrier(index{m})
	return t
}

// trialsOf are the trials of a generation on a day: those at hand, or new ones.
func (t *trials) trialsOf(m teller) *trials {
	if t != nil && t.matcher == m.Matcher && t.day.Equal(dayOf(m.now)) {
		return t
	}
	return newTrials(m)
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(day) }

// index asks what is said of a package.
type index struct{ teller }

// Findings are the flaws of a package.
func (x index) Findings(p plimsoll.Package) ([]plimsoll.Finding, bool) {
	r := x.Package(p)
	return r.Findings, r.Undecided == ""
}

// Asked is what advisories know a package by.
func (x index) Asked(p plimsoll.Package) (name, version string) { return match.Asked(p) }

// Compare orders versions.
func (x index) Compare(ecosystem, a, b string) (int, bool) {
	how, ok := match.OrderOf(ecosystem)
	if !ok {
		return 0, false
	}
	v, errV := how.Parse(a)
	w, errW := how.Parse(b)
	if errV != nil || errW != nil {
		return 0, false
	}
	order, err := v.Compare(w)
	return order, err == nil
}

// survey is a survey whose grounds are bases of this view.
type survey struct {
	*lineage.Survey
	bases []*Base
}

// survey takes rows in, on these bases.
func (v *View) survey(t *lineage.Trier, bases []*Base, rows iter.Seq[*Row]) survey {
	at := make(map[lineage.Node]int, len(bases))
	for i, b := range bases {
		at[b.node] = i
	}
	ground := func(n lineage.Node) int {
		for ; n != lineage.Nowhere; n = v.lineage.Base(n) {
			if i, ok := at[n]; ok {
				return i
			}
		}
		return -1
	}
	names := numbers{v}
	grounds := make([]lineage.Ground, len(bases))
	for i, b := range bases {
		grounds[i] = lineage.Ground{Below: ground(v.lineage.Base(b.node)), Layers: b.Layers}
		if n, ok := b.Newer(); ok {
			grounds[i].Newer = slices.AppendSeq([]lineage.Held{}, names.flawed(n.Newer.image))
		}
	}
	return survey{lineage.NewSurvey(t, names, grounds, func(yield func(lineage.Stock) bool) {
		for r := range rows {
			if r.image == nil {
				continue
			}
			if !yield(lineage.Stock{
				Ground: ground(v.lineage.Below(r.image.place)), Held: names.flawed(r.image),
				Own: func(from int) iter.Seq[lineage.Owned] { return names.own(r.image, from) },
			}) {
				return
			}
		}
	}), bases}
}

// named gives actions the bases that they are about.
func (s survey) named(all []lineage.Action) []Action {
	out := make([]Action, 0, len(all))
	for _, a := range all {
		x := Action{Action: a}
		if a.Base >= 0 {
			x.Base = s.bases[a.Base]
			if a.Kind == lineage.BuildOnNewer {
				x.Newer, _ = x.Base.Newer()
			}
		}
		out = append(out, x)
	}
	return out
}

// numbers tells what the numbers of a view stand for.
type numbers struct{ v *View }

// Package is a package and what was found about it.
func (n numbers) Package(i int32) (plimsoll.Package, []plimsoll.Finding) {
	return n.v.found.packages[i], n.v.found.by.at(i).findings
}

// Path is where a package was found.
func (n numbers) Path(i int32) string { return n.v.found.texts[i] }

// flawed are the packages of an image about which something was found.
func (n numbers) flawed(im *image) iter.Seq[lineage.Held] {
	return func(yield func(lineage.Held) bool) {
		for p, layer := range im.hits(&n.v.found.hits) {
			if len(n.v.found.by.at(p.pkg).findings) > 0 && !yield(lineage.Held{Package: p.pkg, Path: p.path, Layer: layer}) {
				return
			}
		}
	}
}

// own are the packages that layers of an image from one on brought or took away.
func (n numbers) own(im *image, from int) iter.Seq[lineage.Owned] {
	return func(yield func(lineage.Owned) bool) {
		for _, x := range im.segments {
			if int(x.layer) < from {
				continue
			}
			for p := range x.all() {
				if !yield(lineage.Owned{Name: n.v.found.packages[p.pkg].Name, Path: p.path, Layer: x.layer}) {
					return
				}
			}
		}
		for _, x := range im.taken {
			if int(x.layer) >= from && !yield(lineage.Owned{Name: n.v.found.texts[x.name], Path: x.path, Layer: x.layer}) {
				return
			}
		}
	}
}

// all gives what the image still has of a segment's list.
func (x segment) all() iter.Seq[place] {
	return func(yield func(place) bool) {
		removed := x.removed
		for at, p := range x.list.places {
			if len(removed) > 0 && int(removed[0]) == at {
				removed = removed[1:]
				continue
			}
			if !yield(p) {
				return
			}
		}
	}
}

// taken is a package that a layer of an image removed; name and path are numbers of texts.
type taken struct{ name, path, layer int32 }

// takenFrom are the packages that upper layers of an inventory removed.
func takenFrom(inv *plimsoll.Inventory, known *interner) (out []taken) {
	for _, p := range inv.Hidden {
		out = append(out, taken{known.text(p.Name), known.text(p.Path), int32(p.HiddenIn)})
	}
	return out
}
