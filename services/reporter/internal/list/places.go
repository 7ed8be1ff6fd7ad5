package list

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// PlaceList is the list of findings, one row a place: worst first, then by advisory, package and image. There may be many
// millions, so it holds no place: it counts them by finding, and gathers those of the findings that a page or a part of an
// export is about.
type PlaceList struct {
	view     *posture.View
	filter   Filter
	selected *selection
	runs     []run
	total    int
	of       []int32 // of each finding's number, its run
}

// run is the findings that nothing tells apart but where they stand.
type run struct {
	key    string
	before int // places before the first of this run
	places int
}

// place is one finding at its spot.
type place struct {
	run     int32
	who     rowKey
	finding *plimsoll.Finding
	spot    posture.Spot
	nth     int // of those that nothing tells apart
}

// Places is the list of findings of a filter.
func Places(v *posture.View, f Filter) PlaceList {
	l := PlaceList{view: v, filter: f, selected: f.selects(v), of: make([]int32, v.Distinct())}
	keys := make([]string, v.Distinct())
	counts := reach(l.selected, func(x *plimsoll.Finding, at posture.Spot) int {
		keys[at.Number] = findingKey(x)
		return at.Number
	})
	met := slices.Collect(maps.Keys(counts))
	slices.SortFunc(met, func(a, b int) int { return cmp.Or(strings.Compare(keys[a], keys[b]), a-b) })
	for _, n := range met {
		if last := len(l.runs) - 1; last < 0 || l.runs[last].key != keys[n] {
			l.runs = append(l.runs, run{key: keys[n], before: l.total})
		}
		last := len(l.runs) - 1
		l.runs[last].places += counts[n].Places
		l.total += counts[n].Places
		l.of[n] = int32(last) + 1
	}
	return l
}

func findingKey(x *plimsoll.Finding) string {
	return fmt.Sprintf("%d%05d", x.Severity.Rank(), 1000-int(x.Score*10)) + x.ID + "\x00" + x.Package + "\x00" + x.Version + "\x00" + x.PURL
}

// Len is how many places there are.
func (l PlaceList) Len() int { return l.total }

// gather gives the places of the runs from first to before end, in no order.
func (l PlaceList) gather(first, end int) iter.Seq[place] {
	return func(yield func(place) bool) {
		if first >= end {
			return
		}
		part := selection{having: l.selected.having.Numbers(func(n int) bool { return int(l.of[n]) > first && int(l.of[n]) <= end }), narrow: l.selected.narrow}
		for _, r := range l.selected.rows {
			if !part.having.In(r) {
				continue
			}
			var who rowKey
			for x, at := range part.found(r) {
				if who.row == nil {
					who = keyOf(r, "name")
				}
				if !yield(place{run: l.of[at.Number] - 1, who: who, finding: x, spot: at}) {
					return
				}
			}
		}
	}
}

func comparePlaces(a, b place) int {
	if a.run != b.run {
		return cmp.Compare(a.run, b.run)
	}
	if c := compareKeys(a.who, b.who); c != 0 {
		return c
	}
	if c := strings.Compare(a.spot.Path, b.spot.Path); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.spot.Layer, b.spot.Layer), cmp.Compare(a.nth, b.nth))
}

// number tells those apart that nothing else does.
func number(sorted []place) {
	for i := 1; i < len(sorted); i++ {
		a, b := sorted[i-1], sorted[i]
		if a.nth, b.nth = 0, 0; comparePlaces(a, b) == 0 {
			sorted[i].nth = sorted[i-1].nth + 1
		}
	}
}

// exportBatch is how many places an export holds at once: enough that few rounds over the rows are needed, small beside the
// rows themselves.
const exportBatch = 200_000

// All gives every place, a part at a time.
func (l PlaceList) All() iter.Seq[posture.Place] {
	return func(yield func(posture.Place) bool) {
		for first := 0; first < len(l.runs); {
			end, n := first+1, l.runs[first].places
			for end < len(l.runs) && n+l.runs[end].places <= exportBatch {
				n += l.runs[end].places
				end++
			}
			part := slices.AppendSeq(make([]place, 0, n), l.gather(first, end))
			slices.SortFunc(part, comparePlaces)
			for _, p := range part {
				if !yield(l.whole(p)) {
					return
				}
			}
			first = end
		}
	}
}

func (l PlaceList) whole(p place) posture.Place {
	x := *p.finding
	x.Layer, x.Path = p.spot.Layer, p.spot.Path
	return l.view.Place(p.who.row, x, l.filter.at(l.view))
}

// Page is the page of at most n places after cursor, which holds what the last one seen is sorted by.
func (l PlaceList) Page(cursor string, n int) (Page[posture.Place], error) {
	after, first, err := l.parse(cursor)
	if err != nil {
		return Page[posture.Place]{}, err
	}
	p := Page[posture.Place]{Total: l.total, First: l.total + 1}
	if first < len(l.runs) {
		p.First = l.runs[first].before + 1
	}
	end, enough := first, 0
	for end < len(l.runs) && enough <= n {
		if enough += l.runs[end].places; end == first && after != nil {
			enough = 0 // how many of this one are left is not known yet
		}
		end++
	}
	seen := map[place]int{} // places up to the cursor's that nothing tells apart from it
	next := newPicked(n+1, comparePlaces)
	for x := range l.gather(first, end) {
		if after != nil {
			at := *after
			at.nth = 0
			c := comparePlaces(x, at)
			if c == 0 {
				x.nth = seen[at]
				seen[at]++
				c = cmp.Compare(x.nth, after.nth)
			}
			if c <= 0 {
				p.First++
				continue
			}
		}
		next.offer(x)
	}
	kept := next.sorted()
	number(kept)
	for _, x := range kept[:min(n, len(kept))] {
		p.Rows = append(p.Rows, l.whole(x))
	}
	if len(kept) > n {
		p.Next = l.cursor(kept[n-1])
	}
	return p, nil
}

func (l PlaceList) cursor(p place) string {
	return encodeCursor(l.runs[p.run].key, p.who.cursor(), p.spot.Path, strconv.Itoa(p.spot.Layer), strconv.Itoa(p.nth))
}

// parse gives the place that a cursor stands for and the first run that may hold one after it.
func (l PlaceList) parse(cursor string) (after *place, first int, err error) {
	if cursor == "" {
		return nil, 0, nil
	}
	parts, err := decodeCursor(cursor, 5)
	if err != nil {
		return nil, 0, err
	}
	who, err := parseRowKey(parts[1])
	layer, lerr := strconv.Atoi(parts[3])
	nth, nerr := strconv.Atoi(parts[4])
	if cmp.Or(err, lerr, nerr) != nil || parts[1] == "" {
		return nil, 0, badCursor(cursor)
	}
	first = sort.Search(len(l.runs), func(i int) bool { return l.runs[i].key >= parts[0] })
	if first == len(l.runs) || l.runs[first].key != parts[0] {
		return nil, first, nil // that finding is gone
	}
	return &place{run: int32(first), who: who, spot: posture.Spot{Layer: layer, Path: parts[2]}, nth: nth}, first, nil
}
