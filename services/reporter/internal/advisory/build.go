package advisory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// offered is one record and the feed that offers it.
type offered struct {
	feed   string
	record plimsoll.Advisory
}

// compile makes the index of a generation. A record that stands in several feeds counts once, in its newest form. It is
// about packages of those ecosystems alone whose feeds offer it: a feed's owner decides what is in it, and osv.dev puts a
// record into the feed of every ecosystem that it affects.
func compile(g plimsoll.Generation, feeds [][]plimsoll.Advisory) *Index {
	var all []offered
	for i, records := range feeds {
		for _, r := range records {
			all = append(all, offered{g.Feeds[i].Ecosystem, r})
		}
	}
	return index(g, all)
}

func index(g plimsoll.Generation, all []offered) *Index {
	x := Empty()
	x.generation = g
	x.records = make([]plimsoll.Advisory, 0, len(all))
	slices.SortStableFunc(all, func(a, b offered) int {
		return cmp.Or(strings.Compare(a.record.ID, b.record.ID), b.record.Modified.Compare(a.record.Modified))
	})
	for len(all) > 0 {
		same := 1
		for same < len(all) && all[same].record.ID == all[0].record.ID {
			same++
		}
		x.add(all[:same])
		all = all[same:]
	}
	return x
}

// add takes one record, in the forms that feeds offer it, the newest first.
func (x *Index) add(forms []offered) {
	i := int32(len(x.records))
	record := forms[0].record
	x.records = append(x.records, record)
	x.byID[record.ID] = i
	for j := range record.Affected {
		family, _, _ := strings.Cut(record.Affected[j].Ecosystem, ":")
		if slices.ContainsFunc(forms, func(o offered) bool { return o.feed == family || o.feed == everyFeed }) {
			x.enter(i, int32(j))
		}
	}
}

// everyFeed stands for all feeds, where records come without one.
const everyFeed = ""

func (x *Index) enter(record, affected int32) {
	a := &x.records[record].Affected[affected]
	base, release, _ := strings.Cut(a.Ecosystem, ":")
	f := x.families[base]
	if f == nil {
		f = &family{packages: map[string][]Entry{}, releases: map[string]bool{}}
		x.families[base] = f
	}
	name := NormaliseName(base, a.Package)
	f.packages[name] = append(f.packages[name], Entry{record, affected})
	f.releases[release] = true
}

// Compile makes an index of records that stand in no bucket and no feed.
func Compile(g plimsoll.Generation, records []plimsoll.Advisory) *Index {
	var all []offered
	for _, r := range records {
		if r.Withdrawn.IsZero() {
			all = append(all, offered{everyFeed, r})
		}
	}
	return index(g, all)
}

// Read compiles what a source has now, without a bucket and without a past: for tools and tests.
func Read(ctx context.Context, source Source, now time.Time) (*Index, error) {
	names, err := source.Ecosystems(ctx)
	if err != nil {
		return Empty(), err
	}
	g := plimsoll.Generation{ID: now.UTC().Format(idLayout), Created: now.UTC(), Source: source.Name()}
	var all [][]plimsoll.Advisory
	for _, name := range names {
		answer, err := source.Zip(ctx, name, Stamp{})
		if err != nil {
			return Empty(), fmt.Errorf("advisories of %s: %w", name, err)
		}
		s, err := stage(answer.Bytes, now)
		if err != nil {
			return Empty(), fmt.Errorf("advisories of %s: %w", name, err)
		}
		all = append(all, s.records)
		g.Feeds = append(g.Feeds, plimsoll.Feed{
			Ecosystem: name, Records: len(s.records), Withdrawn: s.withdrawn, Skipped: s.skipped, SkippedID: s.skippedID,
			Newest: s.newest, Checked: now.UTC(), Releases: releases(s.records),
		})
	}
	return compile(g, all), nil
}
