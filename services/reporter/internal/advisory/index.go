package advisory

import (
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Index is one generation, compiled: immutable and safe for concurrent readers. Records are decoded when they are asked for.
type Index struct {
	generation plimsoll.Generation
	segments   []*segment
	first      []int                      // of each segment, the number of its first record among all
	total      int                        // records of all segments, replaced ones too
	distinct   int                        // records as people count them
	replaced   []map[int]bool             // of each segment, records that stand in another form in the segment of merged records
	twins      map[int]int                // record → the one with the same id and content that counts for it
	releases   map[string]map[string]bool // family → the releases that entries name; "" for entries that name none
	flaws      *flaws
	tables     []table // what is said of exploitation, a feed each
}

// Entry points at one affected package of one record.
type Entry struct {
	record   int32
	affected int32
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
func (x *Index) Len() int { return x.distinct }

// counts says whether a record counts: no newer form and no twin counts for it.
func (x *Index) counts(segment, record int) bool {
	if x.replaced[segment][record] {
		return false
	}
	_, twin := x.twins[x.first[segment]+record]
	return !twin
}

// Records are all records, sorted by id. They must not be changed.
func (x *Index) Records() iter.Seq[*plimsoll.Advisory] {
	return func(yield func(*plimsoll.Advisory) bool) {
		at := make([]int, len(x.segments))
		for {
			next := -1
			for k, s := range x.segments {
				for at[k] < s.len() && !x.counts(k, at[k]) {
					at[k]++
				}
				if at[k] < s.len() && (next < 0 || string(s.id(at[k])) < string(x.segments[next].id(at[next]))) {
					next = k
				}
			}
			if next < 0 || !yield(x.segments[next].record(at[next])) {
				return
			}
			at[next]++
		}
	}
}

// number finds a record by its id.
func (x *Index) number(id string) (uint32, bool) {
	n, ok := x.flaws.find(id)
	if !ok {
		return 0, false
	}
	record := x.flaws.record.at(int(n))
	return record - 1, record > 0
}

// at is the record of a number.
func (x *Index) at(number uint32) *plimsoll.Advisory {
	k := x.segmentOf(number)
	return x.segments[k].record(int(number) - x.first[k])
}

// segmentOf is the place of the segment that holds a record.
func (x *Index) segmentOf(number uint32) int { return sort.SearchInts(x.first, int(number)+1) - 1 }

// Record finds a record by its id.
func (x *Index) Record(id string) (plimsoll.Advisory, bool) {
	i, ok := x.number(id)
	if !ok {
		return plimsoll.Advisory{}, false
	}
	return *x.at(i), true
}

// Entries are what is published about a package, in an ecosystem with or without release ("Debian:12", "npm"), sorted by the
// records' ids. A side without a release fits every release, as OSV's own matching has it.
func (x *Index) Entries(ecosystem, name string) []Entry {
	family, release, _ := strings.Cut(ecosystem, ":")
	name = NormaliseName(family, name)
	var out []Entry
	mixed := 0
	for k, s := range x.segments {
		if s.feed != family && s.feed != everyFeed && s.feed != ownFeed && s.feed != mergedFeed {
			continue
		}
		found := s.entriesOf(family, name)
		had := len(out)
		for i := 0; i < found.len(); i += 3 {
			record := int(found.at(i))
			if x.replaced[k][record] || release != "" && !fits(s.texts.raw(found.at(i+2)), release) {
				continue
			}
			if out == nil {
				out = make([]Entry, 0, found.len()/3)
			}
			out = append(out, Entry{int32(x.first[k] + record), int32(found.at(i + 1))})
		}
		if len(out) > had {
			mixed++
		}
	}
	if mixed > 1 {
		slices.SortStableFunc(out, func(a, b Entry) int {
			return strings.Compare(x.at(uint32(a.record)).ID, x.at(uint32(b.record)).ID)
		})
	}
	return out
}

func fits(entry []byte, release string) bool { return len(entry) == 0 || string(entry) == release }

// Affected is what an entry points at. Neither must be changed.
func (x *Index) Affected(e Entry) (*plimsoll.Advisory, *plimsoll.Affected) {
	record := x.at(uint32(e.record))
	if uint32(e.affected) >= uint32(len(record.Affected)) {
		return record, &unreadable
	}
	return record, &record.Affected[e.affected]
}

// Covers says whether there is data for an ecosystem: known is false when its family has none at all, released is false
// when it has some, but none that would fit this release. Our own records are no data in this sense: a feed's silence means
// that nothing is known to be wrong, theirs means nothing.
func (x *Index) Covers(ecosystem string) (known, released bool) {
	family, release, _ := strings.Cut(ecosystem, ":")
	releases, ok := x.releases[family]
	return ok, releases[release] || releases[""]
}

// Own says whether one of our own records is about an ecosystem with this release, or about all of its family's: it applies
// where no feed is too.
func (x *Index) Own(ecosystem string) bool {
	family, release, _ := strings.Cut(ecosystem, ":")
	s := x.segment(ownFeed)
	if s == nil {
		return false
	}
	for i := 0; i < s.releases.len(); i += 2 {
		about, of := s.texts.raw(s.releases.at(i)), s.texts.raw(s.releases.at(i+1))
		if string(about) == family && fits(of, release) {
			return true
		}
	}
	return false
}

// Releases are the releases of an ecosystem's family for which there is data, sorted.
func (x *Index) Releases(ecosystem string) []string {
	family, _, _ := strings.Cut(ecosystem, ":")
	if len(x.releases[family]) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(x.releases[family]))
}

// Feed is the feed of an ecosystem's family.
func (x *Index) Feed(ecosystem string) (plimsoll.Feed, bool) {
	family, _, _ := strings.Cut(ecosystem, ":")
	for _, f := range x.generation.Feeds {
		if f.Ecosystem == family {
			return f, true
		}
	}
	return plimsoll.Feed{}, false
}
