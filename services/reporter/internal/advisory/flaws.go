package advisory

import (
	"cmp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Ids of one flaw join by aliases and, for distributions, by upstream; never by related, because one ALSA fixes many.
//
// The flaw's name is its CVE. A record that names exactly one CVE is about that flaw. A record that names several (a DSA, a
// Go report that merges three) is about each of them: it gives one finding a CVE, and stands in the Matched of each, but is
// an alias of none, so that it does not weld different flaws into one. A record that names no CVE takes the one of a record
// that calls it an alias, if all such records agree; else it joins by aliases with others that have no CVE either, under the
// smallest GHSA id or, without one, the smallest id.
//
// flaws is that joining, compiled: tables over all names of all records.
type flaws struct {
	raw   []byte // the block
	texts texts  // all names
	slots slots

	known   words // of each name, the flaw by which it is known: itself where no record says more
	record  words // of each name, the record whose id it is, plus one; 0 for none
	about   lists // of each record, its flaws, sorted; none for a record that a newer form replaces
	mention lists // of each name, the records that mention it
	records lists // of each flaw, the records about it, sorted by id
	members lists // of each flaw, its other names, sorted
}

// lists is a table of lists of numbers.
type lists struct{ ends, all words }

func (l lists) of(i uint32) words {
	from, to := l.ends.span(int(i))
	return l.all[4*from : 4*to]
}

func (l lists) check(n, limit int) error {
	return cmp.Or(offsets(l.ends, n, l.all.len()), below(l.all, limit))
}

const flawTables = 13

func openFlaws(raw []byte, records int) (*flaws, error) {
	t, err := split(raw, flawTables)
	if err != nil {
		return nil, err
	}
	f := &flaws{
		raw: raw, slots: slots(t[2]), known: t[3], record: t[4],
		about: lists{t[5], t[6]}, mention: lists{t[7], t[8]}, records: lists{t[9], t[10]}, members: lists{t[11], t[12]},
	}
	if f.texts, err = openTexts(t[0], t[1]); err != nil {
		return nil, err
	}
	n := f.texts.len()
	if len(f.known) != 4*n || len(f.record) != 4*n {
		return nil, damage("flaws")
	}
	for _, err := range []error{
		f.slots.check(n), below(f.known, n), below(f.record, records+1), f.about.check(records, n),
		f.mention.check(n, records), f.records.check(n, records), f.members.check(n, n),
	} {
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *flaws) find(name string) (uint32, bool) {
	return f.slots.find(hash(name), func(i uint32) bool { return string(f.texts.raw(i)) == name })
}

// list gives the texts of some names.
func (f *flaws) list(names words) []string {
	out := make([]string, names.len())
	for i := range out {
		out[i] = f.texts.text(names.at(i))
	}
	return out
}

func isCVE(id string) bool { return strings.HasPrefix(id, "CVE-") }

// Of names that stand for no CVE.
const (
	noCVE      = -1
	disputed   = -2 // records disagree
	noParent   = -1
	firstNames = 1 << 16
)

// joiner compiles flaws. Names are numbers all through: a generation has hundreds of thousands.
type joiner struct {
	index  *Index
	names  *textsBuilder
	text   []string // by name
	cve    []int32  // by name: the CVE for which alone it stands
	parent []int32  // by name: towards the root of its group, among names without a CVE
	of     [][]uint32
}

// joinFlaws compiles the joining of an index's records. Records that a newer form replaces take no part.
func joinFlaws(x *Index) ([]byte, error) {
	j := &joiner{index: x, names: newTexts(), text: make([]string, 0, firstNames)}
	j.intern()
	n := len(j.text)
	j.cve, j.parent = make([]int32, n), make([]int32, n)
	for i := range n {
		j.cve[i], j.parent[i] = noCVE, noParent
	}
	for _, names := range j.of {
		j.learn(names)
	}
	for _, names := range j.of {
		j.group(names)
	}
	return j.block()
}

// intern numbers the names of every record that counts; of a record that counts not, of is nil.
func (j *joiner) intern() {
	j.of = make([][]uint32, j.index.total)
	for k, s := range j.index.segments {
		number := make([]uint32, s.texts.len()) // text of the segment → name plus one
		for i := range s.len() {
			if !j.index.counts(k, i) {
				continue
			}
			local := s.namesOf(i)
			names := make([]uint32, local.len())
			for l := range names {
				at := local.at(l)
				if number[at] == 0 {
					number[at] = j.name(s.texts.raw(at)) + 1
				}
				names[l] = number[at] - 1
			}
			j.of[j.index.first[k]+i] = names
		}
	}
}

func (j *joiner) name(raw []byte) uint32 {
	if n, ok := j.names.number[string(raw)]; ok {
		return n
	}
	s := string(raw)
	j.text = append(j.text, s)
	return j.names.add(s)
}

// cves are the different CVEs among some names, in no order.
func (j *joiner) cves(names []uint32) []uint32 {
	var out []uint32
	for _, n := range names {
		if isCVE(j.text[n]) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// learn notes which names stand for one CVE.
func (j *joiner) learn(names []uint32) {
	of := j.cves(names)
	if len(of) != 1 {
		return
	}
	for _, n := range names {
		switch j.cve[n] {
		case noCVE, int32(of[0]):
			j.cve[n] = int32(of[0])
		default:
			j.cve[n] = disputed
		}
	}
}

// group joins a record without any CVE with others by its names.
func (j *joiner) group(names []uint32) {
	if len(names) == 0 || !j.nameless(names) {
		return
	}
	for _, n := range names {
		if j.parent[n] == noParent {
			j.parent[n] = int32(n)
		}
		a, b := j.root(names[0]), j.root(n)
		if j.better(b, a) {
			a, b = b, a
		}
		j.parent[b] = int32(a)
	}
}

func (j *joiner) root(n uint32) uint32 {
	for j.parent[n] != int32(n) {
		j.parent[n] = j.parent[j.parent[n]] // halve the path: an alias chain may be long
		n = uint32(j.parent[n])
	}
	return n
}

// nameless reports whether neither the record nor another one gives it a CVE.
func (j *joiner) nameless(names []uint32) bool {
	for _, n := range names {
		if isCVE(j.text[n]) || j.cve[n] >= 0 {
			return false
		}
	}
	return true
}

// better orders names for a group: GHSA first, then by bytes.
func (j *joiner) better(a, b uint32) bool {
	ghsa := func(n uint32) int {
		if strings.HasPrefix(j.text[n], "GHSA-") {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(ghsa(a), ghsa(b)), strings.Compare(j.text[a], j.text[b])) < 0
}

// flaws are the flaws that a record is about, sorted; at least one.
func (j *joiner) flaws(names []uint32) []uint32 {
	if of := j.cves(names); len(of) > 0 {
		j.sort(of)
		return of
	}
	var lent []uint32
	for _, n := range names {
		if c := j.cve[n]; c >= 0 {
			lent = append(lent, uint32(c))
		}
	}
	slices.Sort(lent)
	switch lent = slices.Compact(lent); {
	case len(lent) == 1:
		return lent
	case len(lent) > 1:
		return names[:1:1] // its aliases contradict each other: it stands alone
	}
	return []uint32{j.groupOf(names[0])}
}

func (j *joiner) groupOf(n uint32) uint32 {
	if j.parent[n] == noParent {
		return n
	}
	return j.root(n)
}

func (j *joiner) sort(names []uint32) {
	slices.SortFunc(names, func(a, b uint32) int { return strings.Compare(j.text[a], j.text[b]) })
}

// block writes the tables.
func (j *joiner) block() ([]byte, error) {
	n := len(j.text)
	record, known := make([]uint32, n), make([]uint32, n)
	mention, records, members := make([][]uint32, n), make([][]uint32, n), make([][]uint32, n)
	about := make([][]uint32, len(j.of))
	for i, names := range j.of {
		if len(names) == 0 {
			continue
		}
		record[names[0]] = uint32(i + 1)
		about[i] = j.flaws(names)
		for _, name := range names {
			if m := mention[name]; len(m) == 0 || m[len(m)-1] != uint32(i) {
				mention[name] = append(m, uint32(i))
			}
		}
		for _, flaw := range about[i] {
			records[flaw] = append(records[flaw], uint32(i))
			if len(about[i]) == 1 {
				members[flaw] = append(members[flaw], names...)
			}
		}
	}
	for i := range known {
		known[i] = uint32(i)
		if c := j.cve[i]; c >= 0 {
			known[i] = uint32(c)
		} else {
			known[i] = j.groupOf(uint32(i))
		}
		slices.SortFunc(records[i], func(a, b uint32) int { return strings.Compare(j.text[j.of[a][0]], j.text[j.of[b][0]]) })
		j.sort(members[i])
		members[i] = slices.DeleteFunc(slices.Compact(members[i]), func(m uint32) bool { return m == uint32(i) })
	}
	j.lend(about)
	hashed := makeSlots(n, func(i int) uint64 { return hash(j.text[i]) })
	tables := [][]byte{j.names.ends, j.names.bytes, hashed, wordsOf(known), wordsOf(record)}
	for _, l := range [][][]uint32{about, mention, records, members} {
		ends := appendWord(nil, 0)
		var all words
		for _, list := range l {
			all = append(all, wordsOf(list)...)
			ends = appendWord(ends, uint32(all.len()))
		}
		tables = append(tables, ends, all)
	}
	return join(tables...)
}

// lend gives equal forms of a record, one in each of several feeds, the flaws of the one that counts.
func (j *joiner) lend(about [][]uint32) {
	for twin, of := range j.index.twins {
		about[twin] = about[of]
	}
}

// Flaw is the name by which an id, an alias or a CVE is known: the CVE where there is exactly one; the id itself when no
// record knows it.
func (x *Index) Flaw(id string) string {
	n, ok := x.flaws.find(id)
	if !ok {
		return id
	}
	return x.flaws.texts.text(x.flaws.known.at(int(n)))
}

// Flaws are the flaws that a record is about, sorted; the record must be one of the index's. At least one.
func (x *Index) Flaws(r *plimsoll.Advisory) []string {
	if i, ok := x.number(r.ID); ok {
		return x.flaws.list(x.flaws.about.of(i))
	}
	return []string{r.ID}
}

// FlawsOf are the flaws that an entry's record is about, sorted; at least one.
func (x *Index) FlawsOf(e Entry) []string { return x.flaws.list(x.flaws.about.of(uint32(e.record))) }

// Aliases are the other names of a flaw, sorted.
func (x *Index) Aliases(flaw string) []string {
	n, ok := x.flaws.find(flaw)
	if !ok {
		return nil
	}
	return x.flaws.list(x.flaws.members.of(n))
}

// About are the records about a flaw, sorted by id. They must not be changed.
func (x *Index) About(flaw string) []*plimsoll.Advisory {
	n, ok := x.flaws.find(flaw)
	if !ok {
		return nil
	}
	of := x.flaws.records.of(n)
	out := make([]*plimsoll.Advisory, of.len())
	for i := range out {
		out[i] = x.at(of.at(i))
	}
	return out
}
