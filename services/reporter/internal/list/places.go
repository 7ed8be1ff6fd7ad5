package list

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// PlaceList is the list of findings, one row a place: worst first, then by advisory, package and image. There may be
// millions, so it holds them small and makes whole ones only for the page that is shown.
type PlaceList struct {
	places []place
}

// place is one finding at its spot.
type place struct {
	row     *posture.Row
	finding *plimsoll.Finding
	spot    posture.Spot
	order   int64 // of its finding, then of its row
}

// Places is the list of findings of a filter.
func Places(v *posture.View, f Filter) PlaceList {
	var all []place
	rank := map[*plimsoll.Finding]int{}
	for r, found := range f.match(v) {
		for x, at := range found {
			all = append(all, place{row: r, finding: x, spot: at})
			rank[x] = 0
		}
	}
	ranked(rank)
	rows := rowRanks(all)
	for i := range all {
		all[i].order = int64(rank[all[i].finding])<<32 | int64(rows[all[i].row])
	}
	slices.SortStableFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.spot.Path, b.spot.Path), a.spot.Layer-b.spot.Layer)
	})
	return PlaceList{all}
}

// ranked numbers the distinct findings in the order of their keys.
func ranked(all map[*plimsoll.Finding]int) {
	order := make([]*plimsoll.Finding, 0, len(all))
	keys := make(map[*plimsoll.Finding]string, len(all))
	for x := range all {
		order = append(order, x)
		keys[x] = findingKey(x)
	}
	slices.SortFunc(order, func(a, b *plimsoll.Finding) int { return cmp.Compare(keys[a], keys[b]) })
	n := 0
	for i, x := range order { // findings that no key tells apart share a rank
		if i > 0 && keys[x] != keys[order[i-1]] {
			n++
		}
		all[x] = n
	}
}

func rowRanks(all []place) map[*posture.Row]int {
	out := map[*posture.Row]int{}
	var order []*posture.Row
	for _, p := range all {
		if _, ok := out[p.row]; !ok {
			out[p.row] = 0
			order = append(order, p.row)
		}
	}
	slices.SortStableFunc(order, func(a, b *posture.Row) int { return cmp.Compare(rowKey(a), rowKey(b)) })
	for i, r := range order {
		out[r] = i
	}
	return out
}

func findingKey(x *plimsoll.Finding) string {
	return fmt.Sprintf("%d%05d", x.Severity.Rank(), 1000-int(x.Score*10)) + x.ID + "\x00" + x.Package + "\x00" + x.Version + "\x00" + x.PURL
}

func rowKey(r *posture.Row) string {
	return Name(r) + "\x00" + r.Platform.String() + "\x00" + string(r.Digest)
}

// Len is how many places there are.
func (l PlaceList) Len() int { return len(l.places) }

// All gives every place.
func (l PlaceList) All() iter.Seq[posture.Place] {
	return func(yield func(posture.Place) bool) {
		for _, p := range l.places {
			if !yield(p.whole()) {
				return
			}
		}
	}
}

func (p place) whole() posture.Place {
	x := *p.finding
	x.Layer, x.Path = p.spot.Layer, p.spot.Path
	return posture.Place{Row: p.row, Finding: x}
}

// Page is the page of at most n places after cursor, the key of the last one seen.
func (l PlaceList) Page(cursor string, n int) (Page[posture.Place], error) {
	after, err := decodeCursor(cursor)
	if err != nil {
		return Page[posture.Place]{}, err
	}
	from := 0
	if cursor != "" {
		from = sort.Search(len(l.places), func(i int) bool { return l.key(i) > after })
	}
	to := min(from+n, len(l.places))
	p := Page[posture.Place]{Total: len(l.places), First: from + 1}
	for _, x := range l.places[from:to] {
		p.Rows = append(p.Rows, x.whole())
	}
	if to < len(l.places) {
		p.Next = base64.RawURLEncoding.EncodeToString([]byte(l.key(to - 1)))
	}
	return p, nil
}

// key is unique: the n-th place that nothing else tells apart has n behind it.
func (l PlaceList) key(i int) string {
	own := func(p place) string {
		return findingKey(p.finding) + "\x00" + rowKey(p.row) + "\x00" + p.spot.Path + "\x00" + fmt.Sprintf("%09d", p.spot.Layer)
	}
	key, n := own(l.places[i]), 0
	for j := i - 1; j >= 0 && own(l.places[j]) == key; j-- {
		n++
	}
	return key + "\x00" + fmt.Sprintf("%09s", strconv.Itoa(n))
}
