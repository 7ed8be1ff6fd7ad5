package advisory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// fill sets every field below v to something: a new field of a record that the codec forgets is noticed.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2000+*n%50, 3, 4, 5, 6, 7, *n*1000, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("text-", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) / 4)
	default:
		panic("fill: " + v.Type().String())
	}
}

// TestEveryField: what a record holds is what the index gives.
func TestEveryField(t *testing.T) {
	t.Parallel()
	n := 0
	var want plimsoll.Advisory
	fill(reflect.ValueOf(&want).Elem(), &n)
	odd := plimsoll.Advisory{ID: "Z-1", Affected: []plimsoll.Affected{{Ecosystem: "npm", Package: "a"}, {Ecosystem: "npm", Package: "b", Versions: []string{"1"}}}}
	s, err := compileSegment(everyFeed, "", []plimsoll.Advisory{want, odd}, only(everyFeed))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, *s.record(0)); diff != "" {
		t.Errorf("a record with every field (-put in +got out):\n%s", diff)
	}
	if diff := cmp.Diff(odd, *s.record(1)); diff != "" {
		t.Errorf("a record with hardly any (-put in +got out):\n%s", diff)
	}
}

// someRecords makes records whose names tie them to each other in every way that joining knows.
func someRecords(r *rand.Rand, n int) []plimsoll.Advisory {
	name := func() string {
		return []string{"CVE-%d", "GHSA-%d", "PYSEC-%d", "X-%d"}[r.IntN(4)]
	}
	seen := map[string]bool{}
	var out []plimsoll.Advisory
	for len(out) < n {
		a := plimsoll.Advisory{ID: fmt.Sprintf(name(), r.IntN(n)), Modified: start.Add(time.Duration(r.IntN(1000)) * time.Hour), Summary: fmt.Sprint("summary ", r.IntN(5))}
		if seen[a.ID] {
			continue
		}
		seen[a.ID] = true
		for range r.IntN(3) {
			a.Aliases = append(a.Aliases, fmt.Sprintf(name(), r.IntN(n)))
		}
		for range r.IntN(8) / 6 * 2 {
			a.Upstream = append(a.Upstream, fmt.Sprintf("CVE-%d", r.IntN(n)))
		}
		for range 1 + r.IntN(3) {
			eco := []string{"npm", "PyPI", "Debian:12", "Debian:11", "Debian"}[r.IntN(5)]
			a.Affected = append(a.Affected, plimsoll.Affected{
				Ecosystem: eco, Package: fmt.Sprintf("package_%d", r.IntN(n/2+1)), Level: []string{"", "high", "low"}[r.IntN(3)], Module: []string{"", "nodejs:18"}[r.IntN(2)],
				Ranges: []plimsoll.Range{{Type: "ECOSYSTEM", Events: []plimsoll.Event{{Introduced: "0"}, {Fixed: fmt.Sprint(r.IntN(9))}}}},
			})
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b plimsoll.Advisory) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// straight is the joining of flaws as it reads in its comment, over plain maps: what the compiled tables must say.
type straight struct {
	cve     map[string]string
	group   map[string]string
	members map[string][]string
	records map[string][]string
}

func names(r *plimsoll.Advisory) []string {
	return append(append([]string{r.ID}, r.Aliases...), r.Upstream...)
}

func cves(all []string) (out []string) {
	for _, n := range all {
		if isCVE(n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func joinStraight(records []plimsoll.Advisory) straight {
	j := straight{map[string]string{}, map[string]string{}, map[string][]string{}, map[string][]string{}}
	for i := range records {
		of := cves(names(&records[i]))
		if len(of) != 1 {
			continue
		}
		for _, n := range names(&records[i]) {
			if known, ok := j.cve[n]; ok && known != of[0] {
				j.cve[n] = ""
			} else {
				j.cve[n] = of[0]
			}
		}
	}
	// Groups by repeated union, until nothing changes.
	var groups [][]string
	for i := range records {
		if slices.ContainsFunc(names(&records[i]), func(n string) bool { return isCVE(n) || j.cve[n] != "" }) {
			continue
		}
		joined := names(&records[i])
		groups = slices.DeleteFunc(groups, func(g []string) bool {
			touches := slices.ContainsFunc(g, func(n string) bool { return slices.Contains(joined, n) })
			if touches {
				joined = append(joined, g...)
			}
			return touches
		})
		groups = append(groups, joined)
	}
	for _, g := range groups {
		best := slices.MinFunc(g, func(a, b string) int {
			if x, y := strings.HasPrefix(a, "GHSA-"), strings.HasPrefix(b, "GHSA-"); x != y {
				if x {
					return -1
				}
				return 1
			}
			return strings.Compare(a, b)
		})
		for _, n := range g {
			j.group[n] = best
		}
	}
	for i := range records {
		flaws := j.flaws(&records[i])
		for _, f := range flaws {
			j.records[f] = append(j.records[f], records[i].ID)
			if len(flaws) == 1 {
				j.members[f] = append(j.members[f], names(&records[i])...)
			}
		}
	}
	for f, m := range j.members {
		slices.Sort(m)
		j.members[f] = slices.DeleteFunc(slices.Compact(m), func(n string) bool { return n == f })
	}
	return j
}

func (j straight) flaws(r *plimsoll.Advisory) []string {
	if of := cves(names(r)); len(of) > 0 {
		return of
	}
	var lent []string
	for _, n := range names(r) {
		if j.cve[n] != "" {
			lent = append(lent, j.cve[n])
		}
	}
	slices.Sort(lent)
	switch lent = slices.Compact(lent); {
	case len(lent) == 1:
		return lent
	case len(lent) > 1 || j.group[r.ID] == "":
		return []string{r.ID}
	}
	return []string{j.group[r.ID]}
}

// TestFlaws: the compiled joining is the plain one, for any records.
func TestFlaws(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		records := someRecords(r, 4+r.IntN(60))
		x, j := Compile(plimsoll.Generation{}, records), joinStraight(records)
		for i := range records {
			a := &records[i]
			if got, want := x.Flaws(a), j.flaws(a); !slices.Equal(got, want) {
				t.Fatalf("seed %d: flaws of %s: %q, want %q", seed, a.ID, got, want)
			}
			for _, n := range names(a) {
				want := n
				if g := j.group[n]; g != "" {
					want = g
				}
				if c := j.cve[n]; c != "" {
					want = c
				}
				if got := x.Flaw(n); got != want {
					t.Fatalf("seed %d: flaw of %s: %s, want %s", seed, n, got, want)
				}
				if got := x.Aliases(n); !slices.Equal(got, j.members[n]) {
					t.Fatalf("seed %d: aliases of %s: %q, want %q", seed, n, got, j.members[n])
				}
				var about []string
				for _, b := range x.About(n) {
					about = append(about, b.ID)
				}
				if !slices.Equal(about, j.records[n]) {
					t.Fatalf("seed %d: records about %s: %q, want %q", seed, n, about, j.records[n])
				}
			}
		}
		if diff := cmp.Diff(records, values(x)); diff != "" {
			t.Fatalf("seed %d: records (-put in +got out):\n%s", seed, diff)
		}
	}
}

func values(x *Index) (out []plimsoll.Advisory) {
	for r := range x.Records() {
		out = append(out, *r)
	}
	return out
}

// TestSeveralFeeds: a record counts once, in its newest form, about the packages of the feeds that offer it.
func TestSeveralFeeds(t *testing.T) {
	t.Parallel()
	both := plimsoll.Advisory{ID: "GHSA-1", Modified: start, Affected: []plimsoll.Affected{
		{Ecosystem: "npm", Package: "a", Versions: []string{"1"}}, {Ecosystem: "PyPI", Package: "a", Versions: []string{"1"}}, {Ecosystem: "Go", Package: "a", Versions: []string{"1"}},
	}}
	older := both
	older.Modified, older.Summary = start.Add(-time.Hour), "an older form"
	older.Affected = slices.Concat(both.Affected, []plimsoll.Affected{{Ecosystem: "PyPI", Package: "old", Versions: []string{"1"}}})
	later := both
	later.Modified = start.Add(time.Hour) // nothing but the date
	for name, second := range map[string]plimsoll.Advisory{"different": older, "equal": later} {
		var segments []*segment
		for feed, a := range map[string]plimsoll.Advisory{"npm": both, "PyPI": second} {
			s, err := compileSegment(feed, "pack-"+feed, []plimsoll.Advisory{a, {ID: "Z-" + feed, Affected: []plimsoll.Affected{{Ecosystem: feed, Package: "z", Versions: []string{"1"}}}}}, only(feed))
			if err != nil {
				t.Fatal(err)
			}
			segments = append(segments, s)
		}
		x, err := assemble(plimsoll.Generation{}, segments)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if x.Len() != 3 || len(values(x)) != 3 {
				t.Errorf("%s: %d records, %d listed; want 3", name, x.Len(), len(values(x)))
			}
			for eco, want := range map[string]int{"npm": 1, "PyPI": 1, "Go": 0} {
				entries := x.Entries(eco, "a")
				if len(entries) != want {
					t.Fatalf("%s: %d entries of %s, want %d", name, len(entries), eco, want)
				}
				for _, e := range entries {
					record, affected := x.Affected(e)
					if record.Summary != "" || affected.Ecosystem != eco || !slices.Equal(x.FlawsOf(e), []string{"GHSA-1"}) {
						t.Errorf("%s: %s: %+v, %+v, flaws %q", name, eco, record, affected, x.FlawsOf(e))
					}
				}
			}
			if n := len(x.Entries("PyPI", "old")); n != 0 {
				t.Errorf("%s: %d entries of the older form", name, n)
			}
			if n := len(x.About("GHSA-1")); n != 1 {
				t.Errorf("%s: %d records about the flaw", name, n)
			}
			x = reopen(t, x) // and the same from a file
		}
	}
}

func fileOf(t testing.TB, x *Index) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := x.writeTo(&buf, keyOf(x.generation)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func reopen(t testing.TB, x *Index) *Index {
	t.Helper()
	y, err := openIndex(fileOf(t, x), keyOf(x.generation), x.generation)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// TestCache: the next start opens what the last one compiled, and only that; whatever is wrong with the file, it is compiled
// anew.
func TestCache(t *testing.T) {
	t.Parallel()
	s, at, cache := newStore(t), start, Cache(t.TempDir())
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 30, nil), "crates.io": feedOf(t, 3, nil)})
	u := NewUpdater(s, Files("folder", folder), Options{Now: func() time.Time { return at }, Cache: cache})
	x, _, err := u.Update(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files := cache.list()
	if len(files) != 1 {
		t.Fatalf("index files %q, want one", files)
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	format := bytes.Clone(good)
	binary.LittleEndian.PutUint32(format[len(indexMagic):], indexFormat-1)
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{
		"whole": good, "cut short": good[:len(good)-1], "half": good[:len(good)/2], "empty": nil, "an older format": format, "a flipped bit": flipped,
		"more": append(bytes.Clone(good), 0), "something else": []byte("hello, this is no index at all"),
	} {
		if err := os.WriteFile(files[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cache.open(x.Generation()); (err == nil) != (name == "whole") {
			t.Errorf("%s: open: %v", name, err)
		}
		y, err := Latest(t.Context(), s, cache)
		if err != nil || y.Len() != x.Len() {
			t.Errorf("%s: %d records, %v; want it compiled anew", name, y.Len(), err)
		}
		if there, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(there, good) {
			t.Errorf("%s: the file is not whole again: %v", name, err)
		}
	}
	// A feed that did not change is not compiled again, in this process or the next.
	folder["crates.io/all.zip"].Data = feedOf(t, 4, nil)
	at = at.Add(time.Hour)
	y, _, err := u.Update(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if y.segments[1] != x.segments[1] || y.segments[0] == x.segments[0] {
		t.Error("the segment of the feed that did not change is another, or the other's is not")
	}
	if n := len(cache.list()); n != 2 {
		t.Errorf("%d index files, want the one in force and the one before", n)
	}
	if have := cache.newest(); segmentAt(have.segments, y.Generation().Feeds[1]) == nil {
		t.Error("the cache does not give the segment of a feed that did not change")
	}
}

// TestDamagedRecord: a record that cannot be decoded leaves its packages undecided.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	x := Compile(plimsoll.Generation{}, []plimsoll.Advisory{{ID: "X-1", Affected: []plimsoll.Affected{{Ecosystem: "npm", Package: "a", Versions: []string{"1"}}}}})
	clear(x.segments[0].body)
	_, affected := x.Affected(x.Entries("npm", "a")[0])
	if len(affected.Ranges) != 1 || len(affected.Ranges[0].Events[0].Introduced) <= maxText {
		t.Errorf("affected %+v; want what no version can be compared with", affected)
	}
}

// FuzzOpen: whatever stands in an index file, opening and asking it does not panic. The fuzzer's blocks get sums that fit, so
// that what is behind the sums is reached.
func FuzzOpen(f *testing.F) {
	small := Compile(plimsoll.Generation{}, someRecords(rand.New(rand.NewPCG(1, 2)), 12))
	var file bytes.Buffer
	if err := small.writeTo(&file, "key"); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes(), small.segments[0].raw, small.flaws.raw)
	f.Add([]byte(indexMagic), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, whole, segment, flaws []byte) {
		if x, err := openIndex(whole, "", plimsoll.Generation{}); err == nil {
			ask(x)
		} else if !errors.Is(err, plimsoll.ErrIntegrity) {
			t.Errorf("error %v is not integrity", err)
		}
		listed := fmt.Appendf(nil, `{"segments":[{"feed":"","size":%d,"sum":%d}],"flaws":{"size":%d,"sum":%d}}`,
			len(segment), crc32.Checksum(segment, castagnoli), len(flaws), crc32.Checksum(flaws, castagnoli))
		b := append([]byte(indexMagic), wordsOf([]uint32{indexFormat, uint32(len(listed)), crc32.Checksum(listed, castagnoli)})...)
		if x, err := openIndex(slices.Concat(b, listed, segment, flaws), "", plimsoll.Generation{}); err == nil {
			ask(x)
		}
	})
}

// ask asks everything that an index answers.
func ask(x *Index) {
	for r := range x.Records() {
		_, _ = x.Record(r.ID)
		_ = x.Flaws(r)
		for _, a := range r.Affected {
			for _, e := range x.Entries(a.Ecosystem, a.Package) {
				_, _ = x.Affected(e)
				_ = x.FlawsOf(e)
			}
			_, _ = x.Covers(a.Ecosystem)
			_ = x.Releases(a.Ecosystem)
		}
		for _, n := range names(r) {
			_ = x.Flaw(n)
			_ = x.Aliases(n)
			_ = x.About(n)
		}
	}
}
