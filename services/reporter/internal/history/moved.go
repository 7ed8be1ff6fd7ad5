package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// MaxMoves is how many changes a [Moved] lists; all are counted. It is more than people read and bounds the memory.
const MaxMoves = 20_000

// Moved is why the posture of all stored images differs between two moments: what each cause did, adding up to the difference
// with nothing left over.
type Moved struct {
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Registry string        `json:"registry"` // the one that it is about; empty: all
	Before   Standing      `json:"before"`
	After    Standing      `json:"after"`
	Causes   []CauseEffect `json:"causes"` // all of them, in the order of [posture.Causes]
	Moves    []Move        `json:"moves"`  // in the order in which they came, at most [MaxMoves]
	Total    int           `json:"total"`  // of Moves, without the limit
}

// Standing counts stored images by verdict, and the places of findings in them.
type Standing struct {
	Pass     int `json:"pass"`
	Warn     int `json:"warn"`
	Fail     int `json:"fail"`
	Unknown  int `json:"unknown"`
	Findings int `json:"findings"`
}

func (s *Standing) verdict(v plimsoll.VerdictState, by int) {
	switch v {
	case plimsoll.VerdictPass:
		s.Pass += by
	case plimsoll.VerdictWarn:
		s.Warn += by
	case plimsoll.VerdictFail:
		s.Fail += by
	case plimsoll.VerdictUnknown:
		s.Unknown += by
	}
}

// Add is s and d together.
func (s Standing) Add(d Standing) Standing {
	return Standing{s.Pass + d.Pass, s.Warn + d.Warn, s.Fail + d.Fail, s.Unknown + d.Unknown, s.Findings + d.Findings}
}

// CauseEffect is what one cause did.
type CauseEffect struct {
	Cause       posture.Cause `json:"cause"`
	Difference  Standing      `json:"difference"`
	Images      int           `json:"images"`      // that it changed, each time it did
	Crossed     int           `json:"crossed"`     // of them, those whose verdict is another one
	Appeared    int           `json:"appeared"`    // places of findings
	Disappeared int           `json:"disappeared"` // Appeared - Disappeared = Difference.Findings
}

// Move is what one cause did to one image.
type Move struct {
	Time        time.Time             `json:"time"`
	Cause       posture.Cause         `json:"cause"`
	What        string                `json:"what"` // the event, in words
	Actor       string                `json:"actor"`
	Registry    string                `json:"registry"`
	Repository  string                `json:"repository"`
	Tag         string                `json:"tag"`
	Platform    string                `json:"platform"`
	Before      plimsoll.VerdictState `json:"before"` // empty: it was not there
	After       plimsoll.VerdictState `json:"after"`  // empty: it is not there
	Appeared    []MovedFinding        `json:"appeared"`
	Disappeared []MovedFinding        `json:"disappeared"`
}

// MovedFinding is one flaw in one package of an image, in so many places.
type MovedFinding struct {
	ID       string            `json:"id"`
	Package  string            `json:"package"`
	Severity plimsoll.Severity `json:"severity"`
	Places   int               `json:"places"`
}

// Why finds why the posture moved between two moments, by folding the change log between them change by change: each changes
// one thing, and the difference is its cause's. Before the log began nothing stood.
//
// With a registry's id it looks at that one's images alone.
func Why(ctx context.Context, cfg posture.Config, from, to time.Time, registry string) (*Moved, error) {
	m, err := why(ctx, cfg, from, to, registry)
	if err != nil {
		return nil, fmt.Errorf("why the posture moved between %s and %s: %w", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), err)
	}
	return m, nil
}

