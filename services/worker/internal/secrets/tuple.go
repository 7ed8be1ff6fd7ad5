package secrets

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/google/osv-scalibr/veles"
	"github.com/google/osv-scalibr/veles/secrets/common/ntuple"
	"github.com/google/osv-scalibr/veles/secrets/common/pair"
)

// tuple finds a secret by what must stand near it: an identifier, a name of the issuer. It takes the expressions and the
// distances from a detector of veles, not its search: that weighs all combinations against each other, which takes time and
// memory in the product of their numbers, and lets a complete tuple anywhere hide the incomplete ones of the rest of the
// text. Here each anchor takes what is nearest to it.
type tuple struct {
	finders  []ntuple.Finder
	anchor   int  // the finder whose matches are taken one by one
	once     bool // what an anchor took is not given to another: for partners that are many and alike
	distance int  // bytes between the anchor and each of the others
	complete func([]ntuple.Match) (veles.Secret, bool)
	partial  func(ntuple.Match) (veles.Secret, bool) // nil: the anchor alone is nothing
	field    string
	trim     string                  // what the expression takes before the value to know its start
	plain    func(value string) bool // nil, or tells values that cannot be secrets
}

// maxNeighbors bounds how many partners on each side an anchor tries: the nearest may be taken, or overlap it.
const maxNeighbors = 8

// pairOf takes a detector of veles apart; anchor is 0 for its first element, 1 for its second.
func pairOf(d veles.Detector, field string, anchor int) *tuple {
	p := d.(*pair.Detector) // each rule's test runs this
	t := &tuple{
		finders:  []ntuple.Finder{finder(p.FindA), finder(p.FindB)},
		anchor:   anchor,
		distance: int(p.MaxDistance),
		field:    field,
		complete: func(m []ntuple.Match) (veles.Secret, bool) {
			return p.FromPair(pair.Pair{A: element(m[0]), B: element(m[1])})
		},
	}
	if p.FromPartialPair != nil {
		t.partial = func(m ntuple.Match) (veles.Secret, bool) {
			if anchor == 0 {
				return p.FromPartialPair(pair.Pair{A: element(m)})
			}
			return p.FromPartialPair(pair.Pair{B: element(m)})
		}
	}
	return t
}

// tupleOf takes a detector of three elements apart; the first is the anchor.
func tupleOf(d veles.Detector, field string) *tuple {
	n := d.(*ntuple.Detector)
	return &tuple{
		finders: n.Finders, distance: int(n.MaxDistance), field: field, complete: n.FromTuple, partial: n.FromPartial,
	}
}

func element(m ntuple.Match) *pair.Match { return &pair.Match{Start: m.Start, Value: m.Value} }

func finder(find func([]byte) []*pair.Match) ntuple.Finder {
	return func(text []byte) (all []ntuple.Match) {
		for _, m := range find(text) {
			all = append(all, ntuple.Match{Start: m.Start, End: m.Start + len(m.Value), Value: m.Value})
		}
		return all
	}
}

// near makes the rule of a tuple: the literals stand in one of its elements, the others within reach of it.
func near(name string, longest int, t *tuple, literals ...literal) rule {
	reach := longest + t.distance + margin
	return rule{name: name, literals: literals, back: reach, ahead: reach + longest, detect: t.detect}
}

func (t *tuple) detect(text []byte) (found []match) {
	anchors := t.finders[t.anchor](text)
	if len(anchors) == 0 {
		return nil // the others' expressions are slow and match much
	}
	lists := t.partners(text)
	for _, a := range anchors {
		a.FinderIndex = t.anchor
		elements, secret, ok := t.join(a, lists)
		if !ok {
			continue
		}
		if v := strings.TrimLeft(value(secret, t.field), t.trim); v != "" && (t.plain == nil || !t.plain(v)) {
			found = append(found, t.place(text, elements, v))
		}
	}
	return found
}

// partner is a match that an anchor may take.
type partner struct {
	ntuple.Match
	taken bool
}

func (t *tuple) partners(text []byte) [][]partner {
	lists := make([][]partner, len(t.finders))
	for i, find := range t.finders {
		if i == t.anchor {
			continue
		}
		for _, m := range find(text) {
			if t.once && t.plain != nil && t.plain(string(m.Value)) {
				continue // it must not take the place of the real one
			}
			m.FinderIndex = i
			lists[i] = append(lists[i], partner{Match: m})
		}
		slices.SortStableFunc(lists[i], func(a, b partner) int { return cmp.Compare(a.Start, b.Start) })
	}
	return lists
}

// join gives the anchor its nearest partners, or makes the partial secret where one is missing.
func (t *tuple) join(anchor ntuple.Match, lists [][]partner) ([]ntuple.Match, veles.Secret, bool) {
	elements := make([]ntuple.Match, len(t.finders))
	elements[t.anchor] = anchor
	for i := range lists {
		if i == t.anchor {
			continue
		}
		p := t.nearest(anchor, lists[i])
		if p == nil {
			if t.partial == nil {
				return nil, nil, false
			}
			secret, ok := t.partial(anchor)
			return []ntuple.Match{anchor}, secret, ok
		}
		p.taken = t.once
		elements[i] = p.Match
	}
	secret, ok := t.complete(elements)
	return elements, secret, ok
}

// nearest is the free partner with the smallest gap to the anchor, the later of two; nil where none is within the distance.
func (t *tuple) nearest(anchor ntuple.Match, list []partner) (best *partner) {
	next := sort.Search(len(list), func(i int) bool { return list[i].Start >= anchor.Start })
	gap := t.distance + 1
	for i := next; i < min(len(list), next+maxNeighbors); i++ {
		if g := list[i].Start - anchor.End; !list[i].taken && g >= 0 && g < gap {
			best, gap = &list[i], g
		}
	}
	for i := next - 1; i >= max(0, next-maxNeighbors); i-- {
		if g := anchor.Start - list[i].End; !list[i].taken && g >= 0 && g < gap {
			best, gap = &list[i], g
		}
	}
	return best
}

// place finds the value in the element that holds it.
func (t *tuple) place(text []byte, elements []ntuple.Match, v string) match {
	for _, e := range elements {
		if strings.Contains(string(e.Value), v) {
			return place(text, e.Start, v)
		}
	}
	return place(text, elements[0].Start, v)
}
