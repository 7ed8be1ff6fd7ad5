package advisory

import (
	"cmp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

// Name is a package as records know it: an ecosystem's family, without release, and the name as [NormaliseName] writes it.
type Name struct{ Family, Package string }

// Delta is every package for which matching could give something else under now than under old, sorted, each once: those of
// records that are new, changed or gone, and of all records about a flaw whose joining, rating or enrichment such a record
// could change. Whatever is not in it matches the same under both. Records are compared by their sums, and feeds that did not
// change not at all.
func Delta(old, now *Index) []Name {
	d := delta{old: old, now: now, names: map[string]bool{}, flaws: map[string]bool{}, packages: map[Name]bool{}}
	d.records()
	d.enriched()
	for name := range d.names {
		d.mentioned(old, name)
		d.mentioned(now, name)
	}
	for flaw := range d.flaws {
		d.about(old, flaw)
		d.about(now, flaw)
	}
	out := make([]Name, 0, len(d.packages))
	for n := range d.packages {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b Name) int {
		return cmp.Or(strings.Compare(a.Family, b.Family), strings.Compare(a.Package, b.Package))
	})
	return out
}

type delta struct {
	old, now *Index
	names    map[string]bool // what records that changed call themselves or others
	flaws    map[string]bool // what could be joined, rated or enriched otherwise
	packages map[Name]bool
}

// records finds the records that differ, feed by feed. A record that stands in several feeds in different forms is compared
// where its newest form stands, which is a segment of its own.
func (d *delta) records() {
	feeds := map[string]bool{}
	for _, x := range []*Index{d.old, d.now} {
		for _, s := range x.segments {
			feeds[s.feed] = true
		}
	}
	for feed := range feeds {
		a, b := d.old.segment(feed), d.now.segment(feed)
		if a == nil || b == nil || a != b && (a.pack == "" || a.pack != b.pack) {
			d.walk(a, b)
		}
	}
}

// enriched takes the flaws of CVEs of which something else is said about exploitation.
func (d *delta) enriched() {
	for _, kind := range enrich.Kinds {
		a, b := d.old.tableOf(kind), d.now.tableOf(kind)
		if a == b {
			continue
		}
		for _, cve := range enrich.Changed(a, b) {
			d.flaws[cve] = true
		}
	}
}

func (x *Index) tableOf(kind enrich.Kind) *enrich.Table {
	for _, t := range x.tables {
		if t.Kind() == kind {
			return t.Table
		}
	}
	return nil
}

func (x *Index) segment(feed string) *segment {
	for _, s := range x.segments {
		if s.feed == feed {
			return s
		}
	}
	return nil
}

// walk goes through two states of a feed, both sorted by id; nil is a feed without records.
func (d *delta) walk(a, b *segment) {
	i, j := 0, 0
	for {
		switch order := compareIDs(a, i, b, j); {
		case order == 0 && !has(a, i):
			return
		case order == 0:
			if a.sum(i) != b.sum(j) {
				d.changed(a, i)
				d.changed(b, j)
			}
			i, j = i+1, j+1
		case order < 0:
			d.changed(a, i)
			i++
		default:
			d.changed(b, j)
			j++
		}
	}
}

func has(s *segment, i int) bool { return s != nil && i < s.len() }

// compareIDs orders two records; the end stands after all.
func compareIDs(a *segment, i int, b *segment, j int) int {
	switch {
	case has(a, i) && has(b, j):
		return strings.Compare(string(a.id(i)), string(b.id(j)))
	case has(a, i):
		return -1
	case has(b, j):
		return 1
	}
	return 0
}

// changed takes a record in one of its two forms.
func (d *delta) changed(s *segment, i int) {
	names := s.namesOf(i)
	for n := range names.len() {
		d.names[s.texts.text(names.at(n))] = true
	}
	d.affected(s, i)
}

func (d *delta) affected(s *segment, i int) {
	for _, a := range s.record(i).Affected {
		family, _, _ := strings.Cut(a.Ecosystem, ":")
		d.packages[Name{family, NormaliseName(family, a.Package)}] = true
	}
}

// mentioned takes the flaws of all records that mention a name: what it stands for may be otherwise now, and theirs with it.
func (d *delta) mentioned(x *Index, name string) {
	d.flaws[x.Flaw(name)] = true
	n, ok := x.flaws.find(name)
	if !ok {
		return
	}
	of := x.flaws.mention.of(n)
	for i := range of.len() {
		for _, flaw := range x.flaws.list(x.flaws.about.of(of.at(i))) {
			d.flaws[flaw] = true
		}
	}
}

// about takes the packages of all records about a flaw.
func (d *delta) about(x *Index, flaw string) {
	n, ok := x.flaws.find(flaw)
	if !ok {
		return
	}
	of := x.flaws.records.of(n)
	for i := range of.len() {
		k := x.segmentOf(of.at(i))
		d.affected(x.segments[k], int(of.at(i))-x.first[k])
	}
}
