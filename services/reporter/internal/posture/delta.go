package posture

import (
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// nameIndex finds packages by the names under which records may know them.
type nameIndex struct {
	numbers map[advisory.Name][]int32
	n       int // packages that are in it
}

func newNameIndex() *nameIndex { return &nameIndex{numbers: map[advisory.Name][]int32{}} }

// learn takes in the packages that came since the last time.
func (x *nameIndex) learn(all []plimsoll.Package) {
	for ; x.n < len(all); x.n++ {
		for _, k := range match.Names(all[x.n]) {
			x.numbers[k] = append(x.numbers[k], int32(x.n))
		}
	}
}

// replace puts another matcher in force. Only the packages that the difference can touch are matched again, and only the
// images that hold one of which something is said now that their rows would show are judged again: each day other scores are
// given to nearly all flaws, and no row moves for that.
func (e *Engine) replace(m *match.Matcher) {
	s := e.state
	var numbers []int32
	if old := e.matcher.Index(); old.Generation().ID != "" {
		s.names.learn(s.known.packages[:s.findings.by.len()])
		for _, k := range e.do.names(old, m.Index()) {
			numbers = append(numbers, s.names.numbers[k]...)
		}
	} else {
		for i := range s.findings.by.len() {
			numbers = append(numbers, int32(i))
		}
	}
	e.matcher = m
	e.restate(numbers, s.clock)
}

// restate asks again what is said of some packages at a moment, and forms again what shows something else of them.
func (e *Engine) restate(numbers []int32, now time.Time) {
	s := e.state
	lists := map[*layerList]bool{}
	changed := map[int32]*found{}
	for i, r := range matchAll(teller{e.matcher, e.cfg.EndOfLife, now}, s.known.packages, numbers) {
		f, was := s.numbered.number(r), s.findings.by.at(numbers[i])
		if f.same(was) {
			continue
		}
		changed[numbers[i]] = f
		if f.alike(was, e.cfg.Policy) {
			continue
		}
		for _, l := range s.shelf.holding(numbers[i]) {
			lists[l] = true
		}
	}
	for _, t := range s.dirty {
		s.withdraw(t)
	}
	for l := range lists {
		for im := range l.members.all() {
			if im.opinion == nil {
				continue // met in another list
			}
			s.doubt(im)
			for _, t := range im.slot.users {
				s.withdraw(t)
			}
		}
	}
	for n, f := range changed {
		s.findings.by.set(n, f)
	}
	for l := range lists {
		s.mark(l)
	}
}
