package advisory

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/plimsoll/plimsoll"
)

// segment is one feed's records, compiled: sorted by id, with the packages they are about. It is about packages of the feed's
// own ecosystem alone: a feed's owner decides what is in it, and osv.dev puts a record into the feed of every ecosystem that
// it affects. The feeds [everyFeed], [ownFeed] and [mergedFeed] are about all.
type segment struct {
	feed string
	pack string // sha256 of the pack that it was compiled from; empty for one that has none
	raw  []byte // the block

	texts texts
	names words  // texts: each record's id, its aliases, its upstream ids
	ends  words  // where each record's names end
	alias words  // how many of each record's names are aliases
	sums  []byte // 8 bytes a record: see bodyWriter.record
	body  []byte
	at    words // where each record's body begins

	packages slots
	named    words // of each package, two texts: family, normalised name
	entered  words // where each package's entries end
	entries  words // three numbers each: record, affected, text of the release
	releases words // pairs of texts, family and release, that entries name

	decoded []atomic.Pointer[plimsoll.Advisory]
}

// The feeds that are about packages of every ecosystem.
const (
	everyFeed  = ""    // records that come without a feed
	ownFeed    = "own" // our own: see own.go
	mergedFeed = "+"   // records that stand in several feeds in different forms, in their newest: see build.go
)

const segmentTables = 13

// compileSegment makes a segment of records that are sorted by id, each once. families are the ecosystems whose packages are
// entered; nil means all.
func compileSegment(feed, pack string, records []plimsoll.Advisory, families func(record int, family string) bool) (*segment, error) {
	b := segmentBuilder{bodyWriter: bodyWriter{texts: newTexts()}, numbers: map[packageKey]int{}, release: map[[2]uint32]bool{}}
	b.ends, b.at = appendWord(nil, 0), appendWord(nil, 0)
	for i := range records {
		b.add(i, &records[i], func(family string) bool { return families(i, family) })
	}
	raw, err := b.block()
	if err != nil {
		return nil, err
	}
	return openSegment(feed, pack, raw)
}

// only gives the families of a feed.
func only(feed string) func(int, string) bool {
	return func(_ int, family string) bool { return about(feed, family) }
}

// about says whether a feed speaks of an ecosystem's family.
func about(feed, family string) bool {
	return feed == family || feed == everyFeed || feed == ownFeed
}

type packageKey struct{ family, name uint32 }

type builtPackage struct {
	packageKey
	entries []uint32
}

type segmentBuilder struct {
	bodyWriter
	names, ends, alias, at words
	sums, body             []byte
	numbers                map[packageKey]int
	packages               []builtPackage
	release                map[[2]uint32]bool
}

func (b *segmentBuilder) add(number int, a *plimsoll.Advisory, wanted func(family string) bool) {
	for _, list := range [][]string{{a.ID}, a.Aliases, a.Upstream} {
		for _, n := range list {
			b.names = appendWord(b.names, b.texts.add(n))
		}
	}
	b.ends = appendWord(b.ends, uint32(b.names.len()))
	b.alias = appendWord(b.alias, uint32(len(a.Aliases)))
	b.record(a)
	b.body = append(b.body, b.table...)
	b.at = appendWord(b.at, uint32(len(b.body)))
	sum := sha256.Sum256(b.plain)
	b.sums = append(b.sums, sum[:sumSize]...)
	for i := range a.Affected {
		if family, release, _ := strings.Cut(a.Affected[i].Ecosystem, ":"); wanted(family) {
			b.enter(number, i, family, release, a.Affected[i].Package)
		}
	}
}

// sumSize is how much of a record's sha256 is kept, in bytes.
const sumSize = 8

func (b *segmentBuilder) enter(record, affected int, family, release, name string) {
	key := packageKey{b.texts.add(family), b.texts.add(NormaliseName(family, name))}
	i, ok := b.numbers[key]
	if !ok {
		i = len(b.packages)
		b.numbers[key] = i
		b.packages = append(b.packages, builtPackage{packageKey: key})
	}
	r := b.texts.add(release)
	b.packages[i].entries = append(b.packages[i].entries, uint32(record), uint32(affected), r)
	b.release[[2]uint32{key.family, r}] = true
}

func (b *segmentBuilder) block() ([]byte, error) {
	var named, entered, entries, releases words
	entered = appendWord(entered, 0)
	for _, p := range b.packages {
		named = appendWord(appendWord(named, p.family), p.name)
		entries = append(entries, wordsOf(p.entries)...)
		entered = appendWord(entered, uint32(entries.len()/3))
	}
	pairs := make([][2]uint32, 0, len(b.release))
	for r := range b.release {
		pairs = append(pairs, r)
	}
	slices.SortFunc(pairs, func(x, y [2]uint32) int { return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1])) })
	for _, r := range pairs {
		releases = appendWord(appendWord(releases, r[0]), r[1])
	}
	t := texts{ends: b.texts.ends, bytes: b.texts.bytes}
	packages := makeSlots(len(b.packages), func(i int) uint64 {
		return packageHash(t.raw(b.packages[i].family), t.raw(b.packages[i].name))
	})
	return join(b.texts.ends, b.texts.bytes, b.names, b.ends, b.alias, b.sums, b.body, b.at, packages, named, entered, entries, releases)
}

func packageHash[T string | []byte](family, name T) uint64 { return hash(family)*31 ^ hash(name) }

