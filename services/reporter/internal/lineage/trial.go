package lineage

import (
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll"
)

// Index is what trials ask: one generation of advisories.
type Index interface {
	// Findings are the flaws of a package; nobody changes them. It is not decided when a record could not be compared with it:
	// then fewer findings mean nothing.
	Findings(p plimsoll.Package) (all []plimsoll.Finding, decided bool)
	// Asked is the name and version by which advisories know a package: its source's, where a distribution names those.
	Asked(p plimsoll.Package) (name, version string)
	// Compare is below, at or above 0 as a stands before, with or after b; false when they cannot be compared.
	Compare(ecosystem, a, b string) (order int, ok bool)
}

// maxTrials bounds the versions tried for one package. The highest that a finding names comes first and nearly always ends it.
const maxTrials = 8

// number is a package of a [Trier].
type number int32

// none is the number of no package.
const none number = -1

// Trier tries versions of packages against an index, and remembers what it found: packages are few, whatever stands in how
// many images. It is not safe for concurrent use.
type Trier struct {
	index    Index
	numbers  map[plimsoll.Package]number
	packages []tried
	surveys  int // made with it
}

// tried is what is known of one package.
type tried struct {
	plimsoll.Package
	name, version string // as advisories know it
	findings      []plimsoll.Finding
	counts        Counts
	os            bool
	bestKnown     bool
	best          number // the version of it that leaves the fewest; none when no other leaves fewer

	survey int // that these are of
	topic  int32
	target number // what an update of its topic makes it; none: it stays
}

// NewTrier is a trier that has tried nothing.
func NewTrier(x Index) *Trier { return &Trier{index: x, numbers: map[plimsoll.Package]number{}} }

// plain is a package as trials know it: by what decides its findings alone.
func plain(p plimsoll.Package) plimsoll.Package {
	p.Layer, p.Path, p.Extractor, p.Architecture, p.PURL, p.HiddenIn = 0, "", "", "", "", 0
	return p
}

// add numbers a package whose findings are known.
func (t *Trier) add(p plimsoll.Package, findings []plimsoll.Finding) number {
	p = plain(p)
	if n, ok := t.numbers[p]; ok {
		return n
	}
	n := number(len(t.packages))
	x := tried{Package: p, findings: findings, counts: CountsOf(findings), os: ofDistribution(p.Ecosystem), best: none, target: none}
	x.name, x.version = t.index.Asked(p)
	t.numbers[p], t.packages = n, append(t.packages, x)
	return n
}

// at is a package at another version; none where that cannot be decided. It asks the index where nobody has.
func (t *Trier) at(n number, version string) number {
	p := moved(t.packages[n].Package, version)
	if known, ok := t.numbers[p]; ok {
		return known
	}
	found, decided := t.index.Findings(p)
	if !decided {
		return none
	}
	return t.add(p, found)
}

// moved is a package at another version.
func moved(p plimsoll.Package, version string) plimsoll.Package {
	p.Version = version
	if p.SourceVersion != "" {
		p.SourceVersion = version
	}
	return plain(p)
}

// fixes are the versions that findings name, the highest first where they can be compared, at most maxTrials.
func (t *Trier) fixes(ecosystem string, findings []plimsoll.Finding) []string {
	var out []string
	for i := range findings {
		if v := findings[i].Fixed; v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if order, ok := t.index.Compare(ecosystem, b, a); ok && order != 0 {
			return order
		}
		return strings.Compare(b, a)
	})
	return out[:min(len(out), maxTrials)]
}

// bestVersion finds the lowest version of a package that leaves the fewest findings, and what it leaves. It asks the index
// and touches nothing else, so that several packages may be tried at once. False when no version leaves fewer.
//
// The highest version that a finding names removes that finding, and no lower one does. So where it removes all that can be
// removed it is the answer; else (a later version brought other flaws) lower ones, and those that the rest names, are tried.
func (t *Trier) bestVersion(x *tried) (version string, left []plimsoll.Finding, ok bool) {
	todo, seen := t.fixes(x.Ecosystem, x.findings), map[string]bool{}
	left = x.findings
	for len(todo) > 0 && len(seen) < maxTrials {
		v := todo[0]
		todo = todo[1:]
		if seen[v] {
			continue
		}
		seen[v] = true
		found, decided := t.index.Findings(moved(x.Package, v))
		if !decided {
			continue
		}
		switch order := compareCounts(x.counts.minus(CountsOf(found)), x.counts.minus(CountsOf(left))); {
		case order < 0, order == 0 && ok && t.below(x.Ecosystem, v, version):
			version, left, ok = v, found, true
		}
		further := t.fixes(x.Ecosystem, found)
		if len(further) == 0 && version == v {
			break
		}
		todo = append(todo, further...)
	}
	return version, left, ok
}

// below reports whether a version is known to stand before another.
func (t *Trier) below(ecosystem, a, b string) bool {
	order, ok := t.index.Compare(ecosystem, a, b)
	return ok && order < 0
}

// prepare finds the best version of each package, on all processors.
func (t *Trier) prepare(all []number) {
	type result struct {
		version string
		left    []plimsoll.Finding
		ok      bool
	}
	var todo []number
	for _, n := range all {
		if x := &t.packages[n]; !x.bestKnown {
			x.bestKnown = true
			todo = append(todo, n)
		}
	}
	out := make([]result, len(todo))
	workers := min(runtime.GOMAXPROCS(0), len(todo))
	var pool sync.WaitGroup
	for w := range workers {
		pool.Go(func() {
			for i := w; i < len(todo); i += workers {
				r := &out[i]
				r.version, r.left, r.ok = t.bestVersion(&t.packages[todo[i]])
			}
		})
	}
	pool.Wait()
	for i, n := range todo {
		if r := out[i]; r.ok {
			best := t.add(moved(t.packages[n].Package, r.version), r.left)
			t.packages[n].best = best
		}
	}
}

// gain is what moving from one package to another removes.
func (t *Trier) gain(from, to number) Counts {
	if to == none || to == from {
		return Counts{}
	}
	return t.packages[from].counts.minus(t.packages[to].counts)
}
