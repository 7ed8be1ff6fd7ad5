package advisory

import (
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Index is one generation in memory, immutable and safe for concurrent readers.
type Index struct {
	generation plimsoll.Generation
	records    []plimsoll.Advisory
	byID       map[string]int32
	families   map[string]*family
}

// family is one ecosystem without its release.
type family struct {
	packages map[string][]Entry // by normalised name, in the order of record ids
	releases map[string]bool    // the releases that entries name; "" for entries that name none
}

// Entry points at one affected package of one record.
type Entry struct {
	record   int32
	affected int32
}

// Empty is the index before any advisory is known.
func Empty() *Index {
	return &Index{byID: map[string]int32{}, families: map[string]*family{}}
}

// Generation is the dated state that the index was compiled from; its ID is empty before the first.
func (x *Index) Generation() plimsoll.Generation { return x.generation }

// With is the same records under a manifest that says something else about the feeds: when they were checked, why one
// could not be read.
func (x *Index) With(g plimsoll.Generation) *Index {
	y := *x
	y.generation = g
	return &y
}

// Len is the number of records that are not withdrawn.
func (x *Index) Len() int { return len(x.records) }

// Records are all records, sorted by id.
func (x *Index) Records() []plimsoll.Advisory { return x.records }

// Record finds a record by its id.
func (x *Index) Record(id string) (plimsoll.Advisory, bool) {
	i, ok := x.byID[id]
	if !ok {
		return plimsoll.Advisory{}, false
	}
	return x.records[i], true
}

// Entries are what is published about a package, in an ecosystem with or without release ("Debian:12", "npm"). A side
// without a release fits every release, as OSV's own matching has it.
func (x *Index) Entries(ecosystem, name string) []Entry {
	base, release, _ := strings.Cut(ecosystem, ":")
	f := x.families[base]
	if f == nil {
		return nil
	}
	all := f.packages[NormaliseName(base, name)]
	if release == "" || len(f.releases) == 1 && f.releases[""] {
		return all
	}
	fits := make([]Entry, 0, len(all))
	for _, e := range all {
		_, affected := x.Affected(e)
		if _, r, _ := strings.Cut(affected.Ecosystem, ":"); r == "" || r == release {
			fits = append(fits, e)
		}
	}
	return fits
}

// Affected is what an entry points at.
func (x *Index) Affected(e Entry) (*plimsoll.Advisory, *plimsoll.Affected) {
	record := &x.records[e.record]
	return record, &record.Affected[e.affected]
}

// Covers says whether there is data for an ecosystem: known is false when its family has none at all, released is false
// when it has some, but none that would fit this release.
func (x *Index) Covers(ecosystem string) (known, released bool) {
	base, release, _ := strings.Cut(ecosystem, ":")
	f := x.families[base]
	if f == nil {
		return false, false
	}
	return true, f.releases[release] || f.releases[""]
}

// Releases are the releases of an ecosystem's family for which there is data, sorted.
func (x *Index) Releases(ecosystem string) []string {
	base, _, _ := strings.Cut(ecosystem, ":")
	f := x.families[base]
	if f == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(f.releases))
}

// Feed is the feed of an ecosystem's family.
func (x *Index) Feed(ecosystem string) (plimsoll.Feed, bool) {
	base, _, _ := strings.Cut(ecosystem, ":")
	for _, f := range x.generation.Feeds {
		if f.Ecosystem == base {
			return f, true
		}
	}
	return plimsoll.Feed{}, false
}
