package match

import (
	"cmp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// Ids of one flaw join by aliases and, for distributions, by upstream; never by related, because one ALSA fixes many.
//
// The flaw's name is its CVE. A record that names exactly one CVE is about that flaw. A record that names several (a DSA, a
// Go report that merges three) is about each of them: it gives one finding a CVE, and stands in the Matched of each, but is
// an alias of none, so that it does not weld different flaws into one. A record that names no CVE takes the one of a record
// that calls it an alias, if all such records agree; else it joins by aliases with others that have no CVE either, under the
// smallest GHSA id or, without one, the smallest id.
type joined struct {
	cve     map[string]string   // any name that stands for exactly one CVE → that CVE; "" when records disagree
	group   map[string]string   // names without a CVE → the name of their group
	members map[string][]string // flaw → other names, sorted
	records map[string][]string // flaw → ids of the records about it, sorted
}

func isCVE(id string) bool { return strings.HasPrefix(id, "CVE-") }

// names are the record's id and what it says to be the same flaw.
func names(r *plimsoll.Advisory) []string {
	out := append([]string{r.ID}, r.Aliases...)
	return append(out, r.Upstream...)
}

// cves are the different CVEs among some names, sorted.
func cves(names []string) []string {
	var out []string
	for _, n := range names {
		if isCVE(n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func join(x *advisory.Index) *joined {
	j := &joined{cve: map[string]string{}, group: map[string]string{}, members: map[string][]string{}, records: map[string][]string{}}
	for i := range x.Records() {
		j.learn(&x.Records()[i])
	}
	j.groupTheRest(x)
	for i := range x.Records() {
		r := &x.Records()[i]
		flaws := j.flaws(r)
		for _, flaw := range flaws {
			j.records[flaw] = append(j.records[flaw], r.ID)
			if len(flaws) == 1 {
				j.members[flaw] = append(j.members[flaw], names(r)...)
			}
		}
	}
	for flaw, all := range j.members {
		slices.Sort(all)
		all = slices.DeleteFunc(slices.Compact(all), func(n string) bool { return n == flaw })
		j.members[flaw] = slices.Clip(all)
	}
	return j
}

// learn notes which names stand for one CVE.
func (j *joined) learn(r *plimsoll.Advisory) {
	all := names(r)
	of := cves(all)
	if len(of) != 1 {
		return
	}
	for _, n := range all {
		if known, ok := j.cve[n]; ok && known != of[0] {
			j.cve[n] = ""
			continue
		}
		j.cve[n] = of[0]
	}
}

// groupTheRest joins records without any CVE by their aliases.
func (j *joined) groupTheRest(x *advisory.Index) {
	parent := map[string]string{}
	root := func(n string) string {
		for parent[n] != n {
			parent[n] = parent[parent[n]] // halve the path: an alias chain may be long
			n = parent[n]
		}
		return n
	}
	for i := range x.Records() {
		r := &x.Records()[i]
		if !j.nameless(r) {
			continue
		}
		for _, n := range names(r) {
			if _, ok := parent[n]; !ok {
				parent[n] = n
			}
			a, b := root(r.ID), root(n)
			if better(b, a) {
				a, b = b, a
			}
			parent[b] = a
		}
	}
	for n := range parent {
		j.group[n] = root(n)
	}
}

// nameless reports whether neither the record nor another one gives it a CVE.
func (j *joined) nameless(r *plimsoll.Advisory) bool {
	for _, n := range names(r) {
		if isCVE(n) || j.cve[n] != "" {
			return false
		}
	}
	return true
}

// better orders names for a group: GHSA first, then by bytes.
func better(a, b string) bool {
	ghsa := func(n string) int {
		if strings.HasPrefix(n, "GHSA-") {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(ghsa(a), ghsa(b)), strings.Compare(a, b)) < 0
}

// flaws are the flaws that a record is about, sorted; at least one.
func (j *joined) flaws(r *plimsoll.Advisory) []string {
	all := names(r)
	if of := cves(all); len(of) > 0 {
		return of
	}
	var lent []string
	for _, n := range all {
		if c := j.cve[n]; c != "" {
			lent = append(lent, c)
		}
	}
	slices.Sort(lent)
	switch lent = slices.Compact(lent); {
	case len(lent) == 1:
		return lent
	case len(lent) > 1:
		return []string{r.ID} // its aliases contradict each other: it stands alone
	}
	return []string{cmp.Or(j.group[r.ID], r.ID)}
}

// flaw is the name under which an id, an alias or a CVE is known; the id itself when no record knows it.
func (j *joined) flaw(id string) string {
	if c := j.cve[id]; c != "" {
		return c
	}
	return cmp.Or(j.group[id], id)
}