func why(ctx context.Context, cfg posture.Config, from, to time.Time, registry string) (*Moved, error) {
	if !from.Before(to) {
		return nil, fmt.Errorf("%w: the first moment must be before the second", plimsoll.ErrInvalid)
	}
	w, err := posture.NewWalker(ctx, cfg, to)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	out := &Moved{From: from.UTC(), To: to.UTC(), Registry: registry, Moves: []Move{}}
	for _, c := range posture.Causes {
		out.Causes = append(out.Causes, CauseEffect{Cause: c})
	}
	start, err := w.To(ctx, from)
	switch {
	case err == nil:
		out.Before = standing(start.View, registry)
	case !errors.Is(err, plimsoll.ErrNotFound): // not begun yet: nothing stood
		return nil, err
	}
	last := out.Before
	err = w.Steps(ctx, to, func(s posture.Step) error {
		out.take(s)
		last = standing(s.After, registry)
		return nil
	})
	out.After = last
	return out, err
}

// Of are the moves of one cause; all of them when it is empty.
func (m *Moved) Of(cause posture.Cause) []Move {
	if cause == "" {
		return m.Moves
	}
	var out []Move
	for _, x := range m.Moves {
		if x.Cause == cause {
			out = append(out, x)
		}
	}
	return out
}

// ParseCause reads the name of a cause; empty is every cause.
func ParseCause(text string) (posture.Cause, error) {
	c := posture.Cause(text)
	if text != "" && !slices.Contains(posture.Causes, c) {
		return "", fmt.Errorf("cause %.40q: %w: want one of %v", text, plimsoll.ErrInvalid, posture.Causes)
	}
	return c, nil
}

// standing counts a view.
func standing(v *posture.View, registry string) (s Standing) {
	for _, r := range v.Rows() {
		if registry != "" && r.Reference.Registry != registry {
			continue
		}
		s.verdict(r.Verdict.State, 1)
		s.Findings += r.Findings
	}
	return s
}

// place is an image wherever its tag points.
type place struct{ registry, repository, tag, platform string }

func placeOf(r *posture.Row) place {
	return place{r.Reference.Registry, r.Reference.Repository, r.Reference.Tag, r.Platform.String()}
}

// flaw is a finding wherever it stands in an image.
type flaw struct{ id, pkg string }

// side is an image before or after a step.
type side struct {
	rows  []*posture.Row
	flaws map[flaw]MovedFinding
}

func (s *side) take(v *posture.View, r *posture.Row) {
	s.rows = append(s.rows, r)
	if s.flaws == nil {
		s.flaws = map[flaw]MovedFinding{}
	}
	for f := range v.Each(r) {
		k := flaw{f.ID, f.Package}
		x := s.flaws[k]
		s.flaws[k] = MovedFinding{f.ID, f.Package, f.Severity, x.Places + 1}
	}
}

// take adds a step to the effect of its cause.
func (m *Moved) take(s posture.Step) {
	gone, came := posture.Difference(s.Before, s.After)
	sides := map[place]*[2]side{}
	put := func(v *posture.View, rows []*posture.Row, i int) {
		for _, r := range rows {
			if m.Registry != "" && r.Reference.Registry != m.Registry {
				continue
			}
			p := placeOf(r)
			if sides[p] == nil {
				sides[p] = &[2]side{}
			}
			sides[p][i].take(v, r)
		}
	}
	put(s.Before, gone, 0)
	put(s.After, came, 1)
	effect := &m.Causes[slices.IndexFunc(m.Causes, func(c CauseEffect) bool { return c.Cause == s.Cause })]
	places := slices.SortedFunc(maps.Keys(sides), func(a, b place) int {
		return cmp.Or(strings.Compare(a.registry, b.registry), strings.Compare(a.repository, b.repository), strings.Compare(a.tag, b.tag), strings.Compare(a.platform, b.platform))
	})
	for _, p := range places {
		move, changed := m.move(s, p, sides[p], effect)
		if !changed {
			continue
		}
		m.Total++
		effect.Images++
		if len(m.Moves) < MaxMoves {
			m.Moves = append(m.Moves, move)
		}
	}
}

