package posture

import (
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

// found is what one generation says of one package. It never changes.
type found struct {
	findings  []plimsoll.Finding
	undecided string
	flaws     []int32 // the number of each finding's flaw
	pairs     []int32 // the number of (flaw, package name)
	levels    []uint8 // the number of its severity
}

// nothing is what is said of most packages.
var nothing = &found{}

// findings are the present generation's, by package number, and where they stand.
type findings struct {
	by   table[*found]
	hits table[[]int32] // by number of a layer's list: positions about whose packages something was found

	packages []plimsoll.Package // by number
	texts    []string           // paths by number
}

// numbered numbers flaws, pairs of flaw and package name, and severities, so that counting needs no maps of strings.
type numbered struct {
	flaws  map[string]int32
	names  []string // of flaws
	pairs  map[pair]int32
	levels map[plimsoll.Severity]uint8
	words  []plimsoll.Severity // of levels
}

// pair is what "unique" counts: one flaw in one package, whatever its version.
type pair struct {
	flaw int32
	name string
}

func newNumbered() *numbered {
	n := &numbered{flaws: map[string]int32{}, pairs: map[pair]int32{}, levels: map[plimsoll.Severity]uint8{}}
	for _, s := range plimsoll.Severities {
		n.level(s)
	}
	return n
}

// maxLevels bounds the words of severity: there are six, and what matching says is one of them.
const maxLevels = 8

func (n *numbered) level(s plimsoll.Severity) uint8 {
	if l, ok := n.levels[s]; ok {
		return l
	}
	if len(n.words) == maxLevels {
		return n.levels[plimsoll.SeverityNotRated]
	}
	l := uint8(len(n.words))
	n.levels[s], n.words = l, append(n.words, s)
	return l
}

// number makes what matching says of a package countable.
func (n *numbered) number(r match.Result) *found {
	if len(r.Findings) == 0 && r.Undecided == "" {
		return nothing
	}
	f := &found{findings: r.Findings, undecided: r.Undecided}
	for i := range r.Findings {
		x := &r.Findings[i]
		flaw, ok := n.flaws[x.ID]
		if !ok {
			flaw = int32(len(n.names))
			n.flaws[x.ID], n.names = flaw, append(n.names, x.ID)
		}
		p, ok := n.pairs[pair{flaw, x.Package}]
		if !ok {
			p = int32(len(n.pairs))
			n.pairs[pair{flaw, x.Package}] = p
		}
		f.flaws, f.pairs, f.levels = append(f.flaws, flaw), append(f.pairs, p), append(f.levels, n.level(x.Severity))
	}
	return f
}

// same reports whether a says what b says.
func (f *found) same(g *found) bool {
	return f == g || f != nil && g != nil && f.undecided == g.undecided && reflect.DeepEqual(f.findings, g.findings)
}

// alike reports whether a row that shows what g says would show the same of f: they differ in nothing but in what is said of
// exploitation, and neither whether there is any nor whether a rule of the policy is met depends on that.
func (f *found) alike(g *found, p plimsoll.Policy) bool {
	if f.undecided != g.undecided || len(f.findings) != len(g.findings) {
		return false
	}
	for i := range f.findings {
		a, b := f.findings[i], g.findings[i]
		if a.Exploited() != b.Exploited() || slices.ContainsFunc(p.Rules, func(r plimsoll.Rule) bool { return policy.Meets(r, a) != policy.Meets(r, b) }) {
			return false
		}
		if a.Enrichment, b.Enrichment = nil, nil; !reflect.DeepEqual(a, b) {
			return false
		}
	}
	return true
}

// matchAll matches some packages, on all processors.
func matchAll(m teller, all []plimsoll.Package, numbers []int32) []match.Result {
	out := make([]match.Result, len(numbers))
	workers := min(runtime.GOMAXPROCS(0), len(numbers))
	var pool sync.WaitGroup
	for w := range workers {
		pool.Go(func() {
			for i := w; i < len(numbers); i += workers {
				out[i] = m.Package(all[numbers[i]])
			}
		})
	}
	pool.Wait()
	return out
}

// matchNew matches the packages that came since the last time.
func (e *Engine) matchNew(s *state) {
	var numbers []int32
	for i := s.findings.by.len(); i < len(s.known.packages); i++ {
		numbers = append(numbers, int32(i))
	}
	for i, r := range matchAll(teller{e.matcher, e.cfg.EndOfLife, s.clock}, s.known.packages, numbers) {
		s.findings.by.set(numbers[i], s.numbered.number(r))
		s.mortal(e.cfg.EndOfLife, numbers[i])
	}
	s.findings.packages, s.findings.texts = s.known.packages, s.known.texts
	for _, l := range s.newLists {
		s.mark(l)
	}
	s.newLists = nil
}

// mark finds the positions of a list about whose packages something was found.
func (s *state) mark(l *layerList) {
	var at []int32
	for i, p := range l.places {
		if s.findings.by.at(p.pkg) != nothing {
			at = append(at, int32(i))
		}
	}
	if at != nil || len(s.findings.hits.at(l.number)) > 0 {
		s.findings.hits.set(l.number, at)
	}
}
