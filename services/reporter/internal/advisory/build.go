package advisory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

// assemble makes the index of a generation from the compiled feeds. A record that stands in several feeds counts once, in
// its newest form, about the packages of all of them.
func assemble(g plimsoll.Generation, segments []*segment) (*Index, error) {
	x := layOut(g, segments)
	merged, err := x.settle()
	if err != nil {
		return nil, err
	}
	if merged != nil {
		replaced, twins := x.replaced, x.twins
		x = layOut(g, append(slices.Clip(segments), merged))
		copy(x.replaced, replaced)
		x.twins = twins
	}
	raw, err := joinFlaws(x)
	if err != nil {
		return nil, err
	}
	if x.flaws, err = openFlaws(raw, x.total); err != nil {
		return nil, err
	}
	x.count()
	return x, nil
}

// layOut is an index of segments whose records are not settled with each other yet.
func layOut(g plimsoll.Generation, segments []*segment) *Index {
	x := &Index{
		generation: g, segments: segments, first: make([]int, len(segments)), replaced: make([]map[int]bool, len(segments)),
		twins: map[int]int{}, releases: map[string]map[string]bool{},
	}
	for k, s := range segments {
		x.first[k] = x.total
		x.total += s.len()
		if s.feed == ownFeed {
			continue
		}
		for i := 0; i < s.releases.len(); i += 2 {
			family := s.texts.text(s.releases.at(i))
			if x.releases[family] == nil {
				x.releases[family] = map[string]bool{}
			}
			x.releases[family][s.texts.text(s.releases.at(i+1))] = true
		}
	}
	return x
}

// count counts the records that count.
func (x *Index) count() {
	x.distinct = x.total - len(x.twins)
	for _, r := range x.replaced {
		x.distinct -= len(r)
	}
}

// form is one feed's form of a record.
type form struct{ segment, record int }

// settle finds records that stand in several feeds. Where all hold the same, the first counts and the others are its twins;
// where they differ, all are replaced by the newest, which stands in the segment that is returned.
func (x *Index) settle() (*segment, error) {
	one := make(map[string]form, x.total)
	more := map[string][]form{}
	for k, s := range x.segments {
		for i := range s.len() {
			id := s.id(i)
			first, ok := one[string(id)]
			switch {
			case !ok:
				one[string(id)] = form{k, i}
			case more[string(id)] == nil:
				more[string(id)] = []form{first, {k, i}}
			default:
				more[string(id)] = append(more[string(id)], form{k, i})
			}
		}
	}
	var records []plimsoll.Advisory
	var offering [][]form
	for _, id := range sortedKeys(more) {
		forms := more[id]
		if x.equal(forms) {
			for _, f := range forms[1:] {
				x.twins[x.first[f.segment]+f.record] = x.first[forms[0].segment] + forms[0].record
			}
			continue
		}
		for _, f := range forms {
			if x.replaced[f.segment] == nil {
				x.replaced[f.segment] = map[int]bool{}
			}
			x.replaced[f.segment][f.record] = true
		}
		records, offering = append(records, *x.newest(forms)), append(offering, forms)
	}
	if len(records) == 0 {
		return nil, nil //nolint:nilnil // nothing to merge
	}
	return compileSegment(mergedFeed, "", records, func(i int, family string) bool {
		return slices.ContainsFunc(offering[i], func(f form) bool { return about(x.segments[f.segment].feed, family) })
	})
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (x *Index) equal(forms []form) bool {
	sum := x.segments[forms[0].segment].sum(forms[0].record)
	return !slices.ContainsFunc(forms[1:], func(f form) bool { return x.segments[f.segment].sum(f.record) != sum })
}

func (x *Index) newest(forms []form) *plimsoll.Advisory {
	var best *plimsoll.Advisory
	for _, f := range forms {
		if a := x.segments[f.segment].record(f.record); best == nil || a.Modified.After(best.Modified) {
			best = a
		}
	}
	return best
}

// Empty is the index before any advisory is known.
func Empty() *Index { return Compile(plimsoll.Generation{}, nil) }

// Compile makes an index of records that stand in no bucket and no feed.
func Compile(g plimsoll.Generation, records []plimsoll.Advisory, said ...*enrich.Table) *Index {
	records = slices.DeleteFunc(slices.Clone(records), func(a plimsoll.Advisory) bool { return !a.Withdrawn.IsZero() })
	slices.SortStableFunc(records, func(a, b plimsoll.Advisory) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), b.Modified.Compare(a.Modified))
	})
	records = slices.CompactFunc(records, func(a, b plimsoll.Advisory) bool { return a.ID == b.ID })
	s, err := compileSegment(everyFeed, "", records, only(everyFeed))
	if err != nil {
		panic(err) // 2 GiB of records that somebody holds in memory already
	}
	x, err := assemble(g, []*segment{s})
	if err != nil {
		panic(err)
	}
	for _, t := range said {
		x.tables = append(x.tables, table{Table: t})
	}
	return x
}

// Read compiles what a source has now, without a bucket and without a past: for tools and tests.
func Read(ctx context.Context, source Source, now time.Time) (*Index, error) {
	names, err := source.Ecosystems(ctx)
	if err != nil {
		return Empty(), err
	}
	g := plimsoll.Generation{ID: now.UTC().Format(idLayout), Created: now.UTC(), Source: source.Name()}
	var all []*segment
	for _, name := range names {
		answer, err := source.Zip(ctx, name, Stamp{})
		if err != nil {
			return Empty(), fmt.Errorf("advisories of %s: %w", name, err)
		}
		s, err := stage(answer.Bytes, now)
		if err != nil {
			return Empty(), fmt.Errorf("advisories of %s: %w", name, err)
		}
		compiled, err := compileSegment(name, "", s.records, only(name))
		if err != nil {
			return Empty(), fmt.Errorf("advisories of %s: %w", name, err)
		}
		all = append(all, compiled)
		g.Feeds = append(g.Feeds, plimsoll.Feed{
			Ecosystem: name, Records: len(s.records), Withdrawn: s.withdrawn, Skipped: s.skipped, SkippedID: s.skippedID,
			Newest: s.newest, Checked: now.UTC(), Releases: releases(s.records),
		})
	}
	return assemble(g, all)
}