// move compares the two sides of one image; changed is false when nothing that counts differs.
func (m *Moved) move(s posture.Step, p place, sides *[2]side, effect *CauseEffect) (_ Move, changed bool) {
	for i, by := range []int{-1, 1} {
		for _, r := range sides[i].rows {
			effect.Difference.verdict(r.Verdict.State, by)
			effect.Difference.Findings += by * r.Findings
		}
	}
	x := Move{
		Cause: s.Cause, Registry: p.registry, Repository: p.repository, Tag: p.tag, Platform: p.platform,
		Before: verdictOf(sides[0]), After: verdictOf(sides[1]),
	}
	x.Time, x.What, x.Actor = occasion(s, p)
	var more, less int
	x.Appeared, more = beyond(sides[1].flaws, sides[0].flaws)
	x.Disappeared, less = beyond(sides[0].flaws, sides[1].flaws)
	effect.Appeared += more
	effect.Disappeared += less
	crossed := x.Before != x.After
	if crossed {
		effect.Crossed++
	}
	return x, crossed || more+less > 0
}

// occasion is when, by what and by whom a step moved an image.
func occasion(s posture.Step, p place) (at time.Time, what, actor string) {
	if e, ok := eventOf(s.Events, p); ok {
		return e.Time, EventText(e), e.Actor
	}
	if s.Cause == posture.CauseAdvisory {
		return s.After.At(), "end of life", ""
	}
	return s.After.At(), "time", ""
}

// verdictOf is the worst verdict of an image's rows: one has several only where nothing tells its platforms apart.
func verdictOf(s side) (worst plimsoll.VerdictState) {
	for _, r := range s.rows {
		if worst == "" || r.Verdict.State != "" && r.Verdict.State.Rank() < worst.Rank() {
			worst = r.Verdict.State
		}
	}
	return worst
}

// eventOf is the last event that is about an image, else the last that is about no tag at all.
func eventOf(events []posture.Event, p place) (posture.Event, bool) {
	for _, e := range slices.Backward(events) {
		c := e.Change
		if c.Repository == "" || e.Stream == p.registry && c.Repository == p.repository && c.Tag == p.tag {
			return e, true
		}
	}
	if len(events) > 0 {
		return events[len(events)-1], true
	}
	return posture.Event{}, false
}

// beyond are the findings of a that b lacks or has in fewer places, sorted, and the number of these places.
func beyond(a, b map[flaw]MovedFinding) (out []MovedFinding, places int) {
	out = []MovedFinding{}
	for k, x := range a {
		if n := x.Places - b[k].Places; n > 0 {
			x.Places = n
			places += n
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(x, y MovedFinding) int {
		return cmp.Or(x.Severity.Rank()-y.Severity.Rank(), strings.Compare(x.ID, y.ID), strings.Compare(x.Package, y.Package))
	})
	return out, places
}

// EventText says in words what happened.
func EventText(e posture.Event) string {
	c := e.Change
	switch c.Kind {
	case plimsoll.ChangeTag:
		if c.Previous == "" {
			return "new tag"
		}
		return "moved to " + c.Digest.Short()
	case plimsoll.ChangeGone:
		return "gone from the registry"
	case plimsoll.ChangeInventory:
		return "read"
	case plimsoll.ChangeCoverage:
		return strings.TrimSpace("coverage changed " + c.Text)
	case plimsoll.ChangeSweep:
		return strings.TrimSpace("sweep of " + e.Stream + " ended " + c.Text)
	case plimsoll.ChangeGeneration:
		return "advisories, generation " + c.Subject
	case plimsoll.ChangePolicy:
		return "policy " + c.Text
	case plimsoll.ChangeCommand:
		return "asked for: " + c.Text + " " + c.Subject
	case plimsoll.ChangeScope:
		return strings.TrimSpace("settings changed " + c.Text)
	case plimsoll.ChangeReport:
		return "report " + c.Subject
	}
	return strings.TrimSpace(string(c.Kind) + " " + c.Text)
}
