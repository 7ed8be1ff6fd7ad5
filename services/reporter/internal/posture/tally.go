package posture

import (
	"maps"

	"github.com/plimsoll/plimsoll"
)

// tally counts the rows that stand, as they come and go. It must see a row leave with the same findings with which it came.
type tally struct {
	stored, active counted
	read           map[plimsoll.ReadState]int
	registries     map[string]map[plimsoll.ReadState]int
	gaps           map[gapKey]*gapRows
	unowned        map[unownedKey]int
	places         table[int32] // stored rows: places by package number
	rows           table[int32] // stored rows that have a flaw, by its number

	seen  []uint32 // by flaw number: the round in which it was last met
	round uint32
}

// counted is one scope.
type counted struct {
	verdicts plimsoll.Verdicts
	places   [maxLevels]int          // by level
	unique   [maxLevels]int          // pairs by the worst level that they have
	pairs    table[[maxLevels]int32] // places by pair and level
}

func newTally() *tally {
	return &tally{
		read: map[plimsoll.ReadState]int{}, registries: map[string]map[plimsoll.ReadState]int{}, gaps: map[gapKey]*gapRows{},
		unowned: map[unownedKey]int{},
	}
}

// add counts a row; by is -1 for one that goes.
func (t *tally) add(r *Row, f *findings, by int) {
	t.read[r.Coverage.State] += by
	of := t.registries[r.Reference.Registry]
	if of == nil {
		of = map[plimsoll.ReadState]int{}
		t.registries[r.Reference.Registry] = of
	}
	if of[r.Coverage.State] += by; of[r.Coverage.State] == 0 {
		delete(of, r.Coverage.State)
	}
	if t.read[r.Coverage.State] == 0 {
		delete(t.read, r.Coverage.State)
	}
	t.addGap(r, by)
	t.stored.verdict(r, by)
	if r.Active {
		t.active.verdict(r, by)
	}
	if r.image != nil {
		t.addFindings(r, f, int32(by))
	}
}

func (t *tally) addFindings(r *Row, f *findings, by int32) {
	t.round++
	for at := range r.image.hits(&f.hits) {
		x := f.by.at(at.pkg)
		*t.places.change(at.pkg) += by
		for i, flaw := range x.flaws {
			t.stored.finding(x.pairs[i], x.levels[i], by)
			if r.Active {
				t.active.finding(x.pairs[i], x.levels[i], by)
			}
			for int(flaw) >= len(t.seen) {
				t.seen = append(t.seen, 0)
			}
			if t.seen[flaw] != t.round {
				t.seen[flaw] = t.round
				*t.rows.change(flaw) += by
			}
		}
	}
}

func (c *counted) verdict(r *Row, by int) {
	switch r.Verdict.State {
	case "": // not applicable
	case plimsoll.VerdictPass:
		c.verdicts.Pass += by
	case plimsoll.VerdictWarn:
		c.verdicts.Warn += by
	case plimsoll.VerdictFail:
		c.verdicts.Fail += by
	default:
		c.verdicts.Unknown += by
	}
}

func (c *counted) finding(pair int32, level uint8, by int32) {
	c.places[level] += int(by)
	n := c.pairs.change(pair)
	before := n[level]
	n[level] += by
	if (before == 0) == (n[level] == 0) {
		return
	}
	now := *n
	n[level] = before
	if was := worst(n); was < maxLevels {
		c.unique[was]--
	}
	*n = now
	if is := worst(n); is < maxLevels {
		c.unique[is]++
	}
}

// worst is the lowest level that a pair has; maxLevels when it has none.
func worst(n *[maxLevels]int32) int {
	for l, places := range n {
		if places != 0 {
			return l
		}
	}
	return maxLevels
}

// severities are the counts of a scope by severity, those alone that are not zero.
func (c *counted) severities(words []plimsoll.Severity) map[plimsoll.Severity]plimsoll.Counted {
	out := map[plimsoll.Severity]plimsoll.Counted{}
	for l, word := range words {
		if c.places[l] != 0 || c.unique[l] != 0 {
			out[word] = plimsoll.Counted{Unique: c.unique[l], Places: c.places[l]}
		}
	}
	return out
}

// summary is what the tally says of all rows.
func (t *tally) summary(words []plimsoll.Severity) plimsoll.Posture {
	return plimsoll.Posture{
		Active: t.active.verdicts, Stored: t.stored.verdicts, Read: maps.Clone(t.read),
		Severity: t.active.severities(words), StoredSeverity: t.stored.severities(words),
	}
}