// openSegment checks a block and opens it. What records say is looked at when one is asked for.
func openSegment(feed, pack string, raw []byte) (*segment, error) {
	t, err := split(raw, segmentTables)
	if err != nil {
		return nil, err
	}
	s := &segment{
		feed: feed, pack: pack, raw: raw, names: t[2], ends: t[3], alias: t[4], sums: t[5], body: t[6], at: t[7],
		packages: slots(t[8]), named: t[9], entered: t[10], entries: t[11], releases: t[12],
	}
	if s.texts, err = openTexts(t[0], t[1]); err != nil {
		return nil, err
	}
	if len(s.sums)%sumSize != 0 || len(s.alias) != 4*s.len() || len(s.named)%8 != 0 || len(s.entries)%12 != 0 || len(s.releases)%8 != 0 {
		return nil, damage("records")
	}
	known, packages := s.texts.len(), len(s.named)/8
	for _, err := range []error{
		offsets(s.ends, s.len(), s.names.len()), offsets(s.at, s.len(), len(s.body)), offsets(s.entered, packages, len(s.entries)/12),
		below(s.names, known), below(s.named, known), below(s.releases, known), s.packages.check(packages),
	} {
		if err != nil {
			return nil, err
		}
	}
	if err := s.checkRecords(); err != nil { // by offsets that are checked now
		return nil, err
	}
	s.decoded = make([]atomic.Pointer[plimsoll.Advisory], s.len())
	return s, nil
}

// checkRecords checks that every record has an id, and that entries point at records.
func (s *segment) checkRecords() error {
	for i := range s.len() {
		if from, to := s.ends.span(i); from+1+int(s.alias.at(i)) > to {
			return damage("names")
		}
	}
	for i := 0; i < s.entries.len(); i += 3 {
		if int64(s.entries.at(i)) >= int64(s.len()) || int64(s.entries.at(i+2)) >= int64(s.texts.len()) {
			return damage("entries")
		}
	}
	return nil
}

func (s *segment) len() int { return len(s.sums) / sumSize }

// sum says what the record holds: equal sums, equal records but for the date of their last change.
func (s *segment) sum(i int) uint64 { return binary.LittleEndian.Uint64(s.sums[sumSize*i:]) }

// namesOf are the texts of a record's id, aliases and upstream ids, in this order.
func (s *segment) namesOf(i int) words {
	from, to := s.ends.span(i)
	return s.names[4*from : 4*to]
}

func (s *segment) id(i int) []byte { return s.texts.raw(s.names.at(int(s.ends.at(i)))) }

// record decodes one record, once. One that is damaged, which no index of ours is after its sums were checked, cannot be
// compared with any version, so that what it is about stays undecided and is not clean.
func (s *segment) record(i int) *plimsoll.Advisory {
	if a := s.decoded[i].Load(); a != nil {
		return a
	}
	a := s.decode(i)
	s.decoded[i].Store(a)
	return a
}

func (s *segment) decode(i int) *plimsoll.Advisory {
	names := s.namesOf(i)
	aliases := int(s.alias.at(i))
	a := &plimsoll.Advisory{ID: s.texts.text(names.at(0)), Aliases: s.list(names[4 : 4*(1+aliases)]), Upstream: s.list(names[4*(1+aliases):])}
	from, to := s.at.span(i)
	r := bodyReader{texts: &s.texts, b: s.body[from:to]}
	if !r.record(a) {
		a = &plimsoll.Advisory{ID: a.ID, Aliases: a.Aliases, Upstream: a.Upstream}
	}
	return a
}

// copyOf decodes a record without keeping it: for those who go through all of them once.
func (s *segment) copyOf(i int) plimsoll.Advisory {
	if a := s.decoded[i].Load(); a != nil {
		return *a
	}
	once := &segment{texts: texts{ends: s.texts.ends, bytes: s.texts.bytes}, names: s.names, ends: s.ends, alias: s.alias, body: s.body, at: s.at}
	return *once.decode(i)
}

// modified is the date of a record's last change.
func (s *segment) modified(i int) time.Time {
	from, to := s.at.span(i)
	r := bodyReader{texts: &s.texts, b: s.body[from:to]}
	return r.time()
}

func (s *segment) list(names words) []string {
	if len(names) == 0 {
		return nil
	}
	out := make([]string, names.len())
	for i := range out {
		out[i] = s.texts.text(names.at(i))
	}
	return out
}

// unreadable is what stands for an affected package whose record is damaged: no version can be compared with its event.
var unreadable = plimsoll.Affected{Ranges: []plimsoll.Range{{Type: "ECOSYSTEM", Events: []plimsoll.Event{{Introduced: strings.Repeat("?", 2*maxText)}}}}}

// find looks for a record by its id.
func (s *segment) find(id string) (int, bool) {
	low, high := 0, s.len()
	for low < high {
		if mid := int(uint(low+high) >> 1); string(s.id(mid)) < id {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < s.len() && string(s.id(low)) == id
}

// entriesOf are the entries of a package, whose name is normalised: three numbers each.
func (s *segment) entriesOf(family, name string) words {
	n, ok := s.packages.find(packageHash(family, name), func(i uint32) bool {
		return string(s.texts.raw(s.named.at(int(2*i)))) == family && string(s.texts.raw(s.named.at(int(2*i+1)))) == name
	})
	if !ok {
		return nil
	}
	from, to := s.entered.span(int(n))
	return s.entries[12*from : 12*to]
}
