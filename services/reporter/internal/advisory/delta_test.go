package advisory

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
)

// inFeeds puts each record into the feed of every ecosystem that it affects, as osv.dev does; now and then a feed has an older
// form of it, or none.
func inFeeds(t testing.TB, seed uint64, records []plimsoll.Advisory) *Index {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	feeds := map[string][]plimsoll.Advisory{}
	for _, a := range records {
		seen := map[string]bool{}
		for _, x := range a.Affected {
			family, _, _ := strings.Cut(x.Ecosystem, ":")
			if seen[family] {
				continue
			}
			seen[family] = true
			form := a
			switch r.IntN(12) {
			case 0:
				form.Modified, form.Summary = a.Modified.Add(-time.Hour), "older"
			case 1:
				form.Modified = a.Modified.Add(time.Minute)
			}
			feeds[family] = append(feeds[family], form)
		}
	}
	var segments []*segment
	for _, feed := range sortedKeys(feeds) {
		s, err := compileSegment(feed, "", feeds[feed], only(feed))
		if err != nil {
			t.Fatal(err)
		}
		segments = append(segments, s)
	}
	x, err := assemble(plimsoll.Generation{}, segments)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// said is everything that matching a package could draw on.
func said(x *Index, ecosystem, name string) string {
	var b strings.Builder
	form := func(a *plimsoll.Advisory) string {
		c := *a
		c.Modified = time.Time{}
		raw, err := json.Marshal(c)
		return fmt.Sprint(string(raw), err)
	}
	for _, e := range x.Entries(ecosystem, name) {
		record, affected := x.Affected(e)
		fmt.Fprintln(&b, form(record), affected.Package, affected.Ecosystem)
		for _, flaw := range x.FlawsOf(e) {
			fmt.Fprintln(&b, " ", flaw, x.Aliases(flaw))
			for _, other := range x.About(flaw) {
				fmt.Fprintln(&b, "   ", form(other), x.Flaws(other))
			}
		}
	}
	return b.String()
}

// edit changes some records: one more, one less, another text, other names, or nothing but a date.
func edit(r *rand.Rand, records []plimsoll.Advisory) []plimsoll.Advisory {
	out := slices.Clone(records)
	for range 1 + r.IntN(3) {
		i := r.IntN(len(out))
		switch r.IntN(6) {
		case 0:
			out = slices.Delete(out, i, i+1)
		case 1:
			out[i].Summary += "!"
		case 2:
			out[i].Aliases = append(slices.Clone(out[i].Aliases), out[r.IntN(len(out))].ID)
		case 3:
			out[i].Aliases = nil
		case 4:
			out[i].Modified = out[i].Modified.Add(time.Hour)
		case 5:
			a := someRecords(r, 1)[0]
			a.ID = fmt.Sprint("NEW-", r.Uint32())
			a.Aliases = append(a.Aliases, out[i].ID, out[r.IntN(len(out))].ID)
			out = append(out, a)
		}
		if len(out) == 0 {
			return records
		}
	}
	slices.SortFunc(out, func(a, b plimsoll.Advisory) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// TestDelta: whatever is outside the delta matches the same under both generations.
func TestDelta(t *testing.T) {
	t.Parallel()
	outside, inside := 0, 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		before := someRecords(r, 5+r.IntN(60))
		old, now := inFeeds(t, seed, before), inFeeds(t, seed+uint64(r.IntN(2)), edit(r, before))
		delta := Delta(old, now)
		if !slices.IsSortedFunc(delta, func(a, b Name) int { return strings.Compare(a.Family+a.Package, b.Family+b.Package) }) {
			t.Errorf("seed %d: %v is not sorted", seed, delta)
		}
		for _, eco := range []string{"npm", "PyPI", "Debian:12", "Debian:11"} {
			family, _, _ := strings.Cut(eco, ":")
			for i := range 40 {
				name := fmt.Sprintf("package_%d", i)
				if slices.Contains(delta, Name{family, NormaliseName(family, name)}) {
					inside++
					continue
				}
				outside++
				if a, b := said(old, eco, name), said(now, eco, name); a != b {
					t.Fatalf("seed %d: %s %s is not in the delta and differs:\n%s\nnow:\n%s", seed, eco, name, a, b)
				}
			}
		}
		if more := Delta(now, old); !slices.Equal(more, delta) {
			t.Errorf("seed %d: the delta is another backwards: %v, %v", seed, delta, more)
		}
		if d := Delta(now, reopen(t, now)); len(d) > 0 {
			t.Errorf("seed %d: an index differs from its file: %v", seed, d)
		}
	}
	if inside == 0 || outside < inside {
		t.Errorf("%d packages in deltas, %d outside: the test decides nothing", inside, outside)
	}
}

// TestDeltaOfDate: a record of which nothing but the date changed is no change.
func TestDeltaOfDate(t *testing.T) {
	t.Parallel()
	records := someRecords(rand.New(rand.NewPCG(1, 1)), 20)
	later := slices.Clone(records)
	for i := range later {
		later[i].Modified = later[i].Modified.Add(time.Hour)
	}
	if d := Delta(Compile(plimsoll.Generation{}, records), Compile(plimsoll.Generation{}, later)); len(d) > 0 {
		t.Errorf("delta %v, want none", d)
	}
}

// BenchmarkDelta is one changed record among 75,000. Target: 50 ms.
func BenchmarkDelta(b *testing.B) {
	x, _ := sharedIndex(b)
	segments := slices.Clone(x.segments)
	k := slices.IndexFunc(segments, func(s *segment) bool { return s.feed == "Alpaquita" }) // the largest
	var records []plimsoll.Advisory
	for i := range segments[k].len() {
		records = append(records, *segments[k].record(i))
	}
	records[len(records)/2].Summary += "!"
	var err error
	if segments[k], err = compileSegment(segments[k].feed, "another", records, only(segments[k].feed)); err != nil {
		b.Fatal(err)
	}
	y, err := assemble(plimsoll.Generation{}, slices.DeleteFunc(segments, func(s *segment) bool { return s.feed == mergedFeed }))
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n = len(Delta(x, y))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "delta-ms")
	b.ReportMetric(float64(n), "packages")
}
